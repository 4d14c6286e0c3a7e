//! Claims due jobs, only as many as can be called about at once, from the queues with due work in turn.
//!
//! It sleeps until a known queue is due, a wake message names a queue, or a slot becomes free. It learns of due work
//! from Redis, which lists the ready queues in a few sets, however many queues there are; from its own claims and
//! commits; and from wake messages. Wake messages are hints: the next scan finds what a lost one announced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_domain::{Call, Millis, Queue};
use bursar_store::{
    Claim, Claimed, ClaimedJob, ConnectionIds, ExpiredLeases, MAX_CLAIM, READY_AT_ONCE, Ready, RedisClock, Sends,
    Store, StoreError, crash_point,
};
use bursar_telemetry::{Lost, RedisOperation, Role, Span, Traces};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::SendGate;
use crate::circuit_breaker::SendBudget;
use crate::claimed_jobs::{ActiveClaim, ClaimedJobs};
use crate::newer::Newer;
use crate::queues::{QueueNumber, ServedQueue};
use crate::redis_backoff::RedisBackoff;
use crate::schedule::{Blocked, QueueTurn, Schedule};
use crate::shared::Shared;
use crate::waker::{Notice, Waker, listen};

/// The interval between scans for ready queues while work waits, or while wake messages cannot be received: another
/// worker may have died with the work.
const LOOK_AT_WAITING: Duration = Duration::from_secs(1);

/// The same if nothing waits: all work that comes due sends a wake message, and this finds the work of a lost one.
const LOOK_AT_IDLE: Duration = Duration::from_secs(5);

/// A scan also lists the queues that become due within this time, so that no queue becomes due between two scans
/// unnoticed.
pub(crate) const AHEAD: Duration = Duration::from_secs(6);

/// The number of ready queues from which the next scan may be as late as an idle worker's: there is enough work.
const MANY: usize = 1_000;

/// The longest time until the next claim from a queue that is blocked or belongs to another gateway.
const LOOK_AT_BLOCKED: Duration = Duration::from_secs(5);

/// The pause after a claim that took nothing although work is due.
const LOOK_AFTER_NOTHING: Duration = Duration::from_millis(50);

/// The pause before the send gate is checked again.
const LOOK_AT_FITNESS: Duration = Duration::from_secs(1);

/// The pause before the journal check is repeated: a comparison of Redis with journals takes milliseconds.
const LOOK_AT_GUARD: Duration = Duration::from_millis(100);

/// The same while the preflight checks a new connection.
const LOOK_AT_UNCHECKED: Duration = Duration::from_millis(50);

/// Starts claiming until `drain`. Jobs that are claimed but not started by then are released before the task ends.
pub(crate) fn start(
    shared: Shared,
    fit: watch::Receiver<SendGate>,
    drain: CancellationToken,
    stopped: CancellationToken,
) -> (Arc<ClaimedJobs>, Waker, JoinHandle<()>) {
    let claimed_jobs = Arc::new(ClaimedJobs::default());
    let hears = Arc::new(AtomicBool::new(false));
    let (waker, wakeups) = Waker::new();
    let (redis_health, queues) = (shared.redis_health.clone(), Arc::clone(&shared.queues));
    tokio::spawn(listen(shared.store.clone(), queues, waker.clone(), redis_health, Arc::clone(&hears), stopped));
    let claimer = Claimer {
        slots: Arc::new(Semaphore::new(shared.settings.concurrency)),
        schedule: Schedule::default(),
        look_at: Instant::now(),
        passed_over: 0,
        fit,
        connection_ids: shared.store.connection_ids(),
        claims: 0,
        hears,
        missed: waker.missed(),
        claimed_jobs: Arc::clone(&claimed_jobs),
        drain,
        backoff: RedisBackoff::new(RedisOperation::Claiming, shared.redis_health.clone()),
        newer: Newer::default(),
        shared,
    };
    (claimed_jobs, waker, tokio::spawn(claimer.run(wakeups)))
}

