//! Imports from apalis-redis: a stock `RedisStorage` pushes, the import takes into the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{TaskBuilder, TaskId, TaskSink};
use apalis_redis::{Config, RedisStorage};
use bursar_domain::{AccountRules, GatewayKind, Key, MAX_JOB_BYTES, Millis, NewJob, Queue};
use bursar_store::{
    DeadLetter, DeadLetterAction, ImportStatus, JobRecord, MAX_TASKS, Operator, Payload, Settings, Store, StoredAs,
    Verdict,
};
use bursar_test_support::{eventually, redis, unique_prefix};
use bursar_worker::Import;
use redis::aio::ConnectionManagerConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(60);

const LI: Operator<'static> = Operator { who: "li", why: "looked at it", identity: None };

/// A separate queue on the Redis that all tests share.
struct ImportScene {
    store: Store,
    url: String,
    import_queue: String,
    queue: Queue,
}

impl ImportScene {
    async fn new() -> Self {
        let url = redis().await.url.clone();
        let prefix = unique_prefix();
        let settings = Settings { url: url.clone(), prefix: prefix.clone() };
        let store = Store::connect(&settings).await.unwrap();
        Self { store, url, import_queue: format!("{prefix}:payments"), queue: "main/transfer".parse().unwrap() }
    }

    async fn storage<T: Serialize + DeserializeOwned>(&self) -> RedisStorage<T> {
        // Longer than apalis-redis' own half a second: the machine may be busy.
        let config = ConnectionManagerConfig::new().set_response_timeout(Some(SOON));
        let client = apalis_redis::Client::open(self.url.as_str()).unwrap();
        let connection = client.get_connection_manager_with_config(config).await.unwrap();
        RedisStorage::new(connection).with_config(Config::default().queue(&self.import_queue))
    }

    async fn push(&self, jobs: Vec<NewJob>) {
        let mut storage = self.storage::<NewJob>().await;
        for batch in jobs.chunks(500) {
            storage.push_bulk(batch.to_vec()).await.unwrap();
        }
    }

    /// Pushes JSON that need not be a job.
    async fn push_json(&self, value: Value) {
        self.storage::<Value>().await.push(value).await.unwrap();
    }

    fn import(&self, name: &str) -> Import {
        let accounts = HashMap::from([("main".to_owned(), AccountRules::new(GatewayKind::Yzt))]);
        let accounts = tokio::sync::watch::channel(accounts).1;
        Import { name: name.to_owned(), queues: vec![self.import_queue.clone()], accounts, metrics: Arc::default() }
    }

    fn open(&self, name: &str) -> Open {
        let (store, import, drain) = (self.store.clone(), Arc::new(self.import(name)), CancellationToken::new());
        let stop = drain.clone();
        Open { drain, task: tokio::spawn(async move { import.run(&store, &stop).await }) }
    }

    async fn status(&self) -> ImportStatus {
        self.store.import_status(&self.import_queue).await.unwrap()
    }

    async fn until_drained(&self) -> ImportStatus {
        eventually(SOON, "the queue to be empty", async || {
            let status = self.status().await;
            if status.waiting == 0 { Ok(status) } else { Err(status) }
        })
        .await
    }

    /// Drains the queue once.
    async fn drained(&self) -> ImportStatus {
        let open = self.open("w");
        let status = self.until_drained().await;
        open.close().await;
        status
    }

    async fn job(&self, key: &str) -> Option<JobRecord> {
        match self.store.job(&self.queue, &key.parse::<Key>().unwrap()).await.unwrap()? {
            StoredAs::Job(record) => Some(*record),
            StoredAs::Unreadable { .. } => panic!("{key} cannot be read"),
        }
    }

    async fn queued(&self) -> u64 {
        self.store.status(&self.queue).await.unwrap().counts.to_send
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.store.dead_letters(&self.import_queue, 0, 1_000).await.unwrap()
    }

    async fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.query_async(&mut connection).await.unwrap()
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.import_queue)
    }

    /// The keys of the queue itself that are left.
    async fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for name in ["data", "scheduled", "active"] {
            let exists: bool = self.command(&["EXISTS", &self.key(name)]).await;
            left.extend(exists.then(|| name.to_owned()));
        }
        left
    }
}

