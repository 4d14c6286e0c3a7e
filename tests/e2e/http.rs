//! The few requests that a test makes: of the simulator's own routes, and of metrics and health.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The simulator answers its own routes at once, also on a busy machine.
const WAITS: Duration = Duration::from_secs(10);

/// The reply of `address` to a GET, as JSON.
pub(crate) async fn get(address: &str, path: &str) -> Value {
    request(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await
}

/// The reply of `address` to a GET: the HTTP status and the body as it is.
pub(crate) async fn read(address: &str, path: &str) -> (u16, String) {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await
}

/// Puts `body` there; the answer as JSON, null when it is empty.
pub(crate) async fn put(address: &str, path: &str, body: &Value) -> Value {
    let body = body.to_string();
    let head = format!("PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}", body.len());
    request(address, &format!("{head}\r\n\r\n{body}")).await
}

async fn request(address: &str, text: &str) -> Value {
    let (status, body) = exchange(address, text).await;
    assert!((200..300).contains(&status), "{}: {status} {body}", text.lines().next().unwrap_or_default());
    if body.is_empty() { Value::Null } else { serde_json::from_str(&body).expect("the simulator answers in JSON") }
}

async fn exchange(address: &str, text: &str) -> (u16, String) {
    let line = text.lines().next().unwrap_or_default();
    let exchange = async {
        let mut connection = TcpStream::connect(address).await?;
        connection.write_all(text.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(WAITS, exchange).await.unwrap_or_else(|_| panic!("{address} did not answer {line}"));
    let answer = answer.unwrap_or_else(|error| panic!("{line} at {address}: {error}"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: no HTTP answer: {answer}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{line}: no HTTP status: {answer}")), body.to_owned())
}
