//! `/jobs/…/{query|send|resolve|cancel}`: explains the action, takes a reason, and does what the state allows. Of two operators, the second
//! one gets the first one's action.

use axum::extract::{Path, State as AppState};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{Due, HistoryEvent, Millis, Operation, State, is_reason, without_accounts_but};
use bursar_store::{JobRecord, StoredAs};
use maud::{Markup, html};

use super::proposals::not_proposed;
use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::amounts::amount;
use crate::dashboard::components::{ENDS, badge, job_address, last_action_text, own_numbers, shown_reason};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::JobName;
use crate::http::path::PathParts;
use crate::ops::jobs::job as read;
use crate::ops::operate::{NotOperated, Seen, operate};
use crate::state::{ServerState, Shared};

type Path4 = PathParts<(String, String, String, String)>;

/// A job, and the action that an operator wants.
struct RequestedAction {
    name: JobName,
    operation: Operation,
    record: JobRecord,
    history: Vec<HistoryEvent>,
}

/// `GET`: explains the action.
pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, path: Path4) -> Answered {
    let wanted = meant(&signed_in, &app, path).await?;
    if let Err(refused) =
        wanted.operation.on_job(wanted.name.queue.kind, wanted.record.state, wanted.record.reason.as_ref(), Millis(0))
    {
        return Err(not_now(&signed_in, &wanted, refused.rule));
    }
    Ok(asking(&signed_in, &wanted, None, StatusCode::OK))
}

/// `POST`: does it.
pub(super) async fn perform(AppState(app): AppState<Shared>, path: Path4, posted: Posted) -> Answered {
    let Posted { signed_in, form } = posted;
    let mut wanted = meant(&signed_in, &app, path).await?;
    let words = signed_in.words();
    if let Operation::Resolve(_) = wanted.operation {
        let end = ENDS.into_iter().find(|end| end.as_str() == form.text("as"));
        let Some(end) = end else {
            return Ok(asking(
                &signed_in,
                &wanted,
                Some(&html! { (words.end_rule) }),
                StatusCode::UNPROCESSABLE_ENTITY,
            ));
        };
        wanted.operation = Operation::Resolve(end);
    }
    if let Err(refused) =
        wanted.operation.on_job(wanted.name.queue.kind, wanted.record.state, wanted.record.reason.as_ref(), Millis(0))
    {
        return Err(not_now(&signed_in, &wanted, refused.rule));
    }
    if form.text("seen") != seen(&wanted.record) {
        return Ok(changed(&signed_in, &wanted));
    }
    let reason = form.text("reason");
    if !is_reason(reason) {
        return Ok(asking(&signed_in, &wanted, Some(&html! { (words.reason_rule) }), StatusCode::UNPROCESSABLE_ENTITY));
    }
    let acting = signed_in.acting(reason);
    match operate(&app, (&wanted.name.queue, &wanted.name.key), wanted.operation, acting, Seen::Job(&wanted.record))
        .await
    {
        Ok(_) => Ok(see(&job_address(&wanted.name.queue, wanted.name.key.as_str()))),
        Err(NotOperated::NotNow(refused)) => {
            let away = |error| refuse_problem(&signed_in, error);
            let record = match app.store.job(&wanted.name.queue, &wanted.name.key).await.map_err(away)? {
                Some(StoredAs::Job(record)) => *record,
                Some(StoredAs::Unreadable { .. }) | None => wanted.record,
            };
            let history = app.store.history(&record).await.map_err(away)?;
            let now = RequestedAction { record, history, ..wanted };
            // Another operator was faster.
            let is_still_possible = now
                .operation
                .on_job(now.name.queue.kind, now.record.state, now.record.reason.as_ref(), Millis(0))
                .is_ok();
            if is_still_possible && form.text("seen") != seen(&now.record) {
                return Ok(changed(&signed_in, &now));
            }
            Err(not_now(&signed_in, &now, &refused.detail))
        }
        Err(NotOperated::Proposed(_)) => Ok(see(&job_address(&wanted.name.queue, wanted.name.key.as_str()))),
        Err(NotOperated::NotProposed(refused)) => Err(not_proposed(&signed_in, &refused)),
        Err(NotOperated::Refused(refusal)) => Err(refuse_problem(&signed_in, refusal)),
    }
}

