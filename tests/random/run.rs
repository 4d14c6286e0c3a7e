//! One seed from its first process to its evidence.

use std::time::Duration;

use bursar_domain::Millis;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::evidence::{Evidence, Happened, gather};
use crate::jobs::lanes;
use crate::operators;
use crate::plan::{HANG, Memory, Plan};
use crate::producers::{self, Ack};
use crate::workers::NONE_RUNS;
use crate::world::{NOBODY_WOULD, TOO_EARLY, World};

/// Between looks at the workers while nothing is to be done.
const LOOK: Duration = Duration::from_millis(20);

/// How long after the last event every job must have ended: the longest deadline of a plan (6 s) from a first send that
/// comes last, and what a busy machine adds.
const QUIET_WITHIN: Duration = Duration::from_secs(30);

/// Runs a seed.
pub(crate) async fn run(plan: Plan) -> Evidence {
    let began = Instant::now();
    let mut world = World::start(&plan).await;
    let first = match plan.memory {
        Memory::Kept => plan.workers,
        Memory::Older => plan.workers - 1,
    };
    for slot in 0..first {
        world.workers.start(slot, None);
    }
    let started = Instant::now();
    let producers = producers::start(&plan, &world.producers_settings(), local_now(), started);
    let mut happened = play(&mut world, &plan, started, &producers).await;
    world.heal(&plan).await;
    let quiet_after = quiet(&mut world, &plan, &producers).await;
    let late = if quiet_after.is_some() { producers::submit_again(&plan, &world.store).await } else { Vec::new() };
    // What the gateway still means to execute, it executes now.
    sleep(HANG + Duration::from_millis(100)).await;
    world.workers.stop().await;
    for order in std::mem::take(&mut world.orders) {
        let what = format!("an operator: {}", order.await.unwrap());
        happened.push(Happened { at: started.elapsed(), word: None, what });
    }
    let acks = acks(producers).await.into_iter().chain(late).collect();
    gather(world, plan, acks, happened, quiet_after, began.elapsed()).await.expect("Redis is there at the end")
}

/// Brings about every event of the timeline at its time, and watches the workers between them.
async fn play(world: &mut World, plan: &Plan, started: Instant, producers: &[JoinHandle<Vec<Ack>>]) -> Vec<Happened> {
    let mut happened = Vec::new();
    for moment in &plan.timeline {
        while started.elapsed() < moment.at {
            sleep(LOOK.min(moment.at.saturating_sub(started.elapsed()))).await;
            world.workers.watch().await;
            if plan.memory == Memory::Older && producers.iter().all(JoinHandle::is_finished) {
                world.all_submitted();
            }
        }
        let at = started.elapsed();
        let came_of_it = world.apply(&moment.event).await;
        let word = moment.event.word().filter(|_| ![NONE_RUNS, NOBODY_WOULD, TOO_EARLY].contains(&came_of_it.as_str()));
        happened.push(Happened { at, word, what: format!("{:?}: {came_of_it}", moment.event) });
    }
    happened
}

/// Waits until everything was submitted and nothing is due any more; how long that took.
async fn quiet(world: &mut World, plan: &Plan, producers: &[JoinHandle<Vec<Ack>>]) -> Option<Duration> {
    let calm = Instant::now();
    while calm.elapsed() < QUIET_WITHIN {
        world.workers.watch().await;
        let submitted =
            producers.iter().all(JoinHandle::is_finished) && world.orders.iter().all(JoinHandle::is_finished);
        if submitted && is_quiet(world, plan).await {
            return Some(calm.elapsed());
        }
        sleep(LOOK).await;
    }
    None
}

async fn is_quiet(world: &World, plan: &Plan) -> bool {
    for lane in lanes() {
        match world.store.lane_status(&lane).await {
            Ok(status) if status.to_send + status.to_ask == 0 => {}
            // Nobody who looked would let these sends go on.
            Ok(status) if plan.waits_for_ever(status.paused.as_deref()) => {
                if status.to_ask > 0 {
                    return false;
                }
            }
            Ok(status) => {
                // A gateway's word has paused it, and an operator has seen to that.
                if status.paused.is_some() {
                    operators::resume(world.store.clone(), lane).await;
                }
                return false;
            }
            Err(_) => return false,
        }
    }
    true
}

async fn acks(producers: Vec<JoinHandle<Vec<Ack>>>) -> Vec<Ack> {
    let mut acks = Vec::new();
    for mut producer in producers {
        match timeout(LOOK, &mut producer).await {
            Ok(finished) => acks.extend(finished.expect("a producer does not panic")),
            // It has no answers to tell of: the properties will say what is missing.
            Err(_) => producer.abort(),
        }
    }
    acks
}

#[allow(clippy::disallowed_methods, reason = "jobs for later are due by the clock that Redis on this machine has too")]
fn local_now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
