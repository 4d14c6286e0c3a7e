//! Requests that no client should send: each is refused by name, at once, and nothing is done.

use std::time::{Duration, Instant};

use bursar_test_support::SOON;
use bursar_test_support::api::{answer, with_json};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::jobs::{having, transfer, transfers, with};
use crate::world::{Server, World};

/// A request by hand, for what no client library sends; the answer as it came until the server closed.
async fn raw(server: &Server, parts: &[&str]) -> String {
    let mut connection = TcpStream::connect(&server.address).await.unwrap();
    for part in parts {
        connection.write_all(part.as_bytes()).await.unwrap();
    }
    let mut text = String::new();
    tokio::time::timeout(SOON, connection.read_to_string(&mut text)).await.expect("an answer in time").unwrap();
    text
}

#[tokio::test]
async fn every_wrong_field_of_a_job_is_named_and_nothing_is_stored() {
    let world = World::start().await;
    let server = world.serve().await;
    let job = with(with(transfer("T"), "total_amount", json!("ten")), "arrive_time", json!("tomorrow"));
    let job = having(having(job, "run_at", json!(7)), "callback_url", json!("ftp://x"));
    let answer = server.submit(&having(job, "colour", json!("red"))).await;
    answer.refuses(422, "invalid");
    let mut wrong = answer.wrong_fields();
    wrong.sort_unstable();
    assert_eq!(wrong, ["body.arrive_time", "body.total_amount", "callback_url", "colour", "run_at"], "{answer:?}");
    assert_eq!(answer.body["platform_no"], "T", "{answer:?}");
    server.get("/v1/jobs/main/transfer/T").await.refuses(404, "not-found");
    world.books_agree().await;
}

#[tokio::test]
async fn a_body_that_is_no_job_is_refused_by_what_it_is() {
    let world = World::start().await;
    let server = world.serve().await;
    for (text, says) in
        [("", "is empty"), ("{", "EOF"), ("\u{0}", "line 1"), ("{}{}", "trailing"), ("{\"a\":1,}", "line 1")]
    {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer);
        let refused = answer(with_json(request, text)).await;
        refused.refuses(400, "malformed");
        assert!(refused.body["detail"].as_str().unwrap().contains(says), "{text}: {refused:?}");
    }
    let texts = ["7", "null", "[]", "\"x\"", "{}", "{\"account\":\"main\",\"account\":\"main\"}"];
    for text in texts {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer);
        let refused = answer(with_json(request, text)).await;
        refused.refuses(422, "invalid");
        assert!(!refused.wrong_fields().is_empty(), "{text}: {refused:?}");
    }
    for (batch, field) in [
        (json!({"jobs": 7}), "jobs"),
        (json!({"jobs": []}), "jobs"),
        (json!({"jobs": [transfer("T")], "account": "main"}), "account"),
    ] {
        let refused = server.submit(&batch).await;
        refused.refuses(422, "invalid");
        assert_eq!(refused.wrong_fields(), [field], "{refused:?}");
    }
    assert_eq!(world.list().await, [Value::Null; 0]);
}