struct Claimer {
    shared: Shared,
    claimed_jobs: Arc<ClaimedJobs>,
    slots: Arc<Semaphore>,
    schedule: Schedule,
    /// The time of the next scan for ready queues.
    look_at: Instant,
    /// The number of ready queues of each partition that the next scan skips, because the last one has read them.
    passed_over: usize,
    /// True while wake messages are received.
    hears: Arc<AtomicBool>,
    /// True if a wake message was missed.
    missed: Arc<AtomicBool>,
    fit: watch::Receiver<SendGate>,
    connection_ids: ConnectionIds,
    /// Numbers the claims of this process.
    claims: u64,
    drain: CancellationToken,
    backoff: RedisBackoff,
    newer: Newer,
}

impl Claimer {
    async fn run(mut self, mut wakeups: mpsc::Receiver<Notice>) {
        let drain = self.drain.clone();
        // Only the wait is cut short: a claim in progress is completed, because it may have taken jobs.
        while drain.run_until_cancelled(self.wait(&mut wakeups)).await.is_some() {
            self.step().await;
        }
        self.release().await;
    }

    /// Waits until there is a step to take and a slot is free. All wake messages are read between any two steps.
    async fn wait(&mut self, wakeups: &mut mpsc::Receiver<Notice>) {
        loop {
            while let Ok(wake) = wakeups.try_recv() {
                self.woken(&wake);
            }
            if self.missed.swap(false, Ordering::Relaxed) {
                self.woken(&Notice::All);
            }
            let now = Instant::now();
            self.schedule.come_due(now);
            if !self.schedule.has_turn() && self.look_at > now {
                let next = self.schedule.next_due().map_or(self.look_at, |due| due.min(self.look_at));
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    Some(wake) = wakeups.recv() => self.woken(&wake),
                }
            } else if self.slots.available_permits() == 0 {
                self.shared.settings.metrics.pulse().waits_for_a_slot();
                let wake = tokio::select! {
                    // The semaphore is never closed; the claim takes the slot.
                    _ = self.slots.acquire() => None,
                    Some(wake) = wakeups.recv() => Some(wake),
                };
                wake.iter().for_each(|wake| self.woken(wake));
            } else {
                // Calls that are about to end go first: one claim then fills all their slots, which saves round trips,
                // and with `appendfsync always` disk writes.
                return tokio::task::yield_now().await;
            }
        }
    }

    fn woken(&mut self, wake: &Notice) {
        match wake {
            Notice::One(queue) => self.schedule.wake(*queue, Instant::now()),
            Notice::Due(queue, at) => self.schedule.will_be_due(*queue, *at),
            Notice::CircuitChanged(queue) => self.schedule.reconsider(*queue),
            Notice::All => (self.look_at, self.passed_over) = (Instant::now(), 0),
        }
    }

    /// Scans for ready queues, or claims from the queue whose turn it is, with its share of the free slots.
    async fn step(&mut self) {
        if self.look_at <= Instant::now() {
            return self.look().await;
        }
        let Some(turn) = self.schedule.next_turn() else { return };
        let free = self.slots.available_permits();
        self.claim(turn, free.div_ceil(turn.sharing.max(1)).min(MAX_CLAIM)).await;
    }

    /// Scans Redis for ready queues: one round trip, unless they are very many.
    async fn look(&mut self) {
        self.shared.settings.metrics.pulse().tried();
        let requested_at = Instant::now();
        match self.ready().await {
            Ok((now, ready, is_full)) => {
                self.backoff.over();
                self.shared.observe_clock(now, requested_at);
                let waits = self.note_ready(now, &ready);
                if is_full {
                    self.passed_over += READY_AT_ONCE;
                    return; // the next step goes on
                }
                self.passed_over = 0;
                let soon = waits && ready.len() < MANY || !self.hears.load(Ordering::Relaxed);
                self.look_at = Instant::now() + if soon { LOOK_AT_WAITING } else { LOOK_AT_IDLE };
            }
            Err(error) => self.backoff.wait(&error).await,
        }
    }

    /// Redis's time, the queues that are ready or soon will be, and whether there are more.
    async fn ready(&self) -> Result<(Millis, Vec<Ready>, bool), StoreError> {
        let store = &self.shared.store;
        let clock = match self.shared.memory.clock() {
            Some(clock) => clock,
            None => store.now().await?,
        };
        let ready = store.ready_behind(clock.plus(AHEAD), self.passed_over);
        let (now, (ready, is_full)) = tokio::try_join!(store.now(), ready)?;
        Ok((now, ready, is_full))
    }

    /// Schedules these queues; true if one of them has work that this worker may claim.
    fn note_ready(&mut self, now: Millis, ready: &[Ready]) -> bool {
        let read = Instant::now();
        let mut waits = false;
        for Ready { queue, due } in ready {
            let Some(number) = self.shared.queues.find(queue) else { continue }; // another worker's
            let at = match now.since(*due) {
                Duration::ZERO => read + due.since(now),
                ago => read.checked_sub(ago).unwrap_or(read),
            };
            self.schedule.is_ready(number, at);
            waits |= !self.schedule.is_blocked(number);
        }
        waits
    }

    /// The number of sends that may be claimed from a queue now.
    fn budget(&self, served: &ServedQueue, fit: SendGate) -> SendBudget {
        let (now, sends_from) = (Instant::now(), self.shared.redis_health.sends_from());
        match fit {
            SendGate::Closed => SendBudget::NotBefore(now + LOOK_AT_FITNESS),
            // The preflight of the server behind the new connection is still running.
            SendGate::OpenOver(link) if link != self.connection_ids.newest() => {
                SendBudget::NotBefore(now + LOOK_AT_UNCHECKED)
            }
            SendGate::Open | SendGate::OpenOver(_)
                if self.shared.settings.journal.as_ref().is_some_and(|journal| !journal.is_writable()) =>
            {
                SendBudget::NotBefore(now + LOOK_AT_FITNESS)
            }
            SendGate::Open | SendGate::OpenOver(_) if now < sends_from => SendBudget::NotBefore(sends_from),
            SendGate::Open | SendGate::OpenOver(_) if !self.shared.journal_check.allows() => {
                SendBudget::NotBefore(now + LOOK_AT_GUARD)
            }
            SendGate::Open | SendGate::OpenOver(_) => served.circuit().budget(now),
        }
    }

    /// Claims at most `share` jobs of one queue and hands them on.
    async fn claim(&mut self, turn: QueueTurn, share: usize) {
        let queue = turn.queue;
        // Read once: a claim is made by one account's settings. The queue of a removed account has no further turn.
        let Some(served) = self.shared.queues.current(queue) else { return };
        let fit = *self.fit.borrow(); // read once: sends that it allows go over its connection
        // Read before the budget: the journal check forbids sends before it names another Redis, so a claim that names
        // it never has the old budget.
        let incarnation = self.shared.journal_check.incarnation();
        let budget = self.budget(&served, fit);
        if let (Some(blocked), SendBudget::NotBefore(moment)) = (turn.blocked, budget)
            && Instant::now() < blocked.claim_at
        {
            return self.schedule.again(queue, moment.min(blocked.claim_at), Some(blocked)); // nothing has changed
        }
        let share = if budget == SendBudget::Probe { 1 } else { share };
        let slots: Vec<OwnedSemaphorePermit> =
            std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok()).take(share).collect();
        let requested_at = Instant::now();
        match self.claim_of_this_redis((queue, &served), slots.len(), (budget, fit), &incarnation).await {
            Ok(claimed) if claimed.other_redis => {
                self.backoff.over();
                self.shared.journal_check.suspect();
                self.schedule.again(queue, Instant::now() + LOOK_AT_GUARD, None);
            }
            Ok(claimed) if claimed.other_gateway => {
                self.backoff.over();
                let claim_at = requested_at + LOOK_AT_BLOCKED;
                self.schedule.again(queue, claim_at, Some(Blocked { since: requested_at, claim_at }));
                if self.shared.queues.note_foreign(queue) {
                    log_other_gateway(&self.shared.store, &served).await;
                }
            }
            Ok(claimed) => {
                self.backoff.over();
                served.note_foreign(false);
                self.shared.memory.claimed(queue, self.claims, &claimed);
                if !claimed.jobs.is_empty() {
                    self.shared.activity.claimed(claimed.now);
                }
                self.shared.observe_clock(claimed.now, requested_at);
                if budget == SendBudget::Probe && claimed.jobs.iter().any(|job| job.call == Call::Send) {
                    served.circuit().probing(requested_at);
                }
                self.claim_again(queue, &claimed, budget, requested_at);
                self.hand_on((queue, &served), claimed, slots, requested_at);
            }
            Err(error) => {
                drop(slots);
                self.recover(queue, &error).await;
                self.schedule.again(queue, Instant::now(), None);
                self.shared.redis_health.noticed();
            }
        }
    }

    /// Claims. If the queue is new to this Redis, first checks that it is still the same Redis, then claims again.
    async fn claim_of_this_redis(
        &mut self,
        (queue, served): (QueueNumber, &ServedQueue),
        slots: usize,
        (budget, fit): (SendBudget, SendGate),
        incarnation: &str,
    ) -> Result<Claimed, StoreError> {
        let sick_group = served.circuit().sick_group();
        let mut looked = false;
        loop {
            self.claims += 1;
            self.shared.settings.metrics.pulse().tried();
            let claim = Claim {
                incarnation,
                looked,
                sick_group: &sick_group,
                ..self.wish((queue, served), slots, budget, fit)
            };
            let claimed = self.shared.store.claim(&served.queue, &claim).await?;
            if !claimed.other_redis || looked {
                return Ok(claimed);
            }
            looked = self.shared.store.incarnations().await?.current.as_deref() == Some(incarnation);
            if !looked {
                return Ok(claimed);
            }
        }
    }

    fn wish<'a>(
        &'a self,
        (queue, served): (QueueNumber, &'a ServedQueue),
        slots: usize,
        budget: SendBudget,
        fit: SendGate,
    ) -> Claim<'a> {
        Claim {
            worker: &self.shared.settings.name,
            lease: self.shared.settings.lease,
            slots,
            rate_per_second: served.rate_per_second,
            number: self.claims,
            known: self.shared.memory.known(queue),
            on_ambiguous: served.policy.on_ambiguous,
            sends: match budget {
                SendBudget::All => Sends::Allowed,
                SendBudget::Probe => Sends::Probe,
                SendBudget::NotBefore(_) => Sends::NotYet,
            },
            expired_leases: match Instant::now() < self.shared.redis_health.sends_from() {
                true => ExpiredLeases::Left,
                false => ExpiredLeases::TakenOver,
            },
            clock: self.shared.memory.clock(),
            gateway: &served.identity,
            sick_group: "",
            newer_left_for: self.newer.wait(queue, Instant::now()),
            incarnation: "",
            looked: false,
            over: match (budget, fit) {
                (SendBudget::All | SendBudget::Probe, SendGate::OpenOver(link)) => Some(link),
                (SendBudget::NotBefore(_), _) | (_, SendGate::Open | SendGate::Closed) => None,
            },
        }
    }

    /// Schedules the next claim from the queue. Work that is due beyond the scan's horizon is found by a later scan.
    fn claim_again(&mut self, queue: QueueNumber, claimed: &Claimed, budget: SendBudget, requested_at: Instant) {
        self.shared.left.note(queue, claimed.sends_left);
        let now = Instant::now();
        let took_nothing = claimed.jobs.is_empty() && claimed.quarantined.is_empty() && claimed.left.is_empty();
        let due = claimed.next_due.map(|due| now + due.since(claimed.now));
        let due = due.map(|due| if took_nothing { due.max(now + LOOK_AFTER_NOTHING) } else { due });
        match budget {
            SendBudget::NotBefore(moment) if claimed.sends_left => {
                let claim_at = due.unwrap_or(now + LOOK_AT_BLOCKED).min(now + LOOK_AT_BLOCKED);
                self.schedule.again(queue, claim_at.min(moment), Some(Blocked { since: requested_at, claim_at }));
            }
            SendBudget::All | SendBudget::Probe | SendBudget::NotBefore(_) => {
                if let Some(due) = due.filter(|due| *due < now + AHEAD) {
                    self.schedule.again(queue, due, None);
                }
            }
        }
    }

    /// Hands the claimed jobs to the backend, and logs the records that could not be claimed.
    fn hand_on(
        &mut self,
        (queue, served): (QueueNumber, &Arc<ServedQueue>),
        claimed: Claimed,
        slots: Vec<OwnedSemaphorePermit>,
        requested_at: Instant,
    ) {
        if claimed.lost_writes {
            self.shared.journal_check.suspect();
            served.log_lost_writes();
        }
        for (key, why) in &claimed.quarantined {
            tracing::error!(queue = %served.queue, key, %why, "quarantined: it was due but cannot be read; see `bursar quarantine list`");
        }
        if self.newer.note(queue, claimed.left.len(), Instant::now()) {
            tracing::warn!(queue = %served.queue, keys = claimed.left.join(" "), "left to a worker of a newer build, which wrote them");
        }
        if !claimed.jobs.is_empty() {
            crash_point("after_claim");
        }
        let clock = RedisClock::new(claimed.now);
        for job in &claimed.jobs {
            served.metrics().claimed(job.call, job.due.map_or(Duration::ZERO, |due| claimed.now.since(due)));
        }
        let claim = claimed.jobs.into_iter().zip(slots).map(|(job, slot)| {
            let lease = self.shared.leases.hold(queue, &job);
            let span = attempt(&self.shared.settings.traces, &served.queue, &job, requested_at);
            Box::new(ActiveClaim {
                job,
                queue,
                served: Arc::clone(served),
                claimed: requested_at,
                clock,
                span,
                _lease: lease,
                slot,
            })
        });
        self.claimed_jobs.put(claim);
    }

    /// After a failed claim its effect is unknown: waits for Redis, then releases unsent whatever the claim took. If
    /// the worker drains meanwhile, the leases end by themselves.
    async fn recover(&mut self, queue: QueueNumber, error: &StoreError) {
        self.backoff.wait(error).await;
        let served = self.shared.queues.get(queue);
        let queue = &served.queue;
        while !self.drain.is_cancelled() {
            self.shared.settings.metrics.pulse().tried();
            match self.shared.store.recover_claim(queue, &self.shared.settings.name, self.claims).await {
                Ok(0) => return,
                Ok(released) => {
                    served.metrics().lost(Lost::Released, released);
                    tracing::info!(%queue, released, "released the jobs of a claim whose reply was lost");
                    return;
                }
                Err(error) => self.backoff.wait(&error).await,
            }
        }
    }

    /// Certainly not called about: released for another worker.
    async fn release(&self) {
        for claim in self.claimed_jobs.take_all() {
            let served = &claim.served;
            match self.shared.store.release(&served.queue, &[&claim.job]).await {
                Ok(_) => served.metrics().lost(Lost::Released, 1),
                Err(error) => {
                    tracing::warn!(error = %error.chain(), queue = %served.queue, key = %claim.job.key, fence = claim.job.fence, "could not be released; it comes due when its lease ends");
                }
            }
        }
    }
}

/// The span of one claim, from its request to its end.
fn attempt(traces: &Traces, queue: &Queue, job: &ClaimedJob, requested_at: Instant) -> Option<Span> {
    let mut span = traces.begin(job.trace.as_ref(), "attempt", Role::Inside, requested_at.elapsed())?;
    span.record("bursar.queue", queue.to_string());
    span.record("bursar.key", job.key.to_string());
    span.record("bursar.fence", i64::try_from(job.fence).unwrap_or(i64::MAX));
    span.record("bursar.call", job.call.as_str());
    span.record("bursar.state_before", job.state.as_str());
    Some(span)
}

async fn log_other_gateway(store: &Store, served: &ServedQueue) {
    let (queue, ours) = (&served.queue, &served.identity);
    let theirs = store.gateway(queue).await.ok().flatten().unwrap_or_else(|| "another gateway".into());
    tracing::error!(%queue, "the queue's jobs are for {theirs}, and this worker's configuration says {ours}: it claims nothing there. If the gateway has changed, say so: `bursar confirm-gateway {queue}`");
}
