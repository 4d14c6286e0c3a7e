//! Pieces that several pages show: states, times, actions.

pub(super) mod action_form;
pub(super) mod amounts;
pub(super) mod rate;
pub(super) mod selection;
pub(super) mod timeline;

use std::time::Duration;

use bursar_domain::{
    ActionKind, EndedBy, HistoryEvent, Kind, Millis, Operation, Queue, Reason, State, last_action, without_accounts_but,
};
use bursar_store::{JobRecord, Unreadable};
use maud::{Markup, html};

use super::i18n::{Words, filled};

/// A state, by colour and word.
pub(super) fn badge(words: &Words, state: State) -> Markup {
    html! { span.state data-state=(state.as_str()) title=(words.state_means(state)) { (words.state(state)) } }
}

/// The state of a job, by colour and word.
pub(super) fn job_badge(words: &Words, job: &JobRecord) -> Markup {
    html! { span.state data-state=(job.state.as_str()) title=(job_means(words, job)) { (words.state(job.state)) } }
}

/// The meaning of a job's state: an operator's word is not the gateway's.
pub(super) fn job_means(words: &Words, job: &JobRecord) -> String {
    match EndedBy::of(job.state, job.reason.as_ref(), &job.recent) {
        Some(EndedBy::Operator) => match &job.reason {
            Some(Reason::OperatorAction { action: ActionKind::Resolve, operator, .. }) => {
                filled(words.find.resolved_by, &[operator, words.state(job.state)])
            }
            Some(Reason::OperatorAction { action: ActionKind::Cancel, operator, .. }) => {
                filled(words.find.cancelled_by, &[operator])
            }
            Some(_) | None => words.find.ended_by_operator.to_owned(),
        },
        Some(EndedBy::Bursar) => words.find.ended_by_bursar.to_owned(),
        Some(EndedBy::Gateway) | None => words.state_means(job.state).to_owned(),
    }
}

/// In place of a state: that of a job is not known, and why.
pub(super) fn unreadable(words: &Words, why: &Unreadable) -> Markup {
    html! { span.flag.bad title=(words.record_unreadable) { (words.unreadable_job) } " " span.why { (why) } }
}

/// A moment: UTC without a script, the browser's zone with it.
pub(super) fn moment(at: &str) -> Markup {
    let shown: String = at.get(..19).unwrap_or(at).replace('T', " ");
    html! { @if at.is_empty() { "–" } @else { time datetime=(at) { (shown) "Z" } } }
}

/// A moment to the millisecond, as histories have it.
pub(super) fn moment_ms(at: &str) -> Markup {
    let shown: String = at.get(..23).unwrap_or(at).replace('T', " ");
    html! { @if at.is_empty() { "–" } @else { time datetime=(at) data-form="ms" { (shown) "Z" } } }
}

/// The time until a due time, or since.
pub(super) fn due(words: &Words, at: Option<Millis>, now: Millis) -> Markup {
    let Some(at) = at else { return html! { span.soft { "–" } } };
    let overdue = now > at;
    let apart = if overdue { now.since(at) } else { at.since(now) };
    let template = if overdue { words.ago } else { words.ahead };
    html! { span title=(at.rfc3339()) data-due=(at.rfc3339()) { (filled(template, &[&span(words, apart)])) } }
}

/// A span of time in its largest unit.
pub(super) fn span(words: &Words, span: Duration) -> String {
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, words.seconds),
        120..7_200 => (seconds / 60, words.minutes),
        7_200..172_800 => (seconds / 3_600, words.hours),
        _ => (seconds / 86_400, words.days),
    };
    filled(unit, &[&count.to_string()])
}

/// A span of time in whole milliseconds.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The address of the page of all that is in quarantine.
pub(super) const QUARANTINE: &str = "/quarantine";

/// The address of a job's page.
pub(super) fn job_address(queue: &Queue, key: &str) -> String {
    let key: String = percent(key);
    format!("/jobs/{}/{}/{key}", queue.account, queue.kind)
}

/// The address of a notification's page.
pub(super) fn notification_address(account: &str, number: u64) -> String {
    format!("/notifications/{}/{number}", percent(account))
}

/// A part of a path or a query.
pub(super) fn percent(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20") // in a path a + is itself
}

/// The actions that the domain's rules allow on a job of this kind in this state. One final state represents every `resolve`.
pub(super) fn allowed(kind: Kind, state: State, reason: Option<&Reason>) -> Vec<Operation> {
    let every = [Operation::Query, Operation::Send, Operation::Resolve(State::Succeeded), Operation::Cancel];
    every.into_iter().filter(|operation| operation.on_job(kind, state, reason, Millis(0)).is_ok()).collect()
}

/// The final states that a job can be resolved in.
pub(super) const ENDS: [State; 3] = [State::Succeeded, State::Failed, State::Refunded];

/// Links to the actions that the job's state allows.
pub(super) fn offered_operations(words: &Words, address: &str, job: &JobRecord) -> Markup {
    html! {
        @for operation in allowed(job.queue.kind, job.state, job.reason.as_ref()) {
            a.act data-act=(operation.as_str()) href={ (address) "/" (operation.as_str()) } { (words.operation(operation)) }
        }
    }
}

/// A job's reason; long numbers that are not the job's own are shortened to their ends.
pub(super) fn shown_reason(words: &Words, job: &JobRecord) -> Option<String> {
    let reason = words.reason(job.reason.as_ref()?);
    Some(without_accounts_but(&reason, &own_numbers(job)))
}

/// The place of a moment in a text that is filled in: no name and no reason has this character.
const MOMENT_HERE: &str = "\u{1f}";

/// The last action of an operator in a job's history; its comment has the words in `whole` unmasked.
pub(super) fn last_action_text(words: &Words, history: &[HistoryEvent], whole: &[&str]) -> Option<Markup> {
    let last = last_action(history)?;
    let comment = without_accounts_but(&last.comment, whole);
    let text = filled(words.last_action_text, &[&last.operator, words.action(last.action), MOMENT_HERE, &comment]);
    let (before, after) = text.split_once(MOMENT_HERE)?;
    Some(html! { (before) (moment(&last.at.rfc3339())) (after) })
}

/// Long numbers that are no account's: the job's key, and the gateway's numbers for it.
pub(super) fn own_numbers(job: &JobRecord) -> Vec<&str> {
    job.trade_nos.iter().map(String::as_str).chain([job.key.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::i18n::ENGLISH;

    #[test]
    fn what_is_offered_is_what_the_rules_allow() {
        let named = |allowed: Vec<Operation>| allowed.into_iter().map(Operation::as_str).collect::<Vec<_>>();
        let names = |state| named(allowed(Kind::Transfer, state, None));
        assert_eq!(names(State::NeedsReview), ["query", "send", "resolve"]);
        assert_eq!(names(State::Queued), ["send", "cancel"]);
        assert_eq!(names(State::Pending), ["query"]);
        assert_eq!(
            named(allowed(Kind::Transfer, State::Pending, Some(&Reason::CannotBeQueried))),
            ["query", "resolve"]
        );
        assert!(names(State::Failed).is_empty() && names(State::Cancelled).is_empty());
    }

    #[test]
    fn a_span_is_shown_in_its_largest_unit() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")] {
            assert_eq!(span(&ENGLISH, Duration::from_secs(seconds)), text);
        }
    }
}