#[tokio::test]
async fn an_oversized_body_is_refused_while_it_is_still_sent() {
    let world = World::start().await;
    let server = world.serve().await;
    let many = json!({"jobs": transfers("T", 1_001)});
    let refused = server.submit(&many).await;
    refused.refuses(413, "payload-too-large");
    assert!(refused.body["detail"].as_str().unwrap().contains("1000"), "{refused:?}");
    for megabytes in [9, 20] {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer);
        answer(with_json(request, vec![b' '; megabytes << 20])).await.refuses(413, "payload-too-large");
    }
    let long = with(transfer("T"), "remark", json!("x".repeat(300_000)));
    server.submit(&long).await.refuses(413, "payload-too-large");
    let batch = server.submit(&json!({"jobs": [long]})).await;
    assert_eq!((batch.status, &batch.body["jobs"][0]["status"]), (200, &json!(413)), "{batch:?}");
    assert_eq!(world.list().await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_body_is_json_by_its_own_account_or_it_is_not_read() {
    let world = World::start().await;
    let server = world.serve().await;
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer).body(transfer("T").to_string());
        let request = content_type.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        answer(request).await.refuses(415, "wrong-content-type");
    }
    let compressed = server.request("POST", "/v1/jobs", &server.tokens.producer);
    let compressed = answer(with_json(compressed, vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0])).await;
    assert!(
        compressed.refuses(415, "wrong-content-type").body["detail"].as_str().unwrap().contains("gzip"),
        "{compressed:?}"
    );
    let request = server.request("POST", "/v1/jobs", &server.tokens.producer).body(transfer("T").to_string());
    let taken = answer(request.header("content-type", "application/json; charset=utf-8")).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    world.accepted(transfer("T"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_slow_body_is_given_up_and_blocks_no_other_client() {
    let world = World::with(|settings| settings.client_timeout = Duration::from_secs(1)).await;
    let server = world.serve().await;
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        server.tokens.producer
    );
    let began = Instant::now();
    let parts = [head.as_str()];
    let slow = raw(&server, &parts);
    let others = async {
        for number in 0..20 {
            let job = transfer(&format!("T-{number}"));
            assert_eq!(server.submit(&job).await.status, 201);
            world.accepted(job);
        }
    };
    let (slow, ()) = tokio::join!(slow, others);
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("urn:bursar:problem:request-timeout"), "{slow}");
    assert!((Duration::from_millis(900)..SOON).contains(&began.elapsed()), "{:?}", began.elapsed());
    world.books_agree().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up_on() {
    let world = World::with(|settings| settings.client_timeout = Duration::from_secs(1)).await;
    let server = world.serve().await;
    let began = Instant::now();
    let (head, idle) = tokio::join!(raw(&server, &["GET /healthz HTTP/1.1\r\nHost: "]), raw(&server, &[]));
    assert!(!head.contains("200 OK") && idle.is_empty(), "{head} {idle}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    server.get("/v1/queues").await;
}

#[tokio::test]
async fn wrong_methods_and_unknown_routes_are_problems_too() {
    let world = World::start().await;
    let server = world.serve().await;
    let token = &server.tokens.operator;
    for (method, path) in [
        ("DELETE", "/v1/jobs"),
        ("PUT", "/v1/jobs/main/transfer/T"),
        ("GET", "/v1/jobs/main/transfer/T/query"),
        ("POST", "/v1/queues"),
        ("POST", "/v1/events"),
        ("GET", "/v1/queues/main/transfer/pause"),
        ("POST", "/healthz"),
        ("PATCH", "/openapi.json"),
    ] {
        let refused = answer(server.request(method, path, token)).await;
        refused.refuses(405, "method-not-allowed");
        assert!(!refused.header("allow").is_empty(), "{method} {path}: {refused:?}");
    }
    for path in ["/v1", "/v1/", "/v2/jobs", "/v1/jobs/main", "/v1/jobs/main/transfer/T/pay", "/etc/passwd", "/v1/jobs/"]
    {
        server.get(path).await.refuses(404, "not-found");
    }
}

#[tokio::test]
async fn what_no_job_and_no_queue_is_called_is_not_found() {
    let world = World::start().await;
    let server = world.serve().await;
    let long = format!("main/transfer/{}", "x".repeat(65));
    let names = [
        "nowhere/transfer/T",
        "main/split/T",
        "main/payment/T",
        "main/transfer/T",
        &long,
        "main/transfer/a%20b",
        "main/transfer/%FF",
        "main%2Ftransfer/transfer/T",
    ];
    for name in names {
        server.get(&format!("/v1/jobs/{name}")).await.refuses(404, "not-found");
        server.get(&format!("/v1/jobs/{name}/history")).await.refuses(404, "not-found");
        server.act(&format!("/v1/jobs/{name}/cancel"), &json!({"reason": "x"})).await.refuses(404, "not-found");
    }
    for path in ["/v1/jobs?account=nowhere", "/v1/events?account=nowhere"] {
        server.get(path).await.refuses(404, "not-found");
    }
    server.act("/v1/queues/nowhere/transfer/pause", &json!({"reason": "x"})).await.refuses(404, "not-found");
}

#[tokio::test]
async fn every_wrong_parameter_is_named() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    for (path, fields) in [
        ("/v1/jobs?limit=0&state=paid&kind=payment&account=nowhere", vec!["kind", "state", "limit"]),
        ("/v1/jobs?limit=1001", vec!["limit"]),
        ("/v1/jobs?stat=queued", vec!["stat"]),
        ("/v1/jobs?state=queued&state=failed", vec!["state"]),
        ("/v1/jobs?after=nonsense", vec!["after"]),
        ("/v1/jobs/main/transfer/T?wait=1h", vec!["wait"]),
        ("/v1/jobs/main/transfer/T?wait=soon", vec!["wait"]),
        ("/v1/jobs/main/transfer/T?wait=-1s&x=1", vec!["wait", "x"]),
        ("/v1/events?last_event_id=nonsense", vec!["last_event_id"]),
    ] {
        let refused = server.get(path).await;
        refused.refuses(422, "invalid");
        assert_eq!(refused.wrong_fields(), fields, "{path}: {refused:?}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn an_order_without_a_good_reason_is_no_order() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let long = "x".repeat(1_001);
    for (body, fields) in [
        (json!({}), vec!["reason"]),
        (json!({"reason": ""}), vec!["reason"]),
        (json!({"reason": " \n"}), vec!["reason"]),
        (json!({"reason": 7}), vec!["reason"]),
        (json!({"reason": "gone\u{1b}[2J"}), vec!["reason"]),
        (json!({"reason": long}), vec!["reason"]),
        (json!({"reason": "x", "who": "root"}), vec!["who"]),
        (json!([]), vec!["body"]),
    ] {
        for path in ["/v1/jobs/main/transfer/T/cancel", "/v1/queues/main/transfer/pause"] {
            let refused = server.act(path, &body).await;
            refused.refuses(422, "invalid");
            assert_eq!(refused.wrong_fields(), fields, "{path} {body}: {refused:?}");
        }
    }
    let refused = server.act("/v1/jobs/main/transfer/T/resolve", &json!({"as": "paid"})).await;
    refused.refuses(422, "invalid");
    assert_eq!(refused.wrong_fields(), ["reason", "as"], "{refused:?}");
    assert_eq!(world.job("T").await["history"], json!([]));
    world.books_agree().await;
}

#[tokio::test]
async fn a_token_above_its_rate_learns_the_wait() {
    let world = World::with(|settings| settings.rate_per_second = 5).await;
    let server = world.serve().await;
    let mut refused = None;
    for _ in 0..200 {
        let answer = server.get("/v1/queues").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("two hundred requests are more than five a second");
    refused.refuses(429, "rate-limited");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{refused:?}");
    assert_eq!(server.submit(&transfer("T")).await.status, 201, "another token has its own rate");
    world.accepted(transfer("T"));
    world.books_agree().await;
}
