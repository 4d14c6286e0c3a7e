//! `POST /v1/actions`: an operator's action on up to a thousand jobs, answered per job; `…/preview` says what it would do.

mod request;

use axum::Json;
use axum::extract::State as AppState;
use bursar_domain::{BatchOutcome, BatchResult, MAX_ACTIONS, PlannedAction, PlannedEffect, PlannedSum};
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::auth::{Allowed, Operate};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, post};
use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops::action_batch::{ChosenJob, act, preview, result};
use crate::ops::audit::Acting;
use crate::state::Shared;
use request::{ActionsBody, ActionsRequest, Named, PreviewBody, PreviewRequest};

pub(crate) fn part() -> Part {
    Part::described("actions", "Operators' actions on many jobs.")
        .route("/v1/actions", [act_operation()])
        .route("/v1/actions/preview", [preview_operation()])
}

fn act_operation() -> Operation {
    post("act_on_many", act_on_many)
        .summary("Act on many jobs, for one reason")
        .description(format!(
            "For operators; at most {MAX_ACTIONS} jobs. Each job has its own guarded write, history and audit event, and may need its own \
             second operator. Name each job with the `version` of a preview: a job that has changed since is refused. A client that leaves \
             stops nothing: read the jobs, or repeat the request with the same versions."
        ))
        .allowed::<Operate>()
        .json::<ActionsBody>()
        .answers::<ActionResults>(200, "The result of each job, in the order of the request.")
        .stored()
}

fn preview_operation() -> Operation {
    post("preview_actions", preview_actions)
        .summary("Preview an action on many jobs: nothing is changed")
        .description(format!("For operators; at most {MAX_ACTIONS} jobs."))
        .allowed::<Operate>()
        .json::<PreviewBody>()
        .answers::<Preview>(200, "The effect on each job as it is now, in the order of the request.")
        .stored()
}

/// The effect of an action on each job.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ActionPreview")]
struct Preview {
    /// The jobs by the effect on them, with exact sums.
    total: PlannedSum,
    /// The effect on each job.
    jobs: Vec<PlannedAction>,
}

/// The result of an action on each job.
#[derive(Serialize, JsonSchema)]
struct ActionResults {
    /// Jobs by outcome.
    total: OutcomeCounts,
    /// The result of each job.
    jobs: Vec<BatchResult>,
}

/// The number of jobs with each outcome.
#[derive(Default, Serialize, JsonSchema)]
struct OutcomeCounts {
    /// It was done.
    done: usize,
    /// It was proposed.
    proposed: usize,
    /// It was refused.
    refused: usize,
    /// It may have been done.
    failed: usize,
}

async fn preview_actions(
    who: Allowed<Operate>,
    AppState(app): AppState<Shared>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<Preview>, Problem> {
    let PreviewRequest { action, jobs } = PreviewRequest::read(&body)?;
    let known = app.known_queues(&who.bearer);
    let is_known = |named: &&Named| known.contains(&named.queue);
    let chosen: Vec<_> = jobs.iter().filter(is_known).map(|named| (named.queue.clone(), named.key.clone())).collect();
    let mut planned = preview(&app, &chosen, action).await?.into_iter().map(|planned| planned.view());
    let unknown = |named: &Named| PlannedAction {
        account: named.queue.account.clone(),
        kind: named.queue.kind,
        platform_no: named.key.clone(),
        state: None,
        amount_fen: None,
        effect: PlannedEffect::Refused,
        to: None,
        detail: Some(NO_SUCH_QUEUE.to_owned()),
        version: None,
    };
    let jobs: Vec<PlannedAction> = jobs
        .iter()
        .map(|named| {
            let known = if is_known(&named) { planned.next() } else { None };
            known.unwrap_or_else(|| unknown(named))
        })
        .collect();
    Ok(Json(Preview { total: PlannedSum::of(&jobs), jobs }))
}

/// Why nothing is done to a job of a queue that the token does not know.
const NO_SUCH_QUEUE: &str = "no account has that queue";

async fn act_on_many(
    who: Allowed<Operate>,
    AppState(app): AppState<Shared>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<ActionResults>, Problem> {
    let ActionsRequest { action, jobs, reason } = ActionsRequest::read(&body)?;
    let known = app.known_queues(&who.bearer);
    let is_known = |named: &&Named| known.contains(&named.queue);
    let chosen = jobs.iter().filter(is_known).map(|Named { queue, key, version }| ChosenJob {
        queue: queue.clone(),
        key: key.clone(),
        version: version.clone(),
    });
    let acting = Acting { actor: &who.actor, identity: &who.bearer.identity, reason: &reason };
    let mut results = act(&app, chosen.collect(), action, acting);
    let mut answers = Vec::with_capacity(jobs.len());
    for named in &jobs {
        let known = if is_known(&named) { results.recv().await } else { None };
        answers.push(known.unwrap_or_else(|| {
            let refused = (BatchOutcome::Refused, None, Some(NO_SUCH_QUEUE.to_owned()));
            result(named.queue.clone(), named.key.clone(), refused)
        }));
    }
    Ok(Json(ActionResults { total: OutcomeCounts::of(&answers), jobs: answers }))
}

impl OutcomeCounts {
    fn of(results: &[BatchResult]) -> Self {
        let mut counts = Self::default();
        for result in results {
            match result.outcome {
                BatchOutcome::Done => counts.done += 1,
                BatchOutcome::Proposed => counts.proposed += 1,
                BatchOutcome::Refused => counts.refused += 1,
                BatchOutcome::Failed => counts.failed += 1,
            }
        }
        counts
    }
}

/// More jobs than one batch may have.
fn too_many() -> Problem {
    Problem::new(Kind::TooLarge, format!("a batch may have {MAX_ACTIONS} jobs at most"))
}
