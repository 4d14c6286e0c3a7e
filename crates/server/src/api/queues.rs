//! Queues: at a glance, paused, resumed.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use bursar_domain::{Queue, QueueView};
use bursar_store::Operator;
use serde_json::{Value, json};

use crate::api::operator_request::OperatorRequest;
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::part::Part;
use crate::http::path::QueueName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops::queues::{QueueAction, QueueActionError, pause_or_resume};
use crate::state::{ServerState, Shared};

pub(crate) fn part() -> Part {
    Part::new(include_str!("queues/openapi.json"))
        .route("/v1/queues", get(queues))
        .route("/v1/queues/{account}/{kind}/pause", post(pause))
        .route("/v1/queues/{account}/{kind}/resume", post(resume))
}

async fn queues(who: Allowed<Read>, State(app): State<Shared>, _: NoQuery) -> Result<Json<Value>, Problem> {
    let queues: Vec<Queue> = app.queues.of(&who.bearer).into_iter().cloned().collect();
    let statuses = app.store.statuses(&queues).await?;
    let views: Vec<QueueView> = queues.iter().zip(statuses).map(|(queue, status)| status.view(queue)).collect();
    Ok(Json(json!({"queues": views})))
}

async fn pause(
    who: Allowed<Operate>,
    app: State<Shared>,
    QueueName(queue): QueueName,
    _: NoQuery,
    body: JsonBody,
) -> Changed {
    turned(&who, &app, &queue, QueueAction::Pause, &reason(&body)?).await
}

async fn resume(
    who: Allowed<Operate>,
    app: State<Shared>,
    QueueName(queue): QueueName,
    _: NoQuery,
    body: JsonBody,
) -> Changed {
    turned(&who, &app, &queue, QueueAction::Resume, &reason(&body)?).await
}

/// Pauses or resumes a queue; refuses what somebody else has done already, and says who.
async fn turned(
    who: &Allowed<Operate>,
    app: &ServerState,
    queue: &Queue,
    wanted: QueueAction,
    reason: &str,
) -> Changed {
    let operator = Operator { who: &who.bearer.name, why: reason };
    let view = match pause_or_resume(app, queue, wanted, operator).await {
        Ok(status) => return Ok(Json(status.view(queue))),
        Err(QueueActionError::Already(status)) => status.view(queue),
        Err(QueueActionError::Refused(refusal)) => return Err(refusal.into()),
    };
    let detail = match wanted {
        QueueAction::Pause => {
            let why = view.paused.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{queue} was paused already{why}")
        }
        QueueAction::Resume => format!("{queue} was not paused, or has been resumed"),
    };
    Err(Problem::new(Kind::NotNow, detail).with("queue", json!(view)))
}

type Changed = Result<Json<QueueView>, Problem>;

fn reason(body: &JsonBody) -> Result<String, Problem> {
    let mut request = OperatorRequest::read(&body.0)?;
    let reason = request.reason();
    request.finish()?;
    Ok(reason)
}
