//! `POST /actions/preview`: the effect of an action on the chosen jobs. `POST /actions`: does it, and shows each result when it is known.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{
    BatchOutcome, BatchResult, EffectSum, Key, MAX_ACTIONS, Operation, PlannedAction, PlannedEffect, PlannedSum, Queue,
    State, is_reason, without_accounts_but, yuan,
};
use bursar_store::{Effect, Planned, PlannedJob};
use futures_util::StreamExt;
use maud::{Markup, html};
use tokio::sync::mpsc;

use crate::dashboard::access::{Form, MAX_LIST_BYTES, Posted};
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::selection::OPERATIONS;
use crate::dashboard::components::{ENDS, badge, job_address};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Refused, Tab, in_parts, page, parts_here, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::ops::action_batch::{self, ChosenJob, in_state};
use crate::state::{ServerState, Shared};

/// The page that boxes are on.
const REVIEW: &str = "/review";

/// A reload of a page that a form led to.
pub(super) async fn elsewhere(_: SignedIn) -> Response {
    see(REVIEW)
}

/// `POST /actions/preview`: nothing is changed.
pub(super) async fn preview(AppState(app): AppState<Shared>, posted: Posted<MAX_LIST_BYTES>) -> Answered {
    let Posted { signed_in, form } = posted;
    let operation = operation(&signed_in, &form)?;
    let (chosen, has_more) = chosen(&signed_in, &app, &form).await?;
    let planned = action_batch::preview(&app, &chosen, operation).await;
    let planned = planned.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    Ok(previewed(&signed_in, operation, &planned, has_more.then_some(MAX_ACTIONS), (None, StatusCode::OK)))
}

/// `POST /actions`: acts on the jobs of a preview.
pub(super) async fn perform(AppState(app): AppState<Shared>, posted: Posted<MAX_LIST_BYTES>) -> Answered {
    let Posted { signed_in, form } = posted;
    let mut operation = operation(&signed_in, &form)?;
    let words = signed_in.words();
    let jobs = named(&signed_in, &app, form.text("jobs").lines())?;
    let again = async |wrong| {
        let names: Vec<(Queue, Key)> = jobs.iter().map(|job| (job.queue.clone(), job.key.clone())).collect();
        let planned = action_batch::preview(&app, &names, operation).await;
        let planned = planned.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
        Ok(previewed(&signed_in, operation, &planned, None, (Some(wrong), StatusCode::UNPROCESSABLE_ENTITY)))
    };
    let reason = form.text("reason");
    if !is_reason(reason) {
        return again(words.reason_rule).await;
    }
    if let Operation::Resolve(_) = operation {
        match ENDS.into_iter().find(|end| end.as_str() == form.text("as")) {
            Some(end) => operation = Operation::Resolve(end),
            None => return again(words.end_rule).await,
        }
    }
    if jobs.is_empty() {
        return Err(refused(&signed_in, words.actions.none_selected));
    }
    let count = jobs.len();
    let results = action_batch::act(&app, jobs, operation, signed_in.acting(reason));
    Ok(acted(&signed_in, operation, count, results))
}

/// The action that the form names, for a bearer who may operate. One final state represents every `resolve`.
fn operation(signed_in: &SignedIn, form: &Form) -> Result<Operation, Refused> {
    let words = signed_in.words();
    if !signed_in.may_operate() {
        return Err(refuse(&signed_in.guest, Some(signed_in), StatusCode::FORBIDDEN, words.not_allowed));
    }
    let operation = OPERATIONS.into_iter().find(|operation| operation.as_str() == form.text("act"));
    operation.ok_or_else(|| refused(signed_in, words.actions.none_selected))
}

fn refused(signed_in: &SignedIn, why: &str) -> Refused {
    refuse(&signed_in.guest, Some(signed_in), StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// The jobs that were ticked, or all that need review; `true` with them if there are more.
async fn chosen(signed_in: &SignedIn, app: &ServerState, form: &Form) -> Result<(Vec<(Queue, Key)>, bool), Refused> {
    let (chosen, has_more) = if form.text("of") == "review" {
        let queues = app.known_queues(signed_in.bearer());
        let found = in_state(app, &queues, State::NeedsReview, MAX_ACTIONS).await;
        found.map_err(|refusal| refuse_problem(signed_in, refusal))?
    } else {
        let jobs = named(signed_in, app, form.texts("job"))?;
        (jobs.into_iter().map(|job| (job.queue, job.key)).collect(), false)
    };
    if chosen.is_empty() {
        return Err(refused(signed_in, signed_in.words().actions.none_selected));
    }
    Ok((chosen, has_more))
}

/// Jobs by lines of a queue, a key and a version, each separated by a space. Each job is taken once.
fn named<'a>(
    signed_in: &SignedIn,
    app: &ServerState,
    lines: impl Iterator<Item = &'a str>,
) -> Result<Vec<ChosenJob>, Refused> {
    let known = app.known_queues(signed_in.bearer());
    let mut jobs: Vec<ChosenJob> = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let queue: Option<Queue> = words.next().and_then(|queue| queue.parse().ok());
        let key: Option<Key> = words.next().and_then(|key| key.parse().ok());
        let Some((queue, key)) = queue.filter(|queue| known.contains(queue)).zip(key) else {
            return Err(refuse(&signed_in.guest, Some(signed_in), StatusCode::NOT_FOUND, signed_in.words().not_found));
        };
        jobs.push(ChosenJob { queue, key, version: words.next().map(str::to_owned) });
    }
    jobs.sort_by(|left, right| (&left.queue, &left.key).cmp(&(&right.queue, &right.key)));
    jobs.dedup_by(|left, right| (&left.queue, &left.key) == (&right.queue, &right.key));
    if jobs.len() > MAX_ACTIONS {
        return Err(refused(signed_in, &filled(signed_in.words().actions.at_most, &[&MAX_ACTIONS.to_string()])));
    }
    Ok(jobs)
}