struct Open {
    drain: CancellationToken,
    task: JoinHandle<()>,
}

impl Open {
    async fn close(self) {
        self.drain.cancel();
        self.task.await.unwrap();
    }
}

fn transfer(key: &str) -> NewJob {
    let body = json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "a", "payer_type": "1",
        "payee_store_no": "b", "payee_type": "2", "arrive_time": "T0",
    });
    NewJob::new("main", "transfer", key, body)
}

fn transfers(count: usize) -> Vec<NewJob> {
    (0..count).map(|number| transfer(&format!("K{number:05}"))).collect()
}

/// apalis-redis 1.0 itself stops at 8,000 tasks that are due.
#[tokio::test]
async fn a_backlog_that_stops_apalis_is_taken_in_bounded_steps() {
    let scene = ImportScene::new().await;
    scene.push(transfers(8_500)).await;
    assert_eq!(scene.status().await, ImportStatus { waiting: 8_500, dead_letters: 0 });
    let step = scene.store.waiting_tasks(&scene.import_queue, "w").await.unwrap();
    assert_eq!(step.len(), MAX_TASKS);
    assert_eq!(scene.drained().await.dead_letters, 0);
    assert_eq!(scene.queued().await, 8_500);
    assert_eq!(scene.left().await, [""; 0], "a task that was taken leaves nothing behind");
}

#[tokio::test]
async fn two_workers_at_one_queue_make_one_job_of_each_task() {
    let scene = ImportScene::new().await;
    let workers = [scene.open("w1"), scene.open("w2")];
    for part in transfers(1_000).chunks(100) {
        scene.push(part.to_vec()).await;
    }
    assert_eq!(scene.until_drained().await.dead_letters, 0);
    assert_eq!(scene.queued().await, 1_000);
    for worker in workers {
        worker.close().await;
    }
}

#[tokio::test]
async fn a_job_pushed_twice_is_one_job_and_no_dead_letter() {
    let scene = ImportScene::new().await;
    scene.push(vec![transfer("TWICE"), transfer("TWICE")]).await;
    assert_eq!(scene.drained().await.dead_letters, 0);
    scene.push(vec![transfer("TWICE")]).await;
    assert_eq!(scene.drained().await.dead_letters, 0);
    assert_eq!(scene.queued().await, 1);
}

#[tokio::test]
async fn a_delayed_task_is_taken_at_once_and_its_job_waits() {
    let days = |days: u64| bursar_gateways::local_now_ms() / 1000 + days * 24 * 3600;
    let (later, latest) = (days(300), Millis(days(350) * 1000));
    let scene = ImportScene::new().await;
    let mut storage = scene.storage::<NewJob>().await;
    storage.push_task(TaskBuilder::new(transfer("LATER")).run_at_timestamp(later).build()).await.unwrap();
    let mut both = transfer("LATEST");
    both.run_at = Some(latest.rfc3339());
    storage.push_task(TaskBuilder::new(both).run_at_timestamp(later).build()).await.unwrap();
    storage.push(transfer("NOW")).await.unwrap();
    scene.drained().await;
    let due = async |key: &str| scene.job(key).await.unwrap().due.unwrap();
    assert_eq!(due("LATER").await, Millis(later * 1000));
    assert_eq!(due("LATEST").await, latest, "the later of both");
    assert!(due("NOW").await < Millis(later * 1000));
}

/// Each wrong payload, with the rule that its dead letter names.
async fn push_wrong_things(scene: &ImportScene) -> [&'static str; 8] {
    scene.push(vec![transfer("TAKEN")]).await;
    scene.drained().await;
    let mut other = transfer("TAKEN");
    other.body["total_amount"] = json!(11);
    let mut unpaid = transfer("UNPAID");
    unpaid.body["total_amount"] = json!(0);
    let stranger = NewJob { account: "nowhere".into(), ..transfer("STRANGER") };
    scene.push(vec![other, unpaid, stranger]).await;
    scene.push_json(json!("a text")).await;
    scene.push_json(json!({"account": "main", "note": "x".repeat(MAX_JOB_BYTES)})).await;
    let _: u64 = scene.command(&["HSET", &scene.key("data"), "bytes", "\u{1}no JSON"]).await;
    let _: u64 = scene.command(&["ZADD", &scene.key("scheduled"), "5", "bytes", "6", "no payload"]).await;
    let mut storage = scene.storage::<NewJob>().await;
    storage.push_task(TaskBuilder::new(transfer("MILLIS")).run_at_timestamp(4_000_000_000_000).build()).await.unwrap();
    [
        "main/transfer TAKEN was submitted before with other content",
        "body.total_amount must be a positive integer of fen",
        "account names no configured account: nowhere",
        "job must be a JSON object",
        "job must be at most 262144 bytes of JSON: it has ",
        "job must be one JSON object: ",
        "the task has no payload",
        "the task's run time is none: it is given in seconds since 1970",
    ]
}

