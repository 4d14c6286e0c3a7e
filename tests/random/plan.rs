//! Everything that a seed decides.

use std::time::Duration;

use bursar_domain::Reason;
use bursar_producer::{AccountRules, Queue};
use bursar_simulator::FaultProfile;
use bursar_test_support::Fsync;
use fastrand::Rng;

use crate::door::Door;
use crate::jobs::{self, ACCOUNTS, Thing, weighted};
use crate::renaming::{NEW_NAME, Renaming};
use crate::telling::Telling;
use crate::timeline::{self, Moment, More};

/// How long a claim stays a worker's own.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// How long one call to the gateway may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a sent request may still take effect: longer than a send may wait for its beginning, than its call, and than any
/// wire or late execution of the plan holds it.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// How long the gateway's silences and its late executions last.
pub(crate) const HANG: Duration = Duration::from_millis(600);
/// How long a payment stays in one status of its life.
pub(crate) const LIFE_STEP: Duration = Duration::from_millis(300);

/// The most workers that a seed has at a time.
pub(crate) const MAX_WORKERS: usize = 3;

/// What decides whether producers are told, and push, beside the seed itself: the rest of a plan is the same without it.
const MORE: u64 = 0xca11_bacc;

/// The same for journals.
const JOURNALS: u64 = 0x10e4_7a15;

/// What decides whether a seed that loses writes does so while every place is taken, beside the seed itself.
const PLACES: u64 = 0x51a7_0075;

/// What decides whether a Redis is wiped whose workers keep journals, and when, beside the seed itself.
const WIPES: u64 = 0x3a5e_d00d;

/// What decides whether an account gets another name, and when, beside the seed itself.
const RENAMES: u64 = 0x4e3a_ed00;

/// So few calls in flight that a worker has no place free as a rule, and says what it knows all the same.
const FEW_PLACES: u32 = 2;

/// From here on a worker needs many calls in flight to get anywhere.
const SLOW: Duration = Duration::from_millis(100);

/// What is done about a send without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnAmbiguous {
    Resend,
    Hold,
}

/// Whether the gateway recognises a key that it has executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    HonoursKeys,
    ExecutesEverySend,
}

/// What Redis has when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Kept,
    /// An older state, once; all workers of the first hour live through it.
    Older,
    /// Nothing, once, whoever lives or dies then; workers keep journals, from which an operator reconciles it.
    Wiped,
}

impl Memory {
    /// Whether Redis forgets something that it has acknowledged.
    pub(crate) fn is_lost(self) -> bool {
        self != Self::Kept
    }
}

/// One way of asking YZT about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryKey {
    TradeNo,
    PlatformNo,
    Both,
}

/// One batch of one producer: when, and which variants of which things.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) at: Duration,
    pub(crate) jobs: Vec<(usize, usize)>,
}

