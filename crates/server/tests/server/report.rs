//! The numbers of a day, the throughput's as a file, and who works: the API and the pages have the same.

use bursar_domain::{Millis, Zone};
use bursar_store::{CallError, Heartbeat};
use bursar_test_support::api::answer;
use serde_json::{Value, json};

use crate::jobs::{bill, now_ms, transfer};
use crate::pages::Browser;
use crate::world::{Server, World};

/// A world with two cancelled transfers of main and an open bill upload.
async fn world() -> (World, Server) {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T1"), transfer("T2"), bill("B", "1")]).await;
    for key in ["T1", "T2"] {
        let done = server.act(&format!("/v1/jobs/main/transfer/{key}/cancel"), &json!({"reason": "x"})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    (world, server)
}

/// The day of a report that names none: the test may run over midnight, so it is asked for once.
async fn of_main(server: &Server) -> (Value, String) {
    let reports = server.read("/v1/report?account=main").await;
    let report = reports["reports"][0].clone();
    let day = report["day"].as_str().unwrap().to_owned();
    assert_eq!(day, Zone::default().day_of(Millis(now_ms().cast_unsigned())).to_string());
    (report, day)
}

#[tokio::test]
async fn the_page_and_its_file_have_the_numbers_of_the_api() {
    let (world, server) = world().await;
    let (report, day) = of_main(&server).await;
    let row = json!({"kind": "transfer", "state": "cancelled", "count": 2, "amount_fen": "20"});
    assert_eq!((&report["ended"], &report["time_zone"]), (&json!([row]), &json!("Asia/Shanghai")), "{report}");
    assert_eq!(report["open"][0]["kind"], "bill_upload", "{report}");
    assert_eq!((&report["is_over"], &report["reconciled"]), (&json!(false), &json!(null)));

    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let page = browser.get(&format!("/report?day={day}&account=main")).await;
    page.says("Day report").says("¥0.20").says("cancelled").says("The day is not over").says("Not reconciled yet");
    page.says(&format!("/report.csv?day={day}&amp;account=main")).does_not_say("shop/split");
    let file = browser.get(&format!("/report.csv?day={day}&account=main")).await;
    assert_eq!((file.status, file.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert!(file.header("content-disposition").contains(&format!("bursar-report-{day}.csv")), "{file:?}");
    let expected = format!("{day},main,Asia/Shanghai,ended,transfer,cancelled,2,20\r\n");
    assert!(file.text.starts_with("day,account,") && file.text.contains(&expected), "{file:?}");

    let charts = browser.get("/charts").await;
    charts.says("2 jobs ended").says("¥0.20").says("Exact sums of all jobs").says("/charts.csv?over=1h");
    let file = browser.get("/charts.csv?over=24h&queue=main%2Ftransfer").await;
    let lines: Vec<&str> = file.text.lines().collect();
    assert_eq!(lines[0], "from,until,queue,state,count,amount_fen");
    let counts = lines[1..].iter().map(|line| line.rsplit(',').nth(1).unwrap().parse::<u64>().unwrap());
    assert_eq!(counts.sum::<u64>(), 2, "{file:?}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_wrong_day_is_named_and_another_account_is_not_found() {
    let (_world, server) = world().await;
    for (day, why) in [("1990-01-01", "no longer kept"), ("2999-01-01", "has not begun")] {
        let missing = server.get(&format!("/v1/report?day={day}")).await;
        missing.refuses(404, "not-found");
        assert!(missing.body["detail"].as_str().unwrap().contains(why), "{missing:?}");
    }
    for (query, field) in [("day=2026-02-30", "day"), ("dya=x", "dya")] {
        let refused = server.get(&format!("/v1/report?{query}")).await;
        refused.refuses(422, "invalid");
        assert_eq!(refused.wrong_fields(), [field], "{refused:?}");
    }
    server.get("/v1/report?account=nowhere").await.refuses(404, "not-found");
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    assert_eq!(browser.get("/report?day=1990-01-01").await.status, 422);
    assert_eq!(browser.get("/report.csv?account=nowhere").await.status, 404);
    let empty = browser.get("/report?day=&account=").await;
    assert_eq!(empty.status, 200, "a form sends empty fields: {empty:?}");
}

#[tokio::test]
async fn sums_of_a_damaged_hour_are_not_shown() {
    let (world, server) = world().await;
    let queue = "main/transfer".parse().unwrap();
    let mut raw = redis::Client::open(bursar_test_support::redis().await.url.as_str())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let now = world.store().now().await.unwrap().rfc3339();
    let hour = format!("{}ended:{queue}:{}", world.store().base_of(&queue), &now[..13]);
    let () = redis::cmd("HSET").arg(&hour).arg("inexact").arg("1").query_async(&mut raw).await.unwrap();
    server.get("/v1/report?account=main").await.refuses(503, "unreadable-record");
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    browser.get("/charts").await.says("no sum is shown").does_not_say("¥0.20").says("2 jobs ended");
}

#[tokio::test]
async fn workers_are_shown_to_those_who_may_see_their_queues() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    browser.get("/workers").await.says("No worker is alive");
    browser.get("/").await.says("no worker yet").does_not_say(">Active<");
    let now = world.store().now().await.unwrap();
    let error = CallError::new(now, &"main/transfer", "gateway.example:443", "connection refused");
    let beat = Heartbeat {
        host: "pay-1".into(),
        pid: 4711,
        version: "0.1.0".into(),
        started_at: now,
        at: now,
        queues: vec!["main/transfer".into(), "shop/split".into()],
        queue_count: 2,
        calls_in_flight: 3,
        concurrency: 64,
        sends_allowed: true,
        last_error: Some(error),
        ..Heartbeat::default()
    };
    world.store().heartbeat("w1", &beat).await.unwrap();
    let workers = server.read("/v1/workers").await;
    let worker = &workers["workers"][0];
    assert_eq!((&worker["name"], &worker["status"], &worker["pid"]), (&json!("w1"), &json!("alive"), &json!(4711)));
    let page = browser.get("/workers").await;
    page.says("pay-1").says("3 / 64").says("connection refused").says("gateway.example:443");
    page.does_not_say("No worker is alive");
    let queue: Vec<_> = ["main/transfer"].map(|queue| queue.parse().unwrap()).into();
    world.store().serves(&queue).await.unwrap();
    browser.get("/").await.says("Active");
    // A token for one account sees the worker with that account's queues alone.
    let shop = server.admit(&world, "reader", &["shop"]).await;
    let seen = answer(server.request("GET", "/v1/workers", &shop)).await.body;
    let worker = &seen["workers"][0];
    assert_eq!((&worker["queues"], &worker["last_error"]), (&json!(["shop/split"]), &json!(null)), "{seen}");
    let queues = server.read("/v1/queues").await;
    let served: Vec<&Value> = queues["queues"].as_array().unwrap().iter().map(|queue| &queue["is_served"]).collect();
    assert_eq!(served, [&json!(true), &json!(false), &json!(false)], "{queues}");
}
