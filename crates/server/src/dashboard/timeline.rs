//! A log as a person reads it, a job's or a notification's: what was asked, what was answered, who did what, oldest first. Every
//! kind of line has words of its own; one that this build does not know yet is told by its fields.

use bursar_domain::{AttemptView, Call, Fen, without_accounts_but};
use bursar_store::Record;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::fragments::{moment, notification_address, own_numbers};
use super::words::{Words, filled};

/// Lines that a page shows of one log; the newest, as what is older explains less.
const SHOWN: usize = 400;

/// Fields that are told in a line's sentence, or say nothing to a person.
const TOLD: [&str; 10] = ["call", "answer", "do", "who", "why", "from", "to", "fence", "worker", "stale"];

/// The same of the lines that a callback, a notification and a journal left.
const TOLD_OF_A_CALLBACK: [&str; 5] = ["n", "outcome", "http", "error", "event"];
const TOLD_OF_A_NOTIFICATION: [&str; 1] = ["notification"];
const TOLD_OF_A_JOURNAL: [&str; 3] = ["was", "sends", "read"];

/// One line, read.
struct Line {
    /// What kind of thing it is: what it is coloured by.
    tone: &'static str,
    what: String,
    /// Further fields that its sentence tells.
    told: &'static [&'static str],
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
            @for attempt in attempts.iter().skip(left_out) { (line(words, attempt, &whole, record.lane.account.as_str())) }
        }
        @if attempts.is_empty() && record.created.is_none() { p.soft { (words.log_gone) } }
    }
}

/// One line of a log of this account's; the words in `whole` are no accounts.
pub(super) fn line(words: &Words, attempt: &AttemptView, whole: &[&str], account: &str) -> Markup {
    let Line { tone, what, told } =
        read(words, attempt, whole).unwrap_or_else(|| Line { tone: "plain", what: attempt.event.clone(), told: &[] });
    let fence = attempt.detail.get("fence").and_then(Value::as_u64);
    let notification = attempt.detail.get("notification").and_then(Value::as_u64);
    html! {
        li data-tone=(tone) data-event=(attempt.event) {
            (moment(&attempt.at)) " "
            span.what { (what) }
            @if let Some(number) = notification {
                " " a href=(notification_address(account, number)) { (filled(words.notification_number, &[&number.to_string()])) }
            }
            @if attempt.detail.contains_key("stale") { " " span.flag { (words.came_late) } }
            @for (name, value) in pairs(&attempt.detail, told, whole) { " " span.pair { span.soft { (words.field(name)) } " " (value) } }
            @if let Some(fence) = fence { " " span.soft title=(text(&attempt.detail, "worker")) { "#" (fence) } }
        }
    }
}

fn text<'a>(detail: &'a Map<String, Value>, name: &str) -> &'a str {
    detail.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A line's sentence; `None` for a kind that has none.
fn read(words: &Words, attempt: &AttemptView, whole: &[&str]) -> Option<Line> {
    let detail = &attempt.detail;
    let word = |name: &str| text(detail, name);
    let plain = |tone, what: &str| Line { tone, what: what.to_owned(), told: &[] };
    Some(match attempt.event.as_str() {
        "intent" => plain("send", words.intent),
        "answer" => {
            let call = if word("call") == Call::Send.as_str() { words.was_sent } else { words.was_asked };
            plain(answer_tone(word("answer")), &format!("{call} → {}", words.answer(word("answer"))))
        }
        "released" => plain("plain", words.released),
        "withheld" => plain("plain", words.withheld),
        "deadline" => plain("warn", words.deadline_passed),
        "lost" => plain("warn", words.lost),
        "operation" => plain("act", &operation(words, detail, whole)),
        "put_back" => Line { tone: "warn", what: put_back(words, detail), told: &TOLD_OF_A_JOURNAL },
        "rival" => plain("warn", &filled(words.rival, &[word("who"), word("first")])),
        "callback" => callback(words, detail)?,
        "notification" => Line { tone: "ask", what: words.notified.to_owned(), told: &TOLD_OF_A_NOTIFICATION },
        "unreadable" => plain("warn", words.unreadable),
        _ => return None,
    })
}

fn operation(words: &Words, detail: &Map<String, Value>, whole: &[&str]) -> String {
    let word = |name: &str| text(detail, name);
    let why = without_accounts_but(word("why"), whole);
    let states = if word("from") == word("to") {
        words.state_word(word("from")).to_owned()
    } else {
        format!("{} → {}", words.state_word(word("from")), words.state_word(word("to")))
    };
    format!("{} {}: {why} ({states})", word("who"), words.act_word(word("do")))
}

