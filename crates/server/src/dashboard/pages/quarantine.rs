//! `GET /quarantine`: every key that no build could read, every job with which worker after worker was lost, and every webhook that cannot be
//! delivered. `/quarantine/…/{retry|drop}` says what it will do, takes a reason, does it.

use axum::extract::{Path, State as Handed};
use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{AccountName, JobView, Lane, MAX_REASON_CHARS, Millis, is_reason};
use bursar_store::{Dropped, Operator, Origin, Quarantined, Retried};
use maud::{Markup, html};

use crate::api::notify::read::notified;
use crate::dashboard::components::{job_address, moment, percent};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Refused, Tab, form_token, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::{Names, Posted, Visitor};
use crate::http::problem::Problem;
use crate::state::{App, Shared};

/// Keys of one queue on this page; `bursar quarantine list` has all.
const SHOWN: usize = 100;

/// Where the page is.
pub(super) const ADDRESS: &str = "/quarantine";

type Path4 = Names<(String, String, String, String)>;

/// What can be done about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// The job goes where its state belongs.
    Retry,
    /// The webhook is tried again.
    Deliver,
    /// The key is left alone.
    Drop,
}

impl Act {
    const ALL: [Self; 3] = [Self::Retry, Self::Deliver, Self::Drop];

    /// The word for it in addresses.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Deliver => "deliver",
            Self::Drop => "drop",
        }
    }

    /// What it is called, and what it does.
    const fn words(self, words: &Words) -> (&'static str, &'static str) {
        match self {
            Self::Retry => (words.retry, words.retry_does),
            Self::Deliver => (words.retry, words.deliver_does),
            Self::Drop => (words.drop, words.drop_does),
        }
    }
}

/// What of one queue is in quarantine.
struct Found {
    origin: Origin,
    jobs: Vec<Quarantined>,
    webhooks: Vec<Quarantined>,
}

/// A key, and what somebody wants to do about it.
struct Wanted {
    origin: Origin,
    key: String,
    act: Act,
}

