//! Which seeds run, how many at a time, and the verdict over all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use bursar_simulator::FaultProfile;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::evidence::Evidence;
use crate::plan::{FEW_PLACES, Gateway, Memory, OnAmbiguous, Plan, QueryKey};
use crate::report::{Totals, Verdict, judge, say};
use crate::run::run;

/// The seeds that every change runs. Together they have every kind of plan: see the test below.
const EACH_CHANGE: [u64; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 21, 22, 23, 32, 41, 48, 125];

/// Further fixed seeds of `./x chaos`, but for those of each change.
const FURTHER: std::ops::RangeInclusive<u64> = 18..=64;

/// Seeds that have found a defect, while there was one; what they decide changes when plans are drawn otherwise.
const PROVEN: [u64; 4] = [810, 958_585_402, 1_698_689_804, 2_671_735_470];

/// The random seeds of `./x chaos` after the fixed ones.
const FRESH: usize = 24;

/// A seed mostly waits, so several run at a time.
const AT_ONCE: usize = 4;

/// A seed takes ten seconds; one that has not ended by now hangs.
const SEED_WITHIN: Duration = Duration::from_secs(150);

/// The time within which seeds are begun where no number was asked for: a slow machine leaves out the rest, and says so.
const RUN_WITHIN: Duration = Duration::from_mins(8);

/// The seeds to run, and the time after which no further one is begun.
struct Seeds {
    next: Box<dyn Iterator<Item = u64> + Send>,
    within: Duration,
}

