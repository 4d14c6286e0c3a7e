//! `/healthz` and `/readyz`: for what restarts processes and directs traffic. No token is needed.

use axum::Json;
use axum::extract::State;
use bursar_telemetry::Unwell;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::operation::get;
use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::state::Shared;

pub(crate) fn part() -> Part {
    Part::described("health", "For what restarts processes and directs traffic.")
        .route(
            "/healthz",
            [get("healthz", healthy)
                .summary("Healthy while the process takes connections, and the worker in it claims")
                .answers::<Health>(200, "It is.")
                .refuses(&[Kind::Unavailable])],
        )
        .route(
            "/readyz",
            [get("readyz", ready)
                .summary("Ready while it takes traffic: it does not drain, its worker may work, and Redis takes writes")
                .answers::<Health>(200, "It is.")
                .refuses(&[Kind::Unavailable])],
        )
}

/// The process is healthy.
#[derive(Serialize, JsonSchema)]
struct Health {
    status: HealthStatus,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum HealthStatus {
    Ok,
}

const HEALTHY: Json<Health> = Json(Health { status: HealthStatus::Ok });

/// The process lives: its listeners take connections, and the worker in it claims. An outage of Redis is no reason to restart it: a restart would lose the responses that
/// the worker keeps until Redis is back.
async fn healthy(State(app): State<Shared>) -> Result<Json<Health>, Problem> {
    app.page.well().map_err(|why| unwell(&why))?;
    Ok(HEALTHY)
}

/// It takes traffic: it does not drain, its worker may work, and Redis takes writes.
async fn ready(State(app): State<Shared>) -> Result<Json<Health>, Problem> {
    if app.drain.is_cancelled() {
        return Err(Problem::new(Kind::Unavailable, "the server drains"));
    }
    app.page.able().map_err(|why| unwell(&why))?;
    app.readiness.writes(&app.store).await?;
    Ok(HEALTHY)
}

fn unwell(why: &Unwell) -> Problem {
    Problem::new(Kind::Unavailable, why.to_string())
}