/// The effect on each job, and the form that confirms it.
fn previewed(
    signed_in: &SignedIn,
    operation: Operation,
    planned: &[Planned],
    only_first: Option<usize>,
    (wrong, status): (Option<&str>, StatusCode),
) -> Response {
    let words = signed_in.words();
    let views: Vec<PlannedAction> = planned.iter().map(Planned::view).collect();
    let sum = PlannedSum::of(&views);
    let act = words.operation(operation);
    let content = html! {
        h1 { (words.actions.preview) ": " (act) }
        p.soft { (words.actions.nothing_changed_yet) }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        @if let Some(first) = only_first { p.notice { (filled(words.actions.only_first, &[&first.to_string()])) } }
        dl.totals {
            (total(signed_in, words.actions.would_be_done, sum.done))
            (total(signed_in, words.actions.would_be_proposed, sum.proposed))
            (total(signed_in, words.actions.would_be_refused, sum.refused))
        }
        @if sum.effective() == 0 { p.notice.bad { (words.actions.nothing_to_do) } p { a href=(REVIEW) { (words.actions.back_to_review) } } }
        @else { (confirmation(signed_in, operation, &views, sum)) }
        (table(signed_in, planned, &views))
    };
    let mut response = page(signed_in, Tab::Review, Live::No, words.actions.preview, &content);
    *response.status_mut() = status;
    response
}

fn total(signed_in: &SignedIn, name: &str, sum: EffectSum) -> Markup {
    let words = &signed_in.words().actions;
    html! {
        div {
            dt { (name) }
            dd { (filled(words.number_of_jobs, &[&sum.jobs.to_string()])) }
            @if sum.jobs > 0 { dd.sum { (yuan(sum.amount_fen)) } }
            @if sum.without_amount > 0 { dd.note { (filled(words.without_amount, &[&sum.without_amount.to_string()])) } }
        }
    }
}

/// The form names each job that is not refused, with the version that this preview shows.
fn confirmation(signed_in: &SignedIn, operation: Operation, views: &[PlannedAction], sum: PlannedSum) -> Markup {
    let words = signed_in.words();
    let lines: Vec<String> = views
        .iter()
        .filter(|view| view.effect != PlannedEffect::Refused)
        .map(|view| {
            let version = view.version.as_deref().unwrap_or_default();
            format!("{}/{} {} {version}", view.account, view.kind, view.platform_no)
        })
        .collect();
    let fields = html! {
        input type="hidden" name="act" value=(operation.as_str());
        input type="hidden" name="jobs" value=(lines.join("\n"));
        @if let Operation::Resolve(_) = operation {
            fieldset {
                legend { (words.resolve_as) }
                @for end in ENDS {
                    label.choice { input type="radio" name="as" value=(end.as_str()) required; (badge(words, end)) " " (words.state_means(end)) }
                }
            }
        }
    };
    let caution = match operation {
        Operation::Query => words.query_does,
        Operation::Send => words.send_does,
        Operation::Resolve(_) => words.resolve_does,
        Operation::Cancel => words.cancel_does,
    };
    let name = filled(words.actions.do_to, &[words.operation(operation), &sum.effective().to_string()]);
    let form = ActionForm { name: &name, fields, back: REVIEW, is_dangerous: operation == Operation::Send };
    html! {
        div.does data-act=(operation.as_str()) { p { strong { (caution) } } p { (words.actions.changed_is_refused) } }
        (form.shown_at(signed_in, Some("/actions")))
    }
}

