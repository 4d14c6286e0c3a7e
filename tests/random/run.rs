//! One seed from its first process to its evidence.

use std::time::Duration;

use bursar_domain::Millis;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::evidence::{Evidence, Occurrence, gather};
use crate::import::QUEUE;
use crate::jobs::queues;
use crate::operators;
use crate::plan::{HANG, Memory, Plan};
use crate::producers::{self, Producers};
use crate::webhooks::Receivers;
use crate::workers::NONE_RUNS;
use crate::world::{REFUSED_BY_OPERATORS, TOO_EARLY, World};

/// Between looks at the workers while nothing is to be done.
const LOOK: Duration = Duration::from_millis(20);

/// The time after the last event by which every job must have ended: the longest deadline of a plan (6 s) from a first send that
/// comes last, and the delays of a busy machine.
const QUIET_WITHIN: Duration = Duration::from_secs(30);

/// Runs a seed.
pub(crate) async fn run(mut plan: Plan) -> Evidence {
    let began = Instant::now();
    let receivers = Receivers::start(plan.seed, plan.webhooks.as_ref()).await;
    receivers.address(&mut plan.things);
    let mut world = World::start(&plan, receivers).await;
    let first = match plan.memory {
        Memory::Intact | Memory::Wiped => plan.workers,
        Memory::Older => plan.workers - 1,
    };
    let dispatchers = plan.workers..world.workers.slots.len();
    for slot in (0..first).chain(dispatchers) {
        world.workers.start(slot, None);
    }
    let started = Instant::now();
    let producers = producers::start(&plan, &world.producers_settings(), local_now(), started);
    let mut occurrences = play(&mut world, &plan, started, &producers).await;
    world.heal(&plan).await;
    if plan.memory == Memory::Wiped {
        recover(&mut world, &plan, &producers).await;
    }
    if plan.renaming.is_some() {
        let what = hand_on_the_rest(&mut world, &producers).await;
        occurrences.push(Occurrence { at: started.elapsed(), word: None, what });
    }
    let quiet_after = quiet(&mut world, &plan, &producers).await;
    let late = if quiet_after.is_some() { producers::submit_again(&plan, &world.store).await } else { Vec::new() };
    // The gateway's late executions happen now.
    sleep(HANG + Duration::from_millis(100)).await;
    world.workers.stop().await;
    for order in std::mem::take(&mut world.orders) {
        let what = format!("an operator: {}", order.await.unwrap());
        occurrences.push(Occurrence { at: started.elapsed(), word: None, what });
    }
    let acks = producers.acks().await.into_iter().chain(late).collect();
    gather(world, plan, acks, occurrences, quiet_after, began.elapsed()).await.expect("Redis is there at the end")
}

/// Brings about every event of the timeline at its time, and watches the workers between the events.
async fn play(world: &mut World, plan: &Plan, started: Instant, producers: &Producers) -> Vec<Occurrence> {
    let mut occurrences = Vec::new();
    for moment in &plan.timeline {
        while started.elapsed() < moment.at {
            sleep(LOOK.min(moment.at.saturating_sub(started.elapsed()))).await;
            world.workers.watch().await;
            if plan.memory == Memory::Older && producers.are_done() && is_taken(world, plan).await {
                world.all_submitted();
            }
        }
        let at = started.elapsed();
        let came_of_it = world.apply(&moment.event).await;
        let word = moment
            .event
            .word()
            .filter(|_| ![NONE_RUNS, REFUSED_BY_OPERATORS, TOO_EARLY].contains(&came_of_it.as_str()));
        occurrences.push(Occurrence { at, word, what: format!("{:?}: {came_of_it}", moment.event) });
    }
    occurrences
}

/// The runbook's steps after a wiped Redis: the journals are reconciled, producers repeat everything that they ever
/// submitted, and only then the queues are resumed.
async fn recover(world: &mut World, plan: &Plan, producers: &Producers) {
    let calm = Instant::now();
    while !producers.are_done() && calm.elapsed() < QUIET_WITHIN {
        world.workers.watch().await;
        sleep(LOOK).await;
    }
    world.reconcile().await;
    while world.store.status(&queues()[0]).await.is_err() {
        sleep(LOOK).await; // its connection is from before Redis was away
    }
    producers::submit_again(plan, &world.store).await;
    for queue in queues() {
        operators::resume(world.store.clone(), queue).await;
    }
}

/// A producer that was late with the new name has submitted jobs under the old one that no worker serves: they are adopted as well.
async fn hand_on_the_rest(world: &mut World, producers: &Producers) -> String {
    let calm = Instant::now();
    while !(producers.are_done() && world.orders.iter().all(JoinHandle::is_finished)) && calm.elapsed() < QUIET_WITHIN {
        world.workers.watch().await;
        sleep(LOOK).await;
    }
    let handed_on = world.hand_on(Vec::new());
    while !handed_on.is_finished() {
        world.workers.watch().await;
        sleep(LOOK).await;
    }
    format!("an operator, in the end: {}", handed_on.await.unwrap())
}

/// Waits until everything was submitted and nothing is due any more; returns the time that took.
async fn quiet(world: &mut World, plan: &Plan, producers: &Producers) -> Option<Duration> {
    let calm = Instant::now();
    while calm.elapsed() < QUIET_WITHIN {
        world.workers.watch().await;
        let submitted = producers.are_done() && world.orders.iter().all(JoinHandle::is_finished);
        if submitted && is_quiet(world, plan).await {
            return Some(calm.elapsed());
        }
        sleep(LOOK).await;
    }
    None
}

/// True if no task waits in the import.
async fn is_taken(world: &World, plan: &Plan) -> bool {
    plan.import.is_none() || world.store.import_status(QUEUE).await.is_ok_and(|queue| queue.waiting == 0)
}

async fn is_quiet(world: &World, plan: &Plan) -> bool {
    if !is_taken(world, plan).await {
        return false;
    }
    for queue in plan.queues() {
        match world.store.status(&queue).await {
            Ok(status) if status.counts.to_send + status.counts.to_query + status.counts.undelivered == 0 => {}
            // An operator who looks would not let these sends go on.
            Ok(status) if plan.waits_for_ever(status.paused.as_ref()) => {
                if status.counts.to_query + status.counts.undelivered > 0 {
                    return false;
                }
            }
            Ok(status) => {
                // A gateway's response has paused it, and an operator has mended the cause.
                if status.paused.is_some() {
                    operators::resume(world.store.clone(), queue).await;
                }
                return false;
            }
            Err(_) => return false,
        }
    }
    true
}

#[allow(clippy::disallowed_methods, reason = "jobs for later are due by the clock that Redis on this machine has too")]
fn local_now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
