//! Everything that a seed decides.

use std::time::Duration;

use bursar_domain::Reason;
use bursar_producer::{AccountRules, Queue};
use bursar_simulator::FaultProfile;
use bursar_test_support::Fsync;
use fastrand::Rng;

use crate::import::ImportPlan;
use crate::jobs::{self, ACCOUNTS, Thing, weighted};
use crate::renaming::{NEW_NAME, Renaming};
use crate::timeline::{self, Moment, More};
use crate::webhooks::WebhookPlan;

/// The lease of a claim.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// The timeout of one call to the gateway.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest time until a sent request takes effect: longer than a send may wait for its beginning, than its call, and than any
/// wire or late execution of the plan delays it.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// The duration of the gateway's silences and of its late executions.
pub(crate) const HANG: Duration = Duration::from_millis(600);
/// The time that a payment stays in one status of its life.
pub(crate) const LIFE_STEP: Duration = Duration::from_millis(300);

/// The most workers that a seed has at a time.
pub(crate) const MAX_WORKERS: usize = 3;

/// With the seed, decides the webhooks and the imports: the rest of a plan is the same without them.
const MORE: u64 = 0xca11_bacc;

/// The same for journals.
const JOURNALS: u64 = 0x10e4_7a15;

/// With the seed, decides if a worker has free slots when Redis loses writes.
const PLACES: u64 = 0x51a7_0075;

/// With the seed, decides if and when a Redis is wiped whose workers keep journals.
const WIPES: u64 = 0x3a5e_d00d;

/// With the seed, decides if and when an account gets another name.
const RENAMES: u64 = 0x4e3a_ed00;

/// So few slots that a worker is fully busy as a rule. It reports lost writes all the same.
pub(crate) const FEW_PLACES: u32 = 2;

/// From this latency on a worker needs many calls in flight.
const SLOW: Duration = Duration::from_millis(100);

/// The account's policy for a send without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnAmbiguous {
    Resend,
    Hold,
}

/// The gateway's handling of a key that it has executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    HonoursKeys,
    ExecutesEverySend,
}

/// The data of Redis when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Intact,
    /// An older state, once. All workers that started first live through it.
    Older,
    /// Nothing, once. Workers may die at the same time; they keep journals, from which an operator reconciles Redis.
    Wiped,
}

impl Memory {
    /// True if Redis loses something that it has acknowledged.
    pub(crate) fn is_lost(self) -> bool {
        self != Self::Intact
    }
}

/// One way of querying a payment at YZT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryKey {
    TradeNo,
    PlatformNo,
    Both,
}