#[tokio::test]
async fn an_invalid_task_is_a_dead_letter_with_reason_and_bytes() {
    let scene = ImportScene::new().await;
    let reasons = push_wrong_things(&scene).await;
    scene.push(vec![transfer("GOOD")]).await;
    assert_eq!(scene.drained().await, ImportStatus { waiting: 0, dead_letters: 8 });
    assert!(scene.job("GOOD").await.is_some());
    let dead_letters = scene.dead_letters().await;
    for reason in reasons {
        assert!(dead_letters.iter().any(|entry| entry.why.starts_with(reason)), "{reason}: {dead_letters:?}");
    }
    let payload = async |id: &str| {
        let entry = dead_letters.iter().find(|entry| entry.id == id.as_bytes()).unwrap();
        scene.store.dead_letter_payload(&scene.import_queue, entry.number).await.unwrap()
    };
    assert_eq!(payload("bytes").await, Some(b"\x01no JSON".to_vec()));
    assert_eq!(payload("no payload").await, None);
    let longest = dead_letters.iter().max_by_key(|entry| entry.bytes).unwrap();
    let bytes = scene.store.dead_letter_payload(&scene.import_queue, longest.number).await.unwrap().unwrap();
    assert_eq!((bytes.len() as u64, bytes.len() > MAX_JOB_BYTES), (longest.bytes, true), "all of them");
    assert_eq!(scene.left().await, [""; 0]);
}

#[tokio::test]
async fn a_dead_letter_is_retried_or_dropped_by_an_operator() {
    let scene = ImportScene::new().await;
    let stranger = |key: &str| NewJob { account: "late".into(), ..transfer(key) };
    scene.push(vec![stranger("A"), stranger("B")]).await;
    assert_eq!(scene.drained().await.dead_letters, 2);
    let dead_letters = scene.dead_letters().await;
    let mut import = scene.import("");
    let retry = async |import: &Import, entry: &DeadLetter| {
        import.retry(&scene.store, &scene.import_queue, entry, LI).await.unwrap()
    };
    let refused = retry(&import, &dead_letters[0]).await;
    assert_eq!(refused, Verdict::Refused("account names no configured account: late".into()));
    assert_eq!(scene.status().await.dead_letters, 2, "what is refused again stays");

    let late = HashMap::from([("late".to_owned(), AccountRules::new(GatewayKind::Yzt))]);
    import.accounts = tokio::sync::watch::channel(late).1;
    assert_eq!(retry(&import, &dead_letters[0]).await, Verdict::Accepted);
    assert!(
        scene
            .store
            .settle_dead_letter(&scene.import_queue, dead_letters[1].number, DeadLetterAction::Dropped, LI)
            .await
            .unwrap()
    );
    assert!(
        !scene
            .store
            .settle_dead_letter(&scene.import_queue, dead_letters[1].number, DeadLetterAction::Dropped, LI)
            .await
            .unwrap(),
        "it is gone"
    );
    assert_eq!(scene.status().await.dead_letters, 0);
    let late: Queue = "late/transfer".parse().unwrap();
    assert_eq!(scene.store.status(&late).await.unwrap().counts.to_send, 1, "the dropped one is no job");
}

