use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::schema_tests::{fits_its_variant, schema_of};

/// Every event as it is recorded.
const TABLE: &[&str] = &[
    r#"{"event":"send_intent","at":1,"fence":2,"worker":"w"}"#,
    r#"{"event":"response","fence":2,"call":"send","worker":"w","at":1,"ms":58,"outcome":"succeeded","trade_no":"T1","status":"1","code":"10000","message":"ok","request_id":"R1","http":200,"amount":10}"#,
    r#"{"event":"response","fence":2,"call":"query","at":1,"ms":58,"outcome":"no_response","late":true}"#,
    r#"{"event":"send_skipped","at":1,"fence":2,"worker":"w"}"#,
    r#"{"event":"claim_released","at":1,"fence":2,"worker":"w"}"#,
    r#"{"event":"worker_lost","at":1,"fence":2,"worker":"w"}"#,
    r#"{"event":"deadline_passed","at":1,"from":"queued","to":"failed","reason":{"code":"retry_deadline_passed"}}"#,
    r#"{"event":"operator_action","at":1,"action":"send","from":"needs_review","to":"in_doubt","operator":"li","comment":"seen","proposed_by":"li","approved_by":"wang","approval_comment":"seen, too"}"#,
    r#"{"event":"operator_action","at":1,"action":"resolve","from":"needs_review","to":"succeeded","operator":"li","comment":"seen"}"#,
    r#"{"event":"adopted","at":1,"queue":"old/transfer","operator":"li","comment":"renamed"}"#,
    r#"{"event":"restored_from_journal","at":1,"operator":"li","was":"queued","sends":2,"response":{"outcome":"accepted","trade_no":"T1"}}"#,
    r#"{"event":"restored_from_journal","at":1,"operator":"li","sends":2}"#,
    r#"{"event":"business_key_conflict","at":1,"operator":"li","key":"K2"}"#,
    r#"{"event":"notification","at":1,"number":17,"method":"bkfunds.acct.transfer.notify"}"#,
    r#"{"event":"delivery","at":1,"outcome":"failed","sequence":1,"webhook_id":"msg_1","host":"shop.example:443","http":503,"ms":7,"retry_after":"2026-01-01T00:00:00.000Z"}"#,
    r#"{"event":"delivery","at":1,"outcome":"given_up","sequence":1,"error":"timed_out","late":true}"#,
    r#"{"event":"delivery","at":1,"outcome":"dropped","sequence":3,"state":"needs_review"}"#,
    r#"{"event":"quarantine","at":1,"outcome":"dropped","operator":"li","comment":"seen","code":"workers_lost"}"#,
    r#"{"event":"quarantine","at":1,"outcome":"dropped","operator":"li","comment":"seen","code":"workers_lost","proposed_by":"li","approved_by":"wang","approval_comment":"seen, too"}"#,
    r#"{"event":"proposal","at":1,"outcome":"proposed","proposal":"5f","action":"resolve","as":"failed","operator":"li","comment":"seen","expires_at":2}"#,
    r#"{"event":"proposal","at":1,"outcome":"withdrawn","proposal":"5f","action":"send","operator":"li","comment":"seen"}"#,
    r#"{"event":"webhook_resent","at":1,"operator":"li","comment":"the receiver is back","events":2}"#,
    r#"{"event":"unreadable","line":"x"}"#,
    r#"{"event":"of_a_newer_build","at":1,"whatever":[1]}"#,
];

