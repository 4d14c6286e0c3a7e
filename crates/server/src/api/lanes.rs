//! Lanes: at a glance, paused, resumed.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use bursar_domain::{ActionKind, Lane, LaneView};
use bursar_store::Operator;
use serde_json::{Value, json};

use crate::api::operator_request::Order;
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::path::LaneName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::routes::Part;
use crate::state::{App, Shared};

/// What an act that got no answer from Redis means.
const UNKNOWN: &str = "it may have been done; look at the lane before you repeat it";

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

/// What an operator can do about a lane's sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Stop them.
    Pause,
    /// Let them go on.
    Resume,
}

impl Turn {
    /// The word for it in paths.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

async fn pause(
    who: Allowed<Operate>,
    app: State<Shared>,
    LaneName(lane): LaneName,
    _: NoQuery,
    body: JsonBody,
) -> Changed {
    let reason = reason(&body)?;
    turn(&app, &lane, Turn::Pause, Operator { who: &who.bearer.name, why: &reason }).await
}

async fn resume(
    who: Allowed<Operate>,
    app: State<Shared>,
    LaneName(lane): LaneName,
    _: NoQuery,
    body: JsonBody,
) -> Changed {
    let reason = reason(&body)?;
    turn(&app, &lane, Turn::Resume, Operator { who: &who.bearer.name, why: &reason }).await
}

/// Pauses or resumes a lane; refuses what somebody else has done already, and says who.
pub(crate) async fn turn(app: &App, lane: &Lane, wanted: Turn, operator: Operator<'_>) -> Changed {
    match wanted {
        Turn::Pause => pause_lane(app, lane, operator).await,
        Turn::Resume => resume_lane(app, lane, operator).await,
    }
}

async fn pause_lane(app: &App, lane: &Lane, operator: Operator<'_>) -> Changed {
    let changed = app.store.pause(lane, &operator.reason(ActionKind::Pause)).await;
    let changed = changed.map_err(|error| Problem::of_store(&error, UNKNOWN))?;
    let view = app.lane_view(lane).await?;
    if changed {
        return Ok(Json(view));
    }
    let why = view.paused.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Err(Problem::new(Kind::NotNow, format!("{lane} was paused already{why}")).with("lane", json!(view)))
}

async fn resume_lane(app: &App, lane: &Lane, operator: Operator<'_>) -> Changed {
    let changed = app.store.resume(lane, &operator.reason(ActionKind::Resume)).await;
    let changed = changed.map_err(|error| Problem::of_store(&error, UNKNOWN))?;
    let view = app.lane_view(lane).await?;
    if changed {
        return Ok(Json(view));
    }
    Err(Problem::new(Kind::NotNow, format!("{lane} was not paused, or has been resumed")).with("lane", json!(view)))
}

pub(crate) type Changed = Result<Json<LaneView>, Problem>;

fn reason(body: &JsonBody) -> Result<String, Problem> {
    let mut order = Order::read(&body.0)?;
    let reason = order.reason();
    order.finish()?;
    Ok(reason)
}

impl App {
    async fn lane_view(&self, lane: &Lane) -> Result<LaneView, Problem> {
        Ok(self.store.status(lane).await?.view(lane))
    }
}
