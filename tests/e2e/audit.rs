//! The audit trail of commands and processes: who did what by which token or as which system user, and what a process did by itself.

use bursar_test_support::eventually;
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::{SOON, World, system_user};

/// The events, oldest first.
async fn trail(world: &World) -> Vec<Value> {
    let text = world.ok(&["export", "--audit"]).await;
    let mut events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.reverse();
    events
}

fn shown(events: &[Value], fields: &[&str]) -> Vec<Value> {
    events.iter().map(|event| fields.iter().map(|field| event[*field].clone()).collect()).collect()
}

#[tokio::test]
async fn an_operator_is_a_token_or_the_system_user_and_no_free_text() {
    let world = Plan::new().start().await;
    let pause = ["pause", "main/transfer", "--reason", "maintenance"];
    let refused = world.run(&[&pause[..], &["--who", "cfo@company"]].concat()).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("the name of a token"), "{refused:?}");

    let li = world.token_file("li").await;
    world.ok(&[&pause[..], &["--token-file", &li]].concat()).await;
    world.ok(&["resume", "main/transfer", "--reason", "it is over"]).await;
    let reader = world.token_file_of("watch", "reader", &[]).await;
    let refused = world.refused(&[&pause[..], &["--token-file", &reader]].concat()).await;
    assert!(refused.contains("watch has the role reader"), "{refused}");
    let shop = world.token_file_of("shopkeeper", "operator", &["shop"]).await;
    let refused = world.refused(&[&pause[..], &["--token-file", &shop]].concat()).await;
    assert!(refused.contains("shopkeeper is not for main"), "{refused}");
    let unknown = world.file("bursar_unknown").display().to_string();
    let refused = world.run(&[&pause[..], &["--token-file", &unknown]].concat()).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");

    let user = system_user().replace(" (system user)", "");
    let events = trail(&world).await;
    let expected = [
        json!(["pause", "li", "operator", "cli", "done", "maintenance"]),
        json!(["resume", user, "system_user", "cli", "done", "it is over"]),
        json!(["forbidden", "watch", "reader", "cli", "refused", "maintenance"]),
        json!(["pause", "shopkeeper", "operator", "cli", "refused", "maintenance"]),
        json!(["token_failed", user, "stranger", "cli", "refused", null]),
    ];
    assert_eq!(shown(&events, &["action", "operator", "role", "address", "result", "reason"]), expected);
    let queues = world.ok(&["queues", "--json"]).await;
    assert!(!queues.contains("maintenance"), "nothing was paused again: {queues}");
}

