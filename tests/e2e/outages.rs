//! Redis goes away or stalls, or a worker is frozen past its lease: no process ends, nothing is lost, nothing is paid twice.

use std::time::{Duration, Instant};

use bursar_test_support::{Fault, FaultProxy, Listen, Options, OwnRedis, Process, eventually, private_redis};
use serde_json::json;

use crate::jobs::{self, bill, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// The time from the return of Redis to the next payment: within a second workers are back and those that know of lost writes have
/// reported them; the call itself and a busy machine take the rest.
const RESUMED: Duration = Duration::from_millis(2_500);

/// A Redis that can be broken, where restarts keep its address.
fn breakable() -> OwnRedis {
    private_redis(|options| Options { listen: Listen::Loopback, ..options })
}

/// Two workers in the middle of many slow jobs.
async fn under_load(redis_url: &str) -> (World, [Process; 2]) {
    let world = Plan::new().on_redis(redis_url).simulate(&["--latency", "100ms"]).start().await;
    let workers = [world.worker().await, world.worker().await];
    let mut jobs = jobs::transfers("LOAD", 150);
    jobs.extend((1..=50).map(|number| bill(&format!("BILL-{number}"), &format!("ORDER-{number}"))));
    world.submit_new(&jobs).await;
    eventually(SOON, "the work to be well under way", async || {
        let executed = world.ledger().await.executed;
        if executed >= 20 { Ok(()) } else { Err(executed) }
    })
    .await;
    (world, workers)
}

/// Redis is back: every job ends, by the workers that were there all the time.
async fn recovers(world: &World, workers: &[Process; 2]) {
    for job in world.settled().await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    for worker in workers {
        assert!(worker.is_running(), "a worker ended: {}", worker.stderr());
        assert!(worker.stderr().contains("Redis is back for"), "it reported the outage: {}", worker.stderr());
    }
    assert_eq!(world.books_agree().await.executed, 200);
}

#[tokio::test]
async fn redis_may_crash_for_seconds_in_the_middle_of_the_work() {
    let redis = breakable();
    let (world, workers) = under_load(redis.url()).await;
    redis.kill().unwrap();

    // No one can submit meanwhile, and the command says so.
    let file = world.file(transfer("MEANWHILE").to_string()).display().to_string();
    let finished = world.run(&["submit", &file]).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(3), ""), "{finished:?}");
    tokio::time::sleep(Duration::from_secs(3)).await; // the outage itself
    let before = world.ledger().await.executed;
    redis.start_again().unwrap();
    let back = Instant::now();
    eventually(SOON, "the work to go on", async || {
        let executed = world.ledger().await.executed;
        if executed > before { Ok(()) } else { Err(executed) }
    })
    .await;
    let took = back.elapsed();
    println!("the first payment after Redis was back came {took:?} after it");
    assert!(took < RESUMED, "{took:?}");

    world.submit_new(&[transfer("AFTERWARDS")]).await;
    world.until("AFTERWARDS", "succeeded").await;
    for job in world.settled().await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    for worker in &workers {
        assert!(worker.is_running(), "a worker ended: {}", worker.stderr());
    }
    assert_eq!(world.books_agree().await.executed, 201);
}

#[tokio::test]
async fn redis_may_stall_for_longer_than_any_command_waits() {
    let redis = breakable();
    let (world, workers) = under_load(redis.url()).await;
    redis.freeze().unwrap();
    for worker in &workers {
        worker.wait_line(SOON, "word of the stall", |line| line.contains("Redis failed while")).await;
    }
    redis.thaw().unwrap();
    recovers(&world, &workers).await;
}

/// The time until a worker reports that Redis does not answer: a command may take 5 s, and a busy machine the rest.
const NOTICED: Duration = Duration::from_secs(9);

/// Waits until both have noticed that no answer comes.
async fn notice(workers: &[Process; 2]) {
    for worker in workers {
        worker.wait_line(NOTICED, "word of the trouble", |line| line.contains("Redis failed while")).await;
    }
}

