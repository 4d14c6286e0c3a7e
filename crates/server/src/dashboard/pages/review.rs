//! `GET /review`: every job that waits for a person, with the actions on it.

use axum::extract::State as AppState;
use bursar_domain::{Key, Operation, Queue, State};
use bursar_store::{Cursor, JobRecord, StoredAs, Unreadable};
use maud::{Markup, html};

use super::jobs::payee;
use crate::dashboard::components::selection;
use crate::dashboard::components::{badge, job_address, moment, offered_operations, percent, shown_reason, unreadable};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Tab, page, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::state::Shared;

/// Jobs of one queue on this page; the rest is in the queue's list.
const SHOWN: usize = 100;

/// The actions on a job that needs review.
const IN_REVIEW: [Operation; 3] = [Operation::Query, Operation::Send, Operation::Resolve(State::Succeeded)];

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>) -> Answered {
    let words = signed_in.words();
    let mut queues = Vec::new();
    for queue in app.known_queues(signed_in.bearer()) {
        let listed = app.store.list(&queue, Some(State::NeedsReview), &Cursor::default(), SHOWN).await;
        let listed = listed.map_err(|error| refuse_problem(&signed_in, error))?;
        if !listed.jobs.is_empty() {
            queues.push((queue, listed));
        }
    }
    let count: usize = queues.iter().map(|(_, listed)| listed.jobs.len()).sum();
    let content = html! {
        h1 { (words.review) @if count > 0 { " " span.count { (count) } } }
        p.soft { (words.review_note) }
        @if queues.is_empty() { p.notice.good { (words.review_empty) } }
        @else if signed_in.may_operate() { (selection::bar(&signed_in, &IN_REVIEW, true)) }
        @for (queue, listed) in &queues {
            h2 { (queue) }
            ul.queue { @for job in &listed.jobs {
                @match job {
                    StoredAs::Job(job) => { (entry(&signed_in, job)) }
                    StoredAs::Unreadable { key, why } => { (unreadable_entry(&signed_in, queue, key, why)) }
                }
            } }
            @if listed.next.is_some() {
                p { a href={ "/jobs?queue=" (percent(&queue.to_string())) "&state=" (State::NeedsReview.as_str()) } { (words.next_page) } }
            }
        }
        @if count > 0 { (legend(&signed_in)) }
    };
    Ok(page(&signed_in, Tab::Review, Live::Yes, words.review, &content))
}

/// A job that may wait for a person: its record cannot be read.
fn unreadable_entry(signed_in: &SignedIn, queue: &Queue, key: &Key, why: &Unreadable) -> Markup {
    html! {
        li { div { a.key href=(job_address(queue, key.as_str())) { (key) } " " (unreadable(signed_in.words(), why)) } }
    }
}

fn entry(signed_in: &SignedIn, job: &JobRecord) -> Markup {
    let words = signed_in.words();
    let address = job_address(&job.queue, job.key.as_str());
    let view = job.view();
    let details = &view.details;
    html! {
        li {
            div {
                @if signed_in.may_operate() { (selection::tick(signed_in, &job.queue, &job.key)) " " }
                a.key href=(address) { (job.key) } " " (badge(words, job.state)) " "
                @if let Some(amount) = details.amount_fen { strong.amount { (amount.yuan()) } " " }
                span.soft { (moment(&view.updated_at.unwrap_or_default())) " · " (filled(words.calls_made, &[&view.attempts.to_string(), &view.queries.to_string()])) }
            }
            div.soft { (words.find.payer) " " (details.payer.as_deref().unwrap_or("–")) " → " (words.find.payee) " " (payee(words, details)) }
            div.reason { (shown_reason(words, job).unwrap_or_default()) }
            @if signed_in.may_operate() { div.buttons { (offered_operations(words, &address, job)) } }
        }
    }
}

/// The effect of each action, once for all entries.
fn legend(signed_in: &SignedIn) -> Markup {
    let words = signed_in.words();
    let effects = [
        (Operation::Query, words.query_does),
        (Operation::Send, words.send_does),
        (Operation::Resolve(State::Succeeded), words.resolve_does),
    ];
    html! { dl.legend { @for (operation, does) in effects { div { dt { (words.operation(operation)) } dd { (does) } } } } }
}
