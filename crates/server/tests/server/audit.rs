//! The audit trail: every act and every refused attempt is one event, with its operator, address and reason, and no stranger fills it.

use std::collections::BTreeMap;

use bursar_test_support::api::{Answer, answer};
use bursar_test_support::{SOON, eventually};
use serde_json::{Value, json};

use crate::jobs::{split, transfer};
use crate::pages::Browser;
use crate::world::{Server, World, hang_up};

/// The values of these fields of each event, oldest event first.
fn shown(events: &[Value], fields: &[&str]) -> Vec<Value> {
    events.iter().rev().map(|event| fields.iter().map(|field| event[*field].clone()).collect()).collect()
}

async fn listed(server: &Server, query: &str) -> Vec<Value> {
    let path = format!("/v1/audit?{query}");
    let page = answer(server.request("GET", &path, &server.tokens.operator)).await;
    assert_eq!(page.status, 200, "{page:?}");
    page.body["events"].as_array().unwrap().clone()
}

async fn get(server: &Server, token: &str, from: &str) -> Answer {
    answer(server.request("GET", "/v1/queues", token).header("x-forwarded-for", from)).await
}

/// Waits until the trail has this number of events of an action.
async fn until_written(world: &World, action: &str, count: usize) -> Vec<Value> {
    eventually(SOON, "the events", async || {
        let events: Vec<Value> = world.audit().await.into_iter().filter(|event| event["action"] == action).collect();
        if events.len() == count { Ok(events) } else { Err(events) }
    })
    .await
}

#[tokio::test]
async fn a_day_s_acts_are_listed_after_the_events_were_trimmed() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T"), transfer("U")]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    until_written(&world, "sign_in", 1).await;
    server.act("/v1/queues/shop/split/pause", &json!({"reason": "stop"})).await;
    server.act("/v1/queues/shop/split/resume", &json!({"reason": "EVIL-RESUME"})).await;
    server.act("/v1/jobs/main/transfer/T/cancel", &json!({"reason": "twice"})).await;
    server.act("/v1/jobs/main/transfer/T/send", &json!({"reason": "no, once"})).await;
    server.act("/v1/jobs/main/transfer/GHOST/query", &json!({"reason": "who?"})).await;
    let done = browser.act("/jobs/main/transfer/U/cancel", &[("reason", "not today")]).await;
    assert_eq!(done.status, 303, "{done:?}");
    let again = browser.act("/queues/main/transfer/resume", &[("reason", "it is open")]).await;
    assert_eq!(again.status, 409, "{again:?}");
    browser.post("/sign-out", &[("form_token", browser.get("/").await.field("form_token"))]).await;
    until_written(&world, "sign_out", 1).await;
    world.trim_events().await;
    let all = listed(&server, "who=li").await;
    let fields = ["action", "queue", "key", "reason", "result", "count"];
    let expected = [
        json!(["sign_in", null, null, null, "done", 1]),
        json!(["pause", "shop/split", null, "stop", "done", 1]),
        json!(["resume", "shop/split", null, "EVIL-RESUME", "done", 1]),
        json!(["cancel", "main/transfer", "T", "twice", "done", 1]),
        json!(["send", "main/transfer", "T", "no, once", "refused", 1]),
        json!(["query", "main/transfer", "GHOST", "who?", "refused", 1]),
        json!(["cancel", "main/transfer", "U", "not today", "done", 1]),
        json!(["resume", "main/transfer", null, "it is open", "refused", 1]),
        json!(["sign_out", null, null, null, "done", 1]),
    ];
    assert_eq!(shown(&all, &fields), expected);
    for event in &all {
        assert_eq!((&event["role"], &event["address"]), (&json!("operator"), &json!("127.0.0.1")), "{event}");
    }
    assert_eq!(all[5]["detail"], "cancelled", "what it did: {}", all[5]);
    assert_eq!(listed(&server, "who=li&key=T&action=cancel").await.len(), 1);
    assert_eq!(listed(&server, "queue=shop%2Fsplit&limit=1").await, [all[6].clone()]);
    assert_eq!(listed(&server, "who=li&until=2020-01-01T00:00:00Z").await, [Value::Null; 0]);
    world.books_agree().await;
}

