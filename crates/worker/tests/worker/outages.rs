//! Redis comes back without its last writes, or after longer than a lease, while workers have no place free, drain or hold responses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{OnAmbiguous, Outcome, Reason, State};
use bursar_store::Operator;
use bursar_test_support::{OwnRedis, eventually};

use crate::lost_writes::{copy, redis, restore};
use crate::support::{Act, Running, Scripted, World, keys};

const OPERATOR: Operator<'_> = Operator { who: "test", why: "until the copy is made", identity: None };

/// A holding account's worker with one place: K1 was sent and has ended, K2 is out and takes the place; the copy knows of neither.
struct Saturated {
    world: World,
    gateway: Arc<Scripted>,
    worker: Running,
    redis: OwnRedis,
    data: PathBuf,
    older: PathBuf,
}

impl Saturated {
    async fn new() -> Self {
        let (redis, folder) = redis();
        let mut world = World::on(redis.url()).await;
        world.policy.on_ambiguous = OnAmbiguous::Hold;
        world.settings.concurrency = 1;
        world.settings.lease = Duration::from_secs(30); // no renewal is due while the test runs
        let wait = Act::WaitAtTheGate(Outcome::Succeeded);
        let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)).on("K2", &[wait]));
        world.pause(OPERATOR).await;
        world.submit(keys(2)).await;
        world.resume(OPERATOR).await;
        let (data, older) = (folder.join("appendonlydir"), folder.join("older"));
        copy(&data, &older);
        let worker = world.worker("w1", &gateway);
        world.until("K1", State::Succeeded).await;
        gateway.until_in_flight(1).await;
        Self { world, gateway, worker, redis, data, older }
    }

    /// Redis comes back older, a worker that knows nothing starts with it, and in the end K2 is answered.
    async fn nothing_is_sent_twice(self) {
        let Self { world, gateway, worker, redis, data, older } = self;
        restore(&redis, &data, &older);
        let fresh = world.worker("w2", &gateway);
        let paused = eventually(Duration::from_secs(10), "the queue to be paused", async || {
            world.store.status(&world.queue).await.ok()?.paused
        });
        assert_eq!(paused.await, Reason::QueueLostWrites);
        gateway.gate.add_permits(1);
        let late = eventually(Duration::from_secs(10), "K2's response to be used", async || {
            let record = world.record("K2").await.ok()?;
            (record.state != State::InDoubt).then_some(record.state)
        });
        assert_eq!(late.await, State::Succeeded, "what it was answered decides, also after its claim is gone");
        fresh.stop().await;
        worker.stop().await;
        assert_eq!((gateway.sends_of("K1"), gateway.sends_of("K2")), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fully_busy_worker_reports_lost_writes() {
    Saturated::new().await.nothing_is_sent_twice().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_says_that_writes_were_lost() {
    let saturated = Saturated::new().await;
    saturated.worker.drain();
    saturated.nothing_is_sent_twice().await;
}

/// Redis is away for longer than the lease of two workers whose holding account has a send out.
async fn outage(answered: Answered) {
    let (redis, _) = redis();
    let mut world = World::on(redis.url()).await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    world.settings.lease = Duration::from_millis(600);
    let mut gateway = Scripted::new(Act::WaitAtTheGate(Outcome::Succeeded));
    gateway.can_query = false;
    let gateway = Arc::new(gateway);
    let workers = [world.worker("w1", &gateway), world.worker("w2", &gateway)];
    world.submit(keys(12)).await;
    gateway.until_in_flight(12).await;
    redis.kill().unwrap();
    if answered == Answered::WhileRedisIsAway {
        gateway.gate.add_permits(12);
        gateway.until_in_flight(0).await;
    }
    tokio::time::sleep(world.settings.lease * 3).await; // the outage itself
    redis.start_again().unwrap();
    if answered == Answered::AfterRedisIsBack {
        let renewed = async || {
            let record = world.record("K1").await.ok()?;
            let now = world.store.now().await.ok()?;
            (record.due? > now).then_some(())
        };
        eventually(Duration::from_secs(10), "leases to be renewed", renewed).await;
        gateway.gate.add_permits(12);
    }
    eventually(Duration::from_secs(10), "every payment to succeed", async || {
        let status = world.store.status(&world.queue).await.map_err(|error| error.chain())?;
        if status.counts.done == 12 { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    for key in keys(12) {
        let view = world.until(&key, State::Succeeded).await;
        assert_eq!((view.attempts, gateway.sends_of(&key)), (1, 1), "{view:?}");
    }
    for worker in workers {
        worker.stop().await;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    WhileRedisIsAway,
    AfterRedisIsBack,
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_kept_through_an_outage_longer_than_the_lease_win() {
    outage(Answered::WhileRedisIsAway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_outlast_such_an_outage_keep_their_claims() {
    outage(Answered::AfterRedisIsBack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_end_jobs_in_a_paused_queue() {
    let mut world = World::new().await;
    world.policy.poll_deadline = Duration::from_secs(1);
    world.policy.retry_deadline = Duration::from_secs(1);
    world.policy.resend_after = Duration::from_secs(600);
    (world.policy.retry_initial, world.policy.retry_max) = (Duration::from_secs(600), Duration::from_secs(600));
    let mut gateway = Scripted::new(Act::Outcome(Outcome::NoResponse)).on("K2", &[Act::Outcome(Outcome::NotExecuted)]);
    gateway.can_query = false;
    let gateway = Arc::new(gateway);
    let worker = world.worker("w1", &gateway);
    world.submit(keys(2)).await;
    eventually(Duration::from_secs(10), "both to be sent", async || {
        (gateway.sends_of("K1") + gateway.sends_of("K2") == 2).then_some(())
    })
    .await;
    world.until("K2", State::Queued).await;
    world.pause(OPERATOR).await;
    make_due(&world, &["K1", "K2"]).await;
    let view = world.until("K1", State::NeedsReview).await;
    assert!(matches!(view.reason, Some(Reason::InDoubtUntilPollDeadline(_))), "{view:?}");
    let view = world.until("K2", State::Failed).await;
    assert!(matches!(view.reason, Some(Reason::RetryDeadlinePassed(_))), "{view:?}");
    assert_eq!((gateway.sends_of("K1"), gateway.sends_of("K2")), (1, 1), "nothing is sent in a paused queue");
    worker.stop().await;
}

/// As if they had waited to be sent since a minute ago.
async fn make_due(world: &World, keys: &[&str]) {
    let url = bursar_test_support::redis().await.url.clone();
    let raw = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let now = world.store.now().await.unwrap().0;
    for key in keys {
        let base = world.store.base_of(&world.queue);
        let due_sends = format!("{base}due_sends:{}", world.queue);
        let moved = async || {
            let mut members = redis::cmd("ZRANGE");
            members.arg(&due_sends).arg(0).arg(-1);
            let members: Vec<String> = members.query_async(&mut raw.clone()).await.ok()?;
            let member = members.iter().find(|member| member.split(' ').next() == Some(*key))?;
            let mut command = redis::cmd("ZADD");
            command.arg(&due_sends).arg("XX").arg("CH").arg(now - 60_000).arg(member);
            command.query_async::<u64>(&mut raw.clone()).await.ok().filter(|moved| *moved == 1)
        };
        eventually(Duration::from_secs(10), "it to wait to be sent", moved).await;
        let mut ready = redis::cmd("ZADD");
        ready.arg(format!("{base}ready")).arg(now).arg(world.queue.to_string());
        ready.query_async::<()>(&mut raw.clone()).await.unwrap();
    }
}
