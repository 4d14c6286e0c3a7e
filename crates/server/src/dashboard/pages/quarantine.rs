//! `GET /quarantine`: every key that no build could read, every job with which worker after worker was lost, and every webhook that cannot be
//! delivered. `/quarantine/…/{retry|drop}` explains the action, takes a reason, does it.

use axum::extract::{Path, State as Handed};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{JobView, Millis, is_reason};
use bursar_store::{Operator, Origin, Quarantined};
use maud::{Markup, html};

use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::{job_address, moment, percent};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::Visitor;
use crate::http::path::Names;
use crate::ops::quarantine::{self, Act, Found, NotDone, found};
use crate::state::{App, Shared};

/// Keys of one queue on this page; `bursar quarantine list` has all.
const SHOWN: usize = 100;

/// The page's address.
pub(super) const ADDRESS: &str = "/quarantine";

type Path4 = Names<(String, String, String, String)>;

/// An action's name, and its effect.
const fn act_words(act: Act, words: &Words) -> (&'static str, &'static str) {
    match act {
        Act::Retry => (words.retry, words.retry_does),
        Act::Deliver => (words.retry, words.deliver_does),
        Act::Drop => (words.drop, words.drop_does),
    }
}

/// A key, and the action that an operator wants.
struct Wanted {
    origin: Origin,
    key: String,
    act: Act,
}

pub(super) async fn show(visitor: Visitor, Handed(app): Handed<Shared>) -> Answered {
    let words = visitor.words();
    let found = found(&app, visitor.bearer(), SHOWN).await.map_err(|refusal| refuse_problem(&visitor, refusal))?;
    let count: usize = found.iter().map(|found| found.jobs.len() + found.webhooks.len()).sum();
    let is_cut = found.iter().any(|found| found.jobs.len() >= SHOWN || found.webhooks.len() >= SHOWN);
    let content = html! {
        h1 { (words.quarantine) @if count > 0 { " " span.count { (count) } } }
        p.soft { (words.quarantine_note) }
        @if count == 0 { p.notice.good { (words.quarantine_empty) } }
        @for Found { origin, jobs, webhooks } in &found {
            h2 { (origin) }
            ul.queue {
                @for key in jobs { (entry(&visitor, origin, key, &[Act::Retry, Act::Drop])) }
                @for key in webhooks { (entry(&visitor, origin, key, &[Act::Deliver])) }
            }
        }
        @if is_cut { p.soft { (filled(words.quarantine_cut, &[&SHOWN.to_string()])) } }
    };
    Ok(page(&visitor, Tab::None, Live::Yes, words.quarantine, &content))
}

fn entry(visitor: &Visitor, origin: &Origin, found: &Quarantined, acts: &[Act]) -> Markup {
    let words = visitor.words();
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
            @if visitor.may_operate() {
                div.buttons {
                    @for act in acts {
                        a.act data-act=(act.as_str()) href=(address(origin, &found.key, *act)) { (act_words(*act, words).0) }
                    }
                }
            }
        }
    }
}

fn address(origin: &Origin, key: &str, act: Act) -> String {
    format!("{ADDRESS}/{origin}/{}/{}", percent(key), act.as_str())
}

/// `GET`: explains the action.
pub(super) async fn query(visitor: Visitor, Handed(app): Handed<Shared>, path: Path4) -> Answered {
    let wanted = meant(&visitor, &app, path)?;
    Ok(asking(&visitor, &wanted, None, StatusCode::OK))
}

/// `POST`: does it.
pub(super) async fn act(Handed(app): Handed<Shared>, path: Path4, posted: Posted) -> Answered {
    let Posted { visitor, form } = posted;
    let wanted = meant(&visitor, &app, path)?;
    let words = visitor.words();
    let reason = form.text("reason");
    if !is_reason(reason) {
        return Ok(asking(&visitor, &wanted, Some(words.reason_rule), StatusCode::UNPROCESSABLE_ENTITY));
    }
    let operator = Operator { who: visitor.name(), why: reason };
    match quarantine::act(&app, (&wanted.origin, &wanted.key), wanted.act, operator).await {
        Ok(()) => Ok(see(ADDRESS)),
        Err(NotDone::Refused(refusal)) => Err(refuse_problem(&visitor, refusal)),
        Err(NotDone::NotThere) => Err(conflict(&visitor, &filled(words.not_in_quarantine, &[&wanted.key]))),
        Err(NotDone::Unreadable(why)) => Err(conflict(&visitor, &format!("{} ({why})", words.record_unreadable))),
        Err(NotDone::Readable) => Err(conflict(&visitor, words.drop_refused)),
        Err(NotDone::Changed) => Err(conflict(&visitor, words.has_changed)),
    }
}

fn conflict(visitor: &Visitor, why: &str) -> Refused {
    refuse(&visitor.guest, Some(visitor), StatusCode::CONFLICT, why)
}

/// The key and the action that a path names, for a bearer who may operate.
fn meant(visitor: &Visitor, app: &App, path: Path4) -> Result<Wanted, Refused> {
    let words = visitor.words();
    let refused = |status, why| refuse(&visitor.guest, Some(visitor), status, why);
    let not_found = || refused(StatusCode::NOT_FOUND, words.not_found);
    let Path((account, kind, key, act)) = path.map_err(|_| not_found())?;
    let act = Act::ALL.into_iter().find(|known| known.as_str() == act).ok_or_else(not_found)?;
    let origin: Origin = format!("{account}/{kind}").parse().map_err(|_| not_found())?;
    let origins = app.origins(visitor.bearer(), None, None).map_err(|problem| refuse_problem(visitor, problem))?;
    if !origins.contains(&origin) {
        return Err(not_found());
    }
    if !visitor.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, words.not_allowed));
    }
    Ok(Wanted { origin, key, act })
}

fn asking(visitor: &Visitor, wanted: &Wanted, wrong: Option<&str>, status: StatusCode) -> Response {
    let words = visitor.words();
    let (name, does) = act_words(wanted.act, words);
    let content = html! {
        h1 { (name) " " code { (wanted.key) } }
        p { (wanted.origin) }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        p.does { (does) }
        (ActionForm::new(name, ADDRESS).shown(visitor))
    };
    let mut response = page(visitor, Tab::None, Live::No, name, &content);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_has_an_address_too() {
        let origin: Origin = "main/transfer".parse().unwrap();
        assert_eq!(address(&origin, "a b/c+d?", Act::Drop), "/quarantine/main/transfer/a%20b%2Fc%2Bd%3F/drop");
    }
}
