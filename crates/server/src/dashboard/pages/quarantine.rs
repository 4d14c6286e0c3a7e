//! `GET /quarantine`: every key that no build could read, every job with which worker after worker was lost, and every webhook that cannot be
//! delivered. `/quarantine/…/{retry|drop}` explains the action, takes a reason, does it.

use axum::extract::{Path, State as AppState};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{JobView, Millis, is_reason};
use bursar_store::{Origin, Quarantined};
use maud::{Markup, html};

use super::proposals;
use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::{QUARANTINE, job_address, moment, percent};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::PathParts;
use crate::ops::quarantine::{self, Found, NotDone, QuarantineAction, found};
use crate::state::{ServerState, Shared};

/// Keys of one queue on this page; `bursar quarantine list` has all.
const SHOWN: usize = 100;

type Path4 = PathParts<(String, String, String, String)>;

/// An action's name, and its effect.
const fn act_words(act: QuarantineAction, words: &Words) -> (&'static str, &'static str) {
    match act {
        QuarantineAction::Retry => (words.retry, words.retry_does),
        QuarantineAction::Deliver => (words.retry, words.deliver_does),
        QuarantineAction::Drop => (words.drop, words.drop_does),
    }
}

/// A key, and the action that an operator wants.
struct RequestedAction {
    origin: Origin,
    key: String,
    act: QuarantineAction,
}

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>) -> Answered {
    let words = signed_in.words();
    let found = found(&app, signed_in.bearer(), SHOWN).await.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let count: usize = found.iter().map(|found| found.jobs.len() + found.webhooks.len()).sum();
    let is_cut = found.iter().any(|found| found.jobs.len() >= SHOWN || found.webhooks.len() >= SHOWN);
    let content = html! {
        h1 { (words.quarantine) @if count > 0 { " " span.count { (count) } } }
        p.soft { (words.quarantine_note) }
        @if count == 0 { p.notice.good { (words.quarantine_empty) } }
        @for Found { origin, jobs, webhooks } in &found {
            h2 { (origin) }
            ul.queue {
                @for key in jobs { (entry(&signed_in, origin, key, &[QuarantineAction::Retry, QuarantineAction::Drop])) }
                @for key in webhooks { (entry(&signed_in, origin, key, &[QuarantineAction::Deliver])) }
            }
        }
        @if is_cut { p.soft { (filled(words.quarantine_cut, &[&SHOWN.to_string()])) } }
    };
    Ok(page(&signed_in, Tab::None, Live::Yes, words.quarantine, &content))
}

fn entry(
    signed_in: &SignedIn,
    origin: &Origin,
    found: &Quarantined,
    offered_operations: &[QuarantineAction],
) -> Markup {
    let words = signed_in.words();
    let since = JobView::time(Some(found.since).filter(|since| *since > Millis(0))).unwrap_or_default();
    html! {
        li {
            div {
                @match origin {
                    Origin::Jobs(queue) => { a.key href=(job_address(queue, &found.key)) { (found.key) } }
                    Origin::Notifications(_) => { code.key { (found.key) } }
                }
                " " span.flag.bad { (words.quarantined_for(&found.code)) } " " span.soft { (moment(&since)) }
            }
            div.reason { (found.detail) }
            @if signed_in.may_operate() {
                div.buttons {
                    @for act in offered_operations {
                        a.act data-act=(act.as_str()) href=(address(origin, &found.key, *act)) { (act_words(*act, words).0) }
                    }
                }
            }
        }
    }
}

fn address(origin: &Origin, key: &str, act: QuarantineAction) -> String {
    format!("{QUARANTINE}/{origin}/{}/{}", percent(key), act.as_str())
}

/// `GET`: explains the action.
pub(super) async fn query(signed_in: SignedIn, AppState(app): AppState<Shared>, path: Path4) -> Answered {
    let wanted = meant(&signed_in, &app, path)?;
    Ok(asking(&signed_in, &wanted, None, StatusCode::OK))
}

/// `POST`: does it.
pub(super) async fn perform(AppState(app): AppState<Shared>, path: Path4, posted: Posted) -> Answered {
    let Posted { signed_in, form } = posted;
    let wanted = meant(&signed_in, &app, path)?;
    let words = signed_in.words();
    let reason = form.text("reason");
    if !is_reason(reason) {
        return Ok(asking(&signed_in, &wanted, Some(words.reason_rule), StatusCode::UNPROCESSABLE_ENTITY));
    }
    let acting = signed_in.acting(reason);
    match quarantine::perform(&app, (&wanted.origin, &wanted.key), wanted.act, acting).await {
        Ok(()) => Ok(see(QUARANTINE)),
        Err(NotDone::Proposed(_)) => Ok(see(proposals::ADDRESS)),
        Err(NotDone::NotProposed(refused)) => Err(proposals::not_proposed(&signed_in, &refused)),
        Err(NotDone::Refused(refusal)) => Err(refuse_problem(&signed_in, refusal)),
        Err(NotDone::NotThere) => Err(conflict(&signed_in, &filled(words.not_in_quarantine, &[&wanted.key]))),
        Err(NotDone::Unreadable(why)) => Err(conflict(&signed_in, &format!("{} ({why})", words.record_unreadable))),
        Err(NotDone::Readable) => Err(conflict(&signed_in, words.drop_refused)),
        Err(NotDone::Changed) => Err(conflict(&signed_in, words.has_changed)),
    }
}

fn conflict(signed_in: &SignedIn, why: &str) -> Refused {
    refuse(&signed_in.guest, Some(signed_in), StatusCode::CONFLICT, why)
}

/// The key and the action that a path names, for a bearer who may operate.
fn meant(signed_in: &SignedIn, app: &ServerState, path: Path4) -> Result<RequestedAction, Refused> {
    let words = signed_in.words();
    let refused = |status, why| refuse(&signed_in.guest, Some(signed_in), status, why);
    let not_found = || refused(StatusCode::NOT_FOUND, words.not_found);
    let Path((account, kind, key, act)) = path.map_err(|_| not_found())?;
    let act = QuarantineAction::ALL.into_iter().find(|known| known.as_str() == act).ok_or_else(not_found)?;
    let origin: Origin = format!("{account}/{kind}").parse().map_err(|_| not_found())?;
    let origins = app.origins(signed_in.bearer(), None, None).map_err(|problem| refuse_problem(signed_in, problem))?;
    if !origins.contains(&origin) {
        return Err(not_found());
    }
    if !signed_in.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, words.not_allowed));
    }
    Ok(RequestedAction { origin, key, act })
}

fn asking(signed_in: &SignedIn, wanted: &RequestedAction, wrong: Option<&str>, status: StatusCode) -> Response {
    let words = signed_in.words();
    let (name, does) = act_words(wanted.act, words);
    let content = html! {
        h1 { (name) " " code { (wanted.key) } }
        p { (wanted.origin) }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        p.does { (does) }
        (ActionForm::new(name, QUARANTINE).shown(signed_in))
    };
    let mut response = page(signed_in, Tab::None, Live::No, name, &content);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_has_an_address_too() {
        let origin: Origin = "main/transfer".parse().unwrap();
        assert_eq!(
            address(&origin, "a b/c+d?", QuarantineAction::Drop),
            "/quarantine/main/transfer/a%20b%2Fc%2Bd%3F/drop"
        );
    }
}
