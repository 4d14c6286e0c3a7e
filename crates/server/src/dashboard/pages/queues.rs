//! `GET /`: every queue at a glance.

use axum::extract::State;
use bursar_domain::{Millis, Queue};
use bursar_store::{Event, QueueStatus};
use maud::{Markup, html};

use super::notifications;
use super::proposals;
use crate::dashboard::components::rate::rate;
use crate::dashboard::components::{QUARANTINE, due, percent, span};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;
use crate::state::{ServerState, Shared};

/// Events that a queue's rate is computed from, at most.
const LOOKED_AT: usize = 500;

/// One row.
struct Row {
    queue: Queue,
    status: QueueStatus,
    in_doubt: usize,
    /// Its newest events.
    events: Vec<Event>,
}

/// `GET /`
pub(super) async fn show(signed_in: SignedIn, State(app): State<Shared>) -> Answered {
    let rows = rows(&app, signed_in.bearer()).await.map_err(|problem| refuse_problem(&signed_in, problem))?;
    let notification_counts = notifications::overview(&app, signed_in.bearer()).await;
    let notification_counts = notification_counts.map_err(|problem| refuse_problem(&signed_in, problem))?;
    let open = crate::ops::proposals::open(&app, signed_in.bearer()).await;
    let open = open.map_err(|problem| refuse_problem(&signed_in, problem))?;
    let words = signed_in.words();
    let sum = |of: fn(&QueueStatus) -> u64| rows.iter().map(|row| of(&row.status)).sum::<u64>();
    let in_doubt: usize = rows.iter().map(|row| row.in_doubt).sum();
    let quarantined = sum(QueueStatus::all_quarantined);
    let paused = rows.iter().filter(|row| row.status.paused.is_some()).count();
    let content = html! {
        h1 { (words.queues) }
        dl.totals {
            (total(words.to_send, sum(|status| status.counts.to_send), ""))
            (total(words.to_query, sum(|status| status.counts.to_query), ""))
            (total(words.in_doubt, in_doubt, "warn"))
            (total(words.in_review, sum(|status| status.counts.review), "bad"))
            (total(words.paused_queues, paused, "bad"))
            (linked_total(words.quarantined_jobs, &html! { a href=(QUARANTINE) { (quarantined) } }, quarantined, "bad"))
            @if !open.is_empty() {
                (linked_total(words.proposal.proposals, &html! { a href=(proposals::ADDRESS) { (open.len()) } }, Count::from(open.len()).0, "warn"))
            }
            @if !notification_counts.is_empty() {
                (total(words.notifications_held, notification_counts.iter().map(|(_, count)| count.held).sum::<u64>(), "bad"))
            }
        }
        div.wide { table.queues {
            thead { tr {
                th { (words.queue) }
                @for name in [words.to_send, words.to_query, words.in_doubt, words.in_review, words.ended, words.quarantined_jobs] { th.number { (name) } }
                th { (words.next_due) }
                th { (words.rate) }
                th { (words.sending) }
            } }
            tbody { @for row in &rows { (row_of(&signed_in, row)) } }
        } }
        (notifications::links(words, &notification_counts))
        p.soft { (words.queues_note) }
    };
    Ok(page(&signed_in, Tab::Queues, Live::Yes, words.queues, &content))
}

async fn rows(app: &ServerState, bearer: &Bearer) -> Result<Vec<Row>, Refusal> {
    let queues: Vec<Queue> = app.known_queues(bearer);
    let statuses = app.store.statuses(&queues).await?;
    let in_doubt = app.store.in_doubt_of(&queues).await?;
    let events = app.store.recent_events(&queues, LOOKED_AT).await?.events;
    let found = queues.into_iter().zip(statuses).zip(in_doubt).zip(events);
    Ok(found.map(|(((queue, status), in_doubt), events)| Row { queue, status, in_doubt, events }).collect())
}

fn total(name: &str, count: impl Into<Count>, alarm: &str) -> Markup {
    let Count(count) = count.into();
    linked_total(name, &html! { (count) }, count, alarm)
}

/// The same with the count as it is shown.
fn linked_total(name: &str, shown: &Markup, count: u64, alarm: &str) -> Markup {
    html! { div data-alarm=[(count > 0 && !alarm.is_empty()).then_some(alarm)] { dt { (name) } dd { (shown) } } }
}

