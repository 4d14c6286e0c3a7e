use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::schema_tests::{fits_its_variant, schema_of, validator};

fn text() -> GatewayText {
    GatewayText::new(Some("40004/isv.name-error"), Some("户名不符"))
}

/// Every reason as it is recorded, and its message. The gateway's words are added where there is a place for them.
const TABLE: &[(&str, &str)] = &[
    (r#"{"code":"last_response"}"#, ""),
    (r#"{"code":"misconfigured"}"#, "misconfigured: the queue is paused"),
    (r#"{"code":"suspected_misconfiguration"}"#, "a misconfiguration is suspected: the queue is paused"),
    (r#"{"code":"rejected"}"#, "rejected by the gateway, not executed"),
    (r#"{"code":"resend_rejected"}"#, "rejected when it was sent again; the first send is unknown"),
    (r#"{"code":"response_mismatch"}"#, "the response does not fit the job"),
    (r#"{"code":"impossible_response"}"#, "the response cannot follow this call"),
    (r#"{"code":"undecided_response"}"#, "the response's code leaves the job in doubt"),
    (r#"{"code":"no_response_and_held"}"#, "no response to a send, and the account holds"),
    (r#"{"code":"resends_exhausted"}"#, "no response, however often it was sent again"),
    (r#"{"code":"in_doubt_until_poll_deadline"}"#, "in doubt until the poll deadline"),
    (r#"{"code":"unfinished_until_poll_deadline"}"#, "accepted, and not finished before the poll deadline"),
    (r#"{"code":"not_found_at_gateway"}"#, "the gateway does not know it, long after it was sent"),
    (r#"{"code":"retry_deadline_passed"}"#, "never executed: the retry deadline has passed"),
    (r#"{"code":"retries_exhausted"}"#, "never executed, however often it was sent"),
    (r#"{"code":"order_not_ready"}"#, "not executed: the order that it belongs to is not ready"),
    (r#"{"code":"still_not_ready"}"#, "never executed: the order that it belongs to is still not ready"),
    (r#"{"code":"cannot_be_confirmed"}"#, "ended by a response that names no job and no transaction"),
    (r#"{"code":"awaiting_confirmation"}"#, "to be confirmed by a query: the response names no job"),
    (r#"{"code":"cannot_be_queried"}"#, "accepted; the gateway cannot be queried about it"),
    (r#"{"code":"final_status_changed"}"#, "anomaly: the gateway has changed its final status"),
    (r#"{"code":"late_outcome_not_found"}"#, "a late response ended it, and the gateway does not know it"),
    (
        r#"{"code":"late_outcome_unconfirmed","outcome":"failed"}"#,
        "a late response says failed, and nothing confirms it",
    ),
    (r#"{"code":"workers_lost"}"#, "worker after worker was lost while it had claimed the job"),
    (r#"{"code":"content_changed"}"#, "the content in Redis is not the accepted one; not sent"),
    (r#"{"code":"above_max_amount"}"#, "the amount is above the account's max_amount; not sent"),
    (
        r#"{"code":"trade_no_of_another_job","trade_no":"T1","key":"K2"}"#,
        "the response names the transaction of job K2: T1",
    ),
    (
        r#"{"code":"response_repeated","request_id":"R1","key":"K2"}"#,
        "the same response arrived before, for job K2: R1",
    ),
    (r#"{"code":"response_repeated","request_id":"R1"}"#, "the same response arrived before, for this job: R1"),
    (r#"{"code":"lost_writes"}"#, "Redis has lost writes: this job may have been sent"),
    (r#"{"code":"restored_from_journal"}"#, "restored from a journal: Redis had forgotten its send"),
    (
        r#"{"code":"restored_beside_another_job","key":"K2"}"#,
        "restored from a journal, and job K2 has the same business key",
    ),
    (r#"{"code":"business_key_sent","key":"K2"}"#, "a journal knows a send with the same business key by key K2"),
    (r#"{"code":"other_content_in_journal"}"#, "a journal knows a send of other content by this key"),
    (r#"{"code":"other_content_sent"}"#, "other content was sent by this key, and Redis has forgotten it"),
    (
        r#"{"code":"operator_action","action":"resolve","operator":"li","comment":"seen on the statement"}"#,
        "li: seen on the statement",
    ),
    (
        r#"{"code":"operator_action","action":"send","operator":"li","comment":"seen","approved_by":"wang"}"#,
        "li, approved by wang: seen",
    ),
    (r#"{"code":"queue_lost_writes"}"#, "Redis has lost writes; what was queued may have been sent"),
    (r#"{"code":"journal_ahead"}"#, "a journal knows sends that Redis has forgotten; run `bursar reconcile --journal`"),
    (r#"{"code":"journals_reconciled"}"#, "the journals were reconciled"),
    (
        r#"{"code":"adopted_pause","queue":"old/transfer","pause":{"code":"queue_lost_writes"}}"#,
        "old/transfer was paused: Redis has lost writes; what was queued may have been sent",
    ),
    (r#"{"code":"of_a_newer_build","since":5,"text":"x"}"#, "of_a_newer_build; since 5; text x"),
];

#[test]
fn every_reason_fits_the_schema_of_its_variant() {
    let (recorded, shown) = (schema_of::<Reason>(), validator(&schema_of::<ReasonView<'_>>()));
    for (line, message) in TABLE {
        let reason = Reason::read(line).with_gateway_text(text());
        fits_its_variant(&recorded, "code", &serde_json::to_value(&reason).unwrap());
        let mut view = reason.view();
        assert!(shown.is_valid(&view), "{view}");
        assert!(view["message"].as_str().unwrap().starts_with(message), "{view}");
        view.as_object_mut().unwrap().remove("message");
        assert!(!shown.is_valid(&view), "{view}");
    }
}

#[test]
fn every_reason_reads_as_it_is_recorded() {
    for (recorded, message) in TABLE {
        let reason = Reason::read(recorded);
        assert_eq!(reason.recorded(), *recorded);
        assert_eq!(reason.to_string(), *message, "{recorded}");
        assert_eq!(matches!(reason, Reason::Other(_)), recorded.contains("newer"), "{recorded}");
    }
}

/// The table has every variant: each names the one before it in the table, and the compiler asks for a new one's place.
#[test]
fn the_table_has_every_reason() {
    let before = |reason: &Reason| match reason {
        Reason::LastResponse(_) => "",
        Reason::Misconfigured(_) => "last_response",
        Reason::SuspectedMisconfiguration(_) => "misconfigured",
        Reason::Rejected(_) => "suspected_misconfiguration",
        Reason::ResendRejected(_) => "rejected",
        Reason::ResponseMismatch(_) => "resend_rejected",
        Reason::ImpossibleResponse(_) => "response_mismatch",
        Reason::UndecidedResponse(_) => "impossible_response",
        Reason::NoResponseAndHeld(_) => "undecided_response",
        Reason::ResendsExhausted(_) => "no_response_and_held",
        Reason::InDoubtUntilPollDeadline(_) => "resends_exhausted",
        Reason::UnfinishedUntilPollDeadline(_) => "in_doubt_until_poll_deadline",
        Reason::NotFoundAtGateway(_) => "unfinished_until_poll_deadline",
        Reason::RetryDeadlinePassed(_) => "not_found_at_gateway",
        Reason::RetriesExhausted(_) => "retry_deadline_passed",
        Reason::OrderNotReady(_) => "retries_exhausted",
        Reason::StillNotReady(_) => "order_not_ready",
        Reason::CannotBeConfirmed(_) => "still_not_ready",
        Reason::AwaitingConfirmation => "cannot_be_confirmed",
        Reason::CannotBeQueried => "awaiting_confirmation",
        Reason::FinalStatusChanged => "cannot_be_queried",
        Reason::LateOutcomeNotFound => "final_status_changed",
        Reason::LateOutcomeUnconfirmed { .. } => "late_outcome_not_found",
        Reason::WorkersLost => "late_outcome_unconfirmed",
        Reason::ContentChanged => "workers_lost",
        Reason::AboveMaxAmount => "content_changed",
        Reason::TradeNoOfAnotherJob { .. } => "above_max_amount",
        Reason::ResponseRepeated { .. } => "trade_no_of_another_job",
        Reason::LostWrites => "response_repeated",
        Reason::RestoredFromJournal => "lost_writes",
        Reason::RestoredBesideAnotherJob { .. } => "restored_from_journal",
        Reason::BusinessKeySent { .. } => "restored_beside_another_job",
        Reason::OtherContentInJournal => "business_key_sent",
        Reason::OtherContentSent => "other_content_in_journal",
        Reason::OperatorAction { .. } => "other_content_sent",
        Reason::QueueLostWrites => "operator_action",
        Reason::JournalAhead => "queue_lost_writes",
        Reason::JournalsReconciled => "journal_ahead",
        Reason::AdoptedPause { .. } => "journals_reconciled",
        Reason::Other(_) => "adopted_pause",
    };
    let code = |recorded: &str| recorded.split('"').nth(3).unwrap().to_owned();
    let mut codes: Vec<String> = TABLE.iter().map(|(recorded, _)| code(recorded)).collect();
    codes.dedup();
    let mut last = String::new();
    let mut seen = BTreeSet::new();
    for code in codes {
        let (recorded, _) =
            TABLE.iter().find(|(recorded, _)| recorded.contains(&format!(r#""code":"{code}""#))).unwrap();
        assert_eq!(before(&Reason::read(recorded)), last);
        assert!(seen.insert(code.clone()), "{code} occurs twice");
        last = code;
    }
    assert_eq!(last, "of_a_newer_build", "the last arm of the table's order");
}

#[test]
fn a_gateways_text_follows_the_rule_where_it_has_a_place() {
    for (recorded, message) in TABLE {
        let said = Reason::read(recorded).with_gateway_text(text());
        if said.recorded() == *recorded {
            assert_eq!(said.to_string(), *message);
            continue;
        }
        let words = "40004/isv.name-error; 户名不符";
        let expected = if message.is_empty() { words.to_owned() } else { format!("{message}; {words}") };
        assert_eq!(said.to_string(), expected);
        let view = said.view();
        assert_eq!(
            (&view["gateway_code"], &view["gateway_message"]),
            (&json!("40004/isv.name-error"), &json!("户名不符"))
        );
        assert!(said.has_code_of(&Reason::read(recorded)));
        assert_eq!(Reason::read(&said.recorded()), said);
    }
    assert_eq!(Reason::last_response(GatewayText::default()), None);
    assert_eq!(
        Reason::last_response(text()).map(|reason| reason.to_string()),
        Some("40004/isv.name-error; 户名不符".into())
    );
}

#[test]
fn the_documents_name_every_code() {
    let (documents, _) = include_str!("../../../../docs/REASONS.md").split_once("## History").unwrap();
    let mut codes = BTreeSet::new();
    for (recorded, _) in TABLE.iter().filter(|(recorded, _)| !recorded.contains("newer")) {
        let code = Reason::read(recorded).view()["code"].as_str().unwrap().to_owned();
        assert_eq!(documents.matches(&format!("\n| `{code}` | ")).count(), 1, "{code}");
        codes.insert(code);
    }
    assert_eq!(documents.matches("\n| `").count(), codes.len(), "the documents name a code that no reason has");
}

#[test]
fn outsiders_read_the_code_the_message_and_the_parameters() {
    let reason = Reason::operator_action(ActionKind::Resolve, "li", "seen");
    let expected = json!({"code": "operator_action", "message": "li: seen", "action": "resolve", "operator": "li", "comment": "seen"});
    assert_eq!(reason.view(), expected);
}

#[test]
fn what_is_no_reason_or_lacks_a_parameter_is_kept_as_it_is() {
    for (recorded, message) in [
        ("an older sentence", "unreadable; recorded an older sentence"),
        (r#"{"code":"trade_no_of_another_job","key":"K2"}"#, "trade_no_of_another_job; key K2"),
    ] {
        assert_eq!(Reason::read(recorded).to_string(), message);
    }
}

#[test]
fn texts_are_bounded() {
    let long = "因".repeat(1_000);
    let Reason::OperatorAction { comment, .. } = Reason::operator_action(ActionKind::Pause, "li", &long) else {
        panic!()
    };
    assert_eq!(comment.chars().count(), MAX_TEXT_CHARS);
    let text = GatewayText::new(None, Some(&long));
    assert_eq!(text.gateway_message.unwrap().chars().count(), MAX_TEXT_CHARS);
}
