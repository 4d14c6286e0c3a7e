//! A worker's listener: metrics that agree with its work, health and readiness.

use bursar_telemetry::names;
use bursar_test_support::{Listen, Options, Process, Receiver, eventually, private_redis, unique_prefix};
use serde_json::json;

use crate::http;
use crate::jobs::{bill, having, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// Where a worker serves what it knows.
pub(crate) async fn listener(worker: &Process) -> String {
    let line = worker.wait_line(SOON, "its listener", |line| line.contains("metrics and health are served")).await;
    let port = line.split_once("127.0.0.1:").expect("the line names the address").1;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{port}")
}

pub(crate) async fn scraped(address: &str) -> String {
    let (status, text) = http::read(address, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    text
}

/// The sum of a metric's samples whose labels hold all of `having`.
pub(crate) fn sample(text: &str, name: &str, having: &[&str]) -> Option<f64> {
    let of =
        |line: &&str| line.split(['{', ' ']).next() == Some(name) && having.iter().all(|label| line.contains(label));
    let values: Vec<f64> =
        text.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// A worker on `world` that listens somewhere.
async fn listening(world: &World) -> (Process, String) {
    world.set("worker.listen", toml::Value::from("127.0.0.1:0"));
    let worker = world.worker().await;
    let address = listener(&worker).await;
    (worker, address)
}

#[tokio::test]
async fn work_is_counted_and_queues_are_described() {
    let world = Plan::new().start().await;
    world.faults(json!([{"key": "LOST", "fault": "lost-answer"}])).await;
    let (_worker, address) = listening(&world).await;
    world.submit_new(&[transfer("GOOD"), transfer("LOST"), bill("BILL", "ORDER")]).await;
    world.settled().await;
    world.ok(&["pause", "main/bill_upload", "--reason", "the books are closed"]).await;
    world.submit_new(&[bill("LATE", "ORDER-2")]).await;

    let text = eventually(SOON, "the paused bill to have been due for a while", async || {
        let text = scraped(&address).await;
        let age = sample(&text, "bursar_due_age_seconds", &["queue=\"main/bill_upload\"", "call=\"send\""]);
        if age.is_some_and(|age| age > 1.0) { Ok(text) } else { Err(text) }
    })
    .await;
    let transfers = "queue=\"main/transfer\"";
    let shown = |name, having: &[&str]| sample(&text, name, having);
    let sends = world.ledger().await.keys["GOOD"].requests + world.ledger().await.keys["LOST"].requests;
    assert_eq!(shown("bursar_answers_total", &[transfers, "call=\"send\""]), Some(sends as f64), "{text}");
    assert_eq!(shown("bursar_answers_total", &[transfers, "answer=\"no_response\""]), Some(1.0), "{text}");
    assert_eq!(shown("bursar_time_to_end_seconds_count", &[transfers, "state=\"succeeded\""]), Some(2.0), "{text}");
    assert!(shown("bursar_pickup_delay_seconds_count", &[transfers, "call=\"send\""]) >= Some(2.0), "{text}");
    assert_eq!(shown("bursar_commits_total", &["queue=\"main/bill_upload\"", "state=\"succeeded\""]), Some(1.0));
    assert_eq!(shown("bursar_jobs", &[transfers, "set=\"done\""]), Some(2.0), "{text}");
    assert_eq!(shown("bursar_jobs", &["queue=\"main/bill_upload\"", "set=\"to_send\""]), Some(1.0), "{text}");
    assert_eq!(shown("bursar_queue_paused", &["queue=\"main/bill_upload\""]), Some(1.0), "{text}");
    assert_eq!(shown("bursar_queue_paused", &[transfers]), Some(0.0), "{text}");
    assert_eq!((shown("bursar_redis_up", &[]), shown("bursar_concurrency", &[])), (Some(1.0), Some(8.0)), "{text}");
    assert!(shown("bursar_last_claim_attempt_age_seconds", &[]) < Some(10.0), "{text}");
    world.ok(&["resume", "main/bill_upload", "--reason", "they are open again"]).await;
    world.until("LATE", "succeeded").await;
    world.books_agree().await;
}

/// A job in doubt is counted where it waits.
#[tokio::test]
async fn unknown_outcomes_are_counted_as_in_doubt() {
    let world = Plan::new().both("resend_after", "20s").start().await;
    world.faults(json!([{"key": "LOST", "fault": "lost-answer"}])).await;
    let (_worker, address) = listening(&world).await;
    world.submit_new(&[transfer("LOST")]).await;
    eventually(SOON, "one job to be in doubt", async || {
        let text = scraped(&address).await;
        if sample(&text, "bursar_jobs_in_doubt", &["queue=\"main/transfer\""]) == Some(1.0) {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
}

/// Metrics without a line on a day without faults. The tests of `bursar-telemetry` cover each of them.
const NOT_HAPPENING: [&str; 19] = [
    "bursar_due_jobs",
    "bursar_account_balance_failures_total",
    "bursar_webhook_due_age_seconds",
    "bursar_webhook_tried_age_seconds",
    "bursar_webhooks_given_up_total",
    "bursar_webhooks_waiting",
    "bursar_circuit_open",
    "bursar_circuit_transitions_total",
    "bursar_claims_released_total",
    "bursar_jobs_in_doubt",
    "bursar_lost_leases_total",
    "bursar_lost_writes_total",
    "bursar_mismatches_total",
    "bursar_other_gateway",
    "bursar_proposals_waiting",
    "bursar_sends_skipped_total",
    "bursar_stale_commits_total",
    "bursar_connections_displaced_total",
    "bursar_connections_refused_total",
];

/// Dashboards and alerts are written against the table of names; it and the page must name the same.
#[tokio::test]
async fn the_page_and_the_table_have_the_same_metrics() {
    let plan = Plan::new()
        .set("import.queues", vec![unique_prefix()])
        .set("webhooks.allow", vec!["127.0.0.1:*"])
        .set("accounts.main.balance_every", "1h")
        .set("accounts.main.balance_low", 1);
    let world = plan.start().await;
    // A queue with an open job that no configuration names any more, for the metric that is missing otherwise.
    world.set("accounts.gone", world.setting("accounts.main").unwrap());
    world.set("accounts.gone.app_id", toml::Value::from("20250101000000000000000000000"));
    let unserved = world.file(having(transfer("UNSERVED"), "account", json!("gone")).to_string()).display().to_string();
    world.ok(&["submit", &unserved]).await;
    world.set("accounts.gone", None);
    let receiver = Receiver::content().await;
    let server = world.serve_as("up").await; // a worker and a server in one
    server.hang_up();
    world.submit_new(&[having(transfer("GOOD"), "callback_url", json!(receiver.url("hook")))]).await;
    world.settled().await;
    let text = eventually(SOON, "its webhook to be delivered, and a reload", async || {
        let text = scraped(&server.address).await;
        let delivered = sample(&text, "bursar_webhook_attempts_total", &["outcome=\"delivered\""]);
        let reloaded = sample(&text, "bursar_reloads_total", &["result=\"done\""]);
        if (delivered, reloaded) == (Some(1.0), Some(1.0)) { Ok(text) } else { Err(text) }
    })
    .await;
    let mut shown: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let happened = names::ALL.iter().filter(|metric| !NOT_HAPPENING.contains(&metric.name));
    let mut table: Vec<(&str, &str)> = happened.map(|metric| (metric.name, metric.kind.as_str())).collect();
    shown.sort_unstable();
    table.sort_unstable();
    assert_eq!(shown, table, "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once(['{', ' ']).unwrap();
        let metric = names::ALL.iter().filter(|metric| name.starts_with(metric.name)).max_by_key(|m| m.name.len());
        let labels = rest.split_once('}').map_or("", |(labels, _)| labels);
        for (label, _) in labels.split("\",").filter_map(|label| label.split_once('=')) {
            assert!(metric.unwrap().labels.contains(&label) || label == "le", "{line}");
        }
    }
}

/// A marketplace: an account for each merchant, most of them idle.
#[tokio::test]
async fn accounts_in_which_nothing_happened_have_no_line() {
    let world = Plan::new().start().await;
    let main = world.setting("accounts.main").unwrap();
    for number in 0..100 {
        world.set(&format!("accounts.m{number:02}"), main.clone());
    }
    let (_worker, address) = listening(&world).await;
    world.submit_new(&[having(transfer("T"), "account", json!("m07"))]).await;
    world.until("T", "succeeded").await;
    let text = eventually(SOON, "the worker to have counted the end", async || {
        let text = scraped(&address).await;
        let ended = sample(&text, "bursar_jobs", &["set=\"done\""]);
        if ended == Some(1.0) { Ok(text) } else { Err(text) }
    })
    .await;
    for line in text.lines().filter(|line| line.contains("queue=") || line.contains("origin=")) {
        assert!(line.contains("\"m07/transfer\""), "{line}");
    }
    let complete = sample(&text, "bursar_redis_read_complete", &[]);
    assert_eq!((sample(&text, "bursar_redis_up", &[]), complete), (Some(1.0), Some(1.0)));
    world.books_agree().await;
}

#[tokio::test]
async fn a_worker_without_redis_lives_and_is_not_ready() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let world = Plan::new().on_redis(redis.url()).start().await;
    let (worker, address) = listening(&world).await;
    assert_eq!(http::read(&address, "/readyz").await, (200, "ok\n".into()));
    redis.kill().unwrap();
    assert_eq!(http::read(&address, "/readyz").await, (503, "Redis does not answer\n".into()));
    assert_eq!(http::read(&address, "/healthz").await, (200, "ok\n".into()));
    let text = eventually(SOON, "the scrape to show the outage", async || {
        let text = scraped(&address).await;
        let errors = sample(&text, "bursar_redis_errors_total", &["operation=\"claiming\""]);
        let up = sample(&text, "bursar_redis_up", &[]);
        if up == Some(0.0) && errors > Some(0.0) { Ok(text) } else { Err(text) }
    })
    .await;
    assert_eq!(sample(&text, "bursar_jobs", &[]), None, "unknown values are missing: {text}");
    redis.start_again().unwrap();
    eventually(SOON, "the worker to be ready again", async || match http::read(&address, "/readyz").await {
        (200, _) => Ok(()),
        other => Err(other),
    })
    .await;
    worker.terminate();
    assert_eq!(worker.finished(SOON).await.code, Some(0));
}

/// `serve` knows what Redis knows, `up` its worker's own besides.
#[tokio::test]
async fn the_server_serves_metrics_and_up_its_worker_s_as_well() {
    let world = Plan::new().start().await;
    for (command, works) in [("serve", false), ("up", true)] {
        let server = world.serve_as(command).await;
        if works {
            world.submit_new(&[transfer("T")]).await;
            world.until("T", "succeeded").await;
        }
        let text = scraped(&server.address).await;
        assert_eq!(sample(&text, "bursar_redis_up", &[]), Some(1.0), "{text}");
        let sent = sample(&text, "bursar_answers_total", &["queue=\"main/transfer\"", "call=\"send\""]);
        assert_eq!(sent.is_some_and(|sent| sent > 0.0), works, "{command}: {text}");
        assert_eq!(http::read(&server.address, "/healthz").await.0, 200);
        assert_eq!(http::read(&server.address, "/readyz").await.0, 200);
        server.process.terminate();
        assert_eq!(server.process.finished(SOON).await.code, Some(0));
    }
    world.books_agree().await;
}
