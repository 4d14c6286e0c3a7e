//! A dispatcher with a real Redis and a real receiver: order, retries, and addresses that are not allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bursar_domain::{
    AccountRules, GatewayKind, HistoryEvent, Job, Key, Millis, Operation, Queue, Reason, State, Transition,
};
use bursar_store::{Claim, Commit, JobRecord, Operator, Origin, Store, StoredAs};
use bursar_test_support::{Answer, Receiver, eventually, private_redis, redis, unique_prefix};
use bursar_webhooks::{Allowed, Dispatcher, Secrets, Settings, Telemetry, Trust};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long against anything that a test waits for.
const SOON: Duration = Duration::from_secs(20);

struct Scene {
    store: Store,
    queue: Queue,
    claims: AtomicUsize,
    drain: CancellationToken,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

fn settings() -> Settings {
    Settings {
        secrets: Secrets::default(),
        allowed: Allowed::new(vec!["127.0.0.0/8:*".parse().unwrap()]),
        trust: Trust::System,
        timeout: Duration::from_secs(2),
        retry_for: Duration::from_secs(3_600),
        concurrency: 8,
    }
}

impl Scene {
    async fn new() -> Self {
        let place = bursar_store::Settings { url: redis().await.url.clone(), prefix: unique_prefix() };
        let store = Store::connect(&place).await.unwrap();
        let queue = "main/transfer".parse().unwrap();
        Self { store, queue, claims: AtomicUsize::new(1), drain: CancellationToken::new() }
    }

    /// Another queue of the same store.
    fn on(&self, queue: &str) -> Self {
        let (store, drain) = (self.store.clone(), self.drain.clone());
        Self { store, queue: queue.parse().unwrap(), claims: AtomicUsize::new(1), drain }
    }

    fn dispatch(&self, settings: Settings) -> JoinHandle<()> {
        let origins = vec![Origin::Jobs(self.queue.clone())];
        let dispatcher = Dispatcher::new(settings, Telemetry::default(), self.store.clone(), origins).unwrap();
        tokio::spawn(dispatcher.run(self.drain.clone()))
    }

    /// Jobs that need review, whose producer listens at `url`.
    async fn reviewed(&self, keys: &[&str], url: &str) {
        let job = |key: &&str| {
            let account = self.queue.account.as_str();
            let job = json!({"account": account, "kind": "transfer", "platform_no": key, "callback_url": url,
                "body": {"node_id": "00061967", "total_amount": 10, "payer_store_no": "a", "payer_type": "1",
                    "payee_store_no": "b", "payee_type": "2", "arrive_time": "T0"}});
            Job::parse(job.to_string().as_bytes(), |_| Some(AccountRules::new(GatewayKind::Yzt))).unwrap()
        };
        self.store.submit(&keys.iter().map(job).collect::<Vec<_>>()).await.unwrap();
        let number = self.claims.fetch_add(1, Ordering::SeqCst) as u64;
        let wish = Claim::new("w", number, Duration::from_secs(30), keys.len());
        let claims = self.store.claim(&self.queue, &wish).await.unwrap();
        assert_eq!(claims.jobs.len(), keys.len());
        let review = || Transition::review(Reason::WorkersLost);
        let commits: Vec<Commit> = claims.jobs.iter().map(|job| Commit::new(job, claims.now, review())).collect();
        self.store.commit(&self.queue, &commits).await.unwrap();
    }

    async fn resolve(&self, key: &str) {
        let operator = Operator { who: "li", why: "seen", identity: None };
        let key: Key = key.parse().unwrap();
        self.store.operate(&self.queue, &key, Operation::Resolve(State::Succeeded), operator).await.unwrap();
    }

    async fn job(&self, key: &str) -> Box<JobRecord> {
        match self.store.job(&self.queue, &key.parse().unwrap()).await.unwrap() {
            Some(StoredAs::Job(job)) => job,
            other => panic!("{other:?}"),
        }
    }

    /// The events about callbacks in a job's history.
    async fn attempts(&self, key: &str) -> Vec<Value> {
        let history = self.store.history(&*self.job(key).await).await.unwrap();
        history.iter().filter(|event| event.name() == "delivery").map(HistoryEvent::view).collect()
    }

