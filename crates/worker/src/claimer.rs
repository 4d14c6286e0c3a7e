//! Claims due jobs, only as many as can be called about at once, lane after lane in turn.
//!
//! It sleeps until something is due that it knows of, a wake message names a lane, or a slot becomes free.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_domain::{Call, Lane};
use bursar_store::{Claim, Claimed, Claims, Lapsed, Links, MAX_CLAIM, Sends, Store, crash_point};
use bursar_telemetry::{Doing, Lost, Role, Span, Traces};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Fit;
use crate::circuit::Allowance;
use crate::handoff::{Handoff, Held, RedisClock};
use crate::lanes::{LaneNumber, ServedLane};
use crate::patience::Patience;
use crate::shared::Shared;
use crate::trouble::Trouble;

/// How often a lane is looked at in which something waits, whatever its due time: another worker may have died with it.
const LOOK_AT_WAITING: Duration = Duration::from_secs(1);

/// How often an empty lane is looked at: everything that enters it sends a wake message, and this is for a lost one. Where no
/// message can be heard it is looked at as often as a lane in which something waits.
const LOOK_AT_EMPTY: Duration = Duration::from_secs(5);

/// The pause before the guard is asked again: comparing Redis with journals takes milliseconds.
const LOOK_AT_GUARD: Duration = Duration::from_millis(100);

/// How soon a lane is looked at again while the preflight looks at a new connection.
const LOOK_AT_UNCHECKED: Duration = Duration::from_millis(50);

/// Wake messages on their way to the claimer; when they are more, every lane is looked at anyway.
const WAKES_WAITING: usize = 1_024;

/// Starts claiming until `drain`; what was claimed by then and not taken for work is given back before the task ends.
pub(crate) fn start(
    shared: Shared,
    fit: watch::Receiver<Fit>,
    drain: CancellationToken,
    stopped: CancellationToken,
) -> (Arc<Handoff>, Bell, JoinHandle<()>) {
    let handoff = Arc::new(Handoff::default());
    let (wake, wakes) = mpsc::channel(WAKES_WAITING);
    let hears = Arc::new(AtomicBool::new(false));
    tokio::spawn(listen(shared.store.clone(), wake.clone(), shared.trouble.clone(), Arc::clone(&hears), stopped));
    let now = Instant::now();
    let claimer = Claimer {
        slots: Arc::new(Semaphore::new(shared.settings.concurrency)),
        looks: shared.lanes.numbers().map(|lane| Look { lane, at: now }).collect(),
        fit,
        links: shared.store.links(),
        turn: 0,
        claims: 0,
        hears,
        handoff: Arc::clone(&handoff),
        drain,
        patience: Patience::new(Doing::Claiming, shared.trouble.clone()),
        shared,
    };
    (handoff, Bell { wake }, tokio::spawn(claimer.run(wakes)))
}

/// What a wake says.
enum Wake {
    One(Lane),
    /// This worker has committed a job that is due there soon.
    Due(LaneNumber, Instant),
    /// The channel was down: a message may have been missed.
    All,
}

/// Tells the claimer what this worker itself has made due.
#[derive(Clone)]
pub(crate) struct Bell {
    wake: mpsc::Sender<Wake>,
}

impl Bell {
    /// Something in `lane` is due in `wait`. What is due later than the claimer looks there anyway needs no ringing.
    pub(crate) fn ring(&self, lane: LaneNumber, wait: Duration) {
        if wait < LOOK_AT_WAITING {
            self.wake.try_send(Wake::Due(lane, Instant::now() + wait)).ok(); // a full channel wakes the claimer as well
        }
    }
}

/// How long after Redis has refused to let this worker listen it is tried again: a person must give it the right.
const LISTEN_REFUSED: Duration = Duration::from_secs(10);

