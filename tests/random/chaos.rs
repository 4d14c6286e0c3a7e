//! The test: which seeds, how many at a time, and what they came to.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::evidence::Evidence;
use crate::plan::Plan;
use crate::report::{Totals, Verdict, judge, say};
use crate::run::run;

/// The seeds of every run, whatever the chance.
const BASE: std::ops::RangeInclusive<u64> = 1..=64;

/// Seeds that have found a defect, while there was one; what they decide changes when plans are drawn otherwise.
const TELLING: [u64; 4] = [810, 958_585_402, 1_698_689_804, 2_671_735_470];

/// The seeds of chance after them.
const FRESH: usize = 24;

/// A seed mostly waits, so several run at a time.
const AT_ONCE: usize = 4;

/// A seed takes ten seconds; one that has not ended by now hangs.
const SEED_WITHIN: Duration = Duration::from_secs(150);

/// How long the seeds of every run may take in all: what a machine does not manage by then, it leaves out, and says so.
const RUN_WITHIN: Duration = Duration::from_mins(8);

/// The seeds to run, and the time after which no further one is begun.
struct Seeds {
    next: Box<dyn Iterator<Item = u64> + Send>,
    within: Duration,
}

impl Seeds {
    /// `BURSAR_SEED=17,18`, or `BURSAR_SEEDS=1000` of chance and `BURSAR_HOURS=1.5`, or those of every run; `BURSAR_RENAMES=1` takes
    /// of chance only those in which an account is renamed.
    fn chosen() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let renames = set("BURSAR_RENAMES").is_some();
        let chance = std::iter::repeat_with(|| u64::from(fastrand::u32(1_000..))) // short, to be easily typed
            .filter(move |seed| !renames || Plan::of(*seed).renaming.is_some());
        if let Some(named) = set("BURSAR_SEED") {
            let seed = |seed: &str| seed.trim().parse().expect("BURSAR_SEED is a number, or several with commas");
            let seeds: Vec<u64> = named.split(',').map(seed).collect();
            return Self { next: Box::new(seeds.into_iter()), within: Duration::MAX };
        }
        let count = set("BURSAR_SEEDS").map(|count| count.parse().expect("BURSAR_SEEDS is a whole number"));
        let hours = set("BURSAR_HOURS").map(|hours| hours.parse().expect("BURSAR_HOURS is a number"));
        if count.is_none() && hours.is_none() {
            return Self { next: Box::new(BASE.chain(TELLING).chain(chance.take(FRESH))), within: RUN_WITHIN };
        }
        let within = hours.map_or(Duration::MAX, |hours| Duration::from_hours(1).mul_f64(hours));
        Self { next: Box::new(chance.take(count.unwrap_or(usize::MAX))), within }
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
    say(&format!("{} in {:.0} s", totals.tell(), began.elapsed().as_secs_f32()));
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
