//! Webhooks: signed, at least once, in order for each job, and never to an address that is not allowed.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_test_support::{Answer, Received, Receiver, eventually};
use serde_json::{Value, json};

use crate::jobs::{having, transfer};
use crate::metrics::{listener, sample, scraped};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// The secrets of the signatures, in two versions.
const SECRETS: [&str; 2] = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_bmV3IHNlY3JldCBvZiAyNyBieXRlcyEhISE="];

/// A world that may deliver to receivers on this machine.
async fn world(plan: Plan) -> World {
    let world = plan.set("webhooks.allow", vec!["127.0.0.1:*"]).set("webhooks.timeout", "1s").start().await;
    let secrets = world.file(format!("# new, then old\n{}\n", SECRETS.join("\n")));
    world.set("webhooks.secrets_file", toml::Value::from(secrets.display().to_string()));
    world
}

fn with_webhook(key: &str, url: &str) -> Value {
    having(transfer(key), "callback_url", json!(url))
}

/// The deliveries of each job: type and sequence, without repetitions.
fn stories(received: &[Received]) -> BTreeMap<String, Vec<(String, u64)>> {
    let mut stories: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for message in received {
        assert!(SECRETS.iter().all(|secret| message.is_signed_by(secret)), "{message:?}");
        let body: Value = serde_json::from_str(&message.body).unwrap();
        if ids.insert(message.id.clone()) {
            let event = (body["type"].as_str().unwrap().to_owned(), body["sequence"].as_u64().unwrap());
            stories.entry(body["data"]["platform_no"].as_str().unwrap().to_owned()).or_default().push(event);
        }
    }
    stories
}

/// Waits until nothing is left to deliver.
async fn all_delivered(world: &World) {
    eventually(SOON, "everything to be delivered", async || {
        let queues = world.ok(&["queues", "--json"]).await;
        let waiting: u64 = queues
            .lines()
            .map(|queue| serde_json::from_str::<Value>(queue).unwrap()["undelivered"].as_u64().unwrap())
            .sum();
        if waiting == 0 { Ok(()) } else { Err(queues) }
    })
    .await;
}

