//! `/healthz` and `/readyz`: for whoever restarts processes and directs traffic. No token is needed.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bursar_store::{Store, StoreError};
use bursar_telemetry::Unwell;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::problem::{Kind, Problem};
use crate::routes::Part;
use crate::state::Shared;

/// How long Redis may take to answer a question about health: those who ask give up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer about health holds for the next who ask.
const LATELY: Duration = Duration::from_millis(500);

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
    app.health.writes(&app.store).await?;
    Ok(Json(json!({"status": "ok"})))
}

fn unwell(why: &Unwell) -> Problem {
    Problem::new(Kind::Unavailable, format!("the worker {why}"))
}

/// What was found lately. Anybody may ask about health, and none of them is to keep Redis busy.
#[derive(Debug, Default)]
pub(crate) struct Health {
    writes: Found,
}

type Found = Mutex<Option<(Instant, Result<(), Problem>)>>;

impl Health {
    async fn writes(&self, store: &Store) -> Result<(), Problem> {
        lately(&self.writes, || answer(store.probe_write())).await
    }
}

/// What was found a moment ago, or is found now; those who ask meanwhile wait for it.
async fn lately<Look: Future<Output = Result<(), Problem>>>(
    found: &Found,
    look: impl FnOnce() -> Look,
) -> Result<(), Problem> {
    let mut found = found.lock().await;
    if let Some((_, answer)) = found.as_ref().filter(|(at, _)| at.elapsed() < LATELY) {
        return answer.clone();
    }
    let answer = look().await;
    *found = Some((Instant::now(), answer.clone()));
    answer
}

async fn answer(asked: impl Future<Output = Result<(), StoreError>>) -> Result<(), Problem> {
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let late = || Problem::new(Kind::Unavailable, format!("Redis did not answer within {} s", PATIENCE.as_secs()));
    answer.map_err(|_| late())?.map_err(Problem::from)
}