/// Follows the wake channel, for ever anew, until the worker has `stopped`. It is a hint: without it lanes are looked at more often,
/// and nothing else is different. While the worker drains it claims no more, and this is how it learns at once that Redis may
/// not be the one it was.
async fn listen(
    store: Store,
    wake: mpsc::Sender<Wake>,
    trouble: Trouble,
    hears: Arc<AtomicBool>,
    stopped: CancellationToken,
) {
    let mut patience = Patience::new(Doing::Listening, trouble.clone());
    while !stopped.is_cancelled() {
        match store.wakes().await {
            Ok(mut messages) => {
                patience.over();
                hears.store(true, Ordering::Relaxed);
                wake.try_send(Wake::All).ok(); // a full channel wakes the claimer as well
                while let Some(Some(lane)) = stopped.run_until_cancelled(messages.next()).await {
                    wake.try_send(Wake::One(lane)).ok();
                }
                hears.store(false, Ordering::Relaxed);
                wake.try_send(Wake::All).ok();
                trouble.noticed();
            }
            Err(error) => {
                patience.wait(&error).await;
                if !error.is_repeatable() {
                    stopped.run_until_cancelled(tokio::time::sleep(LISTEN_REFUSED)).await;
                }
            }
        }
    }
}

/// One lane as this worker sees it.
struct Look {
    lane: LaneNumber,
    /// When to look at it next.
    at: Instant,
}

struct Claimer {
    shared: Shared,
    handoff: Arc<Handoff>,
    slots: Arc<Semaphore>,
    looks: Vec<Look>,
    /// Whether wake messages are heard at present.
    hears: Arc<AtomicBool>,
    fit: watch::Receiver<Fit>,
    links: Links,
    /// Where the round goes on, so that no lane is always first.
    turn: usize,
    /// Numbers the claims of this process.
    claims: u64,
    drain: CancellationToken,
    patience: Patience,
}

impl Claimer {
    async fn run(mut self, mut wakes: mpsc::Receiver<Wake>) {
        let drain = self.drain.clone();
        // Only the waiting is cut short: a claim under way is seen to its end, for it may have taken jobs.
        while drain.run_until_cancelled(self.wait(&mut wakes)).await.is_some() {
            self.round().await;
        }
        self.give_back().await;
    }

    /// Until a lane is to be looked at and slots are free.
    async fn wait(&mut self, wakes: &mut mpsc::Receiver<Wake>) {
        self.wait_for_work(wakes).await;
        if self.slots.available_permits() == 0 {
            self.shared.settings.metrics.pulse().waits_for_a_slot();
        }
        // The semaphore is never closed; whoever takes the slot does so in `claim`.
        self.slots.acquire().await.ok();
        // Calls that are about to end go first: one claim then fills all their places, which saves round trips, and with
        // `appendfsync always` writes to the disk.
        tokio::task::yield_now().await;
    }

    /// Claims from every lane that is to be looked at, its share of the free slots each.
    async fn round(&mut self) {
        let now = Instant::now();
        let due: Vec<usize> = (0..self.looks.len()).filter(|at| self.looks[*at].at <= now).collect();
        let first = due.iter().position(|at| *at >= self.turn).unwrap_or(0);
        for step in 0..due.len() {
            let left = due.len() - step;
            let at = due[(first + step) % due.len()];
            let free = self.slots.available_permits();
            if free == 0 {
                self.turn = at;
                return;
            }
            self.claim(at, free.div_ceil(left).min(MAX_CLAIM)).await;
        }
        self.turn = due.get(first).map_or(0, |at| at + 1);
    }

