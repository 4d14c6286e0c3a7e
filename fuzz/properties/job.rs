//! Whatever is submitted: it is refused with bounded words, or taken as content that comes out the same, byte for byte,
//! when it is read back and submitted again.

use bursar_domain::{AccountRules, Fen, GatewayKind, Invalid, Job, Kind, MAX_JOB_BYTES, NewJob};
use serde_json::{Map, Value, json};

const MAX_CONTENT_BYTES: usize = 200 * 1024;
const CAP: i64 = 1_000_000;

/// The fields of a bill that are read by themselves; everything else is in `extra`.
const BILL: [&str; 15] = [
    "trade_type",
    "node_id",
    "order_amount",
    "order_id",
    "order_time",
    "org_order_id",
    "pay_merchant_id",
    "pay_type",
    "store_id",
    "trade_no",
    "user_id",
    "fee_amount",
    "split_rule_source",
    "split_refund_seq",
    "goods_detail",
];

fn rules(account: &str) -> Option<AccountRules> {
    let yzt = AccountRules::new(GatewayKind::Yzt);
    match account {
        "main" => Some(yzt),
        "capped" => Some(AccountRules { max_amount: Fen::new(CAP), generic_split: true, ..yzt }),
        "shop" => Some(AccountRules::new(GatewayKind::Beingfi)),
        _ => None,
    }
}

pub(crate) fn check(bytes: &[u8]) {
    match Job::parse(bytes, rules) {
        Ok(job) => taken(&job, bytes),
        Err(invalid) => refused(&invalid),
    }
}

fn refused(invalid: &Invalid) {
    assert!((1..=101).contains(&invalid.errors.len()), "{} errors", invalid.errors.len());
    let said = invalid.to_string();
    assert!(said.len() <= 101 * 2048, "a refusal of {} bytes", said.len());
    assert!(!said.chars().any(char::is_control), "control characters in {said:?}");
    assert!(invalid.key.as_ref().is_none_or(|key| key.len() <= 64 * 10 && !key.chars().any(char::is_control)));
}

fn taken(job: &Job, bytes: &[u8]) {
    let text = job.content.text();
    assert!(bytes.len() <= MAX_JOB_BYTES && text.len() <= MAX_CONTENT_BYTES, "{} bytes of content", text.len());
    assert!(
        !job.content.business_key().is_empty() && job.content.business_key().len() <= 512,
        "about {:?}",
        job.content.business_key()
    );
    assert!((1..=64).contains(&job.key.as_str().len()) && !job.key.as_str().chars().any(char::is_control));
    assert!(!text.bytes().any(|byte| byte < b' '), "content is one line");
    let content: Map<String, Value> = serde_json::from_str(text).expect("content is a JSON object");
    if job.queue.account.as_str() == "capped" && job.queue.kind == Kind::Transfer {
        assert!(content["total_amount"].as_i64().is_some_and(|amount| (1..=CAP).contains(&amount)), "{text}");
    }
    same(job, Job::parse(bytes, rules), "read twice");

    let built = NewJob {
        account: job.queue.account.to_string(),
        kind: job.queue.kind.to_string(),
        platform_no: job.key.to_string(),
        body: body_of(job, content),
        run_at: job.run_at.map(bursar_domain::Millis::rfc3339),
        callback_url: job.callback_url.clone(),
        traceparent: job.trace.as_ref().map(ToString::to_string),
    };
    same(job, Job::validate(&built, rules), "submitted again as it is stored");
    let written = serde_json::to_vec(&built).expect("a job is JSON");
    if written.len() <= MAX_JOB_BYTES {
        same(job, Job::parse(&written, rules), "submitted again as it is stored, through the other interface");
    }
}

fn same(job: &Job, again: Result<Job, Invalid>, how: &str) {
    let again = again.unwrap_or_else(|invalid| panic!("{how}: {invalid}\n{}", job.content.text()));
    assert_eq!(again.content, job.content, "{how}");
    assert_eq!(again.content.hash(), job.content.hash(), "{how}");
    assert_eq!((&again.queue, &again.key), (&job.queue, &job.key), "{how}");
    assert_eq!((again.run_at, &again.callback_url), (job.run_at, &job.callback_url), "{how}");
    assert_eq!(again.trace, job.trace, "{how}");
}

/// The body that the content was made of.
fn body_of(job: &Job, mut content: Map<String, Value>) -> Map<String, Value> {
    let listed = |content: &mut Map<String, Value>, name: &str| {
        if let Some(Value::String(text)) = content.get(name) {
            let list: Value = serde_json::from_str(text).expect("an encoded list");
            content.insert(name.to_owned(), list);
        }
    };
    match (job.queue.kind, rules(job.queue.account.as_str()).map(|rules| rules.gateway)) {
        (Kind::Transfer, _) | (Kind::Split, Some(GatewayKind::Yzt)) => {
            content.remove("platform_no");
        }
        (Kind::BillUpload, _) => {
            let (known, extra): (Map<_, _>, Map<_, _>) =
                content.into_iter().partition(|(name, _)| BILL.contains(&name.as_str()));
            content = known;
            listed(&mut content, "goods_detail");
            if !extra.is_empty() {
                content.insert("extra".into(), json!(extra));
            }
        }
        (Kind::Split, _) => listed(&mut content, "receivers"),
        (Kind::Withdrawal, _) => unreachable!("no account of these takes one"),
    }
    content
}
