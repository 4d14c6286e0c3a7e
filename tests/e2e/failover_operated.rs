//! A failover while operators act. One seed decides the actions on jobs and queues, and the times at which the replica is delayed, the
//! primary dies and returns. Every confirmed action has then survived; any other may have or not.
//!
//! `BURSAR_SEED=17,18` runs these seeds again, `BURSAR_SEEDS=20` as many of chance.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use bursar_test_support::{Finished, Sentinels, eventually};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::jobs::{self, now_ms, split};
use crate::plan::Plan;
use crate::world::{SOON, World, system_user};

/// The seeds of every run.
const BASE: Range<u64> = 1..4;

/// A seed mostly waits.
const AT_ONCE: usize = 3;

/// The queues that are paused and resumed.
const QUEUES: [&str; 2] = ["main/transfer", "shop/split"];

/// The jobs of each queue, and the reviews among them.
const JOBS: usize = 40;
const REVIEWS: usize = 8;

/// The least number of confirmed actions that the failover must meet, on a slow machine too.
const AT_STAKE: usize = 6;

/// After a pause was confirmed, what had been claimed may still leave for a third of the lease (2 s); the rest is for a busy machine.
const CLAIMED: i64 = 1_500;

/// An operator's action, and its time from the story's beginning.
#[derive(Clone, Debug)]
struct Act {
    at: Duration,
    does: &'static str,
    to: String,
}

/// The result of an action.
#[derive(Debug)]
struct Done {
    act: Act,
    from_ms: i64,
    until_ms: i64,
    finished: Finished,
}

impl Done {
    /// The command vouched for the state: by its success, or by a refusal that names this state.
    fn confirmed(&self) -> bool {
        let named = match self.act.does {
            "cancel" => "a job that is cancelled cannot be cancelled",
            "resolve" => "a job that is succeeded cannot be resolved",
            _ => return self.finished.code == Some(0),
        };
        self.finished.code == Some(0) || (self.finished.code == Some(1) && self.finished.stderr.contains(named))
    }
}

/// All of what a seed decides.
#[derive(Debug)]
struct Story {
    delayed: Duration,
    killed: Duration,
    /// Counted from the promotion.
    back: Duration,
    /// Each list is one operator's, who waits for an answer before the next act.
    operators: Vec<Vec<Act>>,
}

impl Story {
    fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut millis = |range: Range<u64>| Duration::from_millis(rng.u64(range));
        let delayed = millis(1_000..2_500);
        let killed = delayed + millis(100..2_500);
        let back = millis(0..2_000);
        let ends = killed + Duration::from_secs(4);
        let phases = [Duration::ZERO..delayed, delayed..killed, killed..ends];
        let mut moment = |number: usize| {
            let phase = &phases[number % phases.len()];
            phase.start + (phase.end - phase.start).mul_f64(rng.f64())
        };
        let moments: Vec<Duration> = (0..60).map(&mut moment).collect();
        let mut operators: Vec<Vec<Act>> = Vec::new();
        let mut rng = Rng::with_seed(!seed);
        for (number, at) in moments.iter().enumerate() {
            let act = |does, to: String| Act { at: *at, does, to };
            match number {
                0..18 => {
                    let to = format!("T-{:03}", rng.usize(JOBS / 4..=JOBS));
                    let again = *at + Duration::from_millis(rng.u64(50..2_000));
                    operators.push(vec![act("cancel", to.clone())]);
                    if rng.u8(..3) == 0 {
                        operators.push(vec![Act { at: again, does: "cancel", to }]);
                    }
                }
                18..30 => operators.push(vec![act("resolve", format!("R-{:03}", rng.usize(1..=REVIEWS)))]),
                _ => {}
            }
        }
        for (queue, moments) in QUEUES.iter().zip(moments[30..].chunks(15)) {
            let mut moments: Vec<Duration> = moments[..9].to_vec();
            moments.sort_unstable();
            let does = |at| Act { at, does: if rng.u8(..5) < 3 { "pause" } else { "resume" }, to: (*queue).into() };
            operators.push(moments.into_iter().map(does).collect());
        }
        Self { delayed, killed, back, operators }
    }
}

/// Two workers in the middle of slow queues at a gateway that executes whatever it receives, and transfers that wait for a person.
async fn under_load(redis: &Sentinels) -> World {
    let plan = Plan::new()
        .both("on_ambiguous", "hold")
        .both("rate_per_second", 10)
        .both("retry_deadline", "10m")
        .set("redis.durability", "replicated")
        .set("redis.replicas", 1)
        .on_redis(&redis.url());
    let world = plan.simulate(&["--ignore-keys", "--latency", "50ms"]).start().await;
    let reviews = jobs::transfers("R", REVIEWS);
    for job in &reviews {
        world.faults(json!({"key": jobs::key(job), "on": "send", "fault": "lost-answer"})).await;
    }
    world.submit_new(&reviews).await;
    world
}

