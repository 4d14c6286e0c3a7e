//! The history of a job or a notification as a person reads it, oldest first. An event that this build does not know is shown by its name and
//! fields.

use bursar_domain::{
    Call, DeadlinePassed, Delivery, DeliveryOutcome, Fen, HistoryEvent, Millis, OperatorAction, Outcome,
    ProposalChange, QuarantineOutcome, Response, RestoredFromJournal, without_accounts_but,
};
use bursar_store::JobRecord;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{moment, moment_ms, notification_address, own_numbers};
use crate::dashboard::i18n::{Words, filled};

/// Lines that a page shows of one history; the newest, as what is older explains less.
const SHOWN: usize = 400;

/// Fields of every event that its line shows in another place.
const IN_SENTENCES: [&str; 5] = ["event", "at", "fence", "worker", "late"];

/// One event, read.
struct Line {
    /// The line's colour.
    tone: &'static str,
    what: String,
    /// Further fields that its sentence has.
    in_sentence: &'static [&'static str],
}

pub(in crate::dashboard) fn timeline(words: &Words, record: &JobRecord, history: &[HistoryEvent]) -> Markup {
    let left_out = history.len().saturating_sub(SHOWN);
    let whole = own_numbers(record);
    html! {
        ol.timeline {
            @if let Some(created) = record.created {
                li data-tone="plain" { (moment_ms(&created.rfc3339())) " " span.what { (words.accepted) } }
            }
            @if left_out > 0 { li data-tone="plain" { (filled(words.left_out, &[&left_out.to_string()])) } }
            @for event in history.iter().skip(left_out) { (line(words, event, &whole, record.queue.account.as_str())) }
        }
        @if history.is_empty() && record.created.is_none() { p.soft { (words.log_gone) } }
    }
}

/// One event of a history of this account's; the words in `whole` are no accounts.
pub(in crate::dashboard) fn line(words: &Words, event: &HistoryEvent, whole: &[&str], account: &str) -> Markup {
    let Line { tone, what, in_sentence } = read(words, event, whole);
    let view = event.view();
    let at = event.at().map(Millis::rfc3339).unwrap_or_default();
    let notification = if let HistoryEvent::Notification(named) = event { Some(named.number) } else { None };
    html! {
        li data-tone=(tone) data-event=(event.name()) {
            (moment_ms(&at)) " "
            span.what { (what) }
            @if let Some(number) = notification {
                " " a href=(notification_address(account, number)) { (filled(words.notification_number, &[&number.to_string()])) }
            }
            @if view.get("late") == Some(&Value::Bool(true)) { " " span.flag { (words.came_late) } }
            @if let Value::Object(fields) = &view {
                @for (name, value) in pairs(fields, in_sentence, whole) {
                    " " span.pair { span.soft { (words.field(name)) } " " @if name == "retry_after" { (moment(&value)) } @else { (value) } }
                }
            }
            @if let Some((fence, worker)) = event.claim() { " " span.soft title=(filled(words.frame.claim, &[&fence.to_string(), worker])) { "#" (fence) } }
        }
    }
}

/// An event's sentence; one that this build does not know has its name.
fn read(words: &Words, event: &HistoryEvent, whole: &[&str]) -> Line {
    let plain = |tone, what: &str| Line { tone, what: what.to_owned(), in_sentence: &[] };
    match event {
        HistoryEvent::SendIntent(_) => plain("send", words.intent),
        HistoryEvent::Response(response) => answered(words, response),
        HistoryEvent::ClaimReleased(_) => plain("plain", words.released),
        HistoryEvent::SendSkipped(_) => plain("plain", words.send_skipped),
        HistoryEvent::DeadlinePassed(passed) => deadline_passed(words, passed),
        HistoryEvent::WorkerLost(_) => plain("warn", words.lost),
        HistoryEvent::OperatorAction(action) => operated(words, action, whole),
        HistoryEvent::Adopted(adopted) => Line {
            tone: "act",
            what: filled(
                words.adopted,
                &[&adopted.operator, &adopted.queue, &without_accounts_but(&adopted.comment, whole)],
            ),
            in_sentence: &["queue", "operator", "comment"],
        },
        HistoryEvent::RestoredFromJournal(restored) => restored_from_journal(words, restored),
        HistoryEvent::BusinessKeyConflict(conflict) => Line {
            tone: "warn",
            what: filled(words.rival, &[&conflict.operator, &conflict.key]),
            in_sentence: &["operator", "key"],
        },
        HistoryEvent::Quarantine(quarantine) => Line {
            tone: "act",
            what: filled(
                match quarantine.outcome {
                    QuarantineOutcome::Retried => words.retried,
                    QuarantineOutcome::Dropped => words.dropped,
                },
                &[&quarantine.operator, &without_accounts_but(&quarantine.comment, whole)],
            ),
            in_sentence: &["outcome", "operator", "comment"],
        },
        HistoryEvent::Proposal(change) => proposal(words, change, whole),
        HistoryEvent::WebhookResent(resent) => Line {
            tone: "act",
            what: filled(
                words.webhook.resent,
                &[&resent.operator, &without_accounts_but(&resent.comment, whole), &resent.events.to_string()],
            ),
            in_sentence: &["operator", "comment", "events"],
        },
        HistoryEvent::Delivery(delivery) => delivered(words, delivery),
        HistoryEvent::Notification(_) => {
            Line { tone: "query", what: words.named_by_notification.to_owned(), in_sentence: &["number"] }
        }
        HistoryEvent::Unreadable(_) => plain("warn", words.unreadable),
        HistoryEvent::Other(other) => plain("plain", &other.event),
    }
}

