//! Bodies made to cost more than they are worth: deep, long, repetitive, and numbers and texts at the borders. Each is refused in time, and
//! nothing is stored.

use std::time::Duration;

use bursar_test_support::api::{answer, with_json};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::jobs::{having, transfer};
use crate::world::{Server, World};

/// Each refusal, on a busy machine and in a build without optimisation.
const IN_TIME: Duration = Duration::from_secs(30);

async fn status(server: &Server, name: &str, body: impl Into<reqwest::Body>) -> u16 {
    let request = with_json(server.request("POST", "/v1/jobs", &server.tokens.producer), body);
    let refused = timeout(IN_TIME, answer(request)).await.unwrap_or_else(|_| panic!("{name}: no answer in time"));
    assert!(refused.body.to_string().len() < 8 << 20, "{name}: a refusal of {} bytes", refused.body.to_string().len());
    refused.status
}

/// A transfer whose amount is this JSON text.
fn amounting(amount: &str) -> String {
    transfer("T").to_string().replacen("\"total_amount\":10", &format!("\"total_amount\":{amount}"), 1)
}

fn repeated(item: impl Fn(usize) -> String, count: usize) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn deep_and_long_bodies_are_refused_in_time() {
    let world = World::start().await;
    let server = world.serve().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let job = transfer("T").to_string();
    let in_job = |inner: &str| job.replacen("\"amy99a\"", inner, 1);
    let wrong_fields = format!("{{{}}}", repeated(|number| format!("\"{number}\":1"), 300));
    for (name, body, expected) in [
        ("arrays without an end", "[".repeat(4_000_000), 400),
        ("objects without an end", "{\"a\":".repeat(1_000_000), 400),
        ("deep jobs", format!("{{\"jobs\":[{}]}}", nested(100_000)), 200),
        ("a deep field", in_job(&nested(200)), 422),
        ("a very deep field", in_job(&nested(120_000)), 422),
        ("a long key", having(transfer("T"), "platform_no", json!("A".repeat(8_000_000))).to_string(), 413),
        ("a byte too much", " ".repeat((8 << 20) + 1), 413),
        ("40 MiB", " ".repeat(40 << 20), 413),
        ("many fields", format!("{{{}}}", repeated(|number| format!("\"k{number}\":1"), 500_000)), 413),
        ("one field many times", format!("{{{}}}", repeated(|_| "\"a\":1".to_owned(), 500_000)), 413),
        ("many numbers", format!("{{\"jobs\":[{}]}}", repeated(|_| "1".to_owned(), 3_000_000)), 413),
        ("many wrong jobs", format!("{{\"jobs\":[{}]}}", repeated(|_| wrong_fields.clone(), 1_000)), 200),
    ] {
        assert_eq!(status(&server, name, body).await, expected, "{name}");
    }
    assert_eq!(world.list().await, [Value::Null; 0]);
}

#[tokio::test]
async fn amounts_that_are_no_positive_whole_number_are_refused() {
    let world = World::start().await;
    let server = world.serve().await;
    assert!(amounting("7").contains("\"total_amount\":7"), "{}", amounting("7"));
    for amount in [
        "1e400",
        "-0",
        "0",
        "1.0",
        "10.5",
        "1e1",
        "99999999999999999999999",
        "\"１０\"",
        "-5",
        "1e-400",
        "true",
        "null",
        "[10]",
        "\"1e1\"",
        "\" 10\"",
        "9223372036854775808",
    ] {
        assert_eq!(status(&server, amount, amounting(amount)).await, 422, "{amount}");
    }
    for no_json in ["NaN", "Infinity", "0x10"] {
        assert_eq!(status(&server, no_json, amounting(no_json)).await, 400, "{no_json}");
    }
    let hidden = amounting("10, \"total\\u005famount\": 99");
    assert_eq!(status(&server, "an amount twice", hidden).await, 422);
    assert_eq!(world.list().await, [Value::Null; 0]);
}

#[tokio::test]
async fn keys_that_look_alike_or_break_out_are_refused() {
    let world = World::start().await;
    let server = world.serve().await;
    for key in ["a\0b", "T1\u{200b}", "\u{202e}1T", ".", "..", " T", "T\u{a0}1", "T\u{3000}"] {
        let body = having(transfer("T"), "platform_no", json!(key)).to_string();
        assert_eq!(status(&server, key, body).await, 422, "{key:?}");
    }
    let job = transfer("T").to_string();
    let utf16: Vec<u8> = job.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, body) in [
        ("a key twice", job.replacen("{", "{\"platform_no\":\"D1\",", 1).into_bytes()),
        ("half a surrogate", job.replacen("\"T\"", "\"\\ud800\"", 1).into_bytes()),
        ("a byte order mark in a key", job.replacen("\"T\"", "\"\u{feff}T\"", 1).into_bytes()),
    ] {
        assert_eq!(status(&server, name, body).await, 422, "{name}");
    }
    assert_eq!(status(&server, "UTF-16", utf16).await, 400);
    assert_eq!(world.list().await, [Value::Null; 0]);
    // Marks of Redis, of Lua and of HTML are text like any other.
    for key in ["}:{x}:job:T1", "__proto__", "%d%s%1$n", "../../T1", "\"><img/src=x>"] {
        let job = having(transfer("T"), "platform_no", json!(key));
        assert_eq!(server.submit(&job).await.status, 201, "{key}");
        world.accepted(job);
    }
    world.books_agree().await;
}
