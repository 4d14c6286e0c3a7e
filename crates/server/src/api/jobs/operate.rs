//! `POST …/{query|send|resolve|cancel}`: an operator's action on one job, recorded with the token's name and a reason.

use axum::Json;
use axum::extract::State as AppState;
use axum::response::{IntoResponse, Response};
use bursar_domain::{ApprovalAction, HistoryEvent, JobView, Operation as Action, ProposalView};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api::jobs::JobEntry;
use crate::api::operator_request::{ActionRequest, ResolveRequest};
use crate::api::proposals::{accepted, may_be_proposed};
use crate::http::auth::{Allowed, Operate};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, post};
use crate::http::path::JobName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops;
use crate::ops::audit::Acting;
use crate::ops::operate::{NotNow, NotOperated, Seen};
use crate::ops::proposals::NotProposed;
use crate::state::{ServerState, Shared};

/// One of the actions that need no more than a reason.
pub(super) fn action(action: Action) -> Operation {
    let handler = async move |who: Allowed<Operate>,
                              AppState(app): AppState<Shared>,
                              name: JobName,
                              _: NoQuery,
                              JsonBody(body): JsonBody| {
        let ActionRequest { reason } = ActionRequest::read(&body)?;
        operate(&who, &app, &name, action, &reason).await
    };
    let operation = described(post(action.as_str(), handler).json::<ActionRequest>());
    if ApprovalAction::of(action).is_some() { may_be_proposed(operation) } else { operation }
}

/// Closing a job in the final state that the operator names.
pub(super) fn resolve() -> Operation {
    let handler = async |who: Allowed<Operate>,
                         AppState(app): AppState<Shared>,
                         name: JobName,
                         _: NoQuery,
                         JsonBody(body): JsonBody| {
        let ResolveRequest { reason, end } = ResolveRequest::read(&body)?;
        operate(&who, &app, &name, Action::Resolve(end.state()), &reason).await
    };
    may_be_proposed(described(post("resolve", handler).json::<ResolveRequest>()))
}

fn described(operation: Operation) -> Operation {
    operation
        .description("For operators. The token's name and the reason are recorded.")
        .allowed::<Operate>()
        .answers::<JobView>(200, "The job after the action.")
        .refuses(&[Kind::NotFound, Kind::UnreadableRecord])
        .refuses_with::<AsItIs>(Kind::NotNow)
        .stored()
}

async fn operate(
    who: &Allowed<Operate>,
    app: &ServerState,
    name: &JobName,
    action: Action,
    reason: &str,
) -> Result<Response, Problem> {
    let acting = Acting { actor: &who.actor, identity: &who.bearer.identity, reason };
    match ops::operate::operate(app, (&name.queue, &name.key), action, acting, Seen::Anything).await {
        Ok(record) => Ok(Json(record.view()).into_response()),
        Err(NotOperated::Proposed(open)) => Ok(accepted(&open)),
        Err(NotOperated::NotProposed(refused)) => Err(not_proposed(app, name, refused).await),
        Err(NotOperated::NotNow(refused)) => Err(not_now(name, *refused)),
        Err(NotOperated::Refused(refusal)) => Err(refusal.into()),
    }
}

/// The members of a problem with a job whose state does not allow the action.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobAsItIs")]
struct AsItIs {
    /// The job as it is; `null` if it is no longer stored.
    job: Option<JobEntry>,
    /// The last action of an operator on it.
    #[schemars(with = "Option<HistoryEvent>")]
    last_action: Option<Value>,
    /// The proposal that is open about it, where the action needs another operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalView>,
}

/// Another proposal is open, or too many are.
async fn not_proposed(app: &ServerState, name: &JobName, refused: NotProposed) -> Problem {
    let job = match app.store.job(&name.queue, &name.key).await {
        Ok(job) => job.map(|job| JobEntry::of(&name.queue, &job)),
        Err(error) => return error.into(),
    };
    let proposal = refused.open.map(|open| open.proposal.view());
    Problem::new(Kind::NotNow, refused.detail).with(&AsItIs { job, last_action: None, proposal })
}

/// The problem has the job as it is, and the last action: it may be another operator's.
fn not_now(name: &JobName, refused: NotNow) -> Problem {
    let NotNow { detail, job, last_action } = refused;
    Problem::new(Kind::NotNow, detail).with(&AsItIs {
        job: job.map(|job| JobEntry::of(&name.queue, &job)),
        last_action: last_action.map(|last| HistoryEvent::OperatorAction(last).view()),
        proposal: None,
    })
}
