//! Jobs in the words of the gateways' own pages (read 2026-11-22), so that what the pages show is what is tested.

use std::time::Duration;

use bursar_domain::Millis;
use serde_json::{Value, json};

/// The example of `bkfunds.balance.pay.apply`.
pub fn transfer(key: &str) -> Value {
    json!({"account": "main", "kind": "transfer", "platform_no": key, "body": {
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0",
    }})
}

/// The example of `funds.bill.upload`: all its fields, its goods, and the two fields that its table does not know.
pub fn bill(key: &str, order_id: &str) -> Value {
    json!({"account": "main", "kind": "bill_upload", "platform_no": key, "body": {
        "fee_amount": 1, "node_id": "100001", "order_amount": 199, "order_id": order_id,
        "order_time": "20240301131800", "org_order_id": "100010000", "pay_merchant_id": "1302329392",
        "pay_type": "502", "store_id": "20008221", "trade_no": "2019112011001004330000121536", "trade_type": "1",
        "user_id": "01", "split_rule_source": "1",
        "goods_detail": [
            {"goods_id": "apple-01", "goods_name": "ipad", "quantity": 1, "price": 200_000, "real_price": 199_999,
             "goods_category": "34543238", "body": "特价手机", "goods_fee_amount": 1},
            {"goods_id": "apple-02", "goods_name": "ipad2", "quantity": 1, "price": 200_000, "real_price": 199_999,
             "goods_category": "34543239", "body": "特价手机2", "goods_fee_amount": 1},
        ],
        "extra": {"merchant_id": "1000000000826", "remark": "备注"},
    }})
}

/// The example of `/api/division/exec`, empty groups included.
pub fn split(key: &str, order: &str) -> Value {
    json!({"account": "shop", "kind": "split", "platform_no": key, "body": {
        "payOrderId": order, "useSysAutoDivisionReceivers": "0",
        "receivers": [
            {"receiverGroupId": "", "receiverId": "800029", "divisionProfit": "0.0001"},
            {"receiverGroupId": "", "receiverId": "800028", "divisionProfit": "0.0002"},
        ],
    }})
}

/// The example of `bkfunds.withdraw.apply`, to a bound card, its amount in fen. The ledger has it by its remark.
pub fn withdrawal(key: &str, remark: &str) -> Value {
    json!({"account": "main", "kind": "withdrawal", "platform_no": key, "body": {
        "merchant_id": 1_000_000_001_116_i64, "sso_node_id": "00061967", "account_sub_type": "0", "total_amount": 110,
        "card_type": "0", "remark": remark,
    }})
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("a time of this age")
}

/// A moment so far ahead that nothing of a test happens then.
pub fn in_days(days: u64) -> Millis {
    Millis(now_ms().cast_unsigned()).plus(Duration::from_secs(days * 24 * 3600))
}

/// `count` transfers, `PREFIX-001` and on.
pub fn transfers(prefix: &str, count: usize) -> Vec<Value> {
    (1..=count).map(|number| transfer(&format!("{prefix}-{number:03}"))).collect()
}

/// The job with one field of its body set to `value`, or taken out by null.
pub fn with(mut job: Value, field: &str, value: Value) -> Value {
    job["body"][field] = value;
    job
}

/// The job with one field set.
pub fn having(mut job: Value, field: &str, value: Value) -> Value {
    job[field] = value;
    job
}

/// A job's key.
pub fn key(job: &Value) -> &str {
    job["platform_no"].as_str().expect("a job of these tests has a key")
}

/// The name under which the gateway's ledger has the job.
pub fn ledger_key(job: &Value) -> String {
    let text = |name: &str| job["body"][name].as_str().unwrap_or_default();
    match job["kind"].as_str() {
        Some("bill_upload") => format!("{}/{}", text("order_id"), text("trade_type")),
        Some("split") => text("payOrderId").to_owned(),
        Some("withdrawal") => text("remark").to_owned(),
        _ => key(job).to_owned(),
    }
}