impl Seeds {
    /// `BURSAR_SEED=17,18`: these. `BURSAR_SEEDS=1000` or `BURSAR_HOURS=1.5`: random ones; `BURSAR_RENAMES=1` takes only those in which
    /// an account is renamed. `BURSAR_SEEDS=all`, as `./x chaos` has it: all fixed seeds and some random ones. Else those of each change.
    fn chosen() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let renames = set("BURSAR_RENAMES").is_some();
        let random = std::iter::repeat_with(|| u64::from(fastrand::u32(1_000..))) // short, to be easily typed
            .filter(move |seed| !renames || Plan::of(*seed).renaming.is_some());
        if let Some(named) = set("BURSAR_SEED") {
            let seed = |seed: &str| seed.trim().parse().expect("BURSAR_SEED is a number, or several with commas");
            let seeds: Vec<u64> = named.split(',').map(seed).collect();
            return Self { next: Box::new(seeds.into_iter()), within: Duration::MAX };
        }
        let each_change = EACH_CHANGE.into_iter().chain(PROVEN);
        let further = FURTHER.filter(|seed| !EACH_CHANGE.contains(seed));
        let (count, hours) = (set("BURSAR_SEEDS"), set("BURSAR_HOURS"));
        match (count.as_deref(), hours) {
            (None, None) => Self { next: Box::new(each_change), within: RUN_WITHIN },
            (Some("all"), None) => {
                Self { next: Box::new(each_change.chain(further).chain(random.take(FRESH))), within: RUN_WITHIN }
            }
            (count, hours) => {
                let count =
                    count.map_or(usize::MAX, |count| count.parse().expect("BURSAR_SEEDS is a whole number or all"));
                let hours = hours.map(|hours| hours.parse().expect("BURSAR_HOURS is a number"));
                let within = hours.map_or(Duration::MAX, |hours| Duration::from_hours(1).mul_f64(hours));
                Self { next: Box::new(random.take(count)), within }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_breaks_no_promise() {
    let began = Instant::now();
    let mut seeds = Seeds::chosen();
    let mut running = JoinSet::new();
    let mut totals = Totals::default();
    let mut broken = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && began.elapsed() < seeds.within
            && let Some(seed) = seeds.next.next()
        {
            running.spawn_blocking(move || (seed, run_on_its_own_thread(seed)));
        }
        let Some(ended) = running.join_next().await else { break };
        match ended.expect("what runs a seed catches its panics") {
            (seed, Ok(evidence)) => {
                if matches!(judge(&evidence, &mut totals), Verdict::Broken) {
                    broken.push(seed);
                }
            }
            (seed, Err(why)) => {
                say(&format!("seed {seed}: FAILED: {why}"));
                broken.push(seed);
            }
        }
    }
    if seeds.within == RUN_WITHIN && seeds.next.next().is_some() {
        say("not all seeds were run: the time was over");
    }
    say(&format!("{} in {:.0} s", totals.summary(), began.elapsed().as_secs_f32()));
    assert!(broken.is_empty(), "promises were broken by the seeds {broken:?}; see above");
}

/// A seed blocks its thread now and then, and a panic ends it alone.
fn run_on_its_own_thread(seed: u64) -> Result<Evidence, String> {
    let runtime = Handle::current();
    let run = std::panic::catch_unwind(move || runtime.block_on(timeout(SEED_WITHIN, run(Plan::of(seed)))));
    match run {
        Ok(Ok(evidence)) => Ok(evidence),
        Ok(Err(_)) => Err(format!("not over after {SEED_WITHIN:?}")),
        Err(_) => Err("it panicked; see above".into()),
    }
}

#[test]
fn the_seeds_of_each_change_have_every_kind_of_plan() {
    let plans = EACH_CHANGE.map(Plan::of);
    let further: Vec<(u64, Plan)> = FURTHER.map(|seed| (seed, Plan::of(seed))).collect();
    let mut missing = String::new();
    for (name, has) in KINDS_OF_PLANS {
        if !plans.iter().any(has) {
            let seeds: Vec<u64> = further.iter().filter(|(_, plan)| has(plan)).map(|(seed, _)| *seed).collect();
            missing += &format!("{name}: {seeds:?}\n");
        }
    }
    let known: BTreeSet<String> = plans.iter().flat_map(words).collect();
    for (seed, plan) in &further {
        let new: Vec<String> = words(plan).difference(&known).cloned().collect();
        if !new.is_empty() {
            missing += &format!("{new:?}: [{seed}]\n");
        }
    }
    assert!(missing.is_empty(), "kinds and events that only these further seeds have:\n{missing}");
}

/// The names of a plan's events.
fn words(plan: &Plan) -> BTreeSet<String> {
    plan.timeline.iter().filter_map(|moment| moment.event.word()).collect()
}

type KindOfPlan = (&'static str, fn(&Plan) -> bool);

/// The parts of a plan that a seed has or has not.
const KINDS_OF_PLANS: [KindOfPlan; 15] = [
    ("lost writes with free places", |plan| plan.memory == Memory::Older && plan.concurrency > FEW_PLACES),
    ("lost writes without a free place", |plan| plan.memory == Memory::Older && plan.concurrency == FEW_PLACES),
    ("a wiped Redis", |plan| plan.memory == Memory::Wiped),
    ("a gateway without keys", |plan| plan.gateway == Gateway::ExecutesEverySend),
    ("a gateway without keys and lost writes", |plan| {
        plan.gateway == Gateway::ExecutesEverySend && plan.memory == Memory::Older
    }),
    ("an account that resends", |plan| plan.on_ambiguous.contains(&OnAmbiguous::Resend)),
    ("an account that holds at a gateway with keys", |plan| {
        plan.gateway == Gateway::HonoursKeys && plan.on_ambiguous.contains(&OnAmbiguous::Hold)
    }),
    ("a hostile gateway", |plan| plan.profile == FaultProfile::Hostile),
    ("queries by key", |plan| plan.query_key == QueryKey::PlatformNo),
    ("queries by both", |plan| plan.query_key == QueryKey::Both),
    ("webhooks", |plan| plan.webhooks.is_some()),
    ("imports", |plan| plan.import.is_some()),
    ("journals on a Redis that keeps its writes", |plan| plan.journal && plan.memory == Memory::Intact),
    ("a renamed account", |plan| plan.renaming.is_some()),
    ("a rate", |plan| plan.rate_per_second > 0),
];
