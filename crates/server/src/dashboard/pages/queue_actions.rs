//! `/queues/{account}/{kind}/{pause|resume}`: explains the action, takes a reason, does it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{Queue, is_reason};
use bursar_store::{OpenProposal, QueueStatus};
use maud::html;

use super::proposals;
use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::PathParts;
use crate::ops::queues::{QueueAction, QueueActionError, pause_or_resume};
use crate::state::{ServerState, Shared};

type Name = PathParts<(String, String, String)>;

/// `GET`: explains the action.
pub(super) async fn show(signed_in: SignedIn, State(app): State<Shared>, name: Name) -> Answered {
    let (queue, wanted) = meant(&signed_in, &app, name)?;
    let away = |error| refuse_problem(&signed_in, error);
    let status = app.store.status(&queue).await.map_err(away)?;
    let open = app.store.proposal_about(&queue, None).await.map_err(away)?;
    Ok(asking(&signed_in, &queue, wanted, (&status, open.as_ref()), None))
}

/// `POST`: does it.
pub(super) async fn perform(State(app): State<Shared>, name: Name, posted: Posted) -> Answered {
    let Posted { signed_in, form } = posted;
    let (queue, wanted) = meant(&signed_in, &app, name)?;
    let words = signed_in.words();
    let reason = form.text("reason");
    if !is_reason(reason) {
        let status = app.store.status(&queue).await.map_err(|error| refuse_problem(&signed_in, error))?;
        let mut again = asking(&signed_in, &queue, wanted, (&status, None), Some(words.reason_rule));
        *again.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(again);
    }
    let acting = signed_in.acting(reason);
    match pause_or_resume(&app, &queue, wanted, acting).await {
        Ok(_) => Ok(see("/")),
        // Another operator was faster: the page has the name and the reason.
        Err(QueueActionError::Already(status)) => {
            let queue = queue.to_string();
            let text = match &status.paused {
                Some(by) => filled(words.paused_already, &[&queue, &words.reason(by)]),
                None => filled(words.not_paused, &[&queue]),
            };
            Err(refuse(&signed_in.guest, Some(&signed_in), StatusCode::CONFLICT, &text))
        }
        Err(QueueActionError::Proposed(_)) => Ok(see(proposals::ADDRESS)),
        Err(QueueActionError::NotProposed(_, refused)) => Err(proposals::not_proposed(&signed_in, &refused)),
        Err(QueueActionError::Changed) => {
            Err(refuse(&signed_in.guest, Some(&signed_in), StatusCode::CONFLICT, words.has_changed))
        }
        Err(QueueActionError::Refused(refusal)) => Err(refuse_problem(&signed_in, refusal)),
    }
}

/// The queue and the action that a path names, for a bearer who may operate.
fn meant(signed_in: &SignedIn, app: &ServerState, name: Name) -> Result<(Queue, QueueAction), Refused> {
    let refused = |status, why| refuse(&signed_in.guest, Some(signed_in), status, why);
    let words = signed_in.words();
    let Ok(Path((account, kind, act))) = name else { return Err(refused(StatusCode::NOT_FOUND, words.not_found)) };
    let wanted = [QueueAction::Pause, QueueAction::Resume].into_iter().find(|turn| turn.as_str() == act);
    let wanted = wanted.ok_or_else(|| refused(StatusCode::NOT_FOUND, words.not_found))?;
    let queue = app.queue(signed_in.bearer(), &account, &kind).map_err(|problem| refuse_problem(signed_in, problem))?;
    if !signed_in.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, words.not_allowed));
    }
    Ok((queue, wanted))
}

fn asking(
    signed_in: &SignedIn,
    queue: &Queue,
    wanted: QueueAction,
    (status, open): (&QueueStatus, Option<&OpenProposal>),
    wrong: Option<&str>,
) -> Response {
    let words = signed_in.words();
    let (name, does) = match wanted {
        QueueAction::Pause => (words.pause, words.pause_does),
        QueueAction::Resume => (words.resume, words.resume_does),
    };
    let to_send = status.counts.to_send.to_string();
    let content = html! {
        h1 { (name) " " (queue) }
        p.does { (filled(does, &[&to_send])) }
        @if let Some(paused) = &status.paused { p.notice { (words.paused) ": " (words.reason(paused)) } }
        (proposals::notice(signed_in, open))
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        (ActionForm::new(name, "/").shown(signed_in))
    };
    page(signed_in, Tab::Queues, Live::No, name, &content)
}
