//! `GET /v1/report`: the report of a day. `GET /v1/workers`: the workers.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::{AccountName, Day, DayReport, WorkerView};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::auth::{Allowed, Read};
use crate::http::operation::get;
use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::http::query::{NoQuery, Query};
use crate::ops::report::{ReportRefused, of_day, workers};
use crate::state::Shared;

pub(crate) fn part() -> Part {
    let report = get("report", report)
        .summary("The report of a day: what ended, by kind and final state, with exact sums")
        .description(
            "A day is a day in the account's time zone. A job is counted on the day on which it reached its present final state. The numbers are \
             kept for `redis.counts_keep`.",
        )
        .allowed::<Read>()
        .query::<Parameters>()
        .answers::<Reports>(200, "A report for each account.")
        .refuses(&[Kind::NotFound, Kind::UnreadableRecord])
        .stored();
    Part::described("reports", "The numbers of a day, and who works.").route("/v1/report", [report]).route(
        "/v1/workers",
        [get("workers", list)
            .summary("The workers: alive, draining, or gone since a few minutes")
            .allowed::<Read>()
            .answers::<Workers>(200, "The workers that serve a queue which the token may see.")
            .stored()],
    )
}

/// The parameters of the query.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "its schema is the description of the query")]
struct Parameters {
    /// The day, `YYYY-MM-DD`; today in each account's time zone if left out.
    #[schemars(extend("format" = "date"))]
    day: Option<String>,
    /// Only this account.
    account: Option<AccountName>,
}

/// The reports of a day.
#[derive(Serialize, JsonSchema)]
struct Reports {
    /// One for each account that the token may see.
    reports: Vec<DayReport>,
}

/// The workers.
#[derive(Serialize, JsonSchema)]
struct Workers {
    /// In the order of their names.
    workers: Vec<WorkerView>,
}

async fn report(who: Allowed<Read>, State(app): State<Shared>, uri: Uri) -> Result<Json<Reports>, Problem> {
    let mut query = Query::of(&uri);
    let day = query.take("day", |text| Day::read(text).ok_or_else(|| "must be a day, YYYY-MM-DD".to_owned()));
    let account = query.take("account", |text| Ok(text.to_owned()));
    query.finish()?;
    let reports = of_day(&app, &who.bearer, account.as_deref(), day).await;
    let reports = reports.map_err(|refused| match refused {
        ReportRefused::Day(error) => {
            Problem::new(Kind::NotFound, format!("there is no report of that day: {}", error.rule))
        }
        ReportRefused::Refused(refusal) => refusal.into(),
    })?;
    Ok(Json(Reports { reports }))
}

async fn list(who: Allowed<Read>, State(app): State<Shared>, _: NoQuery) -> Result<Json<Workers>, Problem> {
    Ok(Json(Workers { workers: workers(&app, &who.bearer).await? }))
}
