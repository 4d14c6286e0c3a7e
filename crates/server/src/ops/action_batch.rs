//! One operator's action on many jobs: the preview, and the action on each with its own guarded write, history and audit event.

use std::sync::Arc;

use bursar_domain::{BatchOutcome, BatchResult, Key, Operation, Queue, State};
use bursar_store::{Cursor, JobRecord, Planned, StoredAs};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::ops::audit::{Acting, NotDone};
use crate::ops::operate::{NotOperated, Seen, operate};
use crate::state::refusal::Refusal;
use crate::state::{ServerState, Shared};

/// Jobs of one batch that are acted on at the same time: they share the waits for the disk or the replicas.
const AT_ONCE: usize = 32;

/// The rows that one read of a list takes.
const LISTED_AT_ONCE: usize = 500;

/// A job that an operator has chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChosenJob {
    pub(crate) queue: Queue,
    pub(crate) key: Key,
    /// The job's version in the preview that the operator saw; `None` to take the job as it is.
    pub(crate) version: Option<String>,
}

/// Jobs of these queues in this state, `most` of them at most; `true` with them if there are more.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn in_state(
    app: &ServerState,
    queues: &[Queue],
    state: State,
    most: usize,
) -> Result<(Vec<(Queue, Key)>, bool), Refusal> {
    let mut found = Vec::new();
    for queue in queues {
        let mut next = Some(Cursor::default());
        while let Some(from) = next {
            let page = app.store.list(queue, Some(state), &from, LISTED_AT_ONCE).await?;
            let readable = page.jobs.iter().filter(|job| matches!(job, StoredAs::Job(_)));
            found.extend(readable.map(|job| (queue.clone(), job.key().clone())));
            if found.len() > most {
                found.truncate(most);
                return Ok((found, true));
            }
            next = page.next;
        }
    }
    Ok((found, false))
}

/// The effect that the action would have on each job, in their order.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn preview(
    app: &ServerState,
    chosen: &[(Queue, Key)],
    operation: Operation,
) -> Result<Vec<Planned>, Refusal> {
    Ok(app.store.preview(chosen, operation).await?)
}

/// Acts on each job in its turn; each result arrives when it is known, in the order of the jobs. A client that leaves stops nothing; a
/// server that drains begins no further action.
pub(crate) fn act(
    app: &Shared,
    chosen: Vec<ChosenJob>,
    operation: Operation,
    acting: Acting<'_>,
) -> mpsc::Receiver<BatchResult> {
    // Room for all: a slow reader holds up no action.
    let (results, reader) = mpsc::channel(chosen.len().max(1));
    let app = Shared::clone(app);
    let operator = Arc::new(acting.kept());
    tokio::spawn(async move {
        let acting = futures_util::stream::iter(chosen).map(|job| {
            let (app, operator) = (Shared::clone(&app), Arc::clone(&operator));
            async move { act_on(&app, job, operation, operator.acting()).await }
        });
        let mut acting = std::pin::pin!(acting.buffered(AT_ONCE));
        while let Some(result) = acting.next().await {
            results.send(result).await.ok(); // the reader may be gone
        }
    });
    reader
}

async fn act_on(app: &ServerState, job: ChosenJob, operation: Operation, acting: Acting<'_>) -> BatchResult {
    let ChosenJob { queue, key, version } = job;
    if app.drain.is_cancelled() {
        let why = "the server is stopping: nothing was done".to_owned();
        return result(queue, key, (BatchOutcome::Refused, None, Some(why)));
    }
    let seen = version.as_deref().map_or(Seen::Anything, Seen::Version);
    let operated = operate(app, (&queue, &key), operation, acting, seen).await;
    let outcome = outcome_of(operated);
    result(queue, key, outcome)
}

fn outcome_of(operated: Result<Box<JobRecord>, NotOperated>) -> (BatchOutcome, Option<State>, Option<String>) {
    match operated {
        Ok(record) => (BatchOutcome::Done, Some(record.state), None),
        Err(NotOperated::Proposed(open)) => (BatchOutcome::Proposed, None, Some(open.proposal.named())),
        Err(refused @ (NotOperated::NotNow(_) | NotOperated::NotProposed(_))) => {
            (BatchOutcome::Refused, None, Some(refused.result().1))
        }
        Err(NotOperated::Refused(refusal)) => {
            let outcome = match &refusal {
                Refusal::NotFound(_) | Refusal::UnreadableRecord(_) => BatchOutcome::Refused,
                Refusal::Store { .. } | Refusal::Late(_) => BatchOutcome::Failed,
            };
            (outcome, None, Some(NotOperated::Refused(refusal).result().1))
        }
    }
}

/// The result of an action on a job of this name.
pub(crate) fn result(
    queue: Queue,
    key: Key,
    (outcome, state, detail): (BatchOutcome, Option<State>, Option<String>),
) -> BatchResult {
    BatchResult { account: queue.account, kind: queue.kind, platform_no: key, outcome, state, detail }
}