async fn goes_on(world: &World, within: Duration) {
    let (before, began) = (world.ledger().await.executed, Instant::now());
    eventually(SOON, "the work to go on", async || {
        let executed = world.ledger().await.executed;
        if executed > before { Ok(()) } else { Err(executed) }
    })
    .await;
    assert!(began.elapsed() < within, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_unreachable_redis_is_noticed_and_work_resumes() {
    let redis = breakable();
    let proxy = FaultProxy::start(redis.url()).await;
    let (world, workers) = under_load(&proxy.redis_url()).await;
    proxy.set(Fault::Blackhole);
    notice(&workers).await;
    proxy.set(Fault::None);
    goes_on(&world, RESUMED).await;
    recovers(&world, &workers).await;
}

#[tokio::test]
async fn silently_dead_connections_are_replaced() {
    let redis = breakable();
    let proxy = FaultProxy::start(redis.url()).await;
    let (world, workers) = under_load(&proxy.redis_url()).await;
    proxy.strand(); // for good
    notice(&workers).await;
    goes_on(&world, RESUMED).await;
    recovers(&world, &workers).await;
}

#[tokio::test]
async fn a_worker_frozen_past_its_lease_leaves_evidence() {
    // The call itself outlives the standstill, so that a real answer comes too late.
    let world = Plan::new().set("accounts.main.call_timeout", "60s").simulate(&["--latency", "700ms"]).start().await;
    let frozen = world.worker().await;
    world.submit_new(&[transfer("LATE")]).await;
    world.until_received("LATE", 1).await;
    frozen.freeze();
    let _other = world.worker().await;
    let job = world.until("LATE", "succeeded").await;
    assert_eq!(job["attempts"], 2, "the other worker sent the same bytes again: {job}");

    frozen.thaw();
    frozen.wait_line(SOON, "word that it came too late", |line| line.contains("came too late")).await;
    let job = world.job("LATE").await;
    let log = job["history"].as_array().unwrap();
    let late = log.last().unwrap();
    assert_eq!((&late["event"], &late["late"], &late["fence"]), (&json!("response"), &json!(true), &json!(1)), "{job}");
    assert_eq!(late["outcome"], "succeeded", "{job}");
    assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(2)), "{job}");
    let record = world.books_agree().await.keys["LATE"].clone();
    assert_eq!((record.executions, record.requests), (1, 2));
}

#[tokio::test]
async fn a_frozen_worker_with_many_claims_harms_no_job() {
    // A frozen worker may begin a send when it resumes: the time of `resend_after` is longer than that.
    let plan = Plan::new().both("resend_max", 10).both("resend_after", "6s");
    let world = plan.simulate(&["--latency", "50ms"]).start().await;
    let workers = [world.worker().await, world.worker().await];
    world.submit_new(&jobs::transfers("MANY", 150)).await;
    for worker in [&workers[0], &workers[1], &workers[0]] {
        let before = world.ledger().await.executed;
        worker.freeze();
        tokio::time::sleep(Duration::from_millis(2_500)).await; // the standstill itself, longer than a lease
        worker.thaw();
        eventually(SOON, "the work to go on", async || {
            let executed = world.ledger().await.executed;
            if executed > before || executed == 150 { Ok(()) } else { Err(executed) }
        })
        .await;
    }
    for job in world.settled().await {
        assert_eq!(job["state"], "succeeded", "{job}");
    }
    assert_eq!(world.books_agree().await.executed, 150);
}

/// As for a user that was given every key and no channel, which is how they are made since Redis 7. The wake channel is a hint; without it what is due is
/// looked for.
#[tokio::test]
async fn a_worker_that_may_not_listen_sends_all_the_same_and_soon() {
    let redis = breakable();
    let mut people = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let rights = ["SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-subscribe"];
    let _: String = redis::cmd("ACL").arg(&rights).query_async(&mut people).await.unwrap();
    let world = Plan::new().on_redis(&redis.url().replace("://", "://app:secret@")).start().await;
    let worker = world.worker().await;
    worker.wait_line(SOON, "word that it may not listen", |line| line.contains("refused SUBSCRIBE")).await;
    for key in ["FIRST", "SECOND", "THIRD"] {
        world.submit_new(&[transfer(key)]).await;
        world.until_within(Duration::from_secs(4), key, "succeeded").await;
    }
    world.books_agree().await;
}
