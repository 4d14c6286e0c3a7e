//! `/healthz` and `/readyz`: for whoever restarts processes and directs traffic. No token is needed.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};

use crate::app::Shared;
use crate::problem::{Kind, Problem};
use crate::routes::Part;

/// How long Redis may take to answer a question about health: those who ask give up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn part() -> Part {
    Part::new(include_str!("health/openapi.json")).route("/healthz", get(healthy)).route("/readyz", get(ready))
}

/// The process lives, and Redis answers it.
async fn healthy(State(app): State<Shared>) -> Result<Json<Value>, Problem> {
    answers(app.store.ping()).await?;
    Ok(Json(json!({"status": "ok"})))
}

/// It takes traffic: it is not about to end, and Redis takes writes.
async fn ready(State(app): State<Shared>) -> Result<Json<Value>, Problem> {
    if app.drain.is_cancelled() {
        return Err(Problem::new(Kind::Unavailable, "the server is about to end"));
    }
    answers(app.store.ping()).await?;
    Ok(Json(json!({"status": "ok"})))
}

async fn answers(asked: impl Future<Output = Result<(), bursar_store::StoreError>>) -> Result<(), Problem> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let late = || Problem::new(Kind::Unavailable, format!("Redis did not answer within {} s", PATIENCE.as_secs()));
    answer.map_err(|_| late())?.map_err(Problem::from)
}
