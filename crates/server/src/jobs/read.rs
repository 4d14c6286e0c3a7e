//! Reading jobs: one, waited for where the client wants that, and what was done about it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::JobView;
use bursar_store::StoreError;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::app::{App, Shared};
use crate::auth::{Allowed, Read};
use crate::names::JobName;
use crate::problem::Problem;
use crate::query::Query;

/// The longest that one request waits for a job: what lies between may cut a connection that is silent for longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// Between looks without any news: news are lost when Redis comes and goes.
const LOOK: Duration = Duration::from_secs(1);

/// `GET /v1/jobs/{account}/{kind}/{platform_no}`: how a job stands, with `?wait=30s` once it has ended or needs review.
pub(super) async fn job(
    _: Allowed<Read>,
    State(app): State<Shared>,
    name: JobName,
    uri: Uri,
) -> Result<Json<JobView>, Problem> {
    let mut query = Query::of(&uri);
    let patience = query.take("wait", wait).unwrap_or_default();
    query.finish()?;
    waited(&app, &name, patience).await?.map(Json).ok_or_else(|| name.unknown())
}

/// The job once it is at rest, or as it stands when the time is up or the server is about to end.
async fn waited(app: &App, name: &JobName, patience: Duration) -> Result<Option<JobView>, StoreError> {
    let until = Instant::now() + patience;
    let mut waiting = app.feed.of_job(&name.lane, &name.key);
    loop {
        let job = app.producer.status(&name.lane, &name.key).await?;
        let at_rest = job.as_ref().is_none_or(|job| job.state.is_at_rest());
        let left = until.saturating_duration_since(Instant::now());
        if at_rest || left.is_zero() || app.drain.is_cancelled() {
            return Ok(job);
        }
        tokio::select! {
            () = waiting.news() => {}
            () = tokio::time::sleep(left.min(LOOK)) => {}
            () = app.drain.cancelled() => {}
        }
    }
}

/// `GET …/attempts`: everything that was done about a job, oldest first.
pub(super) async fn attempts(
    _: Allowed<Read>,
    State(app): State<Shared>,
    name: JobName,
) -> Result<Json<Value>, Problem> {
    if app.store.job(&name.lane, &name.key).await?.is_none() {
        return Err(name.unknown());
    }
    let attempts = app.store.attempts(&name.lane, &name.key).await?;
    Ok(Json(json!({"attempts": attempts})))
}

fn wait(text: &str) -> Result<Duration, String> {
    let wait = humantime::parse_duration(text).ok().filter(|wait| *wait <= MAX_WAIT);
    wait.ok_or_else(|| {
        format!("must be a duration of at most {}, for example 30s", humantime::format_duration(MAX_WAIT))
    })
}
