//! `GET /jobs`: one job by its key, or a queue's jobs by state, a page at a time.

use axum::extract::State as AppState;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bursar_domain::{Fen, Key, Queue, State};
use bursar_store::{Cursor, JobRecord, StoredAs, Unreadable};
use maud::{Markup, html};

use crate::dashboard::components::amounts::amount;
use crate::dashboard::components::selection;
use crate::dashboard::components::{badge, job_address, moment, percent, shown_reason, unreadable};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::http::query::Query;
use crate::state::{ServerState, Shared};

/// Jobs on one page.
const PAGE: usize = 100;

/// The filter.
struct JobsQuery {
    queue: Option<Queue>,
    state: Option<State>,
    after: Cursor,
}

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let mut query = Query::of(&uri);
    let key = query.take("key", |key| Ok(key.trim().to_owned()));
    let queue = query.take("queue", |queue| queue.parse::<Queue>().map_err(|error| error.to_string()));
    let state = query.take("state", |state| state.parse::<State>().map_err(|error| error.to_string()));
    let after = query.take("after", |after| after.parse::<Cursor>().map_err(|error| error.to_string()));
    query.finish().map_err(|wrong| refuse_problem(&signed_in, wrong))?;
    if let Some(key) = key {
        return search(&signed_in, &app, &key).await;
    }
    let known = app.queues.of(signed_in.bearer());
    let queue = match queue {
        Some(queue) => known.contains(&&queue).then_some(queue),
        None => known.first().copied().cloned(),
    };
    let wanted = JobsQuery { queue, state, after: after.unwrap_or_default() };
    let Some(queue) = &wanted.queue else {
        return Err(refuse(&signed_in.guest, Some(&signed_in), StatusCode::NOT_FOUND, signed_in.words().not_found));
    };
    let listed = app.store.list(queue, wanted.state, &wanted.after, PAGE).await;
    let listed = listed.map_err(|error| refuse_problem(&signed_in, error))?;
    let jobs: Vec<(&Queue, &StoredAs)> = listed.jobs.iter().map(|job| (queue, job)).collect();
    let words = signed_in.words();
    let content = html! {
        h1 { (words.jobs) }
        (filter(words, &known, &wanted))
        @if signed_in.may_operate() && !jobs.is_empty() { (selection::bar(&signed_in, &selection::OPERATIONS, false)) }
        (table(&signed_in, &jobs))
        @if let Some(next) = listed.next {
            p { a href=(address(&wanted, &next.to_string())) rel="next" { (words.next_page) } }
        }
    };
    // A page in the middle of a list is not renewed.
    let live = if wanted.after == Cursor::default() { Live::Yes } else { Live::No };
    Ok(page(&signed_in, Tab::Jobs, live, words.jobs, &content))
}

/// The job of this key; where several queues have one, all of them.
async fn search(signed_in: &SignedIn, app: &ServerState, key: &str) -> Answered {
    let words = signed_in.words();
    let (mut found, known) = (Vec::new(), app.queues.of(signed_in.bearer()));
    if let Ok(key) = key.parse::<Key>() {
        for queue in &known {
            let job = app.store.job(queue, &key).await.map_err(|error| refuse_problem(signed_in, error))?;
            found.extend(job.map(|job| (*queue, job)));
        }
    }
    match found.as_slice() {
        [] => {
            let queues = known.len().to_string();
            let text = filled(words.no_such_job, &[key, &queues]);
            Err(refuse(&signed_in.guest, Some(signed_in), StatusCode::NOT_FOUND, &text))
        }
        [(queue, one)] => Ok(see(&job_address(queue, one.key().as_str()))),
        several => {
            let jobs: Vec<(&Queue, &StoredAs)> = several.iter().map(|(queue, job)| (*queue, job)).collect();
            Ok(choice(signed_in, &jobs))
        }
    }
}

fn choice(signed_in: &SignedIn, several: &[(&Queue, &StoredAs)]) -> Response {
    let words = signed_in.words();
    let bar = signed_in.may_operate().then(|| selection::bar(signed_in, &selection::OPERATIONS, false));
    let content = html! { h1 { (words.several_jobs) } @if let Some(bar) = bar { (bar) } (table(signed_in, several)) };
    page(signed_in, Tab::Jobs, Live::No, words.several_jobs, &content)
}

fn address(wanted: &JobsQuery, after: &str) -> String {
    let queue = wanted.queue.as_ref().map(ToString::to_string).unwrap_or_default();
    let state = wanted.state.map_or("", State::as_str);
    format!("/jobs?queue={}&state={state}&after={}", percent(&queue), percent(after))
}

fn filter(words: &Words, known: &[&Queue], wanted: &JobsQuery) -> Markup {
    html! {
        form.filter action="/jobs" method="get" {
            label { (words.queue) " " select name="queue" {
                @for queue in known { option value=(queue) selected[wanted.queue.as_ref() == Some(queue)] { (queue) } }
            } }
            label { (words.state_name) " " select name="state" {
                option value="" { (words.every_state) }
                @for state in State::ALL { option value=(state.as_str()) selected[wanted.state == Some(state)] { (words.state(state)) } }
            } }
            button type="submit" { (words.show) }
        }
    }
}

/// Jobs, one a row, each with its amount.
fn table(signed_in: &SignedIn, jobs: &[(&Queue, &StoredAs)]) -> Markup {
    let words = signed_in.words();
    html! {
        @if jobs.is_empty() { p.soft { (words.actions.no_jobs) } } @else {
            div.wide { table.jobs {
                thead { tr {
                    @for name in [words.key, words.queue, words.state_name] { th { (name) } }
                    th.number { (words.amount) }
                    @for name in [words.why_so, words.calls, words.updated, words.due] { th { (name) } }
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
            td data-name=(words.state_name) colspan="6" { (unreadable(words, why)) }
        }
    }
}

fn row(signed_in: &SignedIn, job: &JobRecord) -> Markup {
    let words = signed_in.words();
    let view = job.view();
    html! {
        tr {
            th scope="row" { @if signed_in.may_operate() { (selection::tick(signed_in, &job.queue, &job.key)) " " } a.key href=(job_address(&job.queue, job.key.as_str())) { (job.key) } }
            td data-name=(words.queue) { (job.queue) }
            td data-name=(words.state_name) { (badge(words, job.state)) }
            td.number data-name=(words.amount) { (amount(job).map_or_else(|| "–".to_owned(), Fen::yuan)) }
            td.reason data-name=(words.why_so) { (shown_reason(words, job).unwrap_or_default()) }
            td.calls data-name=(words.calls) { (filled(words.calls_made, &[&view.attempts.to_string(), &view.queries.to_string()])) }
            td data-name=(words.updated) { (moment(&view.updated_at.unwrap_or_default())) }
            td data-name=(words.due) { (moment(&view.due_at.unwrap_or_default())) }
        }
    }
}