/// All of one seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) concurrency: u32,
    pub(crate) fsync: Fsync,
    pub(crate) memory: Memory,
    pub(crate) gateway: Gateway,
    pub(crate) profile: FaultProfile,
    pub(crate) latency: Duration,
    /// How many times as long as usual leases, calls and settling last.
    pub(crate) patience: u32,
    pub(crate) query_key: QueryKey,
    /// By account, in the order of [`ACCOUNTS`].
    pub(crate) on_ambiguous: [OnAmbiguous; ACCOUNTS.len()],
    pub(crate) resend_max: u32,
    pub(crate) poll_deadline: Duration,
    pub(crate) rate_per_second: u32,
    pub(crate) things: Vec<Thing>,
    /// By producer, each in order of time.
    pub(crate) batches: Vec<Vec<Batch>>,
    pub(crate) timeline: Vec<Moment>,
    /// By worker: how far its clock is off, in milliseconds.
    pub(crate) skews_ms: [i64; MAX_WORKERS],
    /// Where producers want to be told.
    pub(crate) telling: Option<Telling>,
    /// Where jobs come in by the apalis-redis door.
    pub(crate) door: Option<Door>,
    /// Whether workers keep journals: a Redis that has lost nothing must never be taken for one that has.
    pub(crate) journal: bool,
    /// Where an account gets another name.
    pub(crate) renaming: Option<Renaming>,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let gateway = weighted(&mut dice, &[(Gateway::HonoursKeys, 3), (Gateway::ExecutesEverySend, 1)]);
        let workers = dice.usize(2..=MAX_WORKERS);
        let memory = weighted(&mut dice, &[(Memory::Kept, 6), (Memory::Older, 1)]);
        let latency = match dice.u32(..3) {
            0 => dice.u64(0..15),
            1 => dice.u64(15..100),
            _ => dice.u64(100..400),
        };
        let latency = Duration::from_millis(latency);
        let mut things: Vec<Thing> = (0..dice.usize(50..110)).map(|number| jobs::draw(&mut dice, number)).collect();
        if memory == Memory::Older {
            // So that there is something to lose when all is submitted.
            for thing in &mut things {
                thing.later = dice.bool().then(|| Duration::from_millis(dice.u64(2_000..4_500)));
            }
        }
        let mut more = Rng::with_seed(seed ^ MORE);
        let telling = (more.u32(..3) == 0).then(|| Telling::draw(&mut more));
        let door = (more.u32(..4) == 0).then(|| Door::draw(&mut more, PRODUCERS));
        if let Some(telling) = &telling {
            telling.address(&mut more, &mut things);
        }
        let journal = Rng::with_seed(seed ^ JOURNALS).u32(..2) == 0;
        let mut plan = Self {
            seed,
            workers,
            fsync: weighted(&mut dice, &[(Fsync::Always, 1), (Fsync::EverySecond, 1)]),
            gateway,
            profile: weighted(
                &mut dice,
                &[(FaultProfile::None, 1), (FaultProfile::Mild, 2), (FaultProfile::Hostile, 2)],
            ),
            latency,
            patience: 1,
            concurrency: if memory == Memory::Older && Rng::with_seed(seed ^ PLACES).bool() {
                FEW_PLACES
            } else if latency < SLOW {
                dice.u32(2..17)
            } else {
                dice.u32(10..33)
            },
            query_key: weighted(&mut dice, &[(QueryKey::TradeNo, 4), (QueryKey::PlatformNo, 1), (QueryKey::Both, 1)]),
            on_ambiguous: std::array::from_fn(|_| match gateway {
                Gateway::HonoursKeys => weighted(&mut dice, &[(OnAmbiguous::Resend, 3), (OnAmbiguous::Hold, 1)]),
                Gateway::ExecutesEverySend => OnAmbiguous::Hold,
            }),
            resend_max: dice.u32(1..6),
            poll_deadline: Duration::from_millis(dice.u64(2_500..6_000)),
            rate_per_second: weighted(&mut dice, &[(0, 3), (40, 1)]),
            batches: (0..PRODUCERS).map(|producer| batches(&mut dice, producer, &things)).collect(),
            timeline: match memory {
                Memory::Kept | Memory::Wiped => {
                    let more = More { dice: &mut more, telling: telling.as_ref(), door: door.as_ref() };
                    timeline::draw(&mut dice, workers, more)
                }
                Memory::Older => timeline::draw_loss(&mut dice, workers),
            },
            memory,
            things,
            // Each may be off by as much as the preflight lets pass: the gateways see it, and no job must.
            skews_ms: std::array::from_fn(|_| if dice.bool() { dice.i64(-50_000..=50_000) } else { 0 }),
            telling,
            door,
            journal,
            renaming: None,
        };
        plan.draw_wipe();
        plan.draw_renaming();
        plan
    }

    /// Of what is pushed, and of whom to tell, Redis alone knows: a seed with either is not wiped.
    fn draw_wipe(&mut self) {
        let mut dice = Rng::with_seed(self.seed ^ WIPES);
        let can_be = self.memory == Memory::Kept && self.journal && self.telling.is_none() && self.door.is_none();
        if can_be && dice.bool() && timeline::wipe(&mut dice, &mut self.timeline, self.workers) {
            self.memory = Memory::Wiped;
        }
    }

    /// Not where Redis forgets, for then its operators have journals to reconcile first; not where producers are told or push: what they
    /// are told at and what they push name the account. Of rivals the first one that is submitted is accepted, and that may be
    /// another one under each name, which is a person's matter: the account that is renamed has none.
    fn draw_renaming(&mut self) {
        let mut dice = Rng::with_seed(self.seed ^ RENAMES);
        let can_be = self.memory == Memory::Kept && self.telling.is_none() && self.door.is_none();
        if !can_be || dice.u32(..3) > 0 {
            return;
        }
        let renaming = Renaming::draw(&mut dice, &self.things, &mut self.timeline, self.workers);
        for thing in self.things.iter_mut().filter(|thing| thing.queue.account.as_str() == renaming.old) {
            thing.variants.truncate(1);
            thing.told.truncate(1);
        }
        let things = &self.things;
        for batch in self.batches.iter_mut().flatten() {
            batch.jobs.retain(|(thing, variant)| *variant < things[*thing].variants.len());
        }
        self.renaming = Some(renaming);
    }

    /// Every queue of the seed, under whichever name.
    pub(crate) fn queues(&self) -> Vec<Queue> {
        jobs::queues().into_iter().chain(self.renaming.iter().flat_map(Renaming::queues)).collect()
    }

    /// The queue in which the thing's job is, too, once its account has another name.
    pub(crate) fn other_queue(&self, thing: &Thing) -> Option<Queue> {
        let renaming = self.renaming.as_ref().filter(|renaming| thing.queue.account.as_str() == renaming.old)?;
        renaming.queues().into_iter().find(|queue| queue.kind == thing.queue.kind)
    }

    /// What producers know of the accounts.
    pub(crate) fn accounts(&self) -> Vec<(&'static str, AccountRules)> {
        let known = ACCOUNTS.iter().map(|(name, gateway)| (*name, AccountRules::new(*gateway)));
        known.chain(self.renaming.iter().map(|renaming| (NEW_NAME, renaming.rules()))).collect()
    }
}