/// A send that Redis had forgotten and a journal knew: what there was, and what the journal has read of the answer.
fn put_back(words: &Words, detail: &Map<String, Value>) -> String {
    let was = match text(detail, "was") {
        "" => words.no_record,
        state => words.state_word(state),
    };
    let sends = detail.get("sends").map(Value::to_string).unwrap_or_default();
    let answer = detail.get("read").and_then(|read| read.get("answer")).and_then(Value::as_str);
    let answer = answer.map_or(words.no_answer_there, |answer| words.answer(answer));
    filled(words.put_back, &[text(detail, "who"), &sends, was, answer])
}

/// What became of an attempt to tell, with the receiver's answer; `None` for an outcome that has no words.
fn callback(words: &Words, detail: &Map<String, Value>) -> Option<Line> {
    let outcome = text(detail, "outcome");
    let tone = match outcome {
        "told" => "good",
        "failed" => "warn",
        "gone" | "given up" | "dropped" => "bad",
        _ => return None,
    };
    let heard = match detail.get("http").and_then(Value::as_u64) {
        Some(status) => format!("HTTP {status}"),
        None => words.callback_error(text(detail, "error")).to_owned(),
    };
    let event = detail.get("event");
    let number = detail.get("n").or_else(|| event?.get("n")).map_or_else(|| "–".to_owned(), Value::to_string);
    let state = event.and_then(|event| event.get("s")).and_then(Value::as_str).unwrap_or_default();
    let what = filled(words.told(outcome)?, &[&number, &heard, words.state_word(state)]);
    Some(Line { tone, what, told: &TOLD_OF_A_CALLBACK })
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
fn pairs<'a>(detail: &'a Map<String, Value>, told: &[&str], whole: &[&str]) -> Vec<(&'a str, String)> {
    let pair = |(name, value): (&'a String, &Value)| {
        let name = name.as_str();
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
        };
        // The gateway's ids of requests and trades are what its support asks for.
        let is_number = ["trade_no", "request_id", "code", "id"].contains(&name);
        (!TOLD.contains(&name) && !told.contains(&name)).then(|| {
            let amount = (name == "amount").then(|| Fen::read(value)).flatten();
            let shown = match (name, amount) {
                (_, Some(fen)) => fen.yuan(),
                ("ms", None) => format!("{text} ms"),
                ("asked_to_wait_until", None) => text.get(..19).unwrap_or(&text).replace('T', " ") + "Z",
                (_, None) if is_number => text,
                (_, None) => without_accounts_but(&text, whole),
            };
            (name, shown)
        })
    };
    detail.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::dashboard::language::ALL;
    use crate::dashboard::words::{CHINESE, ENGLISH};

    fn attempt(event: &str, detail: Value) -> AttemptView {
        let Value::Object(detail) = detail else { panic!() };
        AttemptView { at: "2026-01-01T00:00:00.000Z".into(), event: event.into(), detail }
    }

    fn told_in(words: &Words, event: &str, detail: Value) -> String {
        line(words, &attempt(event, detail), &["1001XP2025010110000001"], "main").into_string()
    }

    fn told(event: &str, detail: Value) -> String {
        told_in(&ENGLISH, event, detail)
    }

    fn says(told: &str, parts: &[&str]) {
        for part in parts {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    /// Every source of these crates that may write a line of a log: scripts, and Rust but for its tests.
    fn sources(crates: &str) -> String {
        let mut found = String::new();
        let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crates)];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() && !["target", "tests", "bench", "server"].contains(&name.as_str()) {
                    open.push(path);
                } else if name.ends_with(".lua") || (name.ends_with(".rs") && !name.contains("tests")) {
                    let text = std::fs::read_to_string(path).unwrap();
                    found.push_str(text.split("#[cfg(test)]").next().unwrap());
                }
            }
        }
        found
    }

    /// What stands between `before` and the next quotation mark, wherever that stands.
    fn after(sources: &str, before: &str) -> BTreeSet<String> {
        sources.split(before).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_kind_of_line_that_a_log_can_contain_has_its_own_words_in_every_language() {
        let sources = sources(".");
        let mut kinds = after(&sources, "\"e\":\"");
        kinds.extend(after(&sources, "\"e\": \""));
        kinds.extend(after(&sources, "{ e: \""));
        kinds.extend(after(&sources, "event: \"")); // a line that cannot be read has none written in it
        for known in [
            "intent",
            "answer",
            "withheld",
            "lost",
            "operation",
            "put_back",
            "rival",
            "callback",
            "notification",
            "unreadable",
        ] {
            assert!(kinds.contains(known), "the sources were not read: {kinds:?}");
        }
        let mut outcomes = after(&sources, "\"outcome\":\"");
        outcomes.extend(after(&sources, "(\"outcome\", \""));
        for telling in ["Told, \"", "Gone, \"", "GivenUp, \"", "Failed(again), \""] {
            outcomes.extend(after(&sources, telling).into_iter().filter(|word| !word.is_empty()));
        }
        outcomes.remove("%s"); // a notification's own, in what is told of it
        assert_eq!(
            outcomes.iter().map(String::as_str).collect::<Vec<_>>(),
            ["dropped", "failed", "given up", "gone", "told"]
        );
        for words in ALL {
            let mut said = BTreeMap::new();
            let lines =
                kinds.iter().filter(|kind| *kind != "callback").map(|kind| (kind.clone(), json!({"call": "ask"})));
            let callbacks = outcomes.iter().map(|outcome| ("callback".to_owned(), json!({"outcome": outcome})));
            for (kind, detail) in lines.chain(callbacks) {
                let line = read(words, &attempt(&kind, detail.clone()), &[]);
                let what = line.unwrap_or_else(|| panic!("{}: no words for {kind} {detail}", words.tag)).what;
                assert_ne!(what, kind, "{}", words.tag);
                if let Some(other) = said.insert(what.clone(), detail) {
                    panic!("{}: {kind} and {other} are both told as {what:?}", words.tag);
                }
            }
        }
    }

    #[test]
    fn every_reason_why_nobody_could_be_told_has_words_in_every_language() {
        let (callbacks, store) = (sources("callbacks"), sources("store"));
        let words_of_why = callbacks.split("impl Why {").nth(1).and_then(|rest| rest.split("\n}").next()).unwrap();
        let mut reasons = after(words_of_why, "=> \"");
        reasons.extend(after(&store, "(\"error\", \""));
        assert_eq!(reasons.len(), 7, "{reasons:?}");
        for reason in reasons {
            assert_eq!(ENGLISH.callback_error(&reason), reason);
            assert_ne!(CHINESE.callback_error(&reason), reason);
        }
    }

    #[test]
    fn an_answer_is_told_with_what_was_read() {
        let told = told(
            "answer",
            json!({"call": "send", "answer": "silent", "ms": 5012, "message": "no answer", "fence": 2, "amount": 123_456}),
        );
        says(&told, &["Sent → no answer", "5012 ms", "no answer", "#2", "data-tone=\"warn\"", "¥1,234.56"]);
    }

    #[test]
    fn what_the_receiver_of_a_callback_answered_is_in_the_sentence() {
        let failed = told(
            "callback",
            json!({"n": 2, "outcome": "failed", "http": 503, "id": "msg_1", "host": "shop.example:443", "ms": 7,
                "asked_to_wait_until": "2026-01-01T08:00:00.000Z"}),
        );
        says(&failed, &["HTTP 503", "shop.example:443", "7 ms", "2026-01-01 08:00:00Z", "data-tone=\"warn\""]);
        assert_eq!(failed.matches("503").count(), 1, "once: {failed}");
        let broken = json!({"n": 1, "outcome": "given up", "error": "it did not answer in time", "stale": true});
        says(&told("callback", broken.clone()), &["it did not answer in time", "came late"]);
        says(&told_in(&CHINESE, "callback", broken), &["对方未按时应答"]);
        let dropped = json!({"outcome": "dropped", "event": {"n": 3, "t": 1, "s": "needs_review"}});
        let told = told("callback", dropped);
        says(&told, &["needs review", "3"]);
        assert!(!told.contains('{') && !told.contains("&quot;"), "{told}");
    }

    #[test]
    fn a_notification_leads_to_its_page_and_a_journal_is_told_with_what_it_knew() {
        let told = told("notification", json!({"notification": 17, "method": "bkfunds.order.notify"}));
        says(&told, &["href=\"/notifications/main/17\"", "bkfunds.order.notify"]);
        let put_back = json!({"who": "li", "was": null, "sends": 2, "read": {"answer": "succeeded", "trade_no": "T1"}});
        says(&told_in(&ENGLISH, "put_back", put_back), &["li", "2 sends", "no record", "succeeded"]);
    }

    #[test]
    fn a_kind_of_line_that_nobody_knows_yet_is_told_by_its_own_words_without_accounts_and_markup() {
        let told = told(
            "delivery",
            json!({"to": "x", "payee": "6222021234567890123", "of": "1001XP2025010110000001", "n": "<b>"}),
        );
        says(&told, &["delivery", "****0123", "&lt;b&gt;", "1001XP2025010110000001"]);
        assert!(!told.contains("6222021234567890123"));
    }
}
