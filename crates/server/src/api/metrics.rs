//! `GET /metrics`: metrics for Prometheus, of this process and of Redis. No token is needed: they show names of queues, counts and the
//! balances of accounts, and nothing of any job. `server.admin_listen` keeps them from those who reach the API.

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use bursar_telemetry::TEXT_FORMAT;
use serde_json::json;

use crate::http::operation::{Content, get};
use crate::http::part::Part;
use crate::state::Shared;

/// The tag of the metrics.
pub(crate) const TAG: &str = "metrics";

pub(crate) fn part() -> Part {
    let text = Content::Text("text/plain", json!({"type": "string"}));
    Part::described(TAG, "For Prometheus.").route(
        "/metrics",
        [get("metrics", metrics)
            .summary("The metrics of this process and of Redis; deploy/METRICS.md names them all")
            .answer(200, "Prometheus's text format, version 0.0.4.", text)],
    )
}

async fn metrics(State(app): State<Shared>) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, TEXT_FORMAT)], app.page.metrics().await)
}
