//! The one validator of every interface: what it takes, and how it refuses everything else, kind by kind.

mod bill_upload;
mod envelope;
mod generic_split;
mod pasted;
mod split;
mod transfer;
mod withdrawal;

use bursar_domain::{AccountRules, Fen, GatewayKind, Invalid, Job, Kind, KindSet};
use serde_json::{Map, Value, json};

/// The accounts of these tests: one a gateway, one with a cap, one with the undocumented split, one that withdraws.
fn rules(account: &str) -> Option<AccountRules> {
    let yzt = AccountRules::new(GatewayKind::Yzt);
    match account {
        "main" => Some(yzt),
        "capped" => Some(AccountRules { max_amount: Fen::new(100), ..yzt }),
        "generic" => Some(AccountRules { generic_split: true, ..yzt }),
        "withdrawing" => Some(AccountRules { additional: KindSet::NONE.with(Kind::Withdrawal), ..yzt }),
        "shop" => Some(AccountRules::new(GatewayKind::Beingfi)),
        _ => None,
    }
}

fn parse(job: &str) -> Result<Job, Invalid> {
    Job::parse(job.as_bytes(), rules)
}

fn job(account: &str, kind: &str, body: &Value) -> Value {
    json!({"account": account, "kind": kind, "platform_no": "1001XP2025010110000001", "body": body})
}

/// The content that is made of a job that must be taken.
fn content(job: &Value) -> String {
    parse(&job.to_string()).unwrap_or_else(|invalid| panic!("{invalid}\n{job}")).content.text().to_owned()
}

/// Every error of a job that must be refused.
fn problems(job: &Value) -> Vec<String> {
    match parse(&job.to_string()) {
        Ok(taken) => panic!("taken: {}", taken.content.text()),
        Err(invalid) => invalid.errors.iter().map(ToString::to_string).collect(),
    }
}

/// `object` with one field set. `null` takes it out, which is the same to the validator.
fn with(object: &Value, field: &str, value: Value) -> Value {
    let mut object = object.clone();
    object[field] = value;
    object
}

/// Proves for each row that the field with this value is refused for this one reason and no other.
fn each_is_refused(account: &str, kind: &str, body: &Value, table: &[(&str, Value, &str)]) {
    for (field, value, rule) in table {
        let wrong = job(account, kind, &with(body, field, value.clone()));
        assert_eq!(problems(&wrong), [format!("body.{field} {rule}")], "{value}");
    }
}

/// Proves that each of these fields may neither be left out nor be `null`, and is named when it is.
fn each_is_required(account: &str, kind: &str, body: &Value, fields: &[&str]) {
    for field in fields {
        let mut without: Map<String, Value> = body.as_object().unwrap().clone();
        without.remove(*field);
        let expected = [format!("body.{field} is required")];
        assert_eq!(problems(&job(account, kind, &without.into())), expected);
        assert_eq!(problems(&job(account, kind, &with(body, field, Value::Null))), expected);
    }
}

/// Amounts that are none: floats, zero, negative, beyond what can be counted, and other types.
fn no_amounts() -> Vec<Value> {
    vec![
        json!(1.5),
        json!(10.0),
        json!(0),
        json!(-10),
        json!(9_223_372_036_854_775_808_u64),
        json!(1e30),
        json!("1.5"),
        json!("0"),
        json!("-1"),
        json!("99999999999999999999"),
        json!(""),
        json!("ten"),
        json!(true),
        json!([10]),
    ]
}

fn chars(count: usize) -> String {
    "店".repeat(count)
}
