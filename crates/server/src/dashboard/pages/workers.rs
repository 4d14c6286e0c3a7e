//! `GET /workers`: who works.

use axum::extract::State;
use bursar_domain::{WorkerStatus, WorkerView};
use maud::{Markup, html};

use crate::dashboard::components::moment;
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::ops;
use crate::state::Shared;

/// Queues that a row names.
const QUEUES_SHOWN: usize = 8;

/// `GET /workers`
pub(super) async fn show(signed_in: SignedIn, State(app): State<Shared>) -> Answered {
    let workers = ops::report::workers(&app, signed_in.bearer()).await;
    let workers = workers.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let words = signed_in.words();
    let of = words.report;
    let is_alive = workers.iter().any(|worker| worker.status == WorkerStatus::Alive);
    let content = html! {
        h1 { (of.workers) }
        @if !is_alive { p.notice.bad { (of.no_worker) } }
        @if !workers.is_empty() {
            div.wide { table {
                thead { tr {
                    th { (of.worker) } th { (words.status) } th { (of.host) } th { (of.build) } th { (of.since) } th { (of.seen) }
                    th.number { (of.calls) } th { (of.last_claim) } th { (words.queues) } th { (of.last_error) }
                } }
                tbody { @for worker in &workers { (row(words, worker)) } }
            } }
        }
        p.soft { (of.workers_note) }
    };
    Ok(page(&signed_in, Tab::Workers, Live::Yes, of.workers, &content))
}

fn row(words: &Words, worker: &WorkerView) -> Markup {
    let of = words.report;
    let flag = match worker.status {
        WorkerStatus::Alive => "flag good",
        WorkerStatus::Draining => "flag warn",
        WorkerStatus::Gone => "flag bad",
    };
    html! {
        tr data-worker=(worker.name) {
            th scope="row" { (worker.name) }
            td data-name=(words.status) {
                span class=(flag) { (of.status(worker.status)) }
                @if !worker.sends_allowed { " " span.flag.bad { (of.sends_nothing) } }
            }
            td data-name=(of.host) { (worker.host) " · " (worker.pid) }
            td data-name=(of.build) { (worker.version) }
            td data-name=(of.since) { (moment(&worker.started_at)) }
            td data-name=(of.seen) { (moment(&worker.seen_at)) }
            td.number data-name=(of.calls) { (worker.calls_in_flight) " / " (worker.concurrency) }
            td data-name=(of.last_claim) { (moment(worker.last_claim_at.as_deref().unwrap_or_default())) }
            td data-name=(words.queues) { (queues(words, worker)) }
            td data-name=(of.last_error) {
                @match &worker.last_error {
                    Some(error) => { (moment(&error.at)) " " (error.queue) " · " (error.host) " " span.why { (error.error) } }
                    None => { "–" }
                }
            }
        }
    }
}

fn queues(words: &Words, worker: &WorkerView) -> String {
    let named: Vec<&str> = worker.queues.iter().take(QUEUES_SHOWN).map(String::as_str).collect();
    let more = worker.queues.len().saturating_sub(named.len());
    let rest =
        if more > 0 { format!(" {}", filled(words.report.more_queues, &[&more.to_string()])) } else { String::new() };
    named.join(" ") + &rest
}