async fn operate(world: Rc<World>, began: Instant, acts: Vec<Act>, confirmed: Rc<Cell<usize>>) -> Vec<Done> {
    let mut all = Vec::new();
    for act in acts {
        sleep_until(began + act.at).await;
        let from_ms = now_ms();
        let more: &[&str] = if act.does == "resolve" { &["--as", "succeeded"] } else { &[] };
        let finished = world.run(&[&[act.does, &act.to, "--reason", "drawn"][..], more].concat()).await;
        let done = Done { act, from_ms, until_ms: now_ms(), finished };
        confirmed.set(confirmed.get() + usize::from(done.confirmed()));
        all.push(done);
    }
    all
}

/// Plays the story to its end: each list is one operator's.
async fn play(redis: &Sentinels, world: &Rc<World>, story: Story) -> Vec<Vec<Done>> {
    let local = LocalSet::new();
    let began = Instant::now();
    let confirmed = Rc::new(Cell::new(0));
    let start = |acts| local.spawn_local(operate(Rc::clone(world), began, acts, Rc::clone(&confirmed)));
    let acts: Vec<_> = story.operators.into_iter().map(start).collect();
    let play = async {
        sleep_until(began + story.delayed).await;
        eventually(SOON, "some acts to be confirmed", async || {
            if confirmed.get() >= AT_STAKE { Ok(()) } else { Err(confirmed.get()) }
        })
        .await;
        redis.hold_replica_back();
        sleep(story.killed - story.delayed).await;
        redis.lose_delayed_writes();
        redis.primary.kill().unwrap();
        redis.until_promoted().await;
        sleep(story.back).await;
        redis.primary.start_again().unwrap(); // it becomes the replica that the configuration requires
        let mut all = Vec::new();
        for act in acts {
            all.push(act.await.expect("no operator panics"));
        }
        all
    };
    local.run_until(play).await
}

/// The state that the queue must have: that of the last confirmed action, or `None` after an unconfirmed one of the other kind.
fn certain(acts: &[Done]) -> Option<&'static str> {
    acts.iter().fold(None, |known, done| match (done.confirmed(), known) {
        (true, _) => Some(done.act.does),
        (false, Some(same)) if same == done.act.does => known,
        (false, _) => None,
    })
}

/// Workers sent nothing in a queue between a confirmed pause and the next attempt to resume it.
async fn nothing_left_while_paused(world: &World, queue: &str, acts: &[Done]) {
    let ledger = world.ledger().await;
    let of_queue = |key: &str| key.starts_with('P') == (queue == "shop/split");
    let sends = ledger.keys.iter().filter(|(key, _)| of_queue(key));
    let sends: Vec<(&String, i64)> =
        sends.flat_map(|(key, record)| record.request_times_ms.iter().map(move |time| (key, *time))).collect();
    for (at, pause) in acts.iter().enumerate().filter(|(_, done)| done.act.does == "pause" && done.confirmed()) {
        let resumed = acts[at..].iter().find(|done| done.act.does == "resume").map_or(i64::MAX, |done| done.from_ms);
        let within = pause.until_ms + CLAIMED..resumed;
        let left: Vec<_> = sends.iter().filter(|(_, time)| within.contains(time)).collect();
        assert!(left.is_empty(), "sent in {queue}, which was paused: {left:?}\n{pause:?}\n{acts:#?}");
    }
}

/// Each queue is as its last confirmation says, and workers send nothing where it is paused.
async fn queues_are_as_confirmed(world: &World, operators: &[Vec<Done>]) {
    // When this is confirmed, the new primary serves and has a replica.
    until_confirmed(world, &["pause", "main/bill_upload", "--reason", "a test"]).await;
    sleep(Duration::from_secs(1)).await; // for what would be sent if a pause had been lost
    let listed = world.ok(&["queues", "--json"]).await;
    let listed: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for queue in QUEUES {
        let acts = operators.iter().find(|acts| acts.iter().any(|done| done.act.to == queue)).unwrap();
        let shown = listed.iter().find(|shown| shown["queue"] == queue).unwrap();
        let by_operator = shown["paused"]["operator"] == system_user();
        match certain(acts) {
            Some("pause") => assert!(shown["paused"].is_object(), "the pause is lost: {shown}\n{acts:#?}"),
            Some(_) => assert!(!by_operator, "the resume is lost: {shown}\n{acts:#?}"),
            None => {}
        }
        nothing_left_while_paused(world, queue, acts).await;
    }
}