pub(super) async fn show(visitor: Visitor, Handed(app): Handed<Shared>) -> Answered {
    let words = visitor.words();
    let found = found(&app, &visitor).await.map_err(|problem| refuse_problem(&visitor, &problem))?;
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

async fn found(app: &App, visitor: &Visitor) -> Result<Vec<Found>, Problem> {
    let lanes: Vec<Lane> = app.lanes.of(visitor.bearer()).into_iter().cloned().collect();
    let mut found = Vec::new();
    for (lane, status) in lanes.iter().zip(app.store.statuses(&lanes).await?) {
        if status.all_quarantined() == 0 {
            continue;
        }
        let origin = Origin::Jobs(lane.clone());
        let jobs = app.store.quarantined(lane, SHOWN).await?;
        let webhooks = app.store.quarantined_deliveries(&origin, SHOWN).await?;
        found.push(Found { origin, jobs, webhooks });
    }
    let accounts: Vec<AccountName> =
        notified(app, visitor.bearer()).iter().map(|account| account.name.clone()).collect();
    for origin in accounts.into_iter().map(Origin::Notifications) {
        let webhooks = app.store.quarantined_deliveries(&origin, SHOWN).await?;
        if !webhooks.is_empty() {
            found.push(Found { origin, jobs: Vec::new(), webhooks });
        }
    }
    Ok(found)
}

fn entry(visitor: &Visitor, origin: &Origin, found: &Quarantined, acts: &[Act]) -> Markup {
    let words = visitor.words();
    let since = JobView::time(Some(found.since).filter(|since| *since > Millis(0))).unwrap_or_default();
    html! {
        li {
            div {
                @match origin {
                    Origin::Jobs(lane) => { a.key href=(job_address(lane, &found.key)) { (found.key) } }
                    Origin::Notifications(_) => { code.key { (found.key) } }
                }
                " " span.flag.bad { (words.quarantined_for(&found.code)) } " " span.soft { (moment(&since)) }
            }
            div.reason { (found.detail) }
            @if visitor.may_operate() {
                div.buttons {
                    @for act in acts {
                        a.act data-act=(act.as_str()) href=(address(origin, &found.key, *act)) { (act.words(words).0) }
                    }
                }
            }
        }
    }
}

fn address(origin: &Origin, key: &str, act: Act) -> String {
    format!("{ADDRESS}/{origin}/{}/{}", percent(key), act.as_str())
}

/// `GET`: what will be done.
pub(super) async fn ask(visitor: Visitor, Handed(app): Handed<Shared>, path: Path4) -> Answered {
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
    let refused = done(&app, &wanted, operator, words).await;
    match refused.map_err(|problem| refuse_problem(&visitor, &problem))? {
        None => Ok(see(ADDRESS)),
        Some(why) => Err(refuse(&visitor.guest, Some(&visitor), StatusCode::CONFLICT, &why)),
    }
}

/// Does it; why not, where it was not possible.
async fn done(app: &App, wanted: &Wanted, operator: Operator<'_>, words: &Words) -> Result<Option<String>, Problem> {
    let Wanted { origin, key, act } = wanted;
    let unclear = |error| Problem::of_store(&error, "it may have been done; look before you repeat it");
    let is_not_there = || filled(words.not_in_quarantine, &[key]);
    Ok(match (act, origin) {
        (Act::Retry, Origin::Jobs(lane)) => {
            match app.store.retry_quarantined(lane, key, operator).await.map_err(unclear)? {
                Retried::Back(_) | Retried::WasBack(_) => None,
                Retried::NotThere => Some(is_not_there()),
                Retried::Unreadable(why) => Some(format!("{} ({why})", words.record_unreadable)),
                Retried::Changed => Some(words.has_changed.to_owned()),
            }
        }
        (Act::Drop, Origin::Jobs(lane)) => {
            match app.store.drop_quarantined(lane, key, operator).await.map_err(unclear)? {
                Dropped::Done => None,
                Dropped::NotThere => Some(is_not_there()),
                Dropped::Readable => Some(words.drop_refused.to_owned()),
                Dropped::Changed => Some(words.has_changed.to_owned()),
            }
        }
        (Act::Deliver, _) => {
            let is_there = app.store.retry_delivery(origin, key, operator).await.map_err(unclear)?;
            (!is_there).then(is_not_there)
        }
        (Act::Retry | Act::Drop, Origin::Notifications(_)) => Some(is_not_there()),
    })
}

/// The key and the act that a path names, for somebody who may.
fn meant(visitor: &Visitor, app: &App, path: Path4) -> Result<Wanted, Refused> {
    let words = visitor.words();
    let refused = |status, why| refuse(&visitor.guest, Some(visitor), status, why);
    let not_found = || refused(StatusCode::NOT_FOUND, words.not_found);
    let Path((account, kind, key, act)) = path.map_err(|_| not_found())?;
    let act = Act::ALL.into_iter().find(|known| known.as_str() == act).ok_or_else(not_found)?;
    let origin: Origin = format!("{account}/{kind}").parse().map_err(|_| not_found())?;
    let origins = app.origins(visitor.bearer(), None, None).map_err(|problem| refuse_problem(visitor, &problem))?;
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
    let (name, does) = wanted.act.words(words);
    let content = html! {
        h1 { (name) " " code { (wanted.key) } }
        p { (wanted.origin) }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        p.does { (does) }
        form.order method="post" {
            (form_token(visitor))
            label for="reason" { (words.reason) }
            textarea #reason name="reason" rows="3" maxlength=(MAX_REASON_CHARS) required autofocus {}
            p.soft { (filled(words.on_record, &[visitor.name()])) }
            div.buttons {
                button.main type="submit" { (name) }
                a href=(ADDRESS) { (words.never_mind) }
            }
        }
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
