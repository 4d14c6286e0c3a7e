//! `/jobs/…/reveal`: the whole content of a job for an operator, who gives a reason that is on record.

use axum::extract::{Path, State as AppState};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{is_reason, whole_fields};
use maud::html;

use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::amounts::fields;
use crate::dashboard::components::{job_address, job_badge};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::{JobName, PathParts};
use crate::ops::jobs::{job as read, reveal};
use crate::state::{ServerState, Shared};

type Path3 = PathParts<(String, String, String)>;

/// `GET`: asks for the reason.
pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, path: Path3) -> Answered {
    let name = named(&signed_in, &app, path)?;
    read(&app, &name.queue, &name.key).await.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    Ok(asking(&signed_in, &name, None, StatusCode::OK))
}

/// `POST`: shows the content, once: no address has it.
pub(super) async fn perform(AppState(app): AppState<Shared>, path: Path3, posted: Posted) -> Answered {
    let Posted { signed_in, form } = posted;
    let (name, words) = (named(&signed_in, &app, path)?, signed_in.words());
    let reason = form.text("reason");
    if !is_reason(reason) {
        return Ok(asking(&signed_in, &name, Some(words.reason_rule), StatusCode::UNPROCESSABLE_ENTITY));
    }
    let record = reveal(&app, &name.queue, &name.key, signed_in.acting(reason)).await;
    let record = record.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let content = html! {
        h1 { code.key { (name.key) } " " (job_badge(words, &record)) }
        p.notice role="status" { (filled(words.find.revealed, &[signed_in.name()])) }
        @match &record.content {
            None => { p.soft { (words.content_gone) } }
            Some(content) => { (fields(words, &whole_fields(content), |_| false)) }
        }
        p { a href=(job_address(&name.queue, name.key.as_str())) { (words.to_the_job) } }
    };
    Ok(page(&signed_in, Tab::Jobs, Live::No, name.key.as_str(), &content))
}

/// The job that a path names, for a bearer who may operate.
fn named(signed_in: &SignedIn, app: &ServerState, path: Path3) -> Result<JobName, Refused> {
    let refused = |status, why| refuse(&signed_in.guest, Some(signed_in), status, why);
    let not_found = || refused(StatusCode::NOT_FOUND, signed_in.words().not_found);
    let Path((account, kind, key)) = path.map_err(|_| not_found())?;
    let queue = app.queue(signed_in.bearer(), &account, &kind).map_err(|problem| refuse_problem(signed_in, problem))?;
    let name = JobName { queue, key: key.parse().map_err(|_| not_found())? };
    if signed_in.may_operate() { Ok(name) } else { Err(refused(StatusCode::FORBIDDEN, signed_in.words().not_allowed)) }
}

fn asking(signed_in: &SignedIn, name: &JobName, wrong: Option<&str>, status: StatusCode) -> Response {
    let words = signed_in.words();
    let address = job_address(&name.queue, name.key.as_str());
    let content = html! {
        h1 { (words.find.reveal) " " code { (name.key) } }
        p { (name.queue) }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        p { strong { (words.find.reveal_does) } }
        (ActionForm::new(words.find.reveal, &address).shown(signed_in))
    };
    let mut response = page(signed_in, Tab::Jobs, Live::No, words.find.reveal, &content);
    *response.status_mut() = status;
    response
}
