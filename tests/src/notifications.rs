//! Notifications from the gateway: written and signed as its platform does.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::CONTENT_TYPE;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::api::{Api, answer};
use crate::jobs::bill;
use crate::wait::SOON;

const VECTORS: &str = include_str!("../vectors/vectors.json");
/// The method of a bank credit.
pub const METHOD: &str = "bkfunds.acct.transfer.notify";
/// A method whose notifications name a bill, by its order.
pub const BILLS: &str = "bkfunds.order.notify";

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

/// The key by which what [`signed`] signs is verified.
pub fn platform_public_key() -> String {
    vectors()["keys"]["platform_public_spki"].as_str().unwrap().to_owned()
}

/// A notification of this method and content, written at `timestamp`, signed by the platform.
pub fn signed(app_id: &str, method: &str, content: &str, timestamp: &str) -> String {
    let mut params: BTreeMap<&str, &str> = BTreeMap::from_iter([
        ("app_id", app_id),
        ("method", method),
        ("version", "1.0"),
        ("charset", "utf-8"),
        ("format", "json"),
        ("sign_type", "RSA2"),
        ("timestamp", timestamp),
        ("biz_content", content),
    ]);
    let text: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let key = STANDARD.decode(vectors()["keys"]["platform_private_pkcs8"].as_str().unwrap()).unwrap();
    let signing = SigningKey::<Sha256>::new(RsaPrivateKey::from_pkcs8_der(&key).unwrap());
    let sign = STANDARD.encode(signing.sign(text.join("&").as_bytes()).to_bytes());
    params.insert("sign", &sign);
    json!(params).to_string()
}

/// The page's timestamp, this many minutes from now.
pub fn stamp(minutes: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_mins(minutes);
    Offset::constant(8).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A bank credit.
pub fn credit(record: &str, deduct_status: &str) -> String {
    json!({"channel": "02", "record_id": record, "in_acct_name": "王小明", "in_acct_no": "6222021234567890123",
        "trans_amount": "100000", "ccy_code": "RMB", "deduct_status": deduct_status})
    .to_string()
}

/// The server's reply to a notification.
pub async fn post(api: &Api, body: &str) -> (u16, Value) {
    let answer =
        answer(api.request("POST", "/notify/main", "").header(CONTENT_TYPE, "application/json").body(body.to_owned()))
            .await;
    assert!(answer.header("content-type").starts_with("text/plain"), "{answer:?}");
    (answer.status, answer.body)
}

/// The reply to a notification that is kept.
pub fn success() -> (u16, Value) {
    (200, json!("success"))
}

/// Every event of a notification since the beginning that this bearer sees. The event of a last job, which comes after
/// them all, is the end of what is read.
pub async fn announced_to(api: &Api, token: &str, query: &str, last: Value) -> Vec<Value> {
    let submitted = api.submit(&last).await;
    assert_eq!(submitted.status, 201, "{submitted:?}");
    let text = |name: &str| last[name].as_str().expect("a job of these tests has names").to_owned();
    let (account, kind, key) = (text("account"), text("kind"), text("platform_no"));
    let path = format!("/v1/jobs/{account}/{kind}/{key}/cancel");
    let cancelled = api.act(&path, &json!({"reason": "the last event"})).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let path = format!("/v1/events?last_event_id=0{query}");
    let mut stream = api.request("GET", &path, token).send().await.unwrap();
    let mut text = String::new();
    while !text.contains(&format!("\"{key}\"")) {
        let chunk = tokio::time::timeout(SOON, stream.chunk()).await.expect("news in time").unwrap().expect("a stream");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let events = text.split("event: notification\ndata: ").skip(1);
    events.map(|event| serde_json::from_str(event.lines().next().unwrap()).unwrap()).collect()
}

/// The same by the reader of all accounts.
pub async fn announced(api: &Api, last: &str) -> Vec<Value> {
    announced_to(api, &api.tokens.reader, "", bill(last, last)).await
}
