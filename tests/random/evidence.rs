//! What is left to judge when a seed is over: both books, what producers were told, and what workers said.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bursar_domain::{HistoryEvent, Key, Queue, State};
use bursar_simulator::{KeyRecord, Ledger, Stats};
use bursar_store::{EventId, JobRecord, MAX_BATCH, QueueStatus, Store, StoreError, StoredAs};
use bursar_test_support::Received;

use crate::door::QUEUE;
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

/// What an event came to.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) at: Duration,
    /// What it is counted as, if it came about.
    pub(crate) word: Option<String>,
    pub(crate) what: String,
}

/// The door's dead letters.
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
    pub(crate) told_of: HashMap<(String, Key), Vec<State>>,
    pub(crate) aside: Vec<DeadLetter>,
    /// How long after the last event everything had ended; `None` when it had not in time.
    pub(crate) quiet_after: Option<Duration>,
    pub(crate) happened: Vec<Happened>,
    /// What the workers did that they must not do.
    pub(crate) worker_wrongs: Vec<String>,
    /// What each worker wrote, with its name.
    pub(crate) words: Vec<(String, String)>,
    pub(crate) crashes: u32,
    pub(crate) lost_reply_bytes: u64,
    pub(crate) took: Duration,
}

impl Evidence {
    /// What the gateway has of a thing.
    pub(crate) fn at_gateway(&self, thing: &Thing) -> Option<&KeyRecord> {
        self.ledger.keys.get(&thing.ledger_key)
    }

    /// Whether the thing's queue stands still until somebody has looked into the gateway's books.
    pub(crate) fn waits_for_ever(&self, thing: &Thing) -> bool {
        let queue = self.queues.iter().find(|(name, _)| *name == thing.queue.to_string());
        queue.is_some_and(|(_, status)| self.plan.waits_for_ever(status.paused.as_ref()))
    }

    /// Every thing, with the job that was accepted for it: the variant's number and the record. A thing whose job is lost, or
    /// was accepted twice, is other properties' matter.
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

/// What each job came to that is told, by the queues' events.
async fn told_of(store: &Store) -> Result<HashMap<(String, Key), Vec<State>>, StoreError> {
    let of_queues: BTreeSet<u16> = queues().iter().map(|queue| store.partition_of(queue)).collect();
    let beginnings: Vec<_> = of_queues.into_iter().map(|partition| (partition, EventId::default())).collect();
    let mut told_of: HashMap<(String, Key), Vec<State>> = HashMap::new();
    for event in store.events(&beginnings, ALL_EVENTS).await? {
        let (Some(key), Some(state)) = (event.key(), event.state()) else { continue };
        match state {
            State::Queued | State::InDoubt | State::Pending => {}
            State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled => {
                told_of.entry((event.queue.clone(), key)).or_default().push(state);
            }
        }
    }
    Ok(told_of)
}

async fn aside(store: &Store) -> Result<Vec<DeadLetter>, StoreError> {
    let mut all = Vec::new();
    for aside in store.dead_letters(QUEUE, 0, MAX_BATCH).await? {
        let payload = store.dead_letter_payload(QUEUE, aside.number).await?.unwrap_or_default();
        all.push(DeadLetter { why: aside.why, payload: String::from_utf8_lossy(&payload).into_owned() });
    }
    Ok(all)
}

/// Reads both books.
pub(crate) async fn gather(
    world: World,
    plan: Plan,
    acks: Vec<Ack>,
    happened: Vec<Happened>,
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
    let told_of = told_of(&world.store).await?;
    let aside = if plan.door.is_some() { aside(&world.store).await? } else { Vec::new() };
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
        told_of,
        aside,
        quiet_after,
        happened,
        worker_wrongs: world.workers.wrongs,
        words: world.workers.words,
        crashes: world.workers.crashes,
        lost_reply_bytes,
        took,
    })
}