/// The job and the action that a path names, for a bearer who may operate.
async fn meant(signed_in: &SignedIn, app: &ServerState, path: Path4) -> Result<RequestedAction, Refused> {
    let refused = |status, why| refuse(&signed_in.guest, Some(signed_in), status, why);
    let not_found = || refused(StatusCode::NOT_FOUND, signed_in.words().not_found);
    let Path((account, kind, key, act)) = path.map_err(|_| not_found())?;
    let every = [Operation::Query, Operation::Send, Operation::Resolve(State::Succeeded), Operation::Cancel];
    let operation = every.into_iter().find(|operation| operation.as_str() == act).ok_or_else(not_found)?;
    let queue = app.queue(signed_in.bearer(), &account, &kind).map_err(|problem| refuse_problem(signed_in, problem))?;
    let name = JobName { queue, key: key.parse().map_err(|_| not_found())? };
    if !signed_in.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, signed_in.words().not_allowed));
    }
    let away = |error| refuse_problem(signed_in, error);
    let record = read(app, &name.queue, &name.key).await.map_err(|refusal| refuse_problem(signed_in, refusal))?;
    let history = app.store.history(&record).await.map_err(away)?;
    Ok(RequestedAction { name, operation, record, history })
}

/// A digest of the job as the operator saw it: any later change has another one.
fn seen(record: &JobRecord) -> String {
    let updated = record.updated.unwrap_or_default().0;
    format!("{}-{}-{updated}", record.state, record.fence)
}

/// The job has changed since the operator saw it: the page shows the change, and the form again.
fn changed(signed_in: &SignedIn, wanted: &RequestedAction) -> Response {
    let words = signed_in.words();
    let last = last_action_text(words, &wanted.history, &own_numbers(&wanted.record)).unwrap_or_default();
    asking(signed_in, wanted, Some(&html! { (words.has_changed) " " (last) }), StatusCode::CONFLICT)
}

fn asking(signed_in: &SignedIn, wanted: &RequestedAction, wrong: Option<&Markup>, status: StatusCode) -> Response {
    let words = signed_in.words();
    let RequestedAction { name, operation, record, history } = wanted;
    let address = job_address(&name.queue, name.key.as_str());
    let act = words.operation(*operation);
    let fields = html! {
        input type="hidden" name="seen" value=(seen(record));
        @if let Operation::Resolve(_) = operation {
            fieldset {
                legend { (words.resolve_as) }
                @for (end, means) in ENDS.into_iter().zip(words.find.resolve_means) {
                    label.choice { input type="radio" name="as" value=(end.as_str()) required; (badge(words, end)) " " (means) }
                }
            }
        }
    };
    let form = ActionForm { name: act, fields, back: &address, is_dangerous: *operation == Operation::Send };
    let content = html! {
        h1 { (act) " " code { (name.key) } }
        p { (name.queue) " · " (badge(words, record.state))
            @if let Some(amount) = amount(record) { " · " strong.amount { (amount.yuan()) } }
            @if let Some(reason) = shown_reason(words, record) { " · " (reason) } }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        (what_it_does(words, *operation, record))
        @if let Some(last) = last_action_text(words, history, &own_numbers(record)).filter(|_| wrong.is_none()) { p.soft { (last) } }
        (form.shown(signed_in))
    };
    let mut response = page(signed_in, Tab::Jobs, Live::No, act, &content);
    *response.status_mut() = status;
    response
}

/// The consequence of the action by the domain's rule.
fn what_it_does(words: &Words, operation: Operation, record: &JobRecord) -> Markup {
    let Ok(next) = operation.on_job(record.queue.kind, record.state, record.reason.as_ref(), Millis(0)) else {
        return Markup::default();
    };
    let caution = match operation {
        Operation::Query => words.query_does,
        Operation::Send => words.send_does,
        Operation::Resolve(_) => words.resolve_does,
        Operation::Cancel => words.cancel_does,
    };
    let then = match next.due {
        Due::Send(_) => words.then_sent,
        Due::Query(_) => words.then_queried,
        Due::Never => words.then_over,
    };
    html! {
        div.does data-act=(operation.as_str()) {
            p { strong { (caution) } }
            p {
                (badge(words, record.state)) " → "
                @if let Operation::Resolve(_) = operation { (words.as_you_say) } @else { (badge(words, next.state)) }
                " · " (then)
            }
        }
    }
}

/// Why not now: the rule, the job's state, and the last action.
fn not_now(signed_in: &SignedIn, wanted: &RequestedAction, rule: &str) -> Refused {
    let words = signed_in.words();
    let RequestedAction { name, record, history, operation } = wanted;
    let address = job_address(&name.queue, name.key.as_str());
    let content = html! {
        h1 { (words.not_possible) }
        p.notice.bad role="alert" { (filled(words.act_refused, &[words.operation(*operation), words.state(record.state)])) }
        p.soft { (without_accounts_but(rule, &own_numbers(record))) }
        @if let Some(last) = last_action_text(words, history, &own_numbers(record)) { p { (last) } }
        p { a href=(address) { (words.to_the_job) } }
    };
    let mut response = page(signed_in, Tab::Jobs, Live::No, words.not_possible, &content);
    *response.status_mut() = StatusCode::CONFLICT;
    response.into()
}