async fn until_confirmed(world: &World, arguments: &[&str]) {
    eventually(SOON * 2, "Redis to keep what an operator does", async || {
        let finished = world.run(arguments).await;
        if finished.code == Some(0) { Ok(()) } else { Err(finished) }
    })
    .await;
}

/// Each job whose cancellation or resolution was confirmed has that state.
fn jobs_are_as_confirmed(settled: &[Value], confirmed: &[&Done]) {
    for done in confirmed {
        let state = match done.act.does {
            "cancel" => "cancelled",
            "resolve" => "succeeded",
            _ => continue, // a queue's
        };
        let job = settled.iter().find(|job| job["platform_no"] == done.act.to.as_str()).unwrap();
        assert_eq!(job["state"], state, "{done:#?}\n{job}");
    }
}

#[allow(clippy::print_stdout, reason = "who runs a seed again needs its number, and how much it tried")]
async fn run(seed: u64) {
    let redis = Sentinels::start().await;
    let story = Story::of(seed);
    println!("seed {seed}: delayed {:?}, killed {:?}, back after {:?}", story.delayed, story.killed, story.back);
    let world = Rc::new(under_load(&redis).await);
    let workers = [world.worker().await, world.worker().await];
    for number in 1..=REVIEWS {
        world.until(&format!("R-{number:03}"), "needs_review").await;
    }
    world.submit_new(&jobs::transfers("T", JOBS)).await;
    let splits: Vec<Value> =
        (1..=JOBS).map(|number| split(&format!("S-{number:03}"), &format!("P-{number:03}"))).collect();
    world.submit_new(&splits).await;

    let operators = play(&redis, &world, story).await;
    queues_are_as_confirmed(&world, &operators).await;
    for queue in QUEUES {
        until_confirmed(&world, &["resume", queue, "--reason", "the story is over"]).await;
    }
    let settled = world.settled().await;
    let all: Vec<&Done> = operators.iter().flatten().collect();
    let confirmed: Vec<&Done> = all.iter().copied().filter(|done| done.confirmed()).collect();
    let codes: BTreeSet<_> = all.iter().map(|done| done.finished.code).collect();
    jobs_are_as_confirmed(&settled, &confirmed);
    let ledger = world.books_agree().await;
    for done in confirmed.iter().filter(|done| done.act.does == "cancel") {
        assert!(!ledger.keys.contains_key(&done.act.to), "what was cancelled arrived at the gateway: {done:#?}");
    }
    let twice: Vec<_> = ledger.keys.iter().filter(|(_, record)| record.executions > 1 || record.requests > 1).collect();
    assert!(twice.is_empty(), "{twice:#?}");
    let of = |does| confirmed.iter().filter(|done| done.act.does == does).count();
    let confirmed = ["cancel", "resolve", "pause", "resume"].map(of);
    println!(
        "seed {seed}: of {} acts cancel, resolve, pause, resume were confirmed {confirmed:?} times; exit codes {codes:?}",
        all.len()
    );
    assert!(
        !confirmed.is_empty() && confirmed.len() < all.len(),
        "some acts are confirmed, and some are not: {all:#?}"
    );
    for worker in &workers {
        assert!(worker.is_running(), "a worker ended: {}", worker.stderr());
    }
}

/// `BURSAR_SEED`, or as many of chance as `BURSAR_SEEDS` says, or those of every run.
fn seeds() -> Vec<u64> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(named) = set("BURSAR_SEED") {
        return named
            .split(',')
            .map(|seed| seed.trim().parse().expect("BURSAR_SEED is a number, or several"))
            .collect();
    }
    match set("BURSAR_SEEDS") {
        Some(count) => {
            let count = count.parse().expect("BURSAR_SEEDS is a whole number");
            std::iter::repeat_with(|| u64::from(fastrand::u32(1_000..))).take(count).collect()
        }
        None => BASE.collect(),
    }
}

#[test]
fn a_confirmed_action_survives_a_failover_at_any_moment() {
    let seeds = seeds();
    let mut broken = Vec::new();
    for some in seeds.chunks(AT_ONCE) {
        let running = some.iter().map(|seed| {
            let seed = *seed;
            let run = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run(seed));
            };
            (seed, std::thread::spawn(run))
        });
        let running: Vec<_> = running.collect();
        broken.extend(running.into_iter().filter_map(|(seed, run)| run.join().is_err().then_some(seed)));
    }
    assert!(broken.is_empty(), "promises were broken by the seeds {broken:?}; see above");
}
