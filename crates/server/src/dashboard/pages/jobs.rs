//! `GET /jobs`: jobs of all queues, newest first, by what is known of them, a page at a time; or what the search box finds.

use axum::extract::State as AppState;
use axum::http::{StatusCode, Uri};
use bursar_domain::{ContentDetails, Fen, JobFilter, Key, Millis, Queue, State};
use bursar_store::{FindCursor, FoundJobs, JobRecord, StoredAs, Unreadable};
use maud::{Markup, html};

use super::job_search::search;
use crate::dashboard::components::selection;
use crate::dashboard::components::{job_address, job_badge, moment, percent, shown_reason, unreadable};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::job_filter::filter_of;
use crate::http::query::Query;
use crate::state::Shared;

/// Jobs on one page.
pub(super) const PAGE: usize = 100;

/// The length of a time that a browser sends without seconds, `2026-01-01T08:00`.
const MINUTES: usize = 16;

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let words = signed_in.words();
    let mut query = Query::of_form(&uri);
    query.complete_times(&["since", "until"]);
    let key = query.take("key", |key| Ok(key.to_owned()));
    let queue = query.take("queue", |queue| queue.parse::<Queue>().map_err(|error| error.to_string()));
    let filter = filter_of(&mut query);
    let after = query.take("after", |after| after.parse::<FindCursor>().map_err(|error| error.to_string()));
    query.finish().map_err(|wrong| refuse_problem(&signed_in, wrong))?;
    if let Some(key) = key {
        return search(&signed_in, &app, &key).await;
    }
    let known = app.known_queues(signed_in.bearer());
    let wanted: Vec<Queue> =
        known.iter().filter(|known| queue.as_ref().is_none_or(|queue| queue == *known)).cloned().collect();
    if wanted.is_empty() {
        return Err(refuse(&signed_in.guest, Some(&signed_in), StatusCode::NOT_FOUND, words.not_found));
    }
    let found = app.store.find(&wanted, &filter, after.as_ref(), PAGE).await;
    let found = found.map_err(|error| refuse_problem(&signed_in, error))?;
    let content = html! {
        h1 { (words.jobs) }
        (form(words, &known, queue.as_ref(), &filter))
        p.soft { (words.find.newest_first) }
        @if signed_in.may_operate() && !found.jobs.is_empty() { (selection::bar(&signed_in, &selection::OPERATIONS, false)) }
        (table(&signed_in, &found.jobs))
        (further(words, queue.as_ref(), &filter, &found))
    };
    // A page in the middle of a list is not renewed.
    let live = if after.is_none() { Live::Yes } else { Live::No };
    Ok(page(&signed_in, Tab::Jobs, live, words.jobs, &content))
}

/// The way to the next page; a search that reached its bound says so.
fn further(words: &Words, queue: Option<&Queue>, filter: &JobFilter, found: &FoundJobs) -> Markup {
    let Some(next) = &found.next else { return Markup::default() };
    let address = address(queue, filter, Some(next));
    html! {
        @if found.is_partial {
            p.notice { (words.find.partial) " " a href=(address) rel="next" { (words.find.search_on) } }
        } @else {
            p { a href=(address) rel="next" { (words.next_page) } }
        }
    }
}