fn table(signed_in: &SignedIn, planned: &[Planned], views: &[PlannedAction]) -> Markup {
    let words = signed_in.words();
    html! {
        div.wide { table.jobs {
            thead { tr {
                @for name in [words.key, words.queue, words.state_name] { th { (name) } }
                th.number { (words.amount) }
                th { (words.actions.effect) }
            } }
            tbody { @for (planned, view) in planned.iter().zip(views) {
                tr data-effect=(effect_word(view.effect)) {
                    th scope="row" { a.key href=(job_address(&planned.queue, planned.key.as_str())) { (planned.key) } }
                    td data-name=(words.queue) { (planned.queue) }
                    td data-name=(words.state_name) { @if let Some(state) = view.state { (badge(words, state)) } @else { "–" } }
                    td.number data-name=(words.amount) { (view.amount_fen.map_or_else(|| "–".to_owned(), bursar_domain::Fen::yuan)) }
                    td.reason data-name=(words.actions.effect) { (effect(signed_in, planned, view)) }
                }
            } }
        } }
    }
}

const fn effect_word(effect: PlannedEffect) -> &'static str {
    match effect {
        PlannedEffect::Done => "done",
        PlannedEffect::Proposed => "proposed",
        PlannedEffect::Refused => "refused",
    }
}

/// The effect in words.
fn effect(signed_in: &SignedIn, planned: &Planned, view: &PlannedAction) -> Markup {
    let words = signed_in.words();
    let rule = |text: &str| html! { span.flag.bad { (words.actions.would_be_refused) } " " (text) };
    match &planned.job {
        PlannedJob::Unknown => rule(words.actions.no_such_job),
        PlannedJob::Unreadable(why) => rule(&format!("{} ({why})", words.record_unreadable)),
        PlannedJob::Found(_, Effect::Done(next)) => html! { "→ " (badge(words, next.state)) },
        PlannedJob::Found(_, Effect::NeedsSecond(_)) => {
            html! { span.flag.warn { (words.actions.would_be_proposed) } " " (words.actions.needs_second) }
        }
        PlannedJob::Found(_, Effect::OpenBefore(open)) => {
            rule(&filled(words.proposal.open_before, &[&open.proposal.proposed_by]))
        }
        PlannedJob::Found(_, Effect::Claimed) => rule(words.actions.claimed),
        PlannedJob::Found(..) => rule(view.detail.as_deref().unwrap_or_default()),
    }
}

/// The results, each when it is known, and at the end their numbers.
fn acted(signed_in: &SignedIn, operation: Operation, count: usize, results: mpsc::Receiver<BatchResult>) -> Response {
    let words = signed_in.words();
    let title = format!("{}: {}", words.actions.results, words.operation(operation));
    let content = html! {
        h1 { (title) }
        p.soft { (words.actions.closing_stops_nothing) }
        (parts_here())
    };
    let begun = (results, [0_usize; BatchOutcome::ALL.len()], 0_usize, false);
    let parts = futures_util::stream::unfold(begun, move |(mut results, mut counts, done, is_over)| async move {
        if is_over {
            return None;
        }
        let Some(result) = results.recv().await else {
            return Some((finished(words, counts), (results, counts, done, true)));
        };
        if let Some(place) = BatchOutcome::ALL.iter().position(|outcome| *outcome == result.outcome) {
            counts[place] += 1;
        }
        let row = row(words, &result, (done + 1, count));
        Some((row, (results, counts, done + 1, false)))
    });
    in_parts(signed_in, Tab::Review, &title, &content, parts.boxed())
}

fn row(words: &crate::dashboard::i18n::Words, result: &BatchResult, (done, count): (usize, usize)) -> Markup {
    let queue = Queue { account: result.account.clone(), kind: result.kind };
    let detail = result.detail.as_deref().map(|detail| without_accounts_but(detail, &[result.platform_no.as_str()]));
    html! {
        div.result data-outcome=(result.outcome.as_str()) {
            span.soft.progress { (filled(words.actions.progress, &[&done.to_string(), &count.to_string()])) } " "
            a.key href=(job_address(&queue, result.platform_no.as_str())) { (result.platform_no) } " "
            span.flag.good[result.outcome == BatchOutcome::Done].warn[result.outcome == BatchOutcome::Proposed].bad[matches!(result.outcome, BatchOutcome::Refused | BatchOutcome::Failed)] {
                (words.actions.outcome(result.outcome))
            }
            @if let Some(state) = result.state { " " (badge(words, state)) }
            @if let Some(detail) = detail { " " span.why { (detail) } }
        }
    }
}

fn finished(words: &crate::dashboard::i18n::Words, counts: [usize; BatchOutcome::ALL.len()]) -> Markup {
    html! {
        dl.totals { @for (outcome, count) in BatchOutcome::ALL.into_iter().zip(counts) {
            @if count > 0 { div data-outcome=(outcome.as_str()) { dt { (words.actions.outcome(outcome)) } dd { (count) } } }
        } }
        p.notice.good { (words.actions.finished) " " a href=(REVIEW) { (words.actions.back_to_review) } }
    }
}