impl Plan {
    /// One worker and one thing, and nothing goes wrong, on a busy machine either.
    #[cfg(debug_assertions)]
    pub(crate) fn without_faults(thing: Thing, on_ambiguous: OnAmbiguous) -> Self {
        Self {
            workers: 1,
            latency: Duration::ZERO,
            patience: 3,
            poll_deadline: Duration::from_secs(30),
            memory: Memory::Kept,
            gateway: Gateway::HonoursKeys,
            profile: FaultProfile::None,
            query_key: QueryKey::TradeNo,
            on_ambiguous: [on_ambiguous; ACCOUNTS.len()],
            rate_per_second: 0,
            things: vec![thing],
            batches: Vec::new(),
            timeline: Vec::new(),
            skews_ms: [0; MAX_WORKERS],
            telling: None,
            door: None,
            renaming: None,
            ..Self::of(0)
        }
    }
}

impl Plan {
    /// Whether this variant of this thing was pushed by some producer.
    pub(crate) fn is_pushed(&self, thing: usize, variant: usize) -> bool {
        let pushers = self.door.as_ref().map_or(0, |door| door.pushers);
        self.batches[..pushers].iter().flatten().any(|batch| batch.jobs.contains(&(thing, variant)))
    }

    /// Whether a queue paused like this stays so: Redis has lost writes, and whatever the queue sends twice is paid twice.
    pub(crate) fn waits_for_ever(&self, paused: Option<&Reason>) -> bool {
        paused == Some(&Reason::QueueLostWrites)
            && (self.memory, self.gateway) == (Memory::Older, Gateway::ExecutesEverySend)
    }
}

/// How many producers submit at the same time.
pub(crate) const PRODUCERS: usize = 3;

/// What one producer submits, in batches over two seconds: its own share of all variants, so that rivals have different
/// producers, and some of the others'; now and then the same job twice.
fn batches(dice: &mut Rng, producer: usize, things: &[Thing]) -> Vec<Batch> {
    let mut jobs: Vec<(usize, usize)> = Vec::new();
    for (thing, it) in things.iter().enumerate() {
        for variant in 0..it.variants.len() {
            let own = (thing + variant) % PRODUCERS == producer;
            let times = weighted(dice, if own { &[(1, 4), (2, 1)] } else { &[(0, 4), (1, 1)] });
            jobs.extend(std::iter::repeat_n((thing, variant), times));
        }
    }
    dice.shuffle(&mut jobs);
    let mut batches = Vec::new();
    while !jobs.is_empty() {
        let size = dice.usize(1..25).min(jobs.len());
        let at = Duration::from_millis(dice.u64(0..2_000));
        batches.push(Batch { at, jobs: jobs.split_off(jobs.len() - size) });
    }
    batches.sort_by_key(|batch| batch.at);
    batches
}
