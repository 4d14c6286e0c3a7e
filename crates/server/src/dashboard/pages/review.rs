//! `GET /review`: every job that waits for a person, with the actions on it.

use axum::extract::State as Handed;
use bursar_domain::{Key, Operation, Queue, State};
use bursar_store::{Cursor, JobRecord, StoredAs, Unreadable};
use maud::{Markup, html};

use crate::dashboard::components::amounts::amount;
use crate::dashboard::components::{acts, badge, job_address, moment, percent, shown_reason, unreadable};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Tab, page, refuse_problem};
use crate::dashboard::signed_in::Visitor;
use crate::state::Shared;

/// Jobs of one queue on this page; the rest is in the queue's list.
const SHOWN: usize = 100;

pub(super) async fn show(visitor: Visitor, Handed(app): Handed<Shared>) -> Answered {
    let words = visitor.words();
    let mut queues = Vec::new();
    for queue in app.queues.of(visitor.bearer()) {
        let listed = app.store.list(queue, Some(State::NeedsReview), &Cursor::default(), SHOWN).await;
        let listed = listed.map_err(|error| refuse_problem(&visitor, error))?;
        if !listed.jobs.is_empty() {
            queues.push((queue, listed));
        }
    }
    let count: usize = queues.iter().map(|(_, listed)| listed.jobs.len()).sum();
    let content = html! {
        h1 { (words.review) @if count > 0 { " " span.count { (count) } } }
        p.soft { (words.review_note) }
        @if queues.is_empty() { p.notice.good { (words.review_empty) } }
        @for (queue, listed) in &queues {
            h2 { (queue) }
            ul.queue { @for job in &listed.jobs {
                @match job {
                    StoredAs::Job(job) => { (entry(&visitor, job)) }
                    StoredAs::Unreadable { key, why } => { (unreadable_entry(&visitor, queue, key, why)) }
                }
            } }
            @if listed.next.is_some() {
                p { a href={ "/jobs?queue=" (percent(&queue.to_string())) "&state=" (State::NeedsReview.as_str()) } { (words.next_page) } }
            }
        }
        @if count > 0 { (legend(&visitor)) }
    };
    Ok(page(&visitor, Tab::Review, Live::Yes, words.review, &content))
}

/// A job that may wait for a person: its record cannot be read.
fn unreadable_entry(visitor: &Visitor, queue: &Queue, key: &Key, why: &Unreadable) -> Markup {
    html! {
        li { div { a.key href=(job_address(queue, key.as_str())) { (key) } " " (unreadable(visitor.words(), why)) } }
    }
}

fn entry(visitor: &Visitor, job: &JobRecord) -> Markup {
    let words = visitor.words();
    let address = job_address(&job.queue, job.key.as_str());
    let view = job.view();
    html! {
        li {
            div {
                a.key href=(address) { (job.key) } " " (badge(words, job.state)) " "
                @if let Some(amount) = amount(job) { strong.amount { (amount.yuan()) } " " }
                span.soft { (moment(&view.updated_at.unwrap_or_default())) " · " (filled(words.calls_made, &[&view.attempts.to_string(), &view.queries.to_string()])) }
            }
            div.reason { (shown_reason(words, job).unwrap_or_default()) }
            @if visitor.may_operate() { div.buttons { (acts(words, &address, job)) } }
        }
    }
}

/// The effect of each action, once for all entries.
fn legend(visitor: &Visitor) -> Markup {
    let words = visitor.words();
    let told = [
        (Operation::Query, words.query_does),
        (Operation::Send, words.send_does),
        (Operation::Resolve(State::Succeeded), words.resolve_does),
    ];
    html! { dl.legend { @for (operation, does) in told { div { dt { (words.act(operation)) } dd { (does) } } } } }
}
