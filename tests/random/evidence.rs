//! The evidence of a seed: both records, the producers' replies, the webhooks received, and the workers' logs.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bursar_domain::{HistoryEvent, Key, Queue, State};
use bursar_simulator::{KeyRecord, Ledger, Stats};
use bursar_store::{EventId, JobRecord, MAX_BATCH, QueueStatus, Store, StoreError, StoredAs};
use bursar_test_support::Received;

use crate::import::QUEUE;
use crate::jobs::{Thing, queues};
use crate::plan::Plan;
use crate::producers::Ack;
use crate::world::World;

/// More events than a seed makes in one queue.
const ALL_EVENTS: usize = 100_000;

/// One job as Redis has it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) record: JobRecord,
    pub(crate) content: Option<String>,
    pub(crate) history: Vec<HistoryEvent>,
}

/// An event and its result.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    pub(crate) at: Duration,
    /// The name under which it is counted, if it happened.
    pub(crate) word: Option<String>,
    pub(crate) what: String,
}

/// A dead letter of the import.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    pub(crate) why: String,
    pub(crate) payload: String,
}

/// Everything that properties are judged by.
pub(crate) struct Evidence {
    pub(crate) plan: Plan,
    pub(crate) ledger: Ledger,
    pub(crate) stats: Stats,
    pub(crate) acks: Vec<Ack>,
    /// By thing and variant: the record under its key.
    pub(crate) stored: Vec<Vec<Option<Stored>>>,
    /// Things whose job is there under both names of its account.
    pub(crate) twins: Vec<usize>,
    pub(crate) queues: Vec<(String, QueueStatus)>,
    /// By receiver: everything that came, in order.
    pub(crate) received: Vec<Vec<Received>>,
    /// By queue and key: the ends and reviews that are on record, in order.
    pub(crate) ended_and_reviewed: HashMap<(String, Key), Vec<State>>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// The time from the last event until everything had ended; `None` when it had not in time.
    pub(crate) quiet_after: Option<Duration>,
    pub(crate) occurrences: Vec<Occurrence>,
    /// Forbidden acts of the workers.
    pub(crate) worker_wrongs: Vec<String>,
    /// Each worker's output, with its name.
    pub(crate) words: Vec<(String, String)>,
    pub(crate) crashes: u32,
    pub(crate) lost_reply_bytes: u64,
    pub(crate) took: Duration,
}

impl Evidence {
    /// The gateway's record of a thing.
    pub(crate) fn at_gateway(&self, thing: &Thing) -> Option<&KeyRecord> {
        self.ledger.keys.get(&thing.ledger_key)
    }

    /// True if the thing's queue stays paused until an operator has looked at the gateway's record.
    pub(crate) fn waits_for_ever(&self, thing: &Thing) -> bool {
        let queue = self.queues.iter().find(|(name, _)| *name == thing.queue.to_string());
        queue.is_some_and(|(_, status)| self.plan.waits_for_ever(status.paused.as_ref()))
    }

    /// Every thing, with the job that was accepted for it: the variant's number and the record. A thing whose job is lost, or
    /// was accepted twice, is a matter of other properties.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (usize, &Thing, &Stored)> {
        self.plan.things.iter().enumerate().filter_map(|(number, thing)| {
            let stored = self.stored[number].iter().flatten().next()?;
            Some((number, thing, stored))
        })
    }
}

/// One job as Redis has it in this queue, if it has it.
pub(crate) async fn stored(store: &Store, queue: &Queue, key: &Key) -> Result<Option<Stored>, StoreError> {
    let record = match store.job(queue, key).await? {
        None => return Ok(None),
        Some(StoredAs::Job(record)) => *record,
        Some(StoredAs::Unreadable { key, why }) => panic!("{key}: {why}"),
    };
    let history = store.history(&record).await?;
    Ok(Some(Stored { content: record.content.clone(), record, history }))
}

/// The ends and reviews of each job, from the queues' events.
async fn ended_and_reviewed(store: &Store) -> Result<HashMap<(String, Key), Vec<State>>, StoreError> {
    let of_queues: BTreeSet<u16> = queues().iter().map(|queue| store.partition_of(queue)).collect();
    let beginnings: Vec<_> = of_queues.into_iter().map(|partition| (partition, EventId::default())).collect();
    let mut ended_and_reviewed: HashMap<(String, Key), Vec<State>> = HashMap::new();
    for event in store.events(&beginnings, ALL_EVENTS).await? {
        let (Some(key), Some(state)) = (event.key(), event.state()) else { continue };
        match state {
            State::Queued | State::InDoubt | State::Pending => {}
            State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled => {
                ended_and_reviewed.entry((event.queue.clone(), key)).or_default().push(state);
            }
        }
    }
    Ok(ended_and_reviewed)
}

async fn dead_letters(store: &Store) -> Result<Vec<DeadLetter>, StoreError> {
    let mut all = Vec::new();
    for letter in store.dead_letters(QUEUE, 0, MAX_BATCH).await? {
        let payload = store.dead_letter_payload(QUEUE, letter.number).await?.unwrap_or_default();
        all.push(DeadLetter { why: letter.why, payload: String::from_utf8_lossy(&payload).into_owned() });
    }
    Ok(all)
}

/// Reads both records.
pub(crate) async fn gather(
    world: World,
    plan: Plan,
    acks: Vec<Ack>,
    occurrences: Vec<Occurrence>,
    quiet_after: Option<Duration>,
    took: Duration,
) -> Result<Evidence, StoreError> {
    let (mut of_things, mut twins) = (Vec::new(), Vec::new());
    for (number, thing) in plan.things.iter().enumerate() {
        let mut of_variants = Vec::new();
        for variant in 0..thing.variants.len() {
            let key = thing.key(variant);
            let its = stored(&world.store, &thing.queue, &key).await?;
            let other = match plan.other_queue(thing) {
                Some(queue) => stored(&world.store, &queue, &key).await?,
                None => None,
            };
            if its.is_some() && other.is_some() {
                twins.push(number);
            }
            of_variants.push(other.or(its));
        }
        of_things.push(of_variants);
    }
    let mut of_queues = Vec::new();
    for queue in plan.queues() {
        of_queues.push((queue.to_string(), world.store.status(&queue).await?));
    }
    let ended_and_reviewed = ended_and_reviewed(&world.store).await?;
    let dead_letters = if plan.import.is_some() { dead_letters(&world.store).await? } else { Vec::new() };
    let lost_reply_bytes = world.lost_reply_bytes();
    let stats = world.simulator.stats();
    Ok(Evidence {
        plan,
        stats,
        ledger: world.simulator.stop().await,
        acks,
        stored: of_things,
        twins,
        queues: of_queues,
        received: world.receivers.received(),
        ended_and_reviewed,
        dead_letters,
        quiet_after,
        occurrences,
        worker_wrongs: world.workers.wrongs,
        words: world.workers.words,
        crashes: world.workers.crashes,
        lost_reply_bytes,
        took,
    })
}