fn answered(words: &Words, response: &Response) -> Line {
    let call = match response.call {
        Call::Send => words.was_sent,
        Call::Query => words.was_queried,
    };
    let outcome = response.read.outcome;
    Line {
        tone: tone(outcome), what: format!("{call} → {}", words.answer(outcome)), in_sentence: &["call", "outcome"]
    }
}

fn deadline_passed(words: &Words, passed: &DeadlinePassed) -> Line {
    let why = passed.reason.as_ref().map(|reason| format!(": {}", words.reason(reason))).unwrap_or_default();
    Line { tone: "warn", what: format!("{}{why}", words.deadline_passed), in_sentence: &["from", "to", "reason"] }
}

fn operated(words: &Words, action: &OperatorAction, whole: &[&str]) -> Line {
    let comment = without_accounts_but(&action.comment, whole);
    let states = if action.from == action.to {
        words.state(action.from).to_owned()
    } else {
        format!("{} → {}", words.state(action.from), words.state(action.to))
    };
    Line {
        tone: "act",
        what: format!("{} {}: {comment} ({states})", action.operator, words.action(action.action)),
        in_sentence: &["action", "operator", "comment", "from", "to"],
    }
}

/// A proposal that was opened, or that ended without the action.
fn proposal(words: &Words, change: &ProposalChange, whole: &[&str]) -> Line {
    let comment = without_accounts_but(&change.comment, whole);
    let end = change.end.map(|end| format!(" ({})", words.state(end))).unwrap_or_default();
    let action = change.action.kind().map_or(words.proposal.quarantine_drop, |kind| words.action(kind));
    let ends = change.expires_at.map(|at| format!(" ({} {})", words.proposal.open_until, at.rfc3339()));
    let what = filled(words.proposal.changed(change.outcome), &[&change.operator, &format!("{action}{end}"), &comment]);
    Line {
        tone: "act",
        what: format!("{what}{}", ends.unwrap_or_default()),
        in_sentence: &["outcome", "proposal", "action", "as", "operator", "comment", "expires_at"],
    }
}

/// A send that Redis had lost and a journal had: the state before, and the response in the journal.
fn restored_from_journal(words: &Words, restored: &RestoredFromJournal) -> Line {
    let was = restored.was.map_or(words.no_record, |state| words.state(state));
    let response = restored.response.as_ref().map_or(words.no_answer_there, |read| words.answer(read.outcome));
    let what = filled(words.restored_from_journal, &[&restored.operator, &restored.sends.to_string(), was, response]);
    Line { tone: "warn", what, in_sentence: &["operator", "was", "sends", "response"] }
}

/// A delivery's outcome, with the receiver's response.
fn delivered(words: &Words, delivery: &Delivery) -> Line {
    let tone = match delivery.outcome {
        DeliveryOutcome::Delivered => "good",
        DeliveryOutcome::Failed => "warn",
        DeliveryOutcome::Gone | DeliveryOutcome::GivenUp | DeliveryOutcome::Dropped => "bad",
    };
    let heard = match (delivery.http, delivery.error) {
        (Some(status), _) => format!("HTTP {status}"),
        (None, Some(error)) => words.delivery_error(error).to_owned(),
        (None, None) => String::new(),
    };
    let number = delivery.sequence.map_or_else(|| "–".to_owned(), |number| number.to_string());
    let state = delivery.state.map_or("", |state| words.state(state));
    let what = filled(words.delivery(delivery.outcome), &[&number, &heard, state]);
    Line { tone, what, in_sentence: &["sequence", "outcome", "http", "error", "state"] }
}

const fn tone(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "good",
        Outcome::Failed | Outcome::Rejected | Outcome::Mismatch | Outcome::Misconfigured => "bad",
        Outcome::NoResponse | Outcome::NotExecuted | Outcome::NotReady | Outcome::NotFound => "warn",
        Outcome::Accepted | Outcome::Refunded => "plain",
    }
}