    async fn wait_for_work(&mut self, wakes: &mut mpsc::Receiver<Wake>) {
        loop {
            while let Ok(wake) = wakes.try_recv() {
                self.woken(&wake);
            }
            let next = self.looks.iter().map(|look| look.at).min();
            if next.is_some_and(|at| at <= Instant::now()) {
                return;
            }
            let next = next.unwrap_or_else(|| Instant::now() + LOOK_AT_EMPTY);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                Some(wake) = wakes.recv() => self.woken(&wake),
            }
        }
    }

    fn woken(&mut self, wake: &Wake) {
        let (only, at) = match wake {
            Wake::One(lane) => match self.shared.lanes.find(lane) {
                Some(number) => (Some(number), Instant::now()),
                None => return, // another worker's lane
            },
            Wake::Due(number, at) => (Some(*number), *at),
            Wake::All => (None, Instant::now()),
        };
        for look in &mut self.looks {
            if only.is_none_or(|number| number == look.lane) {
                look.at = look.at.min(at);
            }
        }
    }

    /// How many sends may be claimed of a lane now.
    fn allowance(&self, served: &ServedLane, fit: Fit) -> Allowance {
        let (now, sends_from) = (Instant::now(), self.shared.trouble.sends_from());
        match fit {
            Fit::NotForMoney => Allowance::NotBefore(now + LOOK_AT_WAITING),
            // The look at the server behind the new connection is under way.
            Fit::ForMoneyOver(link) if link != self.links.newest() => Allowance::NotBefore(now + LOOK_AT_UNCHECKED),
            Fit::ForMoney | Fit::ForMoneyOver(_)
                if self.shared.settings.journal.as_ref().is_some_and(|journal| !journal.is_fit()) =>
            {
                Allowance::NotBefore(now + LOOK_AT_WAITING)
            }
            Fit::ForMoney | Fit::ForMoneyOver(_) if now < sends_from => Allowance::NotBefore(sends_from),
            Fit::ForMoney | Fit::ForMoneyOver(_) if !self.shared.guard.allows() => {
                Allowance::NotBefore(now + LOOK_AT_GUARD)
            }
            Fit::ForMoney | Fit::ForMoneyOver(_) => served.circuit.allowance(now),
        }
    }

    /// Claims at most `share` jobs of one lane and hands them on.
    async fn claim(&mut self, at: usize, share: usize) {
        let lane = self.looks[at].lane;
        let served = self.shared.lanes.get(lane);
        let fit = *self.fit.borrow(); // once: what is allowed by it goes over its connection
        let allowance = self.allowance(served, fit);
        let share = if allowance == Allowance::Probe { 1 } else { share };
        let mut slots: Vec<OwnedSemaphorePermit> =
            std::iter::from_fn(|| Arc::clone(&self.slots).try_acquire_owned().ok()).take(share).collect();
        self.claims += 1;
        self.shared.settings.metrics.pulse().tried();
        let claim = Claim {
            worker: &self.shared.settings.name,
            lease: self.shared.settings.lease,
            slots: slots.len(),
            rate_per_second: served.rate_per_second,
            number: self.claims,
            known: self.shared.memory.known(lane),
            on_ambiguous: served.policy.on_ambiguous,
            sends: match allowance {
                Allowance::All => Sends::Allowed,
                Allowance::Probe => Sends::Probe,
                Allowance::NotBefore(_) => Sends::NotYet,
            },
            lapsed: match Instant::now() < self.shared.trouble.sends_from() {
                true => Lapsed::Left,
                false => Lapsed::TakenOver,
            },
            clock: self.shared.memory.clock(),
            gateway: &served.identity,
            over: match (allowance, fit) {
                (Allowance::All | Allowance::Probe, Fit::ForMoneyOver(link)) => Some(link),
                (Allowance::NotBefore(_), _) | (_, Fit::ForMoney | Fit::NotForMoney) => None,
            },
        };
        let asked = Instant::now();
        match self.shared.store.claim(&served.lane, &claim).await {
            Ok(claims) if claims.other_gateway => {
                self.patience.over();
                self.looks[at].at = asked + LOOK_AT_EMPTY;
                if served.note_foreign(true) {
                    tell_of_other_gateway(&self.shared.store, served).await;
                }
            }
            Ok(claims) => {
                self.patience.over();
                served.note_foreign(false);
                self.shared.memory.claimed(lane, self.claims, &claims);
                self.shared.observe_clock(claims.now, asked);
                let hears = self.hears.load(Ordering::Relaxed);
                let next = next_look(&claims, asked, if hears { LOOK_AT_EMPTY } else { LOOK_AT_WAITING });
                self.looks[at].at = match allowance {
                    Allowance::All => next,
                    Allowance::NotBefore(moment) => next.min(moment),
                    Allowance::Probe => {
                        if claims.jobs.iter().any(|job| job.call == Call::Send) {
                            served.circuit.probing(asked);
                        }
                        next
                    }
                };
                if claims.lost_writes {
                    self.shared.guard.suspect();
                    served.tell_of_lost_writes();
                }
                for key in &claims.orphans {
                    tracing::error!(lane = %served.lane, key, "put aside: it was due and has no record that can be read");
                }
                if !claims.jobs.is_empty() {
                    crash_point("after_claim");
                }
                let clock = RedisClock::new(claims.now);
                for job in &claims.jobs {
                    served.metrics.claimed(job.call, job.due.map_or(Duration::ZERO, |due| claims.now.since(due)));
                }
                let held = claims.jobs.into_iter().zip(slots.drain(..)).map(|(job, slot)| {
                    let lease = self.shared.leases.hold(lane, job.id());
                    let span = attempt(&self.shared.settings.traces, &served.lane, &job, asked);
                    Held { job, lane, epoch: claims.epoch, claimed: asked, clock, span, _lease: lease, slot }
                });
                self.handoff.put(held);
            }
            Err(error) => {
                drop(slots);
                self.recover(lane, &error).await;
                self.shared.trouble.noticed();
            }
        }
    }

    /// After a failed claim nobody knows whether it took effect: wait for Redis, and give back what it took, unsent.
    /// A worker that is told to drain meanwhile leaves that to the end of the lease.
    async fn recover(&mut self, lane: LaneNumber, error: &bursar_store::StoreError) {
        self.patience.wait(error).await;
        let served = self.shared.lanes.get(lane);
        let lane = &served.lane;
        while !self.drain.is_cancelled() {
            self.shared.settings.metrics.pulse().tried();
            match self.shared.store.unclaim(lane, &self.shared.settings.name, self.claims).await {
                Ok(0) => return,
                Ok(given_back) => {
                    served.metrics.lost(Lost::GivenBack, given_back);
                    tracing::info!(%lane, given_back, "gave back jobs of a claim whose reply was lost");
                    return;
                }
                Err(error) => self.patience.wait(&error).await,
            }
        }
    }

    /// Certainly not called about: back to where they were, for another worker.
    async fn give_back(&self) {
        for held in self.handoff.take_all() {
            let name = [held.job.id()];
            let served = self.shared.lanes.get(held.lane);
            match self.shared.store.release(&served.lane, &name).await {
                Ok(_) => served.metrics.lost(Lost::GivenBack, 1),
                Err(error) => {
                    tracing::warn!(error = %error.chain(), lane = %served.lane, key = %held.job.key, fence = held.job.fence, "could not be given back; it comes due when its lease ends");
                }
            }
        }
    }
}

