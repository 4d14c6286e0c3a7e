//! `/queues/{account}/{kind}/{pause|resume}`: explains the action, takes a reason, does it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{Queue, is_reason};
use bursar_store::{Operator, QueueStatus};
use maud::html;

use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::Visitor;
use crate::http::path::Names;
use crate::ops::queues::{NotTurned, Turn, turn};
use crate::state::{App, Shared};

type Name = Names<(String, String, String)>;

/// `GET`: explains the action.
pub(super) async fn show(visitor: Visitor, State(app): State<Shared>, name: Name) -> Answered {
    let (queue, wanted) = meant(&visitor, &app, name)?;
    let status = app.store.status(&queue).await.map_err(|error| refuse_problem(&visitor, error))?;
    Ok(asking(&visitor, &queue, wanted, &status, None))
}

/// `POST`: does it.
pub(super) async fn act(State(app): State<Shared>, name: Name, posted: Posted) -> Answered {
    let Posted { visitor, form } = posted;
    let (queue, wanted) = meant(&visitor, &app, name)?;
    let words = visitor.words();
    let reason = form.text("reason");
    if !is_reason(reason) {
        let status = app.store.status(&queue).await.map_err(|error| refuse_problem(&visitor, error))?;
        let mut again = asking(&visitor, &queue, wanted, &status, Some(words.reason_rule));
        *again.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(again);
    }
    let operator = Operator { who: visitor.name(), why: reason };
    match turn(&app, &queue, wanted, operator).await {
        Ok(_) => Ok(see("/")),
        // Another operator was faster: the page has the name and the reason.
        Err(NotTurned::Already(status)) => {
            let queue = queue.to_string();
            let told = match &status.paused {
                Some(by) => filled(words.paused_already, &[&queue, &words.reason(by)]),
                None => filled(words.not_paused, &[&queue]),
            };
            Err(refuse(&visitor.guest, Some(&visitor), StatusCode::CONFLICT, &told))
        }
        Err(NotTurned::Refused(refusal)) => Err(refuse_problem(&visitor, refusal)),
    }
}

/// The queue and the action that a path names, for a bearer who may operate.
fn meant(visitor: &Visitor, app: &App, name: Name) -> Result<(Queue, Turn), Refused> {
    let refused = |status, why| refuse(&visitor.guest, Some(visitor), status, why);
    let words = visitor.words();
    let Ok(Path((account, kind, act))) = name else { return Err(refused(StatusCode::NOT_FOUND, words.not_found)) };
    let wanted = [Turn::Pause, Turn::Resume].into_iter().find(|turn| turn.as_str() == act);
    let wanted = wanted.ok_or_else(|| refused(StatusCode::NOT_FOUND, words.not_found))?;
    let queue = app.queue(visitor.bearer(), &account, &kind).map_err(|problem| refuse_problem(visitor, problem))?;
    if !visitor.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, words.not_allowed));
    }
    Ok((queue, wanted))
}

fn asking(visitor: &Visitor, queue: &Queue, wanted: Turn, status: &QueueStatus, wrong: Option<&str>) -> Response {
    let words = visitor.words();
    let (name, does) = match wanted {
        Turn::Pause => (words.pause, words.pause_does),
        Turn::Resume => (words.resume, words.resume_does),
    };
    let to_send = status.counts.to_send.to_string();
    let content = html! {
        h1 { (name) " " (queue) }
        p.does { (filled(does, &[&to_send])) }
        @if let Some(paused) = &status.paused { p.notice { (words.paused) ": " (words.reason(paused)) } }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        (ActionForm::new(name, "/").shown(visitor))
    };
    page(visitor, Tab::Queues, Live::No, name, &content)
}