/// One batch of one producer: its time, and the variants of things in it.
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
    /// The factor by which leases, calls and resend waits are longer than usual.
    pub(crate) slowdown: u32,
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
    /// By worker: the offset of its clock, in milliseconds.
    pub(crate) skews_ms: [i64; MAX_WORKERS],
    /// The webhooks, in seeds that have some.
    pub(crate) webhooks: Option<WebhookPlan>,
    /// The import from apalis-redis, in seeds that have one.
    pub(crate) import: Option<ImportPlan>,
    /// True if workers keep journals: a Redis that has lost nothing must never be taken for one that has.
    pub(crate) journal: bool,
    /// The renaming of an account, in seeds that have one.
    pub(crate) renaming: Option<Renaming>,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let gateway = weighted(&mut dice, &[(Gateway::HonoursKeys, 3), (Gateway::ExecutesEverySend, 1)]);
        let workers = dice.usize(2..=MAX_WORKERS);
        let memory = weighted(&mut dice, &[(Memory::Intact, 6), (Memory::Older, 1)]);
        let latency = match dice.u32(..3) {
            0 => dice.u64(0..15),
            1 => dice.u64(15..100),
            _ => dice.u64(100..400),
        };
        let latency = Duration::from_millis(latency);
        let mut things: Vec<Thing> = (0..dice.usize(50..110)).map(|number| jobs::draw(&mut dice, number)).collect();
        if memory == Memory::Older {
            // A loss needs something to lose when all is submitted.
            for thing in &mut things {
                thing.later = dice.bool().then(|| Duration::from_millis(dice.u64(2_000..4_500)));
            }
        }
        let mut more = Rng::with_seed(seed ^ MORE);
        let webhooks = (more.u32(..3) == 0).then(|| WebhookPlan::draw(&mut more));
        let import = (more.u32(..4) == 0).then(|| ImportPlan::draw(&mut more, PRODUCERS));
        if let Some(webhooks) = &webhooks {
            webhooks.address(&mut more, &mut things);
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
            slowdown: 1,
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
                Memory::Intact | Memory::Wiped => {
                    let more = More { dice: &mut more, webhooks: webhooks.as_ref(), import: import.as_ref() };
                    timeline::draw(&mut dice, workers, more)
                }
                Memory::Older => timeline::draw_loss(&mut dice, workers),
            },
            memory,
            things,
            // Each may be off by as much as the preflight allows: the gateways see it, and no job must.
            skews_ms: std::array::from_fn(|_| if dice.bool() { dice.i64(-50_000..=50_000) } else { 0 }),
            webhooks,
            import,
            journal,
            renaming: None,
        };
        plan.draw_wipe();
        plan.draw_renaming();
        plan
    }

    /// Only Redis knows the imported tasks and the webhooks' addresses: a seed with either is not wiped.
    fn draw_wipe(&mut self) {
        let mut dice = Rng::with_seed(self.seed ^ WIPES);
        let can_be = self.memory == Memory::Intact && self.journal && self.webhooks.is_none() && self.import.is_none();
        if can_be && dice.bool() && timeline::wipe(&mut dice, &mut self.timeline, self.workers) {
            self.memory = Memory::Wiped;
        }
    }

    /// Not in a seed in which Redis loses data, for its operators have journals to reconcile first. Not in a seed with webhooks or imports:
    /// their addresses and tasks name the account. The renamed account has no rivals: the first submission of rivals is accepted, and under each
    /// name that may be another one, which an operator has to decide.
    fn draw_renaming(&mut self) {
        let mut dice = Rng::with_seed(self.seed ^ RENAMES);
        let can_be = self.memory == Memory::Intact && self.webhooks.is_none() && self.import.is_none();
        if !can_be || dice.u32(..3) > 0 {
            return;
        }
        let renaming = Renaming::draw(&mut dice, &self.things, &mut self.timeline, self.workers);
        for thing in self.things.iter_mut().filter(|thing| thing.queue.account.as_str() == renaming.old) {
            thing.variants.truncate(1);
            thing.receivers.truncate(1);
        }
        let things = &self.things;
        for batch in self.batches.iter_mut().flatten() {
            batch.jobs.retain(|(thing, variant)| *variant < things[*thing].variants.len());
        }
        self.renaming = Some(renaming);
    }

    /// Every queue of the seed, under both names of its account.
    pub(crate) fn queues(&self) -> Vec<Queue> {
        jobs::queues().into_iter().chain(self.renaming.iter().flat_map(Renaming::queues)).collect()
    }

    /// The queue that also has the thing's job once its account has another name.
    pub(crate) fn other_queue(&self, thing: &Thing) -> Option<Queue> {
        let renaming = self.renaming.as_ref().filter(|renaming| thing.queue.account.as_str() == renaming.old)?;
        renaming.queues().into_iter().find(|queue| queue.kind == thing.queue.kind)
    }

    /// The accounts as producers know them.
    pub(crate) fn accounts(&self) -> Vec<(&'static str, AccountRules)> {
        let known = ACCOUNTS.iter().map(|(name, gateway)| (*name, AccountRules::new(*gateway)));
        known.chain(self.renaming.iter().map(|renaming| (NEW_NAME, renaming.rules()))).collect()
    }
}

impl Plan {
    /// One worker and one thing, without faults, with long waits for a busy machine.
    #[cfg(debug_assertions)]
    pub(crate) fn without_faults(thing: Thing, on_ambiguous: OnAmbiguous) -> Self {
        Self {
            workers: 1,
            latency: Duration::ZERO,
            slowdown: 3,
            poll_deadline: Duration::from_secs(30),
            memory: Memory::Intact,
            gateway: Gateway::HonoursKeys,
            profile: FaultProfile::None,
            query_key: QueryKey::TradeNo,
            on_ambiguous: [on_ambiguous; ACCOUNTS.len()],
            rate_per_second: 0,
            things: vec![thing],
            batches: Vec::new(),
            timeline: Vec::new(),
            skews_ms: [0; MAX_WORKERS],
            webhooks: None,
            import: None,
            renaming: None,
            ..Self::of(0)
        }
    }
}

impl Plan {
    /// True if a producer pushed this variant of this thing.
    pub(crate) fn is_pushed(&self, thing: usize, variant: usize) -> bool {
        let pushers = self.import.as_ref().map_or(0, |import| import.pushers);
        self.batches[..pushers].iter().flatten().any(|batch| batch.jobs.contains(&(thing, variant)))
    }

    /// True if a queue that is paused for this reason stays paused: Redis has lost writes, and a second send would pay twice.
    pub(crate) fn waits_for_ever(&self, paused: Option<&Reason>) -> bool {
        paused == Some(&Reason::QueueLostWrites)
            && (self.memory, self.gateway) == (Memory::Older, Gateway::ExecutesEverySend)
    }
}

/// The number of producers that submit at the same time.
pub(crate) const PRODUCERS: usize = 3;

/// A producer's submissions, in batches over two seconds: its own share of all variants, so that rivals have different
/// producers, and some of the others' share; now and then the same job twice.
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