#[tokio::test]
async fn every_end_is_delivered_while_servers_die() {
    let world = world(Plan::new()).await;
    let receiver = Receiver::start(|_| Answer::Late(Duration::from_millis(60), 200)).await;
    let keys: Vec<String> = (0..60).map(|number| format!("REVIEWED-{number:02}")).collect();
    let _worker = world.worker().await;
    world.submit_new(&keys.iter().map(|key| with_webhook(key, &receiver.url("hook"))).collect::<Vec<_>>()).await;
    world.settled().await;
    let first = world.serve().await;
    eventually(SOON, "the first messages", async || (receiver.received().len() > 3).then_some(())).await;
    first.process.kill();
    let _second = world.serve().await;
    let _third = world.serve().await;
    all_delivered(&world).await;
    let stories = stories(&receiver.received());
    assert_eq!(stories.len(), keys.len(), "every job: {stories:?}");
    assert!(stories.values().all(|story| *story == [("job.succeeded".to_owned(), 1)]), "{stories:?}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_delivery_of_a_dead_server_is_repeated_with_the_same_id() {
    let world = world(Plan::new()).await;
    let receiver = Receiver::content().await;
    let dying = world
        .serve_with("serve", |command| {
            command.env("BURSAR_CRASH_AT", "after_delivery");
        })
        .await;
    let _worker = world.worker().await;
    world.submit_new(&[with_webhook("TWICE", &receiver.url("hook"))]).await;
    assert_eq!(dying.process.finished(SOON).await.code, None, "it died by a signal");
    let _next = world.serve().await;
    all_delivered(&world).await;
    let received = receiver.received();
    assert_eq!(received.len(), 2, "{received:?}");
    assert_eq!((&received[0].id, &received[0].body), (&received[1].id, &received[1].body));
    let job = world.job("TWICE").await;
    let lines = job["history"].as_array().unwrap().iter().filter(|line| line["event"] == "delivery");
    assert_eq!(lines.map(|line| line["outcome"].clone()).collect::<Vec<_>>(), ["delivered"], "{job}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_review_is_delivered_before_its_resolution() {
    let world = world(Plan::new().both("on_ambiguous", "hold")).await;
    world.faults(json!({"key": "REVIEWED", "on": "send", "fault": "lost-answer"})).await;
    let failures = std::sync::atomic::AtomicUsize::new(1);
    let receiver = Receiver::start(move |_| {
        let left =
            failures.fetch_update(std::sync::atomic::Ordering::SeqCst, std::sync::atomic::Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        Answer::Status(if left.is_ok() { 500 } else { 200 })
    })
    .await;
    let _up = world.serve_as("up").await;
    world.submit_new(&[with_webhook("REVIEWED", &receiver.url("hook"))]).await;
    world.until("REVIEWED", "needs_review").await;
    eventually(SOON, "the first attempt", async || (!receiver.received().is_empty()).then_some(())).await;
    world.ok(&["resolve", "REVIEWED", "--as", "succeeded", "--reason", "seen on the statement"]).await;
    all_delivered(&world).await;
    let received = receiver.received();
    let answered: Vec<u16> = received.iter().map(|message| message.answered).collect();
    assert_eq!(answered, [500, 200, 200], "{received:?}");
    let story = &stories(&received)["REVIEWED"];
    assert_eq!(*story, [("job.needs_review".to_owned(), 1), ("job.succeeded".to_owned(), 2)]);
    world.books_agree().await;
}

#[tokio::test]
async fn delivery_outcomes_and_waiting_times_are_metrics() {
    let world = world(Plan::new()).await;
    let receiver = Receiver::start(|message| Answer::Status(if message.path == "/down" { 502 } else { 200 })).await;
    let server = world.serve_as("up").await;
    world.submit_new(&[with_webhook("UP", &receiver.url("up")), with_webhook("DOWN", &receiver.url("down"))]).await;
    let text = eventually(SOON, "one to be delivered and one to have been tried for a while", async || {
        let text = scraped(&server.address).await;
        let delivered = sample(&text, "bursar_webhook_attempts_total", &["outcome=\"delivered\""]);
        let tried = sample(&text, "bursar_webhook_tried_age_seconds", &["origin=\"main/transfer\""]);
        if delivered == Some(1.0) && tried > Some(1.0) { Ok(text) } else { Err(text) }
    })
    .await;
    let of = "origin=\"main/transfer\"";
    let sample = |name, having: &[&str]| sample(&text, name, having);
    assert!(sample("bursar_webhook_attempts_total", &[of, "outcome=\"failing\""]) >= Some(1.0), "{text}");
    assert_eq!(sample("bursar_webhook_attempts_total", &[of, "outcome=\"silent\""]), None, "{text}");
    assert_eq!(sample("bursar_webhook_duration_seconds_count", &[of, "outcome=\"delivered\""]), Some(1.0), "{text}");
    assert_eq!(sample("bursar_webhook_delay_seconds_count", &[of]), Some(1.0), "{text}");
    assert_eq!(sample("bursar_webhooks_given_up_total", &[of]), None, "{text}");
    assert_eq!(sample("bursar_webhooks_waiting", &[of]), Some(1.0), "{text}");
    assert_eq!(sample("bursar_webhooks_waiting", &["origin=\"main/notify\""]), None, "{text}");
    assert!(sample("bursar_webhook_due_age_seconds", &[of]) < Some(5.0), "it waits for its time: {text}");
    server.process.kill();

    // Without a dispatcher the delayed delivery comes due, and any process that reaches Redis reports it.
    world.set("worker.listen", toml::Value::from("127.0.0.1:0"));
    let worker = world.worker().await;
    let address = listener(&worker).await;
    eventually(SOON * 2, "it to be overdue", async || {
        let text = scraped(&address).await;
        let due = crate::metrics::sample(&text, "bursar_webhook_due_age_seconds", &[of]);
        if due > Some(0.5) { Ok(()) } else { Err(text) }
    })
    .await;
    world.books_agree().await;
}

#[tokio::test]
async fn secrets_reload_on_sighup_and_an_empty_file_changes_nothing() {
    let world = Plan::new().set("webhooks.allow", vec!["127.0.0.1:*"]).start().await;
    let [old, new] = SECRETS;
    let file = world.file(old);
    world.set("webhooks.secrets_file", toml::Value::from(file.display().to_string()));
    let receiver = Receiver::content().await;
    let server = world.serve_as("up").await;
    let signed_by = async |key: &str| -> Vec<&str> {
        world.submit_new(&[with_webhook(key, &receiver.url(key))]).await;
        let path = format!("/{key}");
        let found = async || receiver.received().into_iter().find(|message| message.path == path);
        let message = eventually(SOON, "the message", found).await;
        SECRETS.into_iter().filter(|secret| message.is_signed_by(secret)).collect()
    };
    assert_eq!(signed_by("FIRST").await, [old]);

    std::fs::write(&file, "whsec_short\n").unwrap();
    server.hang_up();
    let line = server.process.wait_line(SOON, "the fault", |line| line.contains("keep their previous secrets")).await;
    assert!(line.contains("webhooks.secrets_file") && line.contains("line 1 must be whsec_"), "{line}");
    assert!(!line.contains("whsec_short"), "{line}");
    assert_eq!(signed_by("SECOND").await, [old]);

    std::fs::write(&file, format!("{new}\n")).unwrap();
    server.hang_up();
    server.process.wait_line(SOON, "the new ones", |line| line.contains("read the webhooks' secrets again")).await;
    assert_eq!(signed_by("THIRD").await, [new]);
    world.books_agree().await;
}

#[tokio::test]
async fn a_receiver_on_this_machine_needs_the_operators_consent() {
    let world = Plan::new().unset("webhooks.secrets_file").set("webhooks.allow_unsigned", true).start().await;
    let receiver = Receiver::content().await;
    let server = world.serve_as("up").await;
    let literal = world.file(with_webhook("LITERAL", &receiver.url("admin")).to_string()).display().to_string();
    let refused = world.run(&["submit", &literal]).await;
    assert!(refused.stdout.contains("callback_url must be an https URL of a public address"), "{refused:?}");
    // A name is judged when it is resolved.
    let named = receiver.url("admin").replace("http://127.0.0.1", "https://localhost");
    world.submit_new(&[with_webhook("INSIDE", &named)]).await;
    world.until("INSIDE", "succeeded").await;
    let line = eventually(SOON, "a refusal on record", async || {
        let job = world.job("INSIDE").await;
        job["history"].as_array().unwrap().iter().find(|line| line["event"] == "delivery").cloned().ok_or(job)
    })
    .await;
    assert_eq!(line["error"], "address_not_allowed", "{line}");
    assert_eq!(receiver.received(), []);
    assert!(server.process.stderr().contains("webhooks are not signed"), "it says what is not set up");
    world.books_agree().await;
}
