//! The server while Redis is full or away, while clients are slow or dead, and while it drains.

use std::time::{Duration, Instant};

use bursar_test_support::{Listen, Options, eventually, private_redis};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::jobs::{transfer, transfers};
use crate::plan::Plan;
use crate::server::Server;
use crate::world::SOON;
use bursar_test_support::api::answer;

#[tokio::test]
async fn a_full_redis_takes_nothing_and_says_so_and_repeating_is_safe() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let world = Plan::new().on_redis(redis.url()).start().await;
    let server = world.serve().await;
    assert_eq!(server.submit(&transfer("BEFORE")).await.status, 201);
    world.accepted(transfer("BEFORE"));
    redis.configure("maxmemory", "1").await;
    let refused = server.submit(&transfer("T")).await;
    refused.refuses(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{refused:?}");
    server.submit(&json!({"jobs": transfers("B", 3)})).await.refuses(503, "unavailable");
    assert_eq!(server.read("/v1/jobs/main/transfer/BEFORE").await["state"], "queued", "reading goes on");
    answer(server.request("GET", "/readyz", "")).await.refuses(503, "unavailable");
    assert_eq!(answer(server.request("GET", "/healthz", "")).await.status, 200, "it lives");

    redis.configure("maxmemory", "0").await;
    assert_eq!(server.submit(&transfer("T")).await.status, 201, "nothing of it was stored");
    world.accepted(transfer("T"));
    ready(&server).await;
    let _worker = world.worker().await;
    world.settled().await;
    world.books_agree().await;
}

async fn ready(server: &Server) {
    eventually(SOON, "the server to be ready", async || {
        let answer = answer(server.request("GET", "/readyz", "")).await;
        if answer.status == 200 { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test]
async fn an_absent_redis_is_waited_for_and_repeating_is_safe() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let world = Plan::new().on_redis(redis.url()).start().await;
    let server = world.serve().await;
    redis.kill().unwrap();
    let began = Instant::now();
    let refused = server.submit(&transfer("T")).await;
    refused.refuses(503, "unavailable");
    assert!(refused.body["detail"].as_str().unwrap().contains("submit them again"), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    answer(server.request("GET", "/readyz", "")).await.refuses(503, "unavailable");
    assert_eq!(answer(server.request("GET", "/healthz", "")).await.status, 200, "a restart would not help");
    server.get("/v1/jobs/main/transfer/T").await.refuses(503, "unavailable");
    redis.start_again().unwrap();
    ready(&server).await;
    let again = server.submit(&transfer("T")).await;
    assert_eq!(again.status, 201, "{again:?}");
    world.accepted(transfer("T"));
    assert_eq!(server.submit(&transfer("T")).await.status, 200);
    world.books_agree().await;
}

#[tokio::test]
async fn dead_and_slow_clients_tie_up_nothing() {
    let world = Plan::new().set("server.client_timeout", "2s").start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let token = &server.tokens.reader;
    // Two hundred that wait and go at once, two hundred that request and never read, two hundred that are silent.
    let mut kept = Vec::new();
    for number in 0..600 {
        let mut connection = TcpStream::connect(&server.address).await.unwrap();
        let path = match number % 3 {
            0 => "/v1/jobs/main/transfer/T?wait=60s",
            1 => "/openapi.json",
            _ => continue,
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        let requests = if number % 3 == 1 { request.repeat(40) } else { request };
        connection.write_all(requests.as_bytes()).await.unwrap();
        if number % 3 == 1 {
            kept.push(connection);
        }
    }
    for number in 0..50 {
        let job = transfer(&format!("T-{number}"));
        let began = Instant::now();
        assert_eq!(server.submit(&job).await.status, 201);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        world.accepted(job);
    }
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", server.process.pid())).unwrap().count();
    eventually(SOON, "the dead to be let go", async || {
        let open = descriptors();
        if open < 60 { Ok(()) } else { Err(open) }
    })
    .await;
    drop(kept);
    world.books_agree().await;
}

#[tokio::test]
async fn a_request_in_flight_is_answered_during_the_drain() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let body = transfer("T").to_string();
    let (first, rest) = body.split_at(20);
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        server.tokens.producer,
        body.len()
    );
    let mut under_way = TcpStream::connect(&server.address).await.unwrap();
    under_way.write_all(head.as_bytes()).await.unwrap();
    let _idle = TcpStream::connect(&server.address).await.unwrap();
    assert_eq!(server.get("/v1/queues").await.status, 200, "both connections were taken by now");
    server.process.terminate();
    server.process.wait_line(SOON, "word that it drains", |line| line.contains("draining")).await;
    let refused = eventually(SOON, "new connections to be refused", async || {
        TcpStream::connect(&server.address).await.err().map(|error| error.kind())
    });
    assert_eq!(refused.await, std::io::ErrorKind::ConnectionRefused);
    under_way.write_all(rest.as_bytes()).await.unwrap();
    let mut text = String::new();
    under_way.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 201 ") && text.contains("\"outcome\":\"new\""), "{text}");
    world.accepted(transfer("T"));
    assert_eq!(server.process.finished(SOON).await.code, Some(0));
    world.books_agree().await;
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let world = Plan::new().set("server.drain", "500ms").start().await;
    let server = world.serve().await;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        server.tokens.producer
    );
    let mut never_ends = TcpStream::connect(&server.address).await.unwrap();
    never_ends.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(server.get("/v1/queues").await.status, 200);
    server.process.terminate();
    let began = Instant::now();
    let finished = server.process.finished(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(world.list().await, [Value::Null; 0]);
}