/// The filter as the parameters of an address.
fn parameters(queue: Option<&Queue>, filter: &JobFilter) -> Vec<(&'static str, String)> {
    let text = |text: &Option<String>| text.clone();
    let time = |time: Option<Millis>| time.map(Millis::rfc3339);
    let fen = |fen: Option<Fen>| fen.map(|fen| fen.get().to_string());
    let given = [
        ("queue", queue.map(ToString::to_string)),
        ("state", filter.state.map(|state| state.to_string())),
        ("since", time(filter.since)),
        ("until", time(filter.until)),
        ("amount", fen(filter.amount)),
        ("min_amount", fen(filter.min_amount)),
        ("max_amount", fen(filter.max_amount)),
        ("payer", text(&filter.payer)),
        ("payee", text(&filter.payee)),
        ("trade_no", text(&filter.trade_no)),
        ("order_id", text(&filter.order_id)),
        ("reason_code", text(&filter.reason_code)),
        ("prefix", text(&filter.prefix)),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The address of the page of this filter.
pub(super) fn address(queue: Option<&Queue>, filter: &JobFilter, after: Option<&FindCursor>) -> String {
    let after = after.map(|after| ("after", after.to_string()));
    let parameters = parameters(queue, filter).into_iter().chain(after);
    let parameters: Vec<String> = parameters.map(|(name, value)| format!("{name}={}", percent(&value))).collect();
    format!("/jobs?{}", parameters.join("&"))
}

fn form(words: &Words, known: &[Queue], queue: Option<&Queue>, filter: &JobFilter) -> Markup {
    let find = words.find;
    let given = parameters(None, filter);
    let value = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str());
    let time = |name| value(name).unwrap_or_default().chars().take(MINUTES).collect::<String>();
    let texts = [
        ("prefix", find.prefix),
        ("payer", find.payer),
        ("payee", find.payee),
        ("trade_no", words.trade_no),
        ("order_id", find.order_id),
        ("reason_code", find.reason_code),
    ];
    let amounts = [("amount", find.amount_exact), ("min_amount", find.amount_least), ("max_amount", find.amount_most)];
    let is_open = given.iter().any(|(name, _)| *name != "state");
    html! {
        form.filter action="/jobs" method="get" {
            label { (words.queue) " " select name="queue" {
                option value="" selected[queue.is_none()] { (find.every_queue) }
                @for known in known { option value=(known) selected[queue == Some(known)] { (known) } }
            } }
            label { (words.state_name) " " select name="state" {
                option value="" { (words.every_state) }
                @for state in State::ALL { option value=(state.as_str()) selected[filter.state == Some(state)] { (words.state(state)) } }
            } }
            button type="submit" { (words.show) }
            details.filter open[is_open] {
                summary { (find.more_filters) }
                div.filter {
                    @for (name, label) in [("since", find.since), ("until", find.until)] {
                        label { (label) " " input type="datetime-local" name=(name) value=(time(name)); }
                    }
                    @for (name, label) in amounts {
                        label { (label) " " input type="text" inputmode="numeric" name=(name) size="12" value=(value(name).unwrap_or_default()); }
                    }
                    @for (name, label) in texts {
                        label { (label) " " input type="text" name=(name) maxlength="128" value=(value(name).unwrap_or_default()); }
                    }
                }
            }
        }
    }
}

/// Jobs, one a row, each with its amount and its parties.
pub(super) fn table(signed_in: &SignedIn, jobs: &[(Queue, StoredAs)]) -> Markup {
    let words = signed_in.words();
    html! {
        @if jobs.is_empty() { p.soft { (words.actions.no_jobs) } } @else {
            div.wide { table.jobs {
                thead { tr {
                    @for name in [words.key, words.queue, words.state_name] { th { (name) } }
                    th.number { (words.amount) }
                    @for name in [words.find.payer, words.find.payee, words.why_so, words.calls, words.updated, words.due] { th { (name) } }
                } }
                tbody { @for (queue, job) in jobs {
                    @match job {
                        StoredAs::Job(job) => { (row(signed_in, job)) }
                        StoredAs::Unreadable { key, why } => { (unreadable_row(words, queue, key, why)) }
                    }
                } }
            } }
        }
    }
}

/// A job that cannot be read keeps no other from being shown.
fn unreadable_row(words: &Words, queue: &Queue, key: &Key, why: &Unreadable) -> Markup {
    html! {
        tr {
            th scope="row" { a.key href=(job_address(queue, key.as_str())) { (key) } }
            td data-name=(words.queue) { (queue) }
            td data-name=(words.state_name) colspan="8" { (unreadable(words, why)) }
        }
    }
}

/// The account that is paid; of a split, the order and the number of its receivers.
pub(super) fn payee(words: &Words, details: &ContentDetails) -> String {
    let ContentDetails { payee, order_id, receivers, .. } = details;
    let order = order_id.as_ref().map(|order| format!("{} {order}", words.find.order_id));
    let receivers = (!receivers.is_empty()).then(|| format!("{} {}", words.find.receivers, receivers.len()));
    let parts: Vec<String> = [payee.clone(), order, receivers].into_iter().flatten().collect();
    if parts.is_empty() { "–".to_owned() } else { parts.join(" · ") }
}

fn row(signed_in: &SignedIn, job: &JobRecord) -> Markup {
    let words = signed_in.words();
    let view = job.view();
    html! {
        tr {
            th scope="row" { @if signed_in.may_operate() { (selection::tick(signed_in, &job.queue, &job.key)) " " } a.key href=(job_address(&job.queue, job.key.as_str())) { (job.key) } }
            td data-name=(words.queue) { (job.queue) }
            td data-name=(words.state_name) { (job_badge(words, job)) }
            td.number data-name=(words.amount) { (view.details.amount_fen.map_or_else(|| "–".to_owned(), Fen::yuan)) }
            td data-name=(words.find.payer) { (view.details.payer.as_deref().unwrap_or("–")) }
            td data-name=(words.find.payee) { (payee(words, &view.details)) }
            td.reason data-name=(words.why_so) { (shown_reason(words, job).unwrap_or_default()) }
            td.calls data-name=(words.calls) { (filled(words.calls_made, &[&view.attempts.to_string(), &view.queries.to_string()])) }
            td data-name=(words.updated) { (moment(&view.updated_at.unwrap_or_default())) }
            td data-name=(words.due) { (moment(&view.due_at.unwrap_or_default())) }
        }
    }
}