/// Between reading a task and taking it another worker may have taken it, and a producer have pushed another job under its id.
#[tokio::test]
async fn another_job_under_a_taken_tasks_id_is_another_job() {
    let scene = ImportScene::new().await;
    let mut storage = scene.storage::<NewJob>().await;
    let task = |key: &str| TaskBuilder::new(transfer(key)).task_id(TaskId::from_string("ORDER-1")).build();
    storage.push_task(task("FIRST")).await.unwrap();
    let slow = scene.store.waiting_tasks(&scene.import_queue, "slow").await.unwrap();
    scene.store.take_tasks(&scene.import_queue, &[(slow[0].clone(), Verdict::Accepted)]).await.unwrap();
    storage.push_task(task("SECOND")).await.unwrap();
    let taken = scene.store.take_tasks(&scene.import_queue, &[(slow[0].clone(), Verdict::Accepted)]).await.unwrap();
    assert_eq!((taken.tasks, scene.status().await.waiting), (0, 1));
    let next = scene.store.waiting_tasks(&scene.import_queue, "slow").await.unwrap();
    assert!(matches!(&next[0].payload, Payload::Bytes(bytes) if String::from_utf8_lossy(bytes).contains("SECOND")));
}

#[tokio::test]
async fn tasks_taken_by_one_worker_are_free_after_a_while() {
    let scene = ImportScene::new().await;
    scene.push(transfers(3)).await;
    assert_eq!(scene.store.waiting_tasks(&scene.import_queue, "w1").await.unwrap().len(), 3);
    assert_eq!(scene.store.waiting_tasks(&scene.import_queue, "w2").await.unwrap().len(), 0);
    assert_eq!(scene.store.waiting_tasks(&scene.import_queue, "w1").await.unwrap().len(), 3);
    eventually(SOON, "the turn to end with its holder gone", async || {
        let tasks = scene.store.waiting_tasks(&scene.import_queue, "w2").await.unwrap();
        (tasks.len() == 3).then_some(())
    })
    .await;
}

/// The job may be the task's own, or another one with its key: that is unknown.
#[tokio::test]
async fn a_task_of_a_newer_builds_job_stays_and_blocks_none() {
    let scene = ImportScene::new().await;
    let record = format!("{}job:main/transfer:UNREAD", scene.store.base_of(&scene.queue));
    let _: String = scene.command(&["SET", &record, r#"{"v":99}"#]).await;
    scene.push(vec![transfer("UNREAD"), transfer("GOOD")]).await;
    let open = scene.open("w");
    eventually(SOON, "the other task to be taken", async || scene.job("GOOD").await).await;
    let dead_letters = eventually(SOON, "one task to be left", async || match scene.status().await {
        ImportStatus { waiting: 1, dead_letters } => Ok(dead_letters),
        other => Err(other),
    })
    .await;
    assert_eq!(dead_letters, 0);
    let _: u64 = scene.command(&["DEL", &record]).await;
    assert_eq!(scene.until_drained().await.dead_letters, 0);
    assert!(scene.job("UNREAD").await.is_some());
    open.close().await;
}

/// More than one step reads.
#[tokio::test]
async fn tasks_of_unreadable_jobs_are_dead_letters_and_block_none() {
    let scene = ImportScene::new().await;
    let unread: Vec<String> = (0..300).map(|number| format!("UNREAD{number}")).collect();
    for key in &unread {
        let record = format!("{}job:main/transfer:{key}", scene.store.base_of(&scene.queue));
        let _: String = scene.command(&["SET", &record, "{"]).await;
    }
    scene.push(unread.iter().map(|key| transfer(key)).chain([transfer("GOOD")]).collect()).await;
    let open = scene.open("w");
    assert_eq!(scene.until_drained().await.dead_letters, 300);
    assert!(scene.job("GOOD").await.is_some());
    open.close().await;
}

/// Producers of other apalis versions put immediate tasks into a list.
#[tokio::test]
async fn active_tasks_are_taken_too() {
    let scene = ImportScene::new().await;
    let payload = serde_json::to_string(&transfer("ACTIVE")).unwrap();
    let _: u64 = scene.command(&["HSET", &scene.key("data"), "T1", &payload]).await;
    let _: u64 = scene.command(&["RPUSH", &scene.key("active"), "T1"]).await;
    scene.drained().await;
    assert!(scene.job("ACTIVE").await.is_some());
    assert_eq!(scene.left().await, [""; 0]);
}
