//! Sends nothing while a journal has sends that Redis lacks, or while a Redis is empty that is configured as existing.
//! Queries go on.
//!
//! The journals are compared when the worker starts. After any error of Redis, and after a claim that found lost
//! writes, nothing is sent until Redis has been compared again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bursar_domain::Queue;
use bursar_journal::{FileRecall, Journal, Newest, Recall, Send, recall};
use bursar_store::{Store, StoreError};
use bursar_telemetry::Metrics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::queues::Queues;
use crate::redis_health::RedisHealth;
use crate::send_block::{SendBlock, Unread, compare};

/// The pause between checks of Redis while all is well: FLUSHALL breaks no connection.
const ROUND: Duration = Duration::from_secs(10);

/// The same while nothing may be sent: the worker resumes soon after an operator has reconciled.
const ROUND_BLOCKED: Duration = Duration::from_secs(1);

/// The same after Redis did not answer.
const ROUND_AWAY: Duration = Duration::from_millis(250);

/// The Redis that a worker began on.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its id.
    pub incarnation: String,
    /// Refuses a Redis without its former data, even without a journal.
    pub existing: bool,
    /// Makes an id for one that has none.
    pub fresh: fn() -> String,
}

/// The outcome of the last check of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// It was not, since the worker knows of a reason to.
    Nothing,
    /// The check began at this moment and passed: sends are allowed.
    Well(Instant),
    /// Sends are not allowed.
    Blocked,
}

pub(crate) struct JournalCheck {
    store: Store,
    queues: Arc<Queues>,
    journal: Option<Journal>,
    expected: Option<Expected>,
    pub(crate) redis_health: RedisHealth,
    metrics: Arc<Metrics>,
    found: Mutex<Found>,
    /// The last time that a claim found lost writes.
    suspected: Mutex<Instant>,
    memory: Mutex<Memory>,
    /// The records that could not be read at the last comparison.
    unread: Mutex<Vec<Unread>>,
    /// The id of the Redis that was checked last; empty if nothing is compared.
    incarnation: Mutex<String>,
}

/// The memory of the journals.
#[derive(Default)]
struct Memory {
    /// The files as they were last read; `None` before that.
    before: Option<Recall>,
    /// The id of the Redis for which they were read.
    read_for: String,
    /// The sends of this process.
    own: FileRecall,
    own_fences: BTreeMap<String, u64>,
}

impl Memory {
    fn whole(&self) -> Recall {
        let mut recall = self.before.clone().unwrap_or_default();
        recall.files.push(self.own.clone());
        for (queue, fence) in &self.own_fences {
            let highest = recall.fences.entry(queue.clone()).or_default();
            *highest = (*fence).max(*highest);
        }
        recall
    }
}

impl JournalCheck {
    pub(crate) fn new(
        store: Store,
        queues: Arc<Queues>,
        journal: Option<Journal>,
        expected: Option<Expected>,
        redis_health: RedisHealth,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut memory = Memory::default();
        if let (Some(journal), Some(expected)) = (&journal, &expected) {
            memory.own.path = journal.folder().to_path_buf();
            memory.own.incarnation.clone_from(&expected.incarnation);
        }
        let (found, suspected, memory) = (Mutex::new(Found::Nothing), Mutex::new(Instant::now()), Mutex::new(memory));
        let unread = Mutex::default();
        let incarnation = expected.as_ref().map(|expected| expected.incarnation.clone()).unwrap_or_default();
        let incarnation = Mutex::new(incarnation);
        Self { store, queues, journal, expected, redis_health, metrics, found, suspected, memory, unread, incarnation }
    }

    /// True if there is something to compare.
    fn is_needed(&self) -> bool {
        self.expected.is_some()
    }

    /// True if Redis has been checked since its last error, and has every send in the journals.
    pub(crate) fn allows(&self) -> bool {
        if !self.is_needed() {
            return true;
        }
        match *locked(&self.found) {
            Found::Nothing | Found::Blocked => false,
            Found::Well(from) => from >= self.redis_health.last().max(*locked(&self.suspected)),
        }
    }

    /// Redis has lost writes: nothing is sent until it is checked.
    pub(crate) fn suspect(&self) {
        *locked(&self.suspected) = Instant::now();
        self.redis_health.look_again();
    }

    /// The id of the Redis that this worker checked last.
    pub(crate) fn incarnation(&self) -> String {
        locked(&self.incarnation).clone()
    }

    /// A send is about to be written down.
    pub(crate) fn sends(&self, queue: &Queue, key: &str, fence: u64) {
        if self.journal.is_none() {
            return;
        }
        let queue = queue.to_string();
        let mut memory = locked(&self.memory);
        memory.own.queues.insert(queue.clone());
        let highest = memory.own_fences.entry(queue.clone()).or_default();
        *highest = fence.max(*highest);
        memory.own.newest.add(Send { queue, key: key.to_owned(), fence });
    }

    /// It was not made.
    pub(crate) fn send_skipped(&self, queue: &Queue, key: &str, fence: u64) {
        locked(&self.memory).own.newest.skip_send(&queue.to_string(), key, fence);
    }