/// The span of one claim, from when it was asked for to its end.
fn attempt(traces: &Traces, lane: &Lane, job: &Claimed, asked: Instant) -> Option<Span> {
    let mut span = traces.begin(job.trace.as_ref(), "attempt", Role::Inside, asked.elapsed())?;
    span.tell("bursar.lane", lane.to_string());
    span.tell("bursar.key", job.key.to_string());
    span.tell("bursar.fence", i64::try_from(job.fence).unwrap_or(i64::MAX));
    span.tell("bursar.call", job.call.as_str());
    span.tell("bursar.state_before", job.state.as_str());
    Some(span)
}

async fn tell_of_other_gateway(store: &Store, served: &ServedLane) {
    let (lane, ours) = (&served.lane, &served.identity);
    let theirs = store.gateway(lane).await.ok().flatten().unwrap_or_else(|| "another gateway".into());
    tracing::error!(%lane, "the lane's jobs are for {theirs}, and this worker's configuration says {ours}: it claims nothing there. If the gateway has changed, say so: `bursar confirm-gateway {lane}`");
}

fn next_look(claims: &Claims, asked: Instant, look_at_empty: Duration) -> Instant {
    match claims.next_due {
        Some(due) => asked + due.since(claims.now).min(LOOK_AT_WAITING),
        None => asked + look_at_empty,
    }
}
