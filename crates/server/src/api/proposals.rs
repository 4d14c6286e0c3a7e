//! Proposals: actions that need a second operator. An action's own route answers 202 with the proposal; these list, approve and reject.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bursar_domain::{JobView, ProposalView, QueueView};
use bursar_store::{Dismissed, Executed, OpenProposal};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::operator_request::ActionRequest;
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, get, post};
use crate::http::part::Part;
use crate::http::path::ProposalId;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops::audit::Acting;
use crate::ops::proposals::{self, NotApproved};
use crate::state::Shared;

pub(crate) fn part() -> Part {
    let part = Part::described("proposals", "Actions that one operator has proposed and another one must approve.");
    part.route(
        "/v1/proposals",
        [get("proposals", list)
            .summary("The open proposals, the oldest first")
            .allowed::<Read>()
            .answers::<Proposals>(200, "The open proposals of the queues that the token may see.")
            .stored()],
    )
    .route("/v1/proposals/{proposal}/approve", [approve_operation()])
    .route("/v1/proposals/{proposal}/reject", [reject_operation()])
}

/// The answer of an action that is proposed.
pub(crate) fn accepted(open: &OpenProposal) -> Response {
    (StatusCode::ACCEPTED, Json(open.proposal.view())).into_response()
}

/// Describes that an action may be proposed instead of done.
pub(crate) fn may_be_proposed(operation: Operation) -> Operation {
    operation.answers::<ProposalView>(202, "Nothing is done yet: another operator must approve this proposal.")
}

fn approve_operation() -> Operation {
    post("approve", approve)
        .summary("Approve a proposal: what it proposes is done, once")
        .description(
            "For operators, but for the one who made it. Nothing is done if the job or queue has changed since: the proposal is removed.",
        )
        .allowed::<Operate>()
        .json::<ActionRequest>()
        .answers::<ApprovedProposal>(200, "The action is done.")
        .refuses(&[Kind::NotFound, Kind::NotNow])
        .stored()
}

fn reject_operation() -> Operation {
    post("reject", reject)
        .summary("Reject a proposal, or withdraw your own")
        .description("For operators. The token's name and the reason are recorded.")
        .allowed::<Operate>()
        .json::<ActionRequest>()
        .answers::<RejectedProposal>(200, "The proposal is removed.")
        .refuses(&[Kind::NotFound, Kind::NotNow])
        .stored()
}

/// All open proposals.
#[derive(Serialize, JsonSchema)]
struct Proposals {
    /// The open proposals.
    proposals: Vec<ProposalView>,
}

/// A proposal that was approved, with what it was about.
#[derive(Serialize, JsonSchema)]
struct ApprovedProposal {
    /// The proposal.
    proposal: ProposalView,
    /// The job after the action, where it was about one.
    job: Option<JobView>,
    /// The queue after the action, where it was about one.
    queue: Option<QueueView>,
}

/// A proposal that was removed.
#[derive(Serialize, JsonSchema)]
struct RejectedProposal {
    /// The proposal.
    proposal: ProposalView,
    /// `withdrawn` by the operator who made it, `rejected` by another one.
    outcome: Rejection,
}

/// The operator who removed a proposal.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Rejection {
    /// The operator who made it.
    Withdrawn,
    /// Another operator.
    Rejected,
}

async fn list(who: Allowed<Read>, State(app): State<Shared>, _: NoQuery) -> Result<Json<Proposals>, Problem> {
    let open = proposals::open(&app, &who.bearer).await?;
    Ok(Json(Proposals { proposals: open.iter().map(|open| open.proposal.view()).collect() }))
}

async fn approve(
    who: Allowed<Operate>,
    State(app): State<Shared>,
    ProposalId(id): ProposalId,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<ApprovedProposal>, Problem> {
    let ActionRequest { reason } = ActionRequest::read(&body)?;
    let open = proposals::named(&app, &who.bearer, &id).await?;
    let second = Acting { actor: &who.actor, identity: &who.bearer.identity, reason: &reason };
    let executed = proposals::approve(&app, &open, second).await.map_err(problem)?;
    let (job, queue) = match executed {
        Executed::Job(record) => (Some(record.view()), None),
        Executed::Queue(queue) => (None, Some(app.store.status(&queue).await?.view(&queue))),
        Executed::Dropped => (None, None),
    };
    Ok(Json(ApprovedProposal { proposal: open.proposal.view(), job, queue }))
}

async fn reject(
    who: Allowed<Operate>,
    State(app): State<Shared>,
    ProposalId(id): ProposalId,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<RejectedProposal>, Problem> {
    let ActionRequest { reason } = ActionRequest::read(&body)?;
    let open = proposals::named(&app, &who.bearer, &id).await?;
    let acting = Acting { actor: &who.actor, identity: &who.bearer.identity, reason: &reason };
    let outcome = match proposals::reject(&app, &open, acting).await.map_err(problem)? {
        Dismissed::Withdrawn => Rejection::Withdrawn,
        Dismissed::Rejected | Dismissed::Gone => Rejection::Rejected,
    };
    Ok(Json(RejectedProposal { proposal: open.proposal.view(), outcome }))
}

fn problem(refused: NotApproved) -> Problem {
    match refused {
        NotApproved::Refused(refusal) => refusal.into(),
        NotApproved::Gone | NotApproved::Void(_) | NotApproved::Own | NotApproved::NotNow(_) => {
            Problem::new(Kind::NotNow, refused.detail())
        }
    }
}
