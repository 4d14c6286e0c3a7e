//! An operator's tools that concern no job: balance, bind, doctor, config, health.

use serde_json::{Value, json};

use crate::http;
use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::World;

/// The example of `/api/division/receiver/bind`, with a type that its table knows.
fn receiver() -> Value {
    json!({
        "ifCode": "wxpay", "receiverAlias": "我的第一个账号", "receiverGroupId": "100001", "accType": "0",
        "accNo": "openid-1", "accName": "张三", "relationType": "OTHERS", "relationTypeName": "我的员工",
        "divisionProfit": "0.3",
    })
}

#[tokio::test]
async fn the_balance_is_what_the_gateway_says() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    let query = ["balance", "--account", "main", "--node-id", "00061783", "--merchant-id", "1000000000926"];
    let text = world.ok(&query).await;
    assert_eq!(
        text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["available_balance", "999999999990"]
    );
    let object: Value = serde_json::from_str(&world.ok(&[&query[..], &["--json"]].concat()).await).unwrap();
    assert_eq!((&object["available_balance"], &object["frozen_balance"]), (&json!(999_999_999_990_i64), &json!(0)));

    let said = world.run(&["balance", "--account", "shop"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("account shop is at beingfi, which has no balances"), "{said:?}");
    assert_eq!(world.run(&["balance", "--account", "unknown"]).await.code, Some(2));
    for (fault, code) in [("busy", 3), ("bad-signature", 3), ("lost-answer", 3)] {
        world.faults(json!({"next": 1, "on": "query", "fault": fault})).await;
        let finished = world.run(&query).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(code), ""), "{fault}: {finished:?}");
        world.faults(json!({"clear": true})).await;
    }
    world.books_agree().await;
}

async fn bind(world: &World, receiver: &Value) -> bursar_test_support::Finished {
    let file = world.file(receiver.to_string()).display().to_string();
    world.run(&["bind", &file, "--account", "shop"]).await
}

#[tokio::test]
async fn a_receiver_is_bound_once_and_a_maybe_is_called_that() {
    let world = Plan::new().start().await;
    let bound = bind(&world, &receiver()).await;
    assert_eq!((bound.code, bound.stdout.as_str()), (Some(0), "bound as receiver 800001"), "{bound:?}");

    let mut wrong = receiver();
    wrong["accType"] = json!("7");
    wrong["colour"] = json!("red");
    wrong.as_object_mut().unwrap().remove("accNo");
    let refused = bind(&world, &wrong).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for rule in ["accType must be 0 (person) or 1 (business)", "accNo is required", "colour is not a known field"] {
        assert!(refused.stderr.contains(rule), "{refused:?}");
    }

    world.life("openid-refused", "0").await;
    let mut refused = receiver();
    refused["accNo"] = json!("openid-refused");
    let refused = bind(&world, &refused).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("无分账权限"), "{refused:?}");

    world.faults(json!({"key": "openid-1", "fault": "lost-answer"})).await;
    let maybe = bind(&world, &receiver()).await;
    assert_eq!(maybe.code, Some(3), "{maybe:?}");
    assert!(maybe.stderr.contains("the outcome is unknown: the receiver may be bound"), "{maybe:?}");
    let stats = http::get(&world.gateway, "/_stats").await;
    assert_eq!((&stats["requests"], &stats["bound"]), (&json!(3), &json!(2)), "nothing is tried again by itself");
    world.books_agree().await;
}

#[tokio::test]
async fn doctor_checks_redis_clock_keys_and_gateways() {
    let world = Plan::new().start().await;
    let text = world.ok(&["doctor"]).await;
    for check in [
        "redis.version",
        "redis.eviction",
        "redis.appendonly",
        "clock",
        "worker.lease",
        "account.keys",
        "account.gateway",
    ] {
        assert!(text.lines().any(|line| line.contains(check) && line.starts_with("fine")), "{check}: {text}");
    }
    let objects: Vec<Value> =
        world.ok(&["doctor", "--json"]).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), text.lines().count());
    for object in objects {
        assert!(["severity", "check", "text"].iter().all(|name| object[*name].is_string()), "{object}");
    }
    assert_eq!(world.ok(&["healthcheck"]).await, "");
    world.books_agree().await;
}

#[tokio::test]
async fn the_checked_configuration_shows_and_reads_back_the_same() {
    let world = Plan::new().start().await;
    let said = world.ok(&["config", "check"]).await;
    let last = said.lines().last().unwrap();
    assert_eq!(last, "the configuration is right; queues: main/bill_upload, main/transfer, shop/split");
    let shown = world.ok(&["config", "show"]).await;
    assert!(shown.contains("drain = \"5s\"") && shown.contains("retention = \"30d\""), "{shown}");
    std::fs::write(world.config(), &shown).unwrap();
    assert_eq!(world.ok(&["config", "show"]).await, shown);

    world.set("accounts.main.resend_after", toml::Value::from("10ms"));
    let said = world.ok(&["config", "check"]).await;
    assert!(said.contains("warn    accounts.main.resend_after is 10ms, shorter than call_timeout"), "{said}");
    world.set("redis.url", toml::Value::from("redis://app:hunter2@127.0.0.1:6379/0"));
    let shown = world.ok(&["config", "show"]).await;
    assert!(shown.contains("redis://app:***@127.0.0.1:6379/0") && !shown.contains("hunter2"), "{shown}");
}
