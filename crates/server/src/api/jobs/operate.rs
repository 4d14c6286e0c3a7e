//! `POST …/{ask|send|resolve|cancel}`: an operator's hand on one job, recorded with the token's name and a reason. Whoever
//! comes second is told what the first did.

use axum::Json;
use axum::extract::State as AppState;
use bursar_domain::{HistoryEvent, JobView, Operation};
use bursar_store::Operator;
use serde_json::json;

use crate::api::jobs::JobEntry;
use crate::api::operator_request::OperatorRequest;
use crate::http::auth::{Allowed, Operate};
use crate::http::body::JsonBody;
use crate::http::path::JobName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops;
use crate::ops::operate::{NotNow, NotOperated};
use crate::state::{ServerState, Shared};

type Done = Result<Json<JobView>, Problem>;

pub(super) async fn query(
    who: Allowed<Operate>,
    app: AppState<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    plain(&who, &app, &name, &body, Operation::Query).await
}

pub(super) async fn send(
    who: Allowed<Operate>,
    app: AppState<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    plain(&who, &app, &name, &body, Operation::Send).await
}

pub(super) async fn cancel(
    who: Allowed<Operate>,
    app: AppState<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    plain(&who, &app, &name, &body, Operation::Cancel).await
}

pub(super) async fn resolve(
    who: Allowed<Operate>,
    app: AppState<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    let mut request = OperatorRequest::read(&body.0)?;
    let (reason, end) = (request.reason(), request.end());
    request.finish()?;
    operate(&who, &app, &name, Operation::Resolve(end), &reason).await
}

async fn plain(
    who: &Allowed<Operate>,
    app: &ServerState,
    name: &JobName,
    body: &JsonBody,
    operation: Operation,
) -> Done {
    let mut request = OperatorRequest::read(&body.0)?;
    let reason = request.reason();
    request.finish()?;
    operate(who, app, name, operation, &reason).await
}

async fn operate(
    who: &Allowed<Operate>,
    app: &ServerState,
    name: &JobName,
    operation: Operation,
    reason: &str,
) -> Done {
    let operator = Operator { who: &who.bearer.name, why: reason };
    match ops::operate::operate(app, (&name.queue, &name.key), operation, operator, None).await {
        Ok(record) => Ok(Json(record.view())),
        Err(NotOperated::NotNow(refused)) => Err(not_now(name, *refused)),
        Err(NotOperated::Refused(refusal)) => Err(refusal.into()),
    }
}

/// Why not now: how the job stands, and the last action on it.
fn not_now(name: &JobName, refused: NotNow) -> Problem {
    let NotNow { detail, job, last_action } = refused;
    let last = last_action.map(|last| HistoryEvent::OperatorAction(last).view());
    Problem::new(Kind::NotNow, detail)
        .with("job", json!(job.map(|job| JobEntry::of(&name.queue, &job))))
        .with("last_action", json!(last))
}
