//! Every text of every language: none is empty, and what is filled in fits.

use serde_json::Value;

use super::*;
use crate::dashboard::i18n::language::ALL;

/// Every text of a language, with its place.
fn texts(words: &Words) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), serde_json::to_value(words).unwrap())];
    while let Some((place, value)) = open.pop() {
        match value {
            Value::Object(object) => open.extend(object),
            Value::Array(list) => {
                open.extend(list.into_iter().enumerate().map(|(index, value)| (format!("{place}[{index}]"), value)));
            }
            Value::String(text) => found.push((place, text)),
            Value::Null | Value::Bool(_) | Value::Number(_) => panic!("{place} is no text"),
        }
    }
    found.sort();
    found
}

fn places(text: &str) -> Vec<&str> {
    let mut places: Vec<&str> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    places.sort_unstable();
    places
}

#[test]
fn no_language_lacks_a_text_or_a_place_in_one() {
    let english = texts(&ENGLISH);
    assert!(english.len() > 100);
    for words in ALL {
        for ((place, text), (same, said)) in texts(words).iter().zip(&english) {
            assert_eq!(place, same);
            assert!(!text.trim().is_empty(), "{}: {place}", words.tag);
            assert_eq!(places(text), places(said), "{}: {place}: {text}", words.tag);
        }
    }
}

#[test]
fn every_state_has_its_own_name() {
    for state in State::ALL {
        assert_eq!(ENGLISH.state(state), state.as_str().replace('_', " "));
    }
}

#[test]
fn a_quarantined_notifications_reason_is_translated() {
    for reason in HeldReason::ALL {
        assert_eq!(ENGLISH.held_reason(&reason), reason.to_string());
    }
    let newer = HeldReason::Other("of_a_newer_build".into());
    assert_eq!(CHINESE.held_reason(&newer), "of_a_newer_build");
}

#[test]
fn a_reason_is_translated_and_quotes_the_gateway() {
    for (recorded, english, chinese) in [
        (
            r#"{"code":"in_doubt_until_poll_deadline","gateway_code":"40004"}"#,
            "in doubt until the poll deadline; 40004",
            "到查询期限结果仍未知; 40004",
        ),
        (r#"{"code":"last_response","gateway_message":"busy"}"#, "busy", "busy"),
        (r#"{"code":"operator_action","action":"resolve","operator":"li","comment":"seen"}"#, "li: seen", "li：seen"),
        (
            r#"{"code":"late_outcome_unconfirmed","outcome":"refunded"}"#,
            "a late response says refunded, and nothing confirms it",
            "迟到的响应称已退款，但无从证实",
        ),
        (
            r#"{"code":"adopted_pause","queue":"old/split","pause":{"code":"journals_reconciled"}}"#,
            "old/split was paused: the journals were reconciled",
            "old/split 先前已暂停：已与发送日志对账",
        ),
        (r#"{"code":"of_a_newer_build","since":5}"#, "of_a_newer_build; since 5", "of_a_newer_build; since 5"),
    ] {
        let reason = Reason::read(recorded);
        assert_eq!((ENGLISH.reason(&reason), CHINESE.reason(&reason)), (english.to_owned(), chinese.to_owned()));
    }
}

#[test]
fn each_language_is_written_in_itself() {
    let chinese = |text: &str| text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character));
    for (place, text) in texts(&ENGLISH) {
        assert!(!chinese(&text), "{place}: {text}");
    }
    // Names of fields, tags and what is the same in both.
    let same = ["tag", "html_lang"];
    for (place, text) in texts(&CHINESE) {
        assert!(
            chinese(&text) || same.contains(&place.as_str()) || place.starts_with("fields") || place.ends_with("][0]"),
            "{place}: {text}"
        );
    }
}

#[test]
fn placeholders_are_filled_by_number_and_only_once() {
    assert_eq!(filled("{1} by {0}", &["li", "{0}"]), "{0} by li");
    assert_eq!(filled("{2}, {", &["a"]), ", ");
}
