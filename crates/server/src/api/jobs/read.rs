//! Reading one job, with a wait where the client wants one, and its history.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::{HistoryEvent, JobView};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::http::auth::{Allowed, Read};
use crate::http::operation::{Operation, get};
use crate::http::path::JobName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::{NoQuery, Query};
use crate::ops::jobs::job as read;
use crate::state::tokens::{Bearer, WAITS_PER_TOKEN};
use crate::state::{ServerState, Shared};

/// The longest wait of one request: proxies cut connections that are silent for longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The time between two reads without any news: news are lost when Redis restarts.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn job_operation() -> Operation {
    get("job", job)
        .summary("A job, with its state")
        .description(format!("A token may wait for {WAITS_PER_TOKEN} jobs at once; `/v1/events` follows any number."))
        .allowed::<Read>()
        .query::<Parameters>()
        .answers::<JobView>(200, "The job; with `wait`, as it is after the wait.")
        .refuses(&[Kind::NotFound, Kind::UnreadableRecord])
        .stored()
}

pub(super) fn history_operation() -> Operation {
    get("history", history)
        .summary("All that happened to a job")
        .allowed::<Read>()
        .answers::<History>(200, "The history.")
        .refuses(&[Kind::NotFound, Kind::UnreadableRecord])
        .stored()
}

/// The parameters of the query.
#[derive(JsonSchema)]
struct Parameters {
    /// Answer once the job has ended or needs review, after this time at the latest.
    wait: Option<Wait>,
}

impl Parameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let wait = query.parse("wait");
        query.finish()?;
        Ok(Self { wait })
    }
}

/// `GET /v1/jobs/{account}/{kind}/{platform_no}`: the job, with `?wait=30s` once it has ended or needs review.
async fn job(who: Allowed<Read>, State(app): State<Shared>, name: JobName, uri: Uri) -> Result<Json<JobView>, Problem> {
    let Parameters { wait } = Parameters::read(&uri)?;
    waited(&app, &who.bearer, &name, wait.map(|Wait(wait)| wait).unwrap_or_default()).await.map(Json)
}

/// The job once it is at rest, or as it is when the time is up or the server drains.
async fn waited(app: &ServerState, bearer: &Bearer, name: &JobName, limit: Duration) -> Result<JobView, Problem> {
    let until = Instant::now() + limit;
    let mut room = None;
    let mut waiting = app.job_watch.of_job(&name.queue, &name.key);
    loop {
        let job = read(app, &name.queue, &name.key).await?;
        let left = until.saturating_duration_since(Instant::now());
        if job.state.is_settled() || left.is_zero() || app.drain.is_cancelled() {
            return Ok(job.view());
        }
        if room.is_none() {
            room = Some(bearer.waits.try_acquire().map_err(|_| too_many_waits())?);
        }
        tokio::select! {
            () = waiting.news() => {}
            () = tokio::time::sleep(left.min(LOOK)) => {}
            () = app.drain.cancelled() => {}
        }
    }
}

fn too_many_waits() -> Problem {
    let detail = format!("a token may wait for {WAITS_PER_TOKEN} jobs at once; `/v1/events` follows any number");
    Problem::new(Kind::TooMany, detail).retry_after(LOOK)
}

/// All that happened to a job.
#[derive(Serialize, JsonSchema)]
struct History {
    /// The events, oldest first.
    #[schemars(with = "Vec<HistoryEvent>")]
    history: Vec<Value>,
}

/// `GET …/history`: the history of a job.
async fn history(
    _: Allowed<Read>,
    State(app): State<Shared>,
    name: JobName,
    _: NoQuery,
) -> Result<Json<History>, Problem> {
    let history = app.store.history(&read(&app, &name.queue, &name.key).await?).await?;
    Ok(Json(History { history: history.iter().map(HistoryEvent::view).collect() }))
}

/// A wait of a whole number of `ms`, `s` or `m`: a form that its schema can say exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait(Duration);

impl FromStr for Wait {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let number = digits.parse().ok().filter(|_| digits == "0" || (!digits.starts_with('0') && digits.len() <= 4));
        let wait = match (number, unit) {
            (Some(number), "ms") => Some(Duration::from_millis(number)),
            (Some(number), "s") => Some(Duration::from_secs(number)),
            (Some(number), "m") => Some(Duration::from_secs(number * 60)),
            (Some(_) | None, _) => None,
        };
        let within = wait.filter(|wait| *wait <= MAX_WAIT);
        within.map(Self).ok_or("must be a whole number of ms, s or m, up to 1m, for example 30s")
    }
}

/// The pattern of all waits up to [`MAX_WAIT`]: a test compares it with the reader.
impl JsonSchema for Wait {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^((0|[1-9][0-9]{0,3})ms|(0|[1-9]|[1-5][0-9]|60)s|[01]m)$",
            "examples": ["30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_whole_number_of_a_unit_within_its_bound() {
        for (text, millis) in [("0s", 0), ("300ms", 300), ("30s", 30_000), ("60s", 60_000), ("1m", 60_000)] {
            assert_eq!(text.parse(), Ok(Wait(Duration::from_millis(millis))), "{text}");
        }
        for wrong in ["", "0", "30", "s", "-1s", "1.5s", "05s", "61s", "2m", "1h", "1s 2ms", "99999ms", "１s"] {
            assert!(wrong.parse::<Wait>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_pattern_of_a_wait_agrees_with_its_reader() {
        let schema = Schema::to_value(Wait::json_schema(&mut SchemaGenerator::default()));
        let pattern = jsonschema::validator_for(&schema).unwrap();
        for unit in ["ms", "s", "m", "h", ""] {
            for number in (0..=10_001).map(|number| number.to_string()).chain(["".into(), "01".into(), "-1".into()]) {
                let text = format!("{number}{unit}");
                assert_eq!(pattern.is_valid(&text.clone().into()), text.parse::<Wait>().is_ok(), "{text}");
            }
        }
    }
}
