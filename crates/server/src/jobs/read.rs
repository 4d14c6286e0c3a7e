//! Reading jobs: one, waited for where the client wants that.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::JobView;

use crate::app::Shared;
use crate::auth::{Allowed, Read};
use crate::names::JobName;
use crate::problem::Problem;
use crate::query::Query;

/// The longest that one request waits for a job: what lies between may cut a connection that is silent for longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

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
    let waited = tokio::select! {
        waited = app.producer.wait(&name.lane, &name.key, patience) => waited,
        () = app.drain.cancelled() => app.producer.status(&name.lane, &name.key).await,
    };
    waited?.map(Json).ok_or_else(|| name.unknown())
}

fn wait(text: &str) -> Result<Duration, String> {
    let wait = humantime::parse_duration(text).ok().filter(|wait| *wait <= MAX_WAIT);
    wait.ok_or_else(|| {
        format!("must be a duration of at most {}, for example 30s", humantime::format_duration(MAX_WAIT))
    })
}