/// An event's further fields; long numbers that are none of the job's own by their ends.
fn pairs<'a>(fields: &'a Map<String, Value>, in_sentence: &[&str], whole: &[&str]) -> Vec<(&'a str, String)> {
    let pair = |(name, value): (&'a String, &Value)| {
        let name = name.as_str();
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
        };
        // The gateway's support asks for its ids of requests and transactions.
        let is_number = ["trade_no", "request_id", "code", "webhook_id"].contains(&name);
        (!IN_SENTENCES.contains(&name) && !in_sentence.contains(&name)).then(|| {
            let amount = (name == "amount").then(|| Fen::read(value)).flatten();
            let shown = match (name, amount) {
                (_, Some(fen)) => fen.yuan(),
                ("ms", None) => format!("{text} ms"),
                ("retry_after", None) => text,
                (_, None) if is_number => text,
                (_, None) => without_accounts_but(&text, whole),
            };
            (name, shown)
        })
    };
    fields.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bursar_domain::DeliveryError;
    use serde_json::json;

    use super::*;
    use crate::dashboard::i18n::language::ALL;
    use crate::dashboard::i18n::{CHINESE, ENGLISH};

    fn line_in(words: &Words, event: &str, mut detail: Value) -> String {
        (detail["event"], detail["at"]) = (json!(event), json!(1_767_225_600_000_u64));
        let event = HistoryEvent::read(detail.to_string().as_bytes());
        line(words, &event, &["1001XP2025010110000001"], "main").into_string()
    }

    fn rendered(event: &str, detail: Value) -> String {
        line_in(&ENGLISH, event, detail)
    }

    fn says(html: &str, parts: &[&str]) {
        for part in parts {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    #[test]
    fn no_two_delivery_outcomes_or_errors_read_alike() {
        for words in ALL {
            let outcomes: BTreeSet<&str> = DeliveryOutcome::ALL.iter().map(|one| words.delivery(*one)).collect();
            let errors: BTreeSet<&str> = DeliveryError::ALL.iter().map(|one| words.delivery_error(*one)).collect();
            assert_eq!((outcomes.len(), errors.len()), (DeliveryOutcome::ALL.len(), DeliveryError::ALL.len()));
        }
        for error in DeliveryError::ALL {
            assert_eq!(ENGLISH.delivery_error(error), error.to_string());
        }
    }

    #[test]
    fn a_response_is_shown_with_its_fields() {
        let html = rendered(
            "response",
            json!({"call": "send", "outcome": "no_response", "ms": 5012, "message": "no answer", "fence": 2, "amount": 123_456}),
        );
        says(&html, &["Send → no response", "5012 ms", "no answer", "#2", "data-tone=\"warn\"", "¥1,234.56"]);
    }

    #[test]
    fn what_the_receiver_of_a_callback_answered_is_in_the_sentence() {
        let failed = rendered(
            "delivery",
            json!({"sequence": 2, "outcome": "failed", "http": 503, "webhook_id": "msg_1", "host": "shop.example:443",
                "ms": 7, "retry_after": "2026-01-01T08:00:00.000Z"}),
        );
        says(&failed, &["HTTP 503", "shop.example:443", "7 ms", "2026-01-01 08:00:00Z", "data-tone=\"warn\""]);
        assert_eq!(failed.matches("503").count(), 1, "once: {failed}");
        let broken = json!({"sequence": 1, "outcome": "given_up", "error": "timed_out", "late": true});
        says(&rendered("delivery", broken.clone()), &["the receiver did not answer in time", "came late"]);
        says(&line_in(&CHINESE, "delivery", broken), &["接收方未按时响应"]);
        let html = rendered("delivery", json!({"outcome": "dropped", "sequence": 3, "state": "needs_review"}));
        says(&html, &["needs review", "3"]);
        assert!(!html.contains('{') && !html.contains("&quot;"), "{html}");
    }

    #[test]
    fn a_notification_links_to_its_page_and_a_journal_says_more() {
        let html = rendered("notification", json!({"number": 17, "method": "bkfunds.order.notify"}));
        says(&html, &["href=\"/notifications/main/17\"", "bkfunds.order.notify"]);
        let restored = json!({"operator": "li", "sends": 2, "response": {"outcome": "succeeded", "trade_no": "T1"}});
        says(&rendered("restored_from_journal", restored), &["li", "2 sends", "no record", "succeeded"]);
    }

    #[test]
    fn an_unknown_event_is_shown_masked_and_escaped() {
        let html = rendered(
            "of_a_newer_build",
            json!({"to": "x", "payee": "6222021234567890123", "of": "1001XP2025010110000001", "n": "<b>"}),
        );
        says(&html, &["of_a_newer_build", "****0123", "&lt;b&gt;", "1001XP2025010110000001"]);
        assert!(!html.contains("6222021234567890123"));
    }
}