#[tokio::test]
async fn pages_of_the_trail_follow_each_other() {
    let world = World::start().await;
    let server = world.serve().await;
    for number in 0..5 {
        server.act("/v1/queues/main/transfer/pause", &json!({"reason": number.to_string()})).await;
    }
    let (mut reasons, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/audit?limit=2&action=pause{after}");
        let page = answer(server.request("GET", &path, &server.tokens.operator)).await;
        reasons.extend(page.body["events"].as_array().unwrap().iter().map(|event| event["reason"].clone()));
        let Some(next) = page.body["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(json!(reasons), json!(["4", "3", "2", "1", "0"]));
    let token = &server.tokens.operator;
    for wrong in ["after=x", "since=yesterday", "action=pay", "limit=0", "whom=li"] {
        let refused = answer(server.request("GET", &format!("/v1/audit?{wrong}"), token)).await;
        refused.refuses(422, "invalid");
    }
}

#[tokio::test]
async fn refused_attempts_are_counted_by_client_until_the_end() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    for _ in 0..40 {
        get(&server, "bursar_wrong", "").await.refuses(401, "unauthenticated");
    }
    answer(server.request("GET", "/v1/queues", "")).await.refuses(401, "unauthenticated");
    for _ in 0..3 {
        assert_eq!(browser.post("/sign-in", &[("token", "bursar_wrong")]).await.status, 401);
    }
    let by_reader = server.post("/v1/queues/main/transfer/pause", &server.tokens.reader, &json!({"reason": "x"})).await;
    by_reader.refuses(403, "forbidden");
    let reader = Browser::signed_in(&server, &server.tokens.reader).await;
    for path in ["/audit", "/queues/main/transfer/pause"] {
        assert_eq!(reader.get(path).await.status, 403, "{path}");
    }
    drop(server);
    until_written(&world, "sign_in_failed", 1).await;
    let events = eventually(SOON, "the attempts", async || {
        let events = world.audit().await;
        let found: BTreeMap<String, Value> =
            events.iter().map(|event| (event["action"].as_str().unwrap().to_owned(), event.clone())).collect();
        if found.contains_key("forbidden") && found.contains_key("token_failed") { Ok(events) } else { Err(events) }
    })
    .await;
    let of = |action: &str| {
        let events: Vec<Value> = events.iter().filter(|event| event["action"] == action).cloned().collect();
        shown(&events, &["operator", "role", "address", "result", "count"])
    };
    assert_eq!(of("token_failed"), [json!([null, "stranger", "127.0.0.1", "refused", 40])]);
    assert_eq!(of("sign_in_failed"), [json!([null, "stranger", "127.0.0.1", "refused", 3])]);
    assert_eq!(of("forbidden"), [json!(["audit", "reader", "127.0.0.1", "refused", 3])]);
}

#[tokio::test]
async fn a_client_that_guesses_waits_and_a_right_token_never_does() {
    let world = World::with(|settings| {
        settings.failures_per_minute = 3;
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let server = world.serve().await;
    for _ in 0..3 {
        get(&server, "bursar_wrong", "192.0.2.1").await.refuses(401, "unauthenticated");
    }
    let slowed = get(&server, "bursar_wrong", "192.0.2.1").await;
    slowed.refuses(429, "rate-limited");
    let wait: u64 = slowed.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{slowed:?}");
    let browser = Browser::new(&server);
    let sign_in = |token: &str| browser.form("/sign-in", &[("token", token)]).header("x-forwarded-for", "192.0.2.1");
    let refused = browser.answer(sign_in("bursar_wrong")).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    assert_eq!(browser.answer(sign_in(&server.tokens.reader)).await.status, 303, "the same proxy, a right token");
    assert_eq!(get(&server, &server.tokens.reader, "192.0.2.1").await.status, 200);
    get(&server, "bursar_wrong", "192.0.2.2").await.refuses(401, "unauthenticated");
}

#[tokio::test]
async fn an_address_is_taken_from_a_trusted_proxy_alone() {
    let path = "/v1/queues/main/transfer/pause";
    for (trusted, expected) in [("127.0.0.0/8", "198.51.100.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let world = World::with(|settings| settings.trusted_proxies = vec![trusted.parse().unwrap()]).await;
        let server = world.serve().await;
        let request = server.request("POST", path, &server.tokens.operator).header("content-type", "application/json");
        let request = request.header("x-forwarded-for", "1.1.1.1, 198.51.100.7").body(r#"{"reason": "stop"}"#);
        assert_eq!(answer(request).await.status, 200);
        assert_eq!(listed(&server, "action=pause").await[0]["address"], expected, "{trusted}");
    }
}

#[tokio::test]
async fn nothing_is_done_that_cannot_be_put_on_record() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    world.break_audit().await;
    for path in ["/v1/jobs/main/transfer/T/cancel", "/v1/queues/main/transfer/pause"] {
        let refused = server.act(path, &json!({"reason": "x"})).await;
        refused.refuses(503, "unavailable");
        assert!(refused.body["detail"].as_str().unwrap().contains("nothing was done"), "{refused:?}");
    }
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    assert_eq!(browser.act("/jobs/main/transfer/T/cancel", &[("reason", "x")]).await.status, 503);
    assert_eq!(world.job("T").await["state"], "queued");
    let queues = server.read("/v1/queues").await;
    assert!(queues["queues"].as_array().unwrap().iter().all(|queue| queue["paused"].is_null()), "{queues}");
    assert_eq!(server.submit(&transfer("V")).await.status, 201, "payments go on");
    world.accepted(transfer("V"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_token_for_some_accounts_sees_their_events_alone() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[split("S", "order-1")]).await;
    server.act("/v1/jobs/shop/split/S/cancel", &json!({"reason": "secret of shop"})).await;
    server.act("/v1/queues/main/transfer/pause", &json!({"reason": "of main"})).await;
    let token = server.admit(&world, "operator", &["main"]).await;
    let page = answer(server.request("GET", "/v1/audit", &token)).await;
    assert_eq!(shown(page.body["events"].as_array().unwrap(), &["reason"]), [json!(["of main"])], "{page:?}");
    let browser = Browser::signed_in(&server, &token).await;
    browser.get("/audit").await.says("of main").does_not_say("secret of shop");
}

#[tokio::test]
async fn a_file_that_is_read_again_is_an_event() {
    let world = World::start().await;
    let _server = world.serve().await;
    std::fs::write(world.tokens_file(), "[[token]]").unwrap();
    hang_up();
    eventually(SOON, "the failed reload", async || {
        let events = world.audit().await;
        let failed = events.iter().any(|event| {
            (&event["action"], &event["result"]) == (&json!("reload"), &json!("failed"))
                && event["role"] == "process"
                && event["file"] == world.tokens_file().display().to_string()
        });
        if failed { Ok(()) } else { Err(events) }
    })
    .await;
}

#[tokio::test]
async fn the_page_shows_operators_the_trail_in_both_languages() {
    let world = World::start().await;
    let server = world.serve().await;
    server.act("/v1/queues/main/transfer/pause", &json!({"reason": "<script>alert(1)</script>"})).await;
    let mut browser = Browser::signed_in(&server, &server.tokens.operator).await;
    browser.get("/").await.says("href=\"/audit\"");
    let filled = "/audit?action=pause&who=li&queue=&key=&since=2026-01-01T08%3A00&until=";
    let page = browser.get(filled).await;
    page.says("127.0.0.1").says("li · operator").says("&lt;script&gt;").does_not_say("<script>alert");
    browser.get("/audit?action=send").await.does_not_say("&lt;script&gt;");
    assert_eq!(browser.get("/audit?since=yesterday").await.status, 422);
    browser.language = "zh-CN";
    browser.get("/audit").await.says("审计").says("暂停");
    let reader = Browser::signed_in(&server, &server.tokens.reader).await;
    reader.get("/").await.does_not_say("href=\"/audit\"");
}
