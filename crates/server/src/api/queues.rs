//! Queues: at a glance, paused, resumed.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bursar_domain::{ProposalView, Queue, QueueView};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::operator_request::ActionRequest;
use crate::api::proposals::{accepted, may_be_proposed};
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, get, post};
use crate::http::part::Part;
use crate::http::path::QueueName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops::audit::Acting;
use crate::ops::proposals::NotProposed;
use crate::ops::queues::{QueueAction, QueueActionError, pause_or_resume};
use crate::state::Shared;

pub(crate) fn part() -> Part {
    let part = Part::described("queues", "Account × kind: at a glance, paused, resumed.").route(
        "/v1/queues",
        [get("queues", queues)
            .summary("Every queue at a glance")
            .allowed::<Read>()
            .answers::<Queues>(200, "The queues of the configuration.")
            .stored()],
    );
    part.route(
        "/v1/queues/{account}/{kind}/pause",
        [turning(QueueAction::Pause)
            .summary("Pause a queue: nothing is sent, and the jobs that were sent are queried")],
    )
    .route("/v1/queues/{account}/{kind}/resume", [turning(QueueAction::Resume).summary("Resume a queue")])
}

/// Pausing or resuming a queue.
fn turning(wanted: QueueAction) -> Operation {
    let handler = async move |who: Allowed<Operate>,
                              State(app): State<Shared>,
                              QueueName(queue): QueueName,
                              _: NoQuery,
                              JsonBody(body): JsonBody|
                -> Result<Response, Problem> {
        let ActionRequest { reason } = ActionRequest::read(&body)?;
        let acting = Acting { actor: &who.actor, identity: &who.bearer.identity, reason: &reason };
        match pause_or_resume(&app, &queue, wanted, acting).await {
            Ok(status) => Ok(Json(status.view(&queue)).into_response()),
            Err(QueueActionError::Proposed(open)) => Ok(accepted(&open)),
            Err(QueueActionError::NotProposed(status, refused)) => Err(not_proposed(status.view(&queue), refused)),
            Err(QueueActionError::Changed) => {
                Err(Problem::new(Kind::Unavailable, "the queue changes at this moment: nothing was done"))
            }
            Err(QueueActionError::Already(status)) => Err(already(&queue, wanted, status.view(&queue))),
            Err(QueueActionError::Refused(refusal)) => Err(refusal.into()),
        }
    };
    let operation = post(wanted.as_str(), handler)
        .description("For operators. The token's name and the reason are recorded.")
        .allowed::<Operate>()
        .json::<ActionRequest>()
        .answers::<QueueView>(200, "The queue after the action.")
        .refuses(&[Kind::NotFound])
        .refuses_with::<AsItIs>(Kind::NotNow)
        .stored();
    match wanted {
        QueueAction::Pause => operation,
        QueueAction::Resume => may_be_proposed(operation),
    }
}

/// All queues.
#[derive(Serialize, JsonSchema)]
struct Queues {
    /// The queues that the token may see.
    queues: Vec<QueueView>,
}

async fn queues(who: Allowed<Read>, State(app): State<Shared>, _: NoQuery) -> Result<Json<Queues>, Problem> {
    let queues: Vec<Queue> = app.known_queues(&who.bearer);
    let statuses = app.store.statuses(&queues).await?;
    let queues = queues.iter().zip(statuses).map(|(queue, status)| status.view(queue)).collect();
    Ok(Json(Queues { queues }))
}

/// The members of a problem with a queue that has been paused or resumed before.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QueueAsItIs")]
struct AsItIs {
    /// The queue as it is.
    queue: QueueView,
    /// The proposal that is open about it, where the action needs another operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalView>,
}

/// Another proposal is open, or too many are.
fn not_proposed(queue: QueueView, refused: NotProposed) -> Problem {
    let proposal = refused.open.map(|open| open.proposal.view());
    Problem::new(Kind::NotNow, refused.detail).with(&AsItIs { queue, proposal })
}

/// Another operator was faster: the problem has the operator's name and reason.
fn already(queue: &Queue, wanted: QueueAction, view: QueueView) -> Problem {
    let detail = match wanted {
        QueueAction::Pause => {
            let why = view.paused.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{queue} was paused already{why}")
        }
        QueueAction::Resume => format!("{queue} was not paused, or has been resumed"),
    };
    Problem::new(Kind::NotNow, detail).with(&AsItIs { queue: view, proposal: None })
}
