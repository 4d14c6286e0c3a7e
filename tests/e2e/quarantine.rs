//! Records that cannot be read: no list, page, export or other job suffers from them, no process mistakes them, and an
//! operator decides.

use bursar_test_support::eventually;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::jobs::{having, in_days, transfer};
use crate::pages::Browser;
use crate::plan::Plan;
use crate::world::{SOON, World};

async fn redis(world: &World) -> (MultiplexedConnection, String) {
    let setting = |key: &str| world.setting(key).unwrap().as_str().unwrap().to_owned();
    let client = redis::Client::open(setting("redis.url")).unwrap();
    (client.get_multiplexed_async_connection().await.unwrap(), setting("redis.prefix"))
}

/// The keys of this world with this ending.
async fn named(world: &World, end: &str) -> String {
    let (mut redis, prefix) = redis(world).await;
    let names: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}:*{end}")).query_async(&mut redis).await.unwrap();
    names.into_iter().next().unwrap_or_else(|| panic!("nothing is called {end}"))
}

/// Writes another text in the place of a job's record; returns what was there.
pub(crate) async fn rewritten(world: &World, key: &str, text: &str) -> String {
    let name = named(world, &format!("job:main/transfer:{key}")).await;
    let (mut redis, _) = redis(world).await;
    redis::cmd("SET").arg(name).arg(text).arg("GET").query_async(&mut redis).await.unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

async fn quarantined(world: &World) -> Vec<Value> {
    lines(&world.ok(&["quarantine", "list", "--json"]).await)
}

#[tokio::test]
async fn an_unreadable_record_is_named_everywhere_and_blocks_none() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let later = having(transfer("LATER"), "run_at", json!(in_days(300).rfc3339()));
    world.submit_new(&[transfer("BROKEN"), later]).await;
    for (text, says) in [("{", "EOF"), (r#"{"v":9,"state":"weighed"}"#, "newer build")] {
        let whole = rewritten(&world, "BROKEN", text).await;
        let listed = server.read("/v1/jobs?state=queued").await;
        let found: Vec<&Value> = listed["jobs"].as_array().unwrap().iter().map(|job| &job["state"]).collect();
        assert_eq!(found, [&json!("unreadable"), &json!("queued")], "{listed}");
        for path in ["", "/history"] {
            let answer = server.get(&format!("/v1/jobs/main/transfer/BROKEN{path}")).await;
            answer.refuses(503, "unreadable-record");
            assert!(answer.body["detail"].as_str().unwrap().contains(says), "{answer:?}");
        }
        server.submit(&transfer("BROKEN")).await.refuses(503, "unreadable-record");
        let batch = server.submit(&json!({"jobs": [transfer("BROKEN"), transfer("BROKEN")]})).await;
        assert_eq!((batch.status, &batch.body["jobs"][1]["outcome"]), (200, &json!("unreadable")), "{batch:?}");
        let act = server.act("/v1/jobs/main/transfer/BROKEN/cancel", &json!({"reason": "x"})).await;
        act.refuses(503, "unreadable-record");

        let again = world.file(transfer("BROKEN").to_string());
        let submitted = world.run(&["submit", again.to_str().unwrap()]).await;
        assert_eq!(submitted.code, Some(1), "{submitted:?}");
        assert!(submitted.stdout.starts_with("unreadable BROKEN: "), "{submitted:?}");
        assert!(world.ok(&["list"]).await.contains("unreadable"));
        let exported = lines(&world.ok(&["export"]).await);
        assert!(exported.iter().any(|job| job["unreadable"].is_string()) && exported.len() == 2, "{exported:?}");
        assert!(world.refused(&["show", "BROKEN"]).await.contains(says));
        assert!(world.refused(&["cancel", "BROKEN", "--reason", "x"]).await.contains(says));

        let browser = Browser::signed_in(&server, &server.tokens.operator).await;
        browser.get("/jobs?queue=main%2Ftransfer").await.says("unreadable").says("LATER");
        let page = browser.get("/jobs/main/transfer/BROKEN").await;
        assert_eq!(page.status, 503, "{page:?}");
        page.says("its state is not known here").does_not_say("Redis does not answer");
        browser.get("/").await.says("Queued");
        browser.get("/review").await.says("No jobs need review.");
        browser.get("/charts").await.says("0 jobs ended");
        rewritten(&world, "BROKEN", &whole).await;
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_quarantined_job_waits_for_an_operator_and_continues() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("BROKEN"), transfer("WHOLE")]).await;
    let whole = rewritten(&world, "BROKEN", "{").await;
    let _worker = world.worker().await;
    world.until("WHOLE", "succeeded").await;
    let found = eventually(SOON, "the broken one in quarantine", async || quarantined(&world).await.pop()).await;
    let fields = ["queue", "key", "of", "code"].map(|name| found[name].clone());
    assert_eq!(json!(fields), json!(["main/transfer", "BROKEN", "job", "unreadable_record"]), "{found}");
    assert!(world.ok(&["queues"]).await.contains("1 in quarantine"));

    let retry = ["quarantine", "retry", "BROKEN", "--queue", "main/transfer", "--reason", "perhaps"];
    assert!(world.refused(&retry).await.contains("still cannot be read"));
    let reader = Browser::signed_in(&server, &server.tokens.reader).await;
    reader.get("/").await.says("href=\"/quarantine\"");
    reader.get("/quarantine").await.says("BROKEN").says("unreadable record").does_not_say("BROKEN/retry");
    let path = "/quarantine/main/transfer/BROKEN/retry";
    assert_eq!(reader.get(path).await.status, 403);
    let operator = Browser::signed_in(&server, &server.tokens.operator).await;
    operator.get("/quarantine").await.says("BROKEN/retry").says("BROKEN/drop");
    for path in ["/quarantine/none/transfer/BROKEN/retry", "/quarantine/main/transfer/BROKEN/shoot"] {
        assert_eq!(operator.get(path).await.status, 404, "{path}");
    }
    assert_eq!(operator.act(path, &[("reason", "")]).await.status, 422);
    let refused = operator.act(path, &[("reason", "perhaps")]).await;
    assert_eq!(refused.status, 409, "{refused:?}");

    rewritten(&world, "BROKEN", &whole).await;
    let done = operator.act(path, &[("reason", "mended by hand")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/quarantine"), "{done:?}");
    let job = world.until("BROKEN", "succeeded").await;
    let history = job["history"].as_array().unwrap();
    assert!(
        history.iter().any(|event| event["event"] == "quarantine" && event["comment"] == "mended by hand"),
        "{job}"
    );
    assert_eq!(quarantined(&world).await, [Value::Null; 0]);
    operator.get("/quarantine").await.says("Nothing is in quarantine");
    assert!(world.refused(&retry).await.contains("not in quarantine"));
    assert_eq!(world.books_agree().await.keys["BROKEN"].executions, 1);
}

#[tokio::test]
async fn a_key_without_a_record_is_dropped_once_and_for_all() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T")]).await;
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    let base = named(&world, "done:main/transfer").await.replace("done:main/transfer", "");
    let (mut redis, _) = redis(&world).await;
    let due = format!("{base}due_queries:main/transfer");
    let _: u8 = redis::cmd("ZADD").arg(due).arg(1).arg("GHOST").query_async(&mut redis).await.unwrap();
    let ready = format!("{base}ready");
    let _: u8 = redis::cmd("ZADD").arg(ready).arg(1).arg("main/transfer").query_async(&mut redis).await.unwrap();
    eventually(SOON, "the ghost in quarantine", async || quarantined(&world).await.pop()).await;
    let server = world.serve().await;
    let operator = Browser::signed_in(&server, &server.tokens.operator).await;
    let refused = operator.act("/quarantine/main/transfer/UNKNOWN/drop", &[("reason", "x")]).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let drop = ["quarantine", "drop", "GHOST", "--queue", "main/transfer", "--reason", "left by a test"];
    assert!(world.ok(&drop).await.contains("left alone"));
    assert!(world.refused(&drop).await.contains("not in quarantine"));
    let misused = world.run(&["quarantine", "drop", "GHOST", "--queue", "main/notify", "--reason", "x"]).await;
    assert_eq!(misused.code, Some(2), "{misused:?}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_redis_of_another_layout_is_left_alone() {
    let world = Plan::new().set("redis.partitions", 4).start().await;
    world.submit_new(&[transfer("T")]).await;
    let name = named(&world, "layout").await;
    let (mut redis, _) = redis(&world).await;
    let layout: String = redis::cmd("GET").arg(&name).query_async(&mut redis).await.unwrap();
    assert_eq!(layout, r#"{"layout":2,"partitions":4}"#);
    world.set("redis.partitions", toml::Value::from(8));
    for command in [&["list"][..], &["worker"], &["serve"], &["queues"]] {
        let refused = world.run(command).await;
        assert_eq!(refused.code, Some(2), "{command:?}: {refused:?}");
        assert!(refused.stderr.contains("set redis.partitions = 4"), "{command:?}: {refused:?}");
    }
    world.set("redis.partitions", None);
    assert_eq!(world.list().await.len(), 1, "whatever this Redis has");
    let newer = r#"{"layout":3,"partitions":4}"#;
    let _: String = redis::cmd("SET").arg(&name).arg(newer).query_async(&mut redis).await.unwrap();
    let file = world.file(transfer("U").to_string());
    for command in [&["list"][..], &["worker"], &["serve"], &["submit", file.to_str().unwrap()]] {
        let refused = world.run(command).await;
        assert_eq!(refused.code, Some(2), "{command:?}: {refused:?}");
        assert!(refused.stderr.contains("it is layout 3, of a build newer than this one"), "{refused:?}");
    }
    let _: String = redis::cmd("SET").arg(&name).arg(layout).query_async(&mut redis).await.unwrap();
    world.books_agree().await;
}