#[tokio::test]
async fn each_command_that_changes_something_is_one_event() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T"), transfer("U")]).await;
    world.ok(&["cancel", "T", "--reason", "ordered twice"]).await;
    for command in [
        &["send", "T"][..],
        &["query", "GHOST"],
        &["resolve", "U", "--as", "failed"],
        &["quarantine", "retry", "U", "--queue", "main/transfer"],
        &["quarantine", "retry", "U", "--queue", "main/transfer", "--webhook"],
        &["quarantine", "drop", "U", "--queue", "main/transfer"],
    ] {
        world.refused(&[command, &["--reason", "a test"]].concat()).await;
    }
    world.ok(&["confirm-gateway", "main/transfer", "--reason", "a test"]).await;
    world.ok(&["adopt", "old", "main", "--reason", "a test"]).await;
    let events = trail(&world).await;
    let expected = [
        json!(["cancel", "main/transfer", "T", "done"]),
        json!(["send", "main/transfer", "T", "refused"]),
        json!(["query", null, "GHOST", "refused"]),
        json!(["resolve", "main/transfer", "U", "refused"]),
        json!(["quarantine_retry", "main/transfer", "U", "refused"]),
        json!(["quarantine_deliver", "main/transfer", "U", "refused"]),
        json!(["quarantine_drop", "main/transfer", "U", "refused"]),
        json!(["confirm_gateway", "main/transfer", null, "done"]),
        json!(["adopt", null, null, "done"]),
    ];
    assert_eq!(events[0]["detail"], "cancelled", "{}", events[0]);
    assert_eq!(shown(&events, &["action", "queue", "key", "result"]), expected);

    let text = world.ok(&["audit", "--key", "T", "--action", "cancel"]).await;
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in ["(system_user)", "cli", "cancel main/transfer T done: cancelled: because ordered twice"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let one = world.ok(&["audit", "--limit", "1", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["action"], "adopt");
    assert_eq!(world.ok(&["audit", "--until", "2020-01-01T00:00:00Z"]).await, "");
    world.books_agree().await;
}

#[tokio::test]
async fn a_start_with_another_configuration_is_an_event() {
    let world = Plan::new().start().await;
    let changes = async || {
        let events = trail(&world).await;
        events.into_iter().filter(|event| event["action"] == "configuration_change").collect::<Vec<_>>()
    };
    let changed = async |count: usize| {
        eventually(SOON, "the change on record", async || {
            let changes = changes().await;
            if changes.len() == count { Ok(changes) } else { Err(changes) }
        })
        .await
    };
    let start = async || {
        let worker = world.worker().await;
        worker.terminate();
        worker.finished(SOON).await
    };
    start().await;
    let first = changed(1).await;
    assert_eq!(first[0]["file"], world.config().display().to_string(), "{first:?}");
    assert!(first[0]["detail"].as_str().unwrap().starts_with("worker: none -> "), "{first:?}");
    start().await;
    world.set("accounts.main.retry_max", toml::Value::from("7m"));
    start().await;
    let both = changed(2).await;
    assert_eq!((&both[0], &both[1]["role"]), (&first[0], &json!("process")), "the same one is no change");
}

#[tokio::test]
async fn the_log_has_attempts_and_acts_with_their_addresses() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    server.request("GET", "/v1/queues", "bursar_wrong").send().await.unwrap();
    server.act("/v1/queues/main/transfer/pause", &json!({"reason": "payee 6222021234567890123"})).await;
    let process = &server.process;
    for (level, parts) in [
        ("WARN", &["action=\"token_failed\"", "result=\"refused\""][..]),
        ("INFO", &["action=\"pause\"", "operator=\"li\"", "queue=\"main/transfer\"", "result=\"done\""]),
    ] {
        let wanted = |line: &str| line.contains(level) && parts.iter().all(|part| line.contains(part));
        let line = process.wait_line(SOON, "the event in the log", wanted).await;
        assert!(line.contains("address=\"127.0.0.1\""), "{line}");
        assert!(!line.contains("6222021234567890123"), "{line}");
    }
    process.terminate();
    eventually(SOON, "the attempt in the trail", async || {
        let events = trail(&world).await;
        if events.iter().any(|event| event["action"] == "token_failed") { Ok(()) } else { Err(events) }
    })
    .await;
}

#[tokio::test]
async fn a_command_does_nothing_that_cannot_be_put_on_record() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T")]).await;
    let url = world.setting("redis.url").unwrap().as_str().unwrap().to_owned();
    let prefix = world.setting("redis.prefix").unwrap().as_str().unwrap().to_owned();
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("SET").arg(format!("{prefix}:audit")).arg("x").query_async(&mut connection).await.unwrap();
    for command in [&["cancel", "T"][..], &["pause", "main/transfer"]] {
        let finished = world.run(&[command, &["--reason", "x"]].concat()).await;
        assert_eq!(finished.code, Some(3), "{finished:?}");
        assert!(finished.stderr.contains("nothing was done"), "{finished:?}");
    }
    assert_eq!(world.job("T").await["state"], "queued");
    let _worker = world.worker().await;
    world.until("T", "succeeded").await; // no payment waits for the trail
    world.books_agree().await;
}

#[tokio::test]
async fn secrets_that_are_read_again_are_an_event() {
    let world = Plan::new().start().await;
    let secrets = world.file("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").display().to_string();
    world.set("webhooks.secrets_file", toml::Value::from(secrets.clone()));
    let server = world.serve().await;
    server.hang_up();
    eventually(SOON, "both files on record", async || {
        let events: Vec<Value> = trail(&world).await.into_iter().filter(|event| event["action"] == "reload").collect();
        let mut files: Vec<Value> = shown(&events, &["file", "result", "role"]);
        files.sort_by_key(ToString::to_string);
        let mut expected =
            [world.tokens_file().display().to_string(), secrets.clone()].map(|file| json!([file, "done", "process"]));
        expected.sort_by_key(ToString::to_string);
        if files == expected { Ok(()) } else { Err(files) }
    })
    .await;
}
