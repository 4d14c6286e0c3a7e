//! A job's log as a person reads it: what was asked, what was answered, who did what, oldest first. A kind of line that this
//! page does not know is told by its own words.

use bursar_domain::{AttemptView, Call, without_accounts_but};
use bursar_store::Record;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::fragments::{moment, own_numbers};
use super::words::{Words, filled};

/// Lines that a page shows of one job; the newest, as what is older explains less.
const SHOWN: usize = 400;

/// Fields that are told in a line's sentence, or say nothing to a person.
const TOLD: [&str; 10] = ["call", "answer", "do", "who", "why", "from", "to", "fence", "worker", "stale"];

/// One line, read.
struct Line<'a> {
    /// What kind of thing it is: what it is coloured by.
    tone: &'static str,
    what: String,
    rest: Vec<(&'a str, String)>,
}

pub(super) fn timeline(words: &Words, record: &Record, attempts: &[AttemptView]) -> Markup {
    let left_out = attempts.len().saturating_sub(SHOWN);
    let whole = own_numbers(record);
    html! {
        ol.timeline {
            @if let Some(created) = record.created {
                li data-tone="plain" { (moment(&created.rfc3339())) " " span.what { (words.accepted) } }
            }
            @if left_out > 0 { li data-tone="plain" { (filled(words.left_out, &[&left_out.to_string()])) } }
            @for attempt in attempts.iter().skip(left_out) { (line(words, attempt, &whole)) }
        }
        @if attempts.is_empty() && record.created.is_none() { p.soft { (words.log_gone) } }
    }
}

fn line(words: &Words, attempt: &AttemptView, whole: &[&str]) -> Markup {
    let Line { tone, what, rest } = read(words, attempt, whole);
    let text = |name: &str| attempt.detail.get(name).and_then(Value::as_str);
    let fence = attempt.detail.get("fence").and_then(Value::as_u64);
    html! {
        li data-tone=(tone) data-event=(attempt.event) {
            (moment(&attempt.at)) " "
            span.what { (what) }
            @if attempt.detail.contains_key("stale") { " " span.flag { (words.came_late) } }
            @for (name, value) in rest { " " span.pair { span.soft { (words.field(name)) } " " (value) } }
            @if let Some(fence) = fence { " " span.soft title=(text("worker").unwrap_or_default()) { "#" (fence) } }
        }
    }
}

fn read<'a>(words: &Words, attempt: &'a AttemptView, whole: &[&str]) -> Line<'a> {
    let word = |name: &str| attempt.detail.get(name).and_then(Value::as_str).unwrap_or_default();
    let rest = pairs(&attempt.detail, whole);
    let (tone, what) = match attempt.event.as_str() {
        "intent" => ("send", words.intent.to_owned()),
        "answer" => {
            let call = if word("call") == Call::Send.as_str() { words.was_sent } else { words.was_asked };
            (answer_tone(word("answer")), format!("{call} → {}", words.answer(word("answer"))))
        }
        "released" => ("plain", words.released.to_owned()),
        "withheld" => ("plain", words.withheld.to_owned()),
        "lost" => ("warn", words.lost.to_owned()),
        "operation" => {
            let why = without_accounts_but(word("why"), whole);
            let states = if word("from") == word("to") {
                words.state_word(word("from")).to_owned()
            } else {
                format!("{} → {}", words.state_word(word("from")), words.state_word(word("to")))
            };
            ("act", format!("{} {}: {why} ({states})", word("who"), words.act_word(word("do"))))
        }
        "callback" => ("plain", words.callback.to_owned()),
        "notification" => ("plain", words.notification.to_owned()),
        "unreadable" => ("warn", words.unreadable.to_owned()),
        other => ("plain", other.to_owned()),
    };
    Line { tone, what, rest }
}

fn answer_tone(answer: &str) -> &'static str {
    match answer {
        "succeeded" => "good",
        "failed" | "refused" | "contradiction" | "config_fault" => "bad",
        "silent" | "not_executed" | "not_ready" | "unseen" => "warn",
        _ => "plain",
    }
}

/// A line's further fields; long numbers that are none of the job's own by their ends.
fn pairs<'a>(detail: &'a Map<String, Value>, whole: &[&str]) -> Vec<(&'a str, String)> {
    let told = |(name, value): (&'a String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
        };
        // The gateway's ids of requests and trades are what its support asks for.
        let is_number = ["trade_no", "request_id", "code", "id", "notification"].contains(&name.as_str());
        (!TOLD.contains(&name.as_str())).then(|| {
            let shown = if is_number { text } else { without_accounts_but(&text, whole) };
            (name.as_str(), if name == "ms" { format!("{shown} ms") } else { shown })
        })
    };
    detail.iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::words::ENGLISH;
    use serde_json::json;

    fn told(event: &str, detail: Value) -> String {
        let Value::Object(detail) = detail else { panic!() };
        let attempt = AttemptView { at: "2026-01-01T00:00:00.000Z".into(), event: event.into(), detail };
        line(&ENGLISH, &attempt, &["1001XP2025010110000001"]).into_string()
    }

    #[test]
    fn an_answer_is_told_with_what_was_read() {
        let told =
            told("answer", json!({"call": "send", "answer": "silent", "ms": 5012, "message": "no answer", "fence": 2}));
        for part in ["Sent → no answer", "5012 ms", "no answer", "#2", "data-tone=\"warn\""] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn a_kind_of_line_that_nobody_knows_yet_is_told_by_its_own_words_without_accounts_and_markup() {
        let told = told(
            "delivery",
            json!({"to": "x", "payee": "6222021234567890123", "of": "1001XP2025010110000001", "n": "<b>"}),
        );
        assert!(told.contains("delivery") && told.contains("****0123") && told.contains("&lt;b&gt;"), "{told}");
        assert!(told.contains("1001XP2025010110000001"), "the job's own key is no account");
        assert!(!told.contains("6222021234567890123"));
    }
}