    /// Looks again and again until `stopped`.
    pub(crate) async fn watch(self: Arc<Self>, stopped: CancellationToken) {
        if !self.is_needed() {
            return;
        }
        loop {
            let from = Instant::now();
            let wait = match self.look().await {
                Ok(reasons) if reasons.is_empty() => {
                    self.well(from);
                    ROUND
                }
                Ok(reasons) => {
                    self.block(&reasons).await;
                    ROUND_BLOCKED
                }
                Err(error) => {
                    tracing::debug!(error = %error.chain(), "Redis could not be compared with the journals");
                    ROUND_AWAY
                }
            };
            tokio::select! {
                () = stopped.cancelled() => return,
                () = self.redis_health.wants_a_look() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn look(&self) -> Result<Vec<SendBlock>, StoreError> {
        let Some(expected) = &self.expected else { return Ok(Vec::new()) };
        let current = self.store.incarnations().await?.current;
        if let Err(why) = self.read(current.as_deref().unwrap_or_default()).await {
            return Ok(vec![SendBlock::Unreadable(why)]);
        }
        let current = match current {
            None if expected.existing => return Ok(vec![SendBlock::Empty]),
            None => self.store.incarnate(&(expected.fresh)()).await?,
            Some(current) => current,
        };
        self.note_incarnation(&current).await;
        if self.journal.is_none() {
            let is_replaced = expected.existing && current != expected.incarnation;
            return Ok(if is_replaced { vec![SendBlock::Replaced] } else { Vec::new() });
        }
        // Those of removed accounts as well: their sends stay in the journals.
        let queues: Vec<Queue> = self.queues.ever().into_iter().map(|(_, served)| served.queue.clone()).collect();
        let recall = locked(&self.memory).whole();
        let (mut reasons, unread) = compare(&self.store, &queues, &recall).await?;
        self.note_unread(unread);
        reasons.extend(self.journal.as_ref().filter(|journal| !journal.is_writable()).map(|_| SendBlock::Unwritable));
        Ok(reasons)
    }

    /// If Redis was emptied or replaced, makes all workers report their knowledge, and allows no send before they have
    /// had the time to: each may be the only one that knows of a send.
    async fn note_incarnation(&self, current: &str) {
        if *locked(&self.incarnation) == current {
            return;
        }
        tracing::warn!("Redis was emptied or replaced by another while this worker ran");
        if let Err(error) = self.store.wake_to_recheck().await {
            tracing::debug!(error = %error.chain(), "other workers could not be reached");
        }
        self.redis_health.noticed();
        current.clone_into(&mut locked(&self.incarnation));
    }

    /// Says once of each record that it cannot be read.
    fn note_unread(&self, unread: Vec<Unread>) {
        let mut known = locked(&self.unread);
        unread.iter().filter(|unread| !known.contains(unread)).for_each(Unread::log);
        *known = unread;
    }

    /// Reads the existing files, once for each Redis: they can be large, and the disk slow. Later sends of other
    /// workers are in this Redis, unless it was emptied or replaced; the files are then read again.
    async fn read(&self, incarnation: &str) -> Result<(), String> {
        let is_read = {
            let memory = locked(&self.memory);
            memory.before.is_some() && memory.read_for == incarnation
        };
        let Some(journal) = self.journal.as_ref().filter(|_| !is_read) else { return Ok(()) };
        let folder = journal.folder().to_path_buf();
        let read = tokio::task::spawn_blocking(move || recall(&folder)).await;
        let before = read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let mut memory = locked(&self.memory);
        memory.before = Some(before);
        incarnation.clone_into(&mut memory.read_for);
        Ok(())
    }

    /// Redis has the newest sends of other files; from now on only the sends of this process are newer.
    fn well(&self, from: Instant) {
        if let Some(before) = &mut locked(&self.memory).before {
            before.files.iter_mut().for_each(|file| file.newest = Newest::default());
        }
        let was = std::mem::replace(&mut *locked(&self.found), Found::Well(from));
        if was == Found::Blocked {
            tracing::info!("Redis has every send of the journals, and they can be written: sends go on");
            self.metrics.send_blocked(None);
        }
    }

    /// Logs the reasons, and pauses the queues for the workers that do not know them.
    async fn block(&self, reasons: &[SendBlock]) {
        let was = std::mem::replace(&mut *locked(&self.found), Found::Blocked);
        let [first, ..] = reasons else { return };
        self.metrics.send_blocked(Some(first.check()));
        if was == Found::Blocked {
            return;
        }
        for reason in reasons {
            tracing::error!(check = reason.check(), "nothing is sent: {reason}");
        }
        for (_, served) in self.queues.ever() {
            let concerned = reasons.iter().any(|reason| reason.queue() == Some(&served.queue));
            if !concerned {
                continue;
            }
            if let Err(error) = self.store.pause_for_a_journal(&served.queue).await {
                tracing::warn!(error = %error.chain(), queue = %served.queue, "the queue could not be paused for other workers");
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds a lock. Should something panic, the guarded value is still valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
