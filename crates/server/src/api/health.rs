//! `/healthz` and `/readyz`: for whoever restarts processes and directs traffic. No token is needed.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bursar_telemetry::Unwell;
use serde_json::{Value, json};

use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::state::Shared;

pub(crate) fn part() -> Part {
    Part::new(include_str!("health/openapi.json")).route("/healthz", get(healthy)).route("/readyz", get(ready))
}

/// The process lives, and so does the worker in it. Redis is no reason to start it anew: that would lose the answers which a
/// worker keeps until Redis is back.
async fn healthy(State(app): State<Shared>) -> Result<Json<Value>, Problem> {
    app.page.well().map_err(|why| unwell(&why))?;
    Ok(Json(json!({"status": "ok"})))
}

/// It takes traffic: it is not about to end, its worker may work, and Redis takes writes.
async fn ready(State(app): State<Shared>) -> Result<Json<Value>, Problem> {
    if app.drain.is_cancelled() {
        return Err(Problem::new(Kind::Unavailable, "the server is about to end"));
    }
    app.page.able().map_err(|why| unwell(&why))?;
    app.readiness.writes(&app.store).await?;
    Ok(Json(json!({"status": "ok"})))
}

fn unwell(why: &Unwell) -> Problem {
    Problem::new(Kind::Unavailable, format!("the worker {why}"))
}