#[test]
fn every_event_reads_as_it_is_recorded() {
    for line in TABLE {
        let event = HistoryEvent::read(line.as_bytes());
        assert_eq!(event.recorded(), *line);
        assert!(line.starts_with(&format!(r#"{{"event":"{}""#, event.name())), "{line}");
        assert_eq!(matches!(event, HistoryEvent::Other(_)), line.contains("newer"), "{line}");
        let at = (!line.contains("unreadable")).then_some(Millis(1));
        assert_eq!(event.at(), at, "{line}");
        assert_eq!(event.claim().is_some(), line.contains(r#""fence":2"#), "{line}");
    }
}

#[test]
fn every_event_fits_the_schema_of_its_variant() {
    let schema = schema_of::<HistoryEvent>();
    for line in TABLE {
        fits_its_variant(&schema, "event", &HistoryEvent::read(line.as_bytes()).view());
    }
}

#[test]
fn the_documents_name_every_event_and_field() {
    let (_, documents) = include_str!("../../../../docs/REASONS.md").split_once("## History").unwrap();
    let mut names = BTreeSet::new();
    for line in TABLE.iter().filter(|line| !line.contains("newer")) {
        let event: Value = serde_json::from_str(line).unwrap();
        let name = event["event"].as_str().unwrap();
        let row = documents.split(&format!("\n| `{name}` | ")).nth(1).and_then(|rest| rest.lines().next()).unwrap();
        for field in event.as_object().unwrap().keys().filter(|field| !["event", "at"].contains(&field.as_str())) {
            assert!(row.contains(&format!("`{field}`")), "{name}: {field}");
        }
        names.insert(name.to_owned());
    }
    assert_eq!(documents.matches("\n| `").count(), names.len(), "the documents name an event that no history has");
}

#[test]
fn an_unknown_field_is_kept_and_shown() {
    for line in TABLE.iter().filter(|line| !line.contains("unreadable")) {
        let newer = format!(r#"{},"x_of_a_newer_build":{{"deep":true}}}}"#, &line[..line.len() - 1]);
        let event = HistoryEvent::read(newer.as_bytes());
        assert_eq!(event.recorded(), newer);
        assert_eq!(event.view()["x_of_a_newer_build"], json!({"deep": true}));
        assert_eq!(event.name(), HistoryEvent::read(line.as_bytes()).name());
    }
}

#[test]
fn an_unknown_event_name_reads_as_an_unknown_event() {
    let line = r#"{"event":"response","at":1,"fence":2,"call":"send","ms":1,"outcome":"of_a_newer_build"}"#;
    let event = HistoryEvent::read(line.as_bytes());
    assert!(matches!(event, HistoryEvent::Other(_)));
    assert_eq!((event.name(), event.at()), ("response", Some(Millis(1))));
    assert_eq!(serde_json::from_str::<Value>(&event.recorded()).unwrap(), serde_json::from_str::<Value>(line).unwrap());
}

#[test]
fn an_invalid_event_is_shown_as_it_is() {
    for line in ["", "{", "[]", "{}", r#"{"at":1}"#, r#"{"event":7}"#, "\u{fffd}"] {
        let event = HistoryEvent::read(line.as_bytes());
        assert_eq!(event, HistoryEvent::Unreadable(Unreadable { line: line.into() }));
        assert_eq!(event.view(), json!({"event": "unreadable", "line": line}));
    }
    let cut = HistoryEvent::read(&[b'{', 0xff]);
    assert_eq!(cut, HistoryEvent::Unreadable(Unreadable { line: "{\u{fffd}".into() }));
}

#[test]
fn outsiders_read_the_same_object_with_its_time_as_text() {
    for line in TABLE.iter().filter(|line| !line.contains("unreadable")) {
        let mut expected: Value = serde_json::from_str(line).unwrap();
        expected["at"] = json!("1970-01-01T00:00:00.001Z");
        if let Some(expires_at) = expected.get_mut("expires_at") {
            *expires_at = json!("1970-01-01T00:00:00.002Z");
        }
        assert_eq!(HistoryEvent::read(line.as_bytes()).view(), expected);
    }
}

#[test]
fn an_event_without_a_time_is_recorded_without_one() {
    let event = HistoryEvent::SendIntent(ClaimEvent { fence: 2, ..ClaimEvent::default() });
    assert_eq!(event.recorded(), r#"{"event":"send_intent","fence":2}"#);
    assert_eq!((event.at(), event.view()), (None, json!({"event": "send_intent", "fence": 2})));
}

#[test]
fn the_last_action_is_an_operators() {
    let history: Vec<HistoryEvent> = TABLE.iter().map(|line| HistoryEvent::read(line.as_bytes())).collect();
    let last = last_action(&history).map(ToString::to_string);
    assert_eq!(last.as_deref(), Some("resolve by li at 1970-01-01T00:00:00.001Z: seen"));
    assert_eq!(last_action(&[]), None);
}

#[test]
fn an_actions_word_is_its_serde_form() {
    for kind in [
        ActionKind::Query,
        ActionKind::Send,
        ActionKind::Resolve,
        ActionKind::Cancel,
        ActionKind::Pause,
        ActionKind::Resume,
        ActionKind::Adopt,
        ActionKind::ConfirmGateway,
    ] {
        assert_eq!(json!(kind), json!(kind.as_str()));
    }
}
