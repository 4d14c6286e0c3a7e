//! A worker, or a producer, dies at each named point of its path. Each test checks the record that is left, the executions, and the
//! end that another worker brings the job to.

use std::io::Write;
use std::time::Duration;

use apalis::prelude::TaskSink;
use apalis_redis::{Config, RedisStorage};
use bursar_domain::State;
use bursar_producer::{AccountRules, GatewayKind, Outcome, Producer};
use bursar_store::ImportStatus;
use bursar_test_support::{Process, eventually};

use crate::evidence::{Stored, stored};
use crate::jobs::{self, Thing};
use crate::plan::{OnAmbiguous, Plan};
use crate::webhooks::Receivers;
use crate::workers::bursar;
use crate::world::World;

/// Long enough for every wait.
const SOON: Duration = Duration::from_secs(20);

/// Both records: the job's state and its sends in Redis, the sends that arrived, the executions.
type Books = (State, u32, u64, u64);

/// One transfer, and a world without faults for it.
struct Scene {
    world: World,
    thing: Thing,
}

impl Scene {
    async fn start(life: &'static str, on_ambiguous: OnAmbiguous) -> Self {
        let thing = jobs::one_transfer(life);
        let world = World::start(&Plan::without_faults(thing.clone(), on_ambiguous), Receivers::none()).await;
        Self { world, thing }
    }

    async fn stored(&self) -> Option<Stored> {
        stored(&self.world.store, &self.thing.queue, &self.thing.key(0)).await.unwrap()
    }

    async fn books(&self) -> Books {
        let record = self.stored().await.expect("the job exists").record;
        let ledger = self.world.simulator.ledger();
        let at_gateway = ledger.keys.get(&self.thing.ledger_key);
        let (arrived, executed) = at_gateway.map_or((0, 0), |record| (record.requests, record.executions));
        (record.state, record.sends, arrived, executed)
    }

    async fn until(&self, state: State) {
        eventually(SOON, &format!("the job to be {state}"), async || {
            let books = self.books().await;
            if books.0 == state { Ok(()) } else { Err(books) }
        })
        .await;
    }

    async fn submit(&self) -> Outcome {
        let producer = Producer::on(self.world.store.clone()).account("main", AccountRules::new(GatewayKind::Yzt));
        producer.submit(&self.thing.variants[0]).await.unwrap()
    }

    /// A worker claims the job and dies at `point`.
    async fn die_at(&mut self, point: &str) {
        self.world.workers.start(0, Some(("BURSAR_CRASH_AT", point.to_owned())));
        assert_eq!(self.submit().await, Outcome::New);
        self.until_dead(point).await;
    }

    async fn until_dead(&mut self, point: &str) {
        let deadline = tokio::time::Instant::now() + SOON;
        while self.world.workers.crashes == 0 {
            assert!(tokio::time::Instant::now() < deadline, "no worker came by {point}");
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.world.workers.watch().await;
        }
    }

    /// Another worker brings the job to `state`.
    async fn another(&mut self, state: State) {
        self.world.workers.start(0, None);
        self.until(state).await;
        self.world.workers.stop().await;
        assert_eq!(self.world.workers.wrongs, [""; 0]);
    }

    async fn events(&self) -> Vec<String> {
        self.stored().await.unwrap().history.iter().map(|event| event.name().to_owned()).collect()
    }
}

/// A worker dies at `point` and leaves the records as in `left`; after another worker they are as in `ended`.
async fn dies(point: &str, life: &'static str, on_ambiguous: OnAmbiguous, left: Books, ended: Books) -> Scene {
    let mut scene = Scene::start(life, on_ambiguous).await;
    scene.die_at(point).await;
    assert_eq!(scene.books().await, left, "what {point} leaves behind");
    scene.another(ended.0).await;
    assert_eq!(scene.books().await, ended, "what becomes of it after {point}: {:?}", scene.events().await);
    let ledger = scene.world.simulator.ledger();
    assert!(ledger.violations.is_empty(), "{:?}", ledger.violations);
    scene
}

#[tokio::test]
async fn dying_before_the_first_byte_leaves_a_doubt_and_is_sent() {
    for point in ["after_claim", "before_send"] {
        let (left, ended) = ((State::InDoubt, 1, 0, 0), (State::Succeeded, 2, 1, 1));
        let scene = dies(point, "1", OnAmbiguous::Resend, left, ended).await;
        assert_eq!(scene.events().await, ["send_intent", "worker_lost", "response"], "{point}");
    }
}

#[tokio::test]
async fn dying_between_response_and_commit_repeats_the_same_bytes() {
    for point in ["after_answer", "before_commit"] {
        let (left, ended) = ((State::InDoubt, 1, 1, 1), (State::Succeeded, 2, 2, 1));
        dies(point, "1", OnAmbiguous::Resend, left, ended).await;
    }
}

#[tokio::test]
async fn a_worker_that_dies_after_its_commit_leaves_nothing_to_do() {
    let books = (State::Succeeded, 1, 1, 1);
    let scene = dies("after_commit", "1", OnAmbiguous::Resend, books, books).await;
    assert_eq!(scene.events().await, ["response"]);
}

#[tokio::test]
async fn under_hold_a_dead_workers_send_needs_review() {
    for (point, arrived) in [("after_claim", 0), ("before_send", 0), ("after_answer", 1), ("before_commit", 1)] {
        let (left, ended) = ((State::InDoubt, 1, arrived, arrived), (State::NeedsReview, 1, arrived, arrived));
        dies(point, "1", OnAmbiguous::Hold, left, ended).await;
    }
}

