//! Reports of days, and the workers.

use bursar_domain::{AccountName, Day, DayReport, FieldError, Queue, WorkerView, Zone};
use bursar_store::{NoReport, Workers};

use crate::state::ServerState;
use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;

/// Why there is no report.
#[derive(Debug)]
pub(crate) enum ReportRefused {
    /// The day is wrong.
    Day(FieldError),
    /// Anything else.
    Refused(Refusal),
}

impl From<Refusal> for ReportRefused {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The time zone of an account.
fn zone_of(app: &ServerState, account: &AccountName) -> Zone {
    app.accounts.get().time_zones.get(account).cloned().unwrap_or_default()
}

/// The accounts that this bearer may see, in the order of the configuration.
pub(crate) fn accounts(app: &ServerState, bearer: &Bearer) -> Vec<AccountName> {
    let mut accounts: Vec<AccountName> = Vec::new();
    for queue in app.known_queues(bearer) {
        if !accounts.contains(&queue.account) {
            accounts.push(queue.account.clone());
        }
    }
    accounts
}

/// The report of a day of each account that the bearer may see, or of this one; today's if no day is given.
///
/// # Errors
/// [`ReportRefused`].
pub(crate) async fn of_day(
    app: &ServerState,
    bearer: &Bearer,
    account: Option<&str>,
    day: Option<Day>,
) -> Result<Vec<DayReport>, ReportRefused> {
    let queues = app.queues_of(bearer, account, None)?;
    let now = app.store.now().await.map_err(Refusal::from)?;
    let mut reports = Vec::new();
    for account in accounts(app, bearer) {
        let queues: Vec<Queue> = queues.iter().filter(|queue| queue.account == account).cloned().collect();
        if queues.is_empty() {
            continue;
        }
        let zone = zone_of(app, &account);
        let day = day.unwrap_or_else(|| zone.day_of(now));
        let report = app.store.day_report(&account, &queues, &zone, day).await;
        reports.push(report.map_err(refused)?);
    }
    Ok(reports)
}

fn refused(why: NoReport) -> ReportRefused {
    let rule = why.to_string();
    match why {
        NoReport::Store(error) => ReportRefused::Refused(Refusal::from(error)),
        NoReport::Inexact { .. } => ReportRefused::Refused(Refusal::UnreadableRecord(rule)),
        NoReport::TooOld(_) | NoReport::NotBegun(_) | NoReport::NoSuchDay => {
            ReportRefused::Day(FieldError { field: "day".to_owned(), rule })
        }
    }
}

/// The workers that serve a queue which the bearer may see, with those queues.
///
/// # Errors
/// [`Refusal`].
pub(crate) async fn workers(app: &ServerState, bearer: &Bearer) -> Result<Vec<WorkerView>, Refusal> {
    let workers: Workers = app.store.workers().await?;
    let may_see = |queue: &str| queue.parse::<Queue>().is_ok_and(|queue| bearer.accounts.have(&queue.account));
    let seen = workers.views().into_iter().filter_map(|mut worker| {
        worker.queues.retain(|queue| may_see(queue));
        worker.last_error = worker.last_error.filter(|error| may_see(&error.queue));
        (!worker.queues.is_empty()).then_some(worker)
    });
    Ok(seen.collect())
}
