//! A queue stops and goes on: by an operator, and by itself when an account's configuration is at fault.

use bursar_test_support::eventually;
use serde_json::{Value, json};

use crate::jobs::{bill, split, transfer, transfers};
use crate::pages::Browser;
use crate::plan::Plan;
use crate::world::{SOON, World, simulate, system_user};

async fn queue(world: &World, name: &str) -> Value {
    let queues = world.ok(&["queues", "--json"]).await;
    let queues: Vec<Value> = queues.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    queues.iter().find(|queue| queue["queue"] == name).unwrap_or_else(|| panic!("no {name} in {queues:?}")).clone()
}

#[tokio::test]
async fn a_paused_queue_sends_nothing_and_delays_no_other() {
    let world = Plan::new().simulate(&["--life-step", "1s"]).start().await;
    world.life("SENT", "9-1").await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("SENT")]).await;
    world.until("SENT", "pending").await;

    let said = world.ok(&["pause", "main/transfer", "--reason", "the gateway announced maintenance"]).await;
    assert_eq!(said, "main/transfer paused");
    let second = world.ok(&["pause", "main/transfer", "--reason", "again"]).await;
    let why = format!("{}: the gateway announced maintenance", system_user());
    assert_eq!(second, format!("main/transfer was paused already: {why}"));
    world.submit_new(&[transfer("WAITS"), bill("B", "100010001"), split("S", "P1")]).await;
    world.until("B", "succeeded").await;
    world.until("S", "succeeded").await;
    let sent = world.until("SENT", "succeeded").await;
    assert!(sent["queries"].as_u64() >= Some(1), "it was followed in the paused queue: {sent}");
    let waits = world.job("WAITS").await;
    assert_eq!((&waits["state"], &waits["attempts"]), (&json!("queued"), &json!(0)), "{waits}");
    let paused = queue(&world, "main/transfer").await;
    assert_eq!(paused["paused"]["message"], why, "{paused}");
    assert_eq!(queue(&world, "main/bill_upload").await["paused"], Value::Null);

    assert_eq!(world.ok(&["resume", "main/transfer", "--reason", "over"]).await, "main/transfer resumed");
    world.until("WAITS", "succeeded").await;
    assert_eq!(world.ok(&["resume", "main/transfer", "--reason", "over"]).await, "main/transfer was not paused");
    world.books_agree().await;
}

#[tokio::test]
async fn a_gateway_that_is_down_shows_in_its_queue() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    assert!(!browser.get("/").await.text.contains("circuit open"));
    world.set("accounts.main.base_url", toml::Value::from("http://127.0.0.1:1"));
    let _worker = world.worker().await;
    world.submit_new(&transfers("T", 30)).await;
    let open = async || (queue(&world, "main/transfer").await["circuits_open"] == 1).then_some(());
    eventually(SOON, "an open circuit", open).await;
    assert_eq!(queue(&world, "main/bill_upload").await["circuits_open"], 0);
    assert!(world.ok(&["queues"]).await.contains("circuit open in 1 worker"));
    browser.get("/").await.says("circuit open").says("in 1 worker(s)");
    let read = server.read("/v1/queues").await["queues"].clone();
    let open =
        |name| read.as_array().unwrap().iter().find(|queue| queue["queue"] == name).unwrap()["circuits_open"].clone();
    assert_eq!((open("main/transfer"), open("main/bill_upload")), (json!(1), json!(0)), "{read}");
}

#[tokio::test]
async fn an_unknown_queue_is_refused_with_the_known_ones() {
    let world = Plan::new().start().await;
    for command in ["pause", "resume"] {
        let said = world.refused(&[command, "main/split", "--reason", "x"]).await;
        assert!(said.contains("main/split; there are main/bill_upload, main/transfer, shop/split"), "{said}");
        for misused in ["main", "main/payment", "/transfer"] {
            assert_eq!(world.run(&[command, misused, "--reason", "x"]).await.code, Some(2), "{misused}");
        }
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_wrong_key_pauses_the_queue_and_loses_nothing() {
    let other = tempfile::tempdir().unwrap();
    let keys = other.path().display().to_string();
    let (stranger, ready) = simulate(&["--keys".into(), keys]).await;
    drop(stranger);
    let world = Plan::new().start().await;
    let [right, wrong] = [
        std::fs::canonicalize(concat!(env!("CARGO_TARGET_TMPDIR"), "/e2e-keys/app.pem")).unwrap().display().to_string(),
        ready["app_private_key_file"].as_str().unwrap().to_owned(),
    ];
    world.set("accounts.main.private_key_file", toml::Value::from(wrong));

    let worker = world.worker().await;
    world.submit_new(&[transfer("T1"), split("S", "P1")]).await;
    worker.wait_line(SOON, "word of the pause", |line| line.contains("the queue is paused")).await;
    let paused = queue(&world, "main/transfer").await;
    let why = [&paused["paused"]["code"], &paused["paused"]["gateway_code"]];
    assert_eq!(why, ["misconfigured", "40002/isv.invalid-signature"], "{paused}");
    let job = world.job("T1").await;
    assert_eq!(job["state"], "queued", "it was certainly not executed, and is kept: {job}");
    world.until("S", "succeeded").await;
    world.submit_new(&[transfer("T2")]).await;
    worker.terminate();
    worker.finished(SOON).await;
    assert_eq!(world.job("T2").await["attempts"], 0, "nothing more is sent with the wrong key");

    world.set("accounts.main.private_key_file", toml::Value::from(right));
    let _mended = world.worker().await;
    world.ok(&["resume", "main/transfer", "--reason", "the right key is in place"]).await;
    for key in ["T1", "T2"] {
        world.until(key, "succeeded").await;
    }
    let ledger = world.books_agree_but_for("isv.invalid-signature").await;
    assert_eq!((ledger.keys["T1"].executions, ledger.keys["T1"].requests), (1, 1));
    assert!(ledger.violations.is_empty(), "{:?}", ledger.violations);
}