#[tokio::test]
async fn dying_around_a_query_repeats_the_query_and_sends_nothing() {
    for point in ["before_query", "after_answer:2", "before_commit:2", "after_commit:1"] {
        let (left, ended) = ((State::Pending, 1, 1, 1), (State::Succeeded, 1, 1, 1));
        dies(point, "9-1", OnAmbiguous::Hold, left, ended).await;
    }
}

/// A queue that the workers drain, with the job in it.
async fn push(scene: &Scene) -> &'static str {
    const QUEUE: &str = "payments";
    let mut config = std::fs::File::options().append(true).open(&scene.world.config).unwrap();
    writeln!(config, "[import]\nqueues = ['{QUEUE}']").unwrap();
    let connection = apalis_redis::connect(scene.world.producers_settings().url).await.unwrap();
    let mut storage = RedisStorage::new(connection).with_config(Config::default().queue(QUEUE));
    storage.push(scene.thing.variants[0].clone()).await.unwrap();
    QUEUE
}

#[tokio::test]
async fn dying_between_store_and_queue_submits_again_and_pays_once() {
    for (point, left) in [("before_take", 1), ("after_take", 0)] {
        let mut scene = Scene::start("1", OnAmbiguous::Resend).await;
        let queue = push(&scene).await;
        let status = async |scene: &Scene| scene.world.store.import_status(queue).await.unwrap();
        scene.world.workers.start(0, Some(("BURSAR_CRASH_AT", point.to_owned())));
        scene.until_dead(point).await;
        assert!(scene.stored().await.is_some(), "{point}: the store has it");
        assert_eq!(status(&scene).await, ImportStatus { waiting: left, dead_letters: 0 }, "{point}");

        scene.world.workers.start(0, None);
        eventually(SOON, "the queue to be empty", async || {
            let status = status(&scene).await;
            if status.waiting == 0 { Ok(()) } else { Err(status) }
        })
        .await;
        scene.another(State::Succeeded).await;
        assert_eq!(status(&scene).await, ImportStatus { waiting: 0, dead_letters: 0 }, "{point}");
        let (state, _, _, executed) = scene.books().await;
        assert_eq!((state, executed), (State::Succeeded, 1), "{point}");
    }
}

/// Lets the job have ended so long ago that its detail has expired.
async fn grow_old(scene: &Scene) {
    let client = redis::Client::open(scene.world.producers_settings().url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd("ZADD");
    command
        .arg(format!("{}done:main/transfer", scene.world.store.base_of(&"main/transfer".parse().unwrap())))
        .arg("XX")
        .arg("CH")
        .arg(1)
        .arg(scene.thing.variants[0].platform_no.as_str());
    assert_eq!(command.query_async::<u8>(&mut connection).await.unwrap(), 1, "the job had ended");
}

#[tokio::test]
async fn dying_around_a_purge_leaves_the_job_or_its_tombstone() {
    for (point, expired) in [("before_purge", false), ("after_purge", true)] {
        let mut scene = Scene::start("1", OnAmbiguous::Resend).await;
        assert_eq!(scene.submit().await, Outcome::New);
        scene.another(State::Succeeded).await;
        grow_old(&scene).await;
        scene.world.workers.start(0, Some(("BURSAR_CRASH_AT", point.to_owned())));
        scene.until_dead(point).await;
        let is_tombstone = async |scene: &Scene| scene.stored().await.unwrap().record.created.is_none();
        assert_eq!(is_tombstone(&scene).await, expired, "{point}");

        scene.world.workers.start(0, None);
        eventually(SOON, "the detail to expire", async || {
            if is_tombstone(&scene).await { Ok(()) } else { Err("it is still there") }
        })
        .await;
        scene.another(State::Succeeded).await;
        assert_eq!(scene.submit().await, Outcome::Existing(State::Succeeded), "{point}");
        let ledger = scene.world.simulator.ledger();
        assert_eq!(ledger.keys[&scene.thing.ledger_key].executions, 1, "{point}");
    }
}

/// `bursar submit` that dies at `point`.
async fn submit_and_die(scene: &Scene, point: &str) {
    let file = scene.world.config.with_file_name("job.json");
    std::fs::write(&file, serde_json::to_string(&scene.thing.variants[0]).unwrap()).unwrap();
    let mut command = bursar(&["submit"]);
    command.arg(&file).arg("--config").arg(&scene.world.config);
    command.env("BURSAR_REDIS__URL", scene.world.producers_settings().url).env("BURSAR_CRASH_AT", point);
    let finished = Process::run("bursar submit", command, SOON).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (None, ""), "{finished:?}");
}

#[tokio::test]
async fn a_producer_that_dies_before_it_submits_has_submitted_nothing() {
    let mut scene = Scene::start("1", OnAmbiguous::Resend).await;
    submit_and_die(&scene, "before_submit").await;
    assert!(scene.stored().await.is_none());
    assert_eq!(scene.submit().await, Outcome::New);
    scene.another(State::Succeeded).await;
    assert_eq!(scene.books().await, (State::Succeeded, 1, 1, 1));
}

#[tokio::test]
async fn a_dying_producer_has_submitted_once() {
    let mut scene = Scene::start("1", OnAmbiguous::Resend).await;
    submit_and_die(&scene, "after_submit").await;
    assert_eq!(scene.submit().await, Outcome::Existing(State::Queued));
    scene.another(State::Succeeded).await;
    assert_eq!(scene.submit().await, Outcome::Existing(State::Succeeded));
    assert_eq!(scene.books().await, (State::Succeeded, 1, 1, 1));
}
