//! The metrics of a real Redis: only queues with jobs have lines, and a part that cannot be read is missing.
#![allow(clippy::unwrap_used, reason = "a test ends by a panic")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bursar_domain::{AccountName, AccountRules, ActionKind, GatewayKind, Job, Key, Operation, Queue};
use bursar_store::{Operated, Operator, Origin, Settings, Store};
use bursar_telemetry::{Page, Places, Scaling, Stored, WatchedBalance, names};
use bursar_test_support::{redis, unique_prefix};

const ACCOUNTS: usize = 300;

const LI: Operator<'_> = Operator { who: "li", why: "x", identity: None };

struct Scene {
    store: Store,
    places: Places,
}

impl Scene {
    async fn new() -> Self {
        let settings = Settings { url: redis().await.url.clone(), prefix: unique_prefix() };
        let accounts: Vec<AccountName> = (0..ACCOUNTS).map(|number| format!("m{number:03}").parse().unwrap()).collect();
        let queues: Vec<Queue> = accounts
            .iter()
            .flat_map(|account| ["transfer", "bill_upload"].map(|kind| format!("{account}/{kind}").parse().unwrap()))
            .collect();
        let places = Places {
            origins: queues
                .iter()
                .cloned()
                .map(Origin::Jobs)
                .chain(accounts.into_iter().map(Origin::Notifications))
                .collect(),
            queues,
            import_queues: Vec::new(),
            balances: Vec::new(),
            scaling: Scaling::default(),
        };
        Self { store: Store::connect(&settings).await.unwrap(), places }
    }

    /// The page as a scrape reads it, and nothing of a scrape before.
    async fn text(&self) -> String {
        let stored = Arc::new(Stored::new(self.store.clone(), self.places.clone()));
        Page {
            worker: None,
            webhooks: None,
            listeners: Arc::default(),
            reloads: Arc::default(),
            stored,
            unfit: Arc::new(AtomicBool::new(false)),
        }
        .metrics()
        .await
    }

    async fn submit(&self, account: &str, key: &str) {
        let job = format!(
            r#"{{"account":"{account}","kind":"transfer","platform_no":"{key}","callback_url":"https://shop.example/x",
            "body":{{"node_id":"1","total_amount":10,"payer_store_no":"a","payer_type":"1","payee_store_no":"b","payee_type":"2","arrive_time":"T0"}}}}"#
        );
        let job = Job::parse(job.as_bytes(), |_| Some(AccountRules::new(GatewayKind::Yzt))).unwrap();
        self.store.submit(&[job]).await.unwrap();
    }
}

fn lines<'a>(text: &'a str, having: &str) -> Vec<&'a str> {
    text.lines().filter(|line| !line.starts_with('#') && line.contains(having)).collect()
}

#[tokio::test]
async fn accounts_that_never_had_a_job_have_no_line() {
    let scene = Scene::new().await;
    let text = scene.text().await;
    assert_eq!(lines(&text, ""), ["bursar_redis_up 1", "bursar_redis_read_complete 1", "bursar_workers_wanted 0"]);

    scene.submit("m007", "T1").await;
    scene.store.pause(&"m008/transfer".parse().unwrap(), &LI.reason(ActionKind::Pause)).await.unwrap();
    scene.submit("m009", "T2").await;
    let (queue, key): (Queue, Key) = ("m009/transfer".parse().unwrap(), "T2".parse().unwrap());
    let cancelled = scene.store.operate(&queue, &key, Operation::Cancel, LI).await.unwrap();
    assert!(matches!(cancelled, Operated::Done(_)), "its webhook is to be delivered");
    let text = scene.text().await;
    for (line, value) in [
        ("bursar_webhooks_waiting{origin=\"m009/transfer\"}", "1"),
        ("bursar_webhook_tried_age_seconds{origin=\"m009/transfer\"}", "0.0"),
        ("bursar_jobs{queue=\"m007/transfer\",set=\"to_send\"}", "1"),
        ("bursar_jobs{queue=\"m007/transfer\",set=\"done\"}", "0"),
        ("bursar_jobs_in_doubt{queue=\"m007/transfer\"}", "0"),
        ("bursar_due_jobs{queue=\"m007/transfer\",call=\"send\"}", "1"),
        ("bursar_due_jobs{queue=\"m007/transfer\",call=\"query\"}", "0"),
        ("bursar_workers_wanted", "1"),
        ("bursar_queue_paused{queue=\"m007/transfer\"}", "0"),
        ("bursar_queue_paused{queue=\"m008/transfer\"}", "1"),
        ("bursar_quarantined{queue=\"m008/transfer\"}", "0"),
    ] {
        assert!(lines(&text, line).contains(&format!("{line} {value}").as_str()), "{line} {value} is not in:\n{text}");
    }
    assert_eq!(lines(&text, "bursar_webhook_due_age_seconds{").len(), 1, "{text}");
    for line in lines(&text, "{") {
        assert!(["m007/transfer", "m008/transfer", "m009/transfer"].iter().any(|queue| line.contains(queue)), "{line}");
    }
}

/// A key that cannot be read is a case of every reason: an error, or no time.
#[tokio::test]
async fn what_cannot_be_read_is_missing_and_redis_is_up_all_the_same() {
    let mut scene = Scene::new().await;
    scene.places.balances = vec![WatchedBalance {
        account: "m001".parse().unwrap(),
        sub_type: "paying",
        every: Duration::from_secs(60),
        low: None,
    }];
    scene.submit("m007", "T1").await;
    let client = redis::Client::open(redis().await.url.as_str()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let queue = "m299/transfer".parse().unwrap();
    let broken = format!("{}review:{queue}", scene.store.base_of(&queue));
    let () = redis::cmd("SET").arg(&broken).arg("x").query_async(&mut raw).await.unwrap();
    let text = scene.text().await;
    assert_eq!(lines(&text, "bursar_redis_"), ["bursar_redis_up 1", "bursar_redis_read_complete 0"], "{text}");
    assert_eq!(lines(&text, "bursar_jobs"), [""; 0], "unknown values are missing");
    assert_eq!(
        lines(&text, "bursar_workers_wanted"),
        [""; 0],
        "an autoscaler changes nothing by a value that is missing"
    );
    let interval = format!("{}{{account=\"m001\"}} 60.0", names::BALANCE_EVERY.name);
    assert_eq!(lines(&text, names::BALANCE_EVERY.name), [interval], "the other parts are there");

    let () = redis::cmd("DEL").arg(&broken).query_async(&mut raw).await.unwrap();
    let text = scene.text().await;
    assert_eq!(lines(&text, "bursar_redis_"), ["bursar_redis_up 1", "bursar_redis_read_complete 1"], "{text}");
    assert_eq!(lines(&text, "bursar_jobs{").len(), 4);
}