/// However it is counted.
struct Count(u64);

impl From<u64> for Count {
    fn from(count: u64) -> Self {
        Self(count)
    }
}

impl From<usize> for Count {
    fn from(count: usize) -> Self {
        Self(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

fn row_of(signed_in: &SignedIn, row: &Row) -> Markup {
    let words = signed_in.words();
    let Row { queue, status, in_doubt, events } = row;
    let jobs = format!("/jobs?queue={}", percent(&queue.to_string()));
    let of_state = |state: &str| Some(format!("{jobs}&state={state}"));
    let cells: [(&str, u64, &str, Option<String>); 6] = [
        (words.to_send, status.counts.to_send, "queued", of_state("queued")),
        (words.to_query, status.counts.to_query, "pending", of_state("pending")),
        (words.in_doubt, Count::from(*in_doubt).0, "in_doubt", of_state("in_doubt")),
        (words.in_review, status.counts.review, "needs_review", of_state("needs_review")),
        (words.ended, status.counts.done, "", None),
        (words.quarantined_jobs, status.all_quarantined(), "", Some(QUARANTINE.to_owned())),
    ];
    html! {
        tr data-queue=(queue) {
            th scope="row" { a href=(jobs) { (queue) } }
            @for (name, count, state, address) in cells {
                td.number data-name=(name) data-zero[count == 0] data-state=[(count > 0 && !state.is_empty()).then_some(state)] {
                    @match address.filter(|_| count > 0) { Some(address) => { a href=(address) { (count) } } None => { (count) } }
                }
            }
            td data-name=(words.next_due) { (due(words, status.next_due, status.now)) }
            td.rate data-name=(words.rate) { (rate_of(words, status.now, events)) }
            td.sending data-name=(words.sending) { div { (sending(signed_in, queue, status)) } }
        }
    }
}

/// Ended jobs per minute, and the time that they are counted over.
fn rate_of(words: &Words, now: Millis, events: &[Event]) -> Markup {
    match rate(now, events) {
        None => html! { span.soft { "–" } },
        Some(rate) => {
            let over = filled(words.rate_over, &[&span(words, rate.over)]);
            html! { span title=(over) { (filled(words.per_minute, &[&rate.per_minute])) } }
        }
    }
}

/// Why a queue needs attention: no worker serves it, or its oldest work is overdue; each with the time since.
fn attention(words: &Words, status: &QueueStatus) -> Vec<String> {
    let unserved = match (status.is_served(), status.served_at) {
        (true, _) => None,
        (false, Some(at)) => Some(filled(words.report.unserved_since, &[&span(words, status.now.since(at))])),
        (false, None) => Some(words.report.unserved.to_owned()),
    };
    let overdue = status.overdue_since();
    let overdue = overdue.map(|at| filled(words.report.overdue_since, &[&span(words, status.now.since(at))]));
    unserved.into_iter().chain(overdue).collect()
}

/// The state of a queue's sends, with the action that changes it.
fn sending(signed_in: &SignedIn, queue: &Queue, status: &QueueStatus) -> Markup {
    let words = signed_in.words();
    let paused = status.paused.as_ref();
    let address = format!("/queues/{}/{}", queue.account, queue.kind);
    let (act, name) = if paused.is_some() { ("resume", words.resume) } else { ("pause", words.pause) };
    let attention = attention(words, status);
    html! {
        @match paused {
            Some(reason) => { span.flag.bad { (words.paused) } " " span.why { (words.reason(reason)) } }
            None if status.circuits_open.is_empty() && attention.is_empty() => { span.flag.good { (words.goes_on) } }
            None => {}
        }
        @if !status.circuits_open.is_empty() {
            " " span.flag.warn title=(words.circuit_means) { (words.circuit_open) }
            " " span.why { (filled(words.circuit_in, &[&status.circuits_open.len().to_string()])) }
        }
        @for text in &attention { " " a.flag.warn href="/workers" title=(words.report.attention_means) { (text) } }
        @if signed_in.may_operate() { " " a.act data-act=(act) href={ (address) "/" (act) } { (name) } }
    }
}
