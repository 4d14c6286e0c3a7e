//! Reading jobs: one, waited for where the client wants that, and what was done about it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::{HistoryEvent, JobView};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::http::auth::{Allowed, Read};
use crate::http::path::JobName;
use crate::http::problem::Problem;
use crate::http::query::{NoQuery, Query};
use crate::ops::jobs::job as read;
use crate::state::{ServerState, Shared};

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
    waited(&app, &name, patience).await.map(Json)
}

/// The job once it is at rest, or as it stands when the time is up or the server is about to end.
async fn waited(app: &ServerState, name: &JobName, patience: Duration) -> Result<JobView, Problem> {
    let until = Instant::now() + patience;
    let mut waiting = app.job_watch.of_job(&name.queue, &name.key);
    loop {
        let job = read(app, &name.queue, &name.key).await?;
        let left = until.saturating_duration_since(Instant::now());
        if job.state.is_settled() || left.is_zero() || app.drain.is_cancelled() {
            return Ok(job.view());
        }
        tokio::select! {
            () = waiting.news() => {}
            () = tokio::time::sleep(left.min(LOOK)) => {}
            () = app.drain.cancelled() => {}
        }
    }
}

/// `GET …/history`: everything that happened to a job, oldest first.
pub(super) async fn history(
    _: Allowed<Read>,
    State(app): State<Shared>,
    name: JobName,
    _: NoQuery,
) -> Result<Json<Value>, Problem> {
    let history = app.store.history(&read(&app, &name.queue, &name.key).await?).await?;
    Ok(Json(json!({"history": history.iter().map(HistoryEvent::view).collect::<Vec<_>>()})))
}

/// A whole number of `ms`, `s` or `m`: what the description can say exactly.
fn wait(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let number = digits.parse().ok().filter(|_| digits == "0" || (!digits.starts_with('0') && digits.len() <= 4));
    let wait = match (number, unit) {
        (Some(number), "ms") => Some(Duration::from_millis(number)),
        (Some(number), "s") => Some(Duration::from_secs(number)),
        (Some(number), "m") => Some(Duration::from_secs(number * 60)),
        (Some(_) | None, _) => None,
    };
    let within = wait.filter(|wait| *wait <= MAX_WAIT);
    within.ok_or_else(|| "must be a whole number of ms, s or m, up to 1m, for example 30s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_whole_number_of_a_unit_within_its_bound() {
        for (text, millis) in [("0s", 0), ("300ms", 300), ("30s", 30_000), ("60s", 60_000), ("1m", 60_000)] {
            assert_eq!(wait(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "0", "30", "s", "-1s", "1.5s", "05s", "61s", "2m", "1h", "1s 2ms", "99999ms", "１s"] {
            assert!(wait(wrong).is_err(), "{wrong}");
        }
    }
}
