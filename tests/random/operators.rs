//! Operators' actions on jobs while workers process them.

use std::sync::Arc;

use bursar_domain::{ActionKind, Operation, State};
use bursar_producer::Queue;
use bursar_simulator::{KeyRecord, Ledger};
use bursar_store::{Cursor, JobRecord, Operated, Operator, Store, StoreError, StoredAs};

use crate::event::Order;
use crate::jobs::Thing;

/// The operator of these tests.
const OPERATOR: Operator<'_> = Operator { who: "chaos", why: "the seed says so", identity: Some("chaos") };

/// Pauses or resumes a queue; returns the result as a text.
pub(crate) async fn pause(store: Store, queue: Queue) -> String {
    said(store.pause(&queue, &OPERATOR.reason(ActionKind::Pause)).await.map(|changed| format!("changed: {changed}")))
}

/// See [`pause`].
pub(crate) async fn resume(store: Store, queue: Queue) -> String {
    said(store.resume(&queue, &OPERATOR.reason(ActionKind::Resume)).await.map(|changed| format!("changed: {changed}")))
}

/// Applies `order` to one of the jobs of these queues that it fits, chosen by `number`; returns the result as a text.
pub(crate) async fn operate(
    store: Store,
    things: Arc<Vec<Thing>>,
    ledger: Ledger,
    queues: Vec<Queue>,
    (order, number): (Order, usize),
) -> String {
    said(try_to_operate(&store, &things, &ledger, &queues, (order, number)).await)
}

fn said(outcome: Result<String, StoreError>) -> String {
    outcome.unwrap_or_else(|error| format!("unknown: {}", error.chain()))
}

async fn try_to_operate(
    store: &Store,
    things: &[Thing],
    ledger: &Ledger,
    queues: &[Queue],
    (order, number): (Order, usize),
) -> Result<String, StoreError> {
    let state = match order {
        Order::Cancel => Some(State::Queued),
        Order::Query => None,
        Order::Send | Order::Resolve => Some(State::NeedsReview),
    };
    let jobs = list(store, queues, state).await?;
    let Some(job) = number.checked_rem(jobs.len()).map(|at| &jobs[at]) else { return Ok("there is none".into()) };
    let operation = match order {
        Order::Cancel => Operation::Cancel,
        Order::Query => Operation::Query,
        Order::Send => Operation::Send,
        Order::Resolve => match truth(things, ledger, job) {
            Some(state) => Operation::Resolve(state),
            None => return Ok(format!("{}: the gateway has no last word", job.key)),
        },
    };
    let operated = match store.operate(&job.queue, &job.key, operation, OPERATOR).await? {
        Operated::Done(record) => format!("is {} now", record.state),
        Operated::Unknown => "unknown".into(),
        Operated::Claimed(_) => "claimed by a worker".into(),
        Operated::Unreadable(why) => why.to_string(),
        Operated::Changed => "not what was seen".into(),
        Operated::Refused(refused) => refused.to_string(),
        Operated::NeedsSecond(needed) => format!("{needed:?}"),
    };
    Ok(format!("{operation:?} {}: {operated}", job.key))
}

async fn list(store: &Store, queues: &[Queue], state: Option<State>) -> Result<Vec<JobRecord>, StoreError> {
    let mut jobs = Vec::new();
    for queue in queues {
        let mut next = Some(Cursor::default());
        while let Some(cursor) = next {
            let page = store.list(queue, state, &cursor, 500).await?;
            jobs.extend(page.jobs.into_iter().filter_map(|job| match job {
                StoredAs::Job(job) => Some(*job),
                StoredAs::Unreadable { .. } => None,
            }));
            next = page.next;
        }
    }
    Ok(jobs)
}

/// The gateway's own record, once it is final, as a person reads it.
fn truth(things: &[Thing], ledger: &Ledger, job: &JobRecord) -> Option<State> {
    let named = |thing: &&Thing| (0..thing.variants.len()).any(|variant| thing.key(variant) == job.key);
    // A key names its thing under every name of its account.
    let thing = things.iter().find(named)?;
    let record: &KeyRecord = ledger.keys.get(&thing.ledger_key)?;
    match (record.kind, record.status.as_deref()?) {
        (bursar_simulator::Kind::BillUpload, "received") => Some(State::Succeeded),
        (bursar_simulator::Kind::Transfer | bursar_simulator::Kind::Split, "1") => Some(State::Succeeded),
        (bursar_simulator::Kind::Transfer, "0") | (bursar_simulator::Kind::Split, "2") => Some(State::Failed),
        (bursar_simulator::Kind::Transfer, "2") => Some(State::Refunded),
        _ => None,
    }
}