    /// A command on one of the sets of deliveries.
    async fn raw(&self, command: &str, set: &str, arguments: &[&str]) -> ::redis::Value {
        let client = ::redis::Client::open(redis().await.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let set = format!("{}{set}", self.store.base_of(&self.queue));
        ::redis::cmd(command).arg(set).arg(arguments).query_async(&mut connection).await.unwrap()
    }

    async fn waiting(&self) -> u64 {
        self.store.delivery_status(&self.queue.clone().into()).await.unwrap().waiting
    }

    async fn let_come_due(&self, key: &str) {
        let queue = self.queue.to_string();
        self.raw("ZADD", &format!("due_deliveries:{queue}"), &["XX", "1", key]).await;
        self.raw("ZADD", "ready_deliveries", &["1", &queue]).await;
    }

    async fn all_delivered(&self) {
        eventually(SOON, "every delivery", async || {
            let waiting = self.waiting().await;
            if waiting == 0 { Ok(()) } else { Err(waiting) }
        })
        .await;
    }

    /// Waits until so many attempts at `key` are on record: their lines, and when it is due again.
    async fn on_record(&self, key: &str, times: usize) -> (Vec<Value>, Millis) {
        let lines = eventually(SOON, "an attempt on record", async || {
            let attempts = self.attempts(key).await;
            if attempts.len() >= times { Ok(attempts) } else { Err(attempts) }
        })
        .await;
        let due = self.raw("ZSCORE", &format!("due_deliveries:{}", self.queue), &[key]).await;
        let due: f64 = ::redis::from_redis_value(due).unwrap();
        (lines, Millis(format!("{due:.0}").parse().unwrap()))
    }

    /// Waits until a failed attempt at `key` is on record, and lets the next one come due.
    async fn failed(&self, key: &str, times: usize) {
        self.on_record(key, times).await;
        self.let_come_due(key).await;
    }
}

fn types(receiver: &Receiver, path: &str) -> Vec<(String, u16)> {
    let of_path = receiver.received().into_iter().filter(|message| message.path == path);
    of_path
        .map(|message| {
            let body: Value = serde_json::from_str(&message.body).unwrap();
            (body["type"].as_str().unwrap().to_owned(), message.answered)
        })
        .collect()
}

#[tokio::test]
async fn a_failing_receiver_gets_the_same_id_again_before_the_next() {
    let scene = Scene::new().await;
    let count = Arc::new(AtomicUsize::new(0));
    let answers = Arc::clone(&count);
    let receiver =
        Receiver::start(move |_| Answer::Status(if answers.fetch_add(1, Ordering::SeqCst) < 2 { 500 } else { 200 }))
            .await;
    scene.dispatch(settings());
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    scene.resolve("k1").await;
    scene.failed("k1", 1).await;
    scene.failed("k1", 2).await;
    scene.all_delivered().await;
    let expected =
        [("job.needs_review", 500), ("job.needs_review", 500), ("job.needs_review", 200), ("job.succeeded", 200)];
    assert_eq!(types(&receiver, "/k1"), expected.map(|(kind, status)| (kind.to_owned(), status)));
    let received = receiver.received();
    assert!(received[..3].iter().all(|message| (&message.id, &message.body) == (&received[0].id, &received[0].body)));
    assert_ne!(received[3].id, received[0].id);
    let outcomes: Vec<Value> =
        scene.attempts("k1").await.into_iter().map(|line| json!([line["outcome"], line["http"]])).collect();
    assert_eq!(json!(outcomes), json!([["failed", 500], ["failed", 500], ["delivered", 200], ["delivered", 200]]));
}

#[tokio::test]
async fn a_slow_receiver_delays_no_other() {
    let scene = Scene::new().await;
    let slow = Receiver::start(|_| Answer::Late(Duration::from_secs(60), 200)).await;
    let quick = Receiver::content().await;
    scene.dispatch(settings());
    let keys: Vec<String> = (0..40).map(|number| format!("slow{number:02}")).collect();
    scene.reviewed(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &slow.url("slow")).await;
    eventually(SOON, "the slow one to be busy", async || (!slow.received().is_empty()).then_some(())).await;
    let began = std::time::Instant::now();
    scene.reviewed(&["quick"], &quick.url("quick")).await;
    eventually(SOON, "the quick one's delivery", async || (!quick.received().is_empty()).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(slow.received().len() <= 4, "a quarter of the places at a time");
}

#[tokio::test]
async fn a_delayed_delivery_to_a_busy_receiver_is_made() {
    let scene = Scene::new().await;
    let receiver = Receiver::start(|_| Answer::Late(Duration::from_millis(5), 200)).await;
    let keys: Vec<String> = (0..200).map(|number| format!("k{number:03}")).collect();
    scene.reviewed(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &receiver.url("all")).await;
    scene.dispatch(settings());
    scene.dispatch(settings());
    scene.all_delivered().await;
    let mut ids: Vec<String> = receiver.received().into_iter().map(|message| message.id).collect();
    assert_eq!(ids.len(), 200, "two dispatchers, each event delivered once");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200);
}

#[tokio::test]
async fn an_address_of_this_machine_gets_nothing_unless_allowed() {
    let scene = Scene::new().await;
    let receiver = Receiver::content().await;
    scene.dispatch(Settings { allowed: Allowed::default(), ..settings() });
    scene.reviewed(&["by-number"], &receiver.url("secret")).await;
    let by_name = receiver.url("secret").replace("127.0.0.1", "localhost");
    scene.reviewed(&["by-name"], &by_name).await;
    for key in ["by-number", "by-name"] {
        let line = eventually(SOON, "a refusal on record", async || scene.attempts(key).await.pop()).await;
        assert_eq!(line["outcome"], "failed");
        assert_eq!(line["error"], "address_not_allowed");
    }
    assert_eq!(receiver.received(), []);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let scene = Scene::new().await;
    let inside = Receiver::content().await;
    let to = inside.url("inside");
    let receiver = Receiver::start(move |_| Answer::Redirect(to.clone())).await;
    scene.dispatch(settings());
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    let line = eventually(SOON, "a failure on record", async || scene.attempts("k1").await.pop()).await;
    assert_eq!((&line["outcome"], &line["http"]), (&json!("failed"), &json!(307)));
    assert_eq!(inside.received(), []);
}

#[tokio::test]
async fn after_a_410_a_jobs_receiver_gets_no_more() {
    let scene = Scene::new().await;
    let receiver = Receiver::start(|_| Answer::Status(410)).await;
    scene.dispatch(settings());
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    scene.all_delivered().await;
    scene.resolve("k1").await;
    scene.reviewed(&["k2"], &receiver.url("k2")).await;
    eventually(SOON, "the other job's delivery", async || (!types(&receiver, "/k2").is_empty()).then_some(())).await;
    assert_eq!(types(&receiver, "/k1").len(), 1);
    assert_eq!(scene.attempts("k1").await[0]["outcome"], "gone");
}

#[tokio::test]
async fn what_fails_for_too_long_is_given_up_on_record() {
    let scene = Scene::new().await;
    let receiver = Receiver::start(|_| Answer::Status(503)).await;
    scene.dispatch(Settings { retry_for: Duration::from_secs(4), ..settings() });
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    scene.all_delivered().await;
    let outcomes: Vec<Value> = scene.attempts("k1").await.into_iter().map(|line| line["outcome"].clone()).collect();
    assert_eq!(outcomes, ["given_up"], "the first wait is longer than what is left");
}

#[tokio::test]
async fn a_receivers_retry_after_is_respected() {
    let scene = Scene::new().await;
    let busy = AtomicUsize::new(0);
    let receiver = Receiver::start(move |message| match busy.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::Busy(429, "3600".to_owned()),
        1 => Answer::Busy(503, "Fri, 01 Jan 2100 00:00:00 GMT".to_owned()),
        2 => Answer::Busy(503, "0".to_owned()),
        3 => Answer::Busy(500, "3600".to_owned()),
        _ => Answer::Status(if message.path == "/k1" { 200 } else { 500 }),
    })
    .await;
    let day = Duration::from_secs(86_400);
    scene.dispatch(Settings { retry_for: day, ..settings() });
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    // From the first attempt on: by the header's seconds; by its date within the time that is left; and by the schedule
    // if the header requests less, or if the status is not one that has the header.
    let expected = [3_590..=3_605, 86_390..=86_400, 15..=60, 30..=90];
    for (times, expected) in expected.into_iter().enumerate() {
        let (lines, due) = scene.on_record("k1", times + 1).await;
        let first = Millis::parse_rfc3339(lines[0]["at"].as_str().unwrap()).unwrap();
        let wait = due.since(first).as_secs();
        assert!(expected.contains(&wait), "after attempt {}: {wait} s, {:?}", times + 1, lines[times]);
        assert_eq!(lines[times].get("retry_after").is_some(), times < 3, "{lines:?}");
        scene.let_come_due("k1").await;
    }
    scene.all_delivered().await;
}

#[tokio::test]
async fn changed_secrets_sign_the_next_try_of_older_messages_too() {
    let scene = Scene::new().await;
    let count = AtomicUsize::new(0);
    let receiver =
        Receiver::start(move |_| Answer::Status(if count.fetch_add(1, Ordering::SeqCst) == 0 { 500 } else { 200 }))
            .await;
    let secret = |line: &str| Secrets::parse(line).unwrap();
    let origins = vec![Origin::Jobs(scene.queue.clone())];
    let first = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let dispatcher =
        Dispatcher::new(Settings { secrets: first, ..settings() }, Telemetry::default(), scene.store.clone(), origins)
            .unwrap();
    let in_use = dispatcher.secrets();
    tokio::spawn(dispatcher.run(scene.drain.clone()));
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    eventually(SOON, "the first attempt", async || (!receiver.received().is_empty()).then_some(())).await;
    in_use.replace(secret("whsec_bmV3IHNlY3JldCBvZiAyNyBieXRlcyEhISE="));
    scene.failed("k1", 1).await;
    scene.all_delivered().await;
    let received = receiver.received();
    assert_eq!(received[0].id, received[1].id);
    assert_ne!(received[0].signature, received[1].signature);
    assert!(received.iter().all(|message| message.signature.starts_with("v1,")), "{received:?}");
}

#[tokio::test]
async fn draining_finishes_and_records_what_is_under_way() {
    let scene = Scene::new().await;
    let receiver = Receiver::start(|_| Answer::Late(Duration::from_millis(300), 200)).await;
    let dispatcher = scene.dispatch(settings());
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    eventually(SOON, "the message to arrive", async || (!receiver.received().is_empty()).then_some(())).await;
    scene.drain.cancel();
    dispatcher.await.unwrap();
    assert_eq!(scene.waiting().await, 0);
    assert_eq!(scene.attempts("k1").await[0]["outcome"], "delivered");
}

#[tokio::test]
async fn a_queue_that_this_process_does_not_know_is_left_to_others() {
    let scene = Scene::new().await;
    let receiver = Receiver::content().await;
    let known = scene.on("shop/transfer");
    let others = vec![Origin::Jobs(known.queue.clone()), "main/notify".parse().unwrap()];
    let dispatcher = Dispatcher::new(settings(), Telemetry::default(), scene.store.clone(), others).unwrap();
    tokio::spawn(dispatcher.run(scene.drain.clone()));
    scene.reviewed(&["k1"], &receiver.url("k1")).await;
    // The known queue's event is due after k1's, so its delivery proves that the dispatcher passed over k1.
    known.reviewed(&["s1"], &receiver.url("s1")).await;
    known.all_delivered().await;
    let paths: Vec<String> = receiver.received().into_iter().map(|message| message.path).collect();
    assert_eq!((scene.waiting().await, paths), (1, vec!["/s1".to_owned()]));
    scene.dispatch(settings());
    scene.all_delivered().await;
}

/// The scan reads the partitions' sets, not the queues.
#[tokio::test]
async fn ten_thousand_idle_queues_cost_no_more_than_one() {
    let server = private_redis(|options| options);
    let place = bursar_store::Settings { url: server.url().to_owned(), prefix: unique_prefix() };
    let store = Store::connect(&place).await.unwrap();
    let origins = (0..10_000).map(|number| format!("m{number}/transfer").parse().unwrap()).collect();
    let drain = CancellationToken::new();
    let dispatcher = Dispatcher::new(settings(), Telemetry::default(), store, origins).unwrap();
    let dispatcher = tokio::spawn(dispatcher.run(drain.clone()));
    let commands = async || server.info("total_commands_processed").await.unwrap().parse::<u64>().unwrap();
    let before = commands().await;
    tokio::time::sleep(Duration::from_secs(4)).await; // the test measures an idle dispatcher over this time
    let made = commands().await - before;
    drain.cancel();
    dispatcher.await.unwrap();
    assert!(made < 200, "{made} commands in two looks at 32 partitions");
}
