//! Lanes: at a glance, paused, resumed.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use bursar_domain::{Lane, LaneView};
use bursar_store::Operator;
use serde_json::{Value, json};

use crate::api::operator_request::Order;
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::part::Part;
use crate::http::path::LaneName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops::lanes::{NotTurned, Turn, turn};
use crate::state::{App, Shared};

pub(crate) fn part() -> Part {
    Part::new(include_str!("lanes/openapi.json"))
        .route("/v1/lanes", get(lanes))
        .route("/v1/lanes/{account}/{kind}/pause", post(pause))
        .route("/v1/lanes/{account}/{kind}/resume", post(resume))
}

async fn lanes(who: Allowed<Read>, State(app): State<Shared>, _: NoQuery) -> Result<Json<Value>, Problem> {
    let lanes: Vec<Lane> = app.lanes.of(&who.bearer).into_iter().cloned().collect();
    let statuses = app.store.statuses(&lanes).await?;
    let views: Vec<LaneView> = lanes.iter().zip(statuses).map(|(lane, status)| status.view(lane)).collect();
    Ok(Json(json!({"lanes": views})))
}

async fn pause(
    who: Allowed<Operate>,
    app: State<Shared>,
    LaneName(lane): LaneName,
    _: NoQuery,
    body: JsonBody,
) -> Changed {
    turned(&who, &app, &lane, Turn::Pause, &reason(&body)?).await
}

async fn resume(
    who: Allowed<Operate>,
    app: State<Shared>,
    LaneName(lane): LaneName,
    _: NoQuery,
    body: JsonBody,
) -> Changed {
    turned(&who, &app, &lane, Turn::Resume, &reason(&body)?).await
}

/// Pauses or resumes a lane; refuses what somebody else has done already, and says who.
async fn turned(who: &Allowed<Operate>, app: &App, lane: &Lane, wanted: Turn, reason: &str) -> Changed {
    let operator = Operator { who: &who.bearer.name, why: reason };
    let view = match turn(app, lane, wanted, operator).await {
        Ok(status) => return Ok(Json(status.view(lane))),
        Err(NotTurned::Already(status)) => status.view(lane),
        Err(NotTurned::Refused(refusal)) => return Err(refusal.into()),
    };
    let detail = match wanted {
        Turn::Pause => {
            let why = view.paused.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{lane} was paused already{why}")
        }
        Turn::Resume => format!("{lane} was not paused, or has been resumed"),
    };
    Err(Problem::new(Kind::NotNow, detail).with("lane", json!(view)))
}

type Changed = Result<Json<LaneView>, Problem>;

fn reason(body: &JsonBody) -> Result<String, Problem> {
    let mut order = Order::read(&body.0)?;
    let reason = order.reason();
    order.finish()?;
    Ok(reason)
}
