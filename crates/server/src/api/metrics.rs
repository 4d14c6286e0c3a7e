//! `GET /metrics`: what Prometheus reads, of this process and of Redis. No token is needed: names of queues and counts are shown,
//! and nothing of any job.

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bursar_telemetry::TEXT_FORMAT;

use crate::http::part::Part;
use crate::state::Shared;

pub(crate) fn part() -> Part {
    Part::new(include_str!("metrics/openapi.json")).route("/metrics", get(metrics))
}

async fn metrics(State(app): State<Shared>) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, TEXT_FORMAT)], app.page.metrics().await)
}
