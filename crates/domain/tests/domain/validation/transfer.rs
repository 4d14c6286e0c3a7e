//! `transfer`: `bkfunds.balance.pay.apply`.

use serde_json::{Value, json};

use super::{chars, content, each_is_refused, each_is_required, job, no_amounts, parse, problems, with};

fn body() -> Value {
    json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0"
    })
}

#[test]
fn the_page_s_example_is_sent_in_the_page_s_order() {
    assert_eq!(
        content(&job("main", "transfer", &body())),
        r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001","total_amount":10,"payer_store_no":"amy99a","payer_type":"1","payee_store_no":"amy99b","payee_type":"2","arrive_time":"T0"}"#
    );
}

#[test]
fn order_and_notation_of_a_submission_keep_the_content() {
    let other = r#"{"kind": "transfer", "platform_no": "1001XP2025010110000001", "body": {"arrive_time": "T0",
        "payee_type": "2", "payee_store_no": "amy99b", "payer_type": "1", "payer_merchant_id": null,
        "payer_store_no": "\u0061my99a", "total_amount": "10", "node_id": "00061967"}, "account": "main"}"#;
    let (other, plain) = (parse(other).unwrap(), parse(&job("main", "transfer", &body()).to_string()).unwrap());
    assert_eq!(other.content, plain.content);
    assert_eq!(other.content.hash(), plain.content.hash());
    assert_eq!(plain.content.business_key(), "1001XP2025010110000001");
}

#[test]
fn every_field_is_required_but_one_of_each_pair() {
    each_is_required(
        "main",
        "transfer",
        &body(),
        &["node_id", "total_amount", "payer_type", "payee_type", "arrive_time"],
    );
}

#[test]
fn each_side_is_a_store_or_a_merchant_and_not_both() {
    let merchants = with(&with(&body(), "payer_store_no", Value::Null), "payer_merchant_id", json!("1000000001123"));
    assert!(
        content(&job("main", "transfer", &merchants)).contains(r#","payer_merchant_id":"1000000001123","payer_type""#)
    );
    each_is_refused(
        "main",
        "transfer",
        &body(),
        &[
            ("payer_store_no", Value::Null, "is required, or payer_merchant_id instead: exactly one of them"),
            ("payee_store_no", Value::Null, "is required, or payee_merchant_id instead: exactly one of them"),
            ("payer_merchant_id", json!("1"), "must not be given together with payer_store_no: exactly one of them"),
            ("payee_merchant_id", json!("1"), "must not be given together with payee_store_no: exactly one of them"),
            ("payer_store_no", json!(""), "must not be empty"),
            ("payer_merchant_id", json!(""), "must not be empty"),
        ],
    );
}

#[test]
fn an_amount_is_a_positive_integer_of_fen() {
    for amount in no_amounts() {
        each_is_refused(
            "main",
            "transfer",
            &body(),
            &[("total_amount", amount, "must be a positive integer of fen: 1000 for 10.00 yuan")],
        );
    }
    let largest = with(&body(), "total_amount", json!(1_000_000_000));
    assert!(content(&job("main", "transfer", &largest)).contains(r#""total_amount":1000000000,"#));
    for beyond in [json!(1_000_000_001), json!(i64::MAX), json!("9223372036854775807")] {
        let rule = "must be at most 1000000000 fen, this account's max_amount, which is the default: set it to what you pay at most";
        each_is_refused("main", "transfer", &body(), &[("total_amount", beyond, rule)]);
    }
}

#[test]
fn an_amount_over_the_account_s_cap_is_refused() {
    assert!(parse(&job("capped", "transfer", &with(&body(), "total_amount", json!(100))).to_string()).is_ok());
    each_is_refused(
        "capped",
        "transfer",
        &body(),
        &[("total_amount", json!(101), "must be at most 100 fen, this account's max_amount")],
    );
}

#[test]
fn each_field_has_its_rule() {
    each_is_refused(
        "main",
        "transfer",
        &body(),
        &[
            ("node_id", json!(61967), "must be a string"),
            ("node_id", json!("000619678"), "must be at most 8 characters long"),
            ("node_id", json!(chars(9)), "must be at most 8 characters long"),
            ("node_id", json!(""), "must not be empty"),
            ("payer_store_no", json!(chars(65)), "must be at most 64 characters long"),
            ("payer_store_no", json!("a\nb"), "must hold no control characters"),
            ("payer_store_no", json!("amy99a "), "must hold no white space at its ends, and holds U+0020"),
            ("payee_store_no", json!("\u{3000}amy99b"), "must hold no white space at its ends, and holds U+3000"),
            (
                "payee_store_no",
                json!("amy99\u{200b}b"),
                "must hold no invisible or direction-changing characters, and holds U+200B",
            ),
            ("payee_store_no", json!(["amy99b"]), "must be a string"),
            ("payer_type", json!(1), "must be a string"),
            ("payee_type", json!(chars(65)), "must be at most 64 characters long"),
            ("payer_type", json!("9"), "must be the string \"1\" or \"2\", this account's party_types"),
            ("payee_type", json!("0"), "must be the string \"1\" or \"2\", this account's party_types"),
            ("arrive_time", json!("T2"), "must be the string \"T0\" or \"T1\""),
            ("arrive_time", json!(0), "must be the string \"T0\" or \"T1\""),
            (
                "platform_no",
                json!("other"),
                "must be the job's platform_no or be left out: it is a field of the job, not of its body",
            ),
            ("remark", json!("x"), "is not a known field: extra takes further ones"),
            ("extra", json!("x"), "must be an object of further fields"),
        ],
    );
    let longest = with(&with(&body(), "node_id", json!(chars(8))), "payer_store_no", json!(chars(64)));
    assert!(content(&job("main", "transfer", &longest)).contains(&chars(64)));
}

#[test]
fn paying_the_payer_is_refused_unless_the_types_differ() {
    let rule = "must name another account than the payer's: number and type are the same";
    let stores = with(&body(), "payee_store_no", json!("amy99a"));
    assert!(parse(&job("main", "transfer", &stores).to_string()).is_ok(), "from its type 1 to its type 2");
    each_is_refused(
        "main",
        "transfer",
        &with(&body(), "payee_type", json!("1")),
        &[("payee_store_no", json!("amy99a"), rule)],
    );
    let mut merchants = with(&with(&body(), "payer_store_no", Value::Null), "payee_store_no", Value::Null);
    merchants["payer_merchant_id"] = json!("1000000001123");
    merchants["payee_type"] = json!("1");
    each_is_refused("main", "transfer", &merchants, &[("payee_merchant_id", json!("1000000001123"), rule)]);
    let mixed = with(&merchants, "payee_store_no", json!("1000000001123"));
    assert!(parse(&job("main", "transfer", &mixed).to_string()).is_ok(), "a store and a merchant are numbered apart");
}

#[test]
fn extra_follows_the_pages_fields() {
    let text = content(&job("main", "transfer", &with(&body(), "extra", json!({"remark": "分账", "b": 1}))));
    assert!(text.ends_with(r#""arrive_time":"T0","b":1,"remark":"分账"}"#), "{text}");
    let place = "has its own place and must not be given here";
    let wrong = json!({"platform_no": "x", "total_amount": 1, "node_id": "1", "payee_store_no": "x", "empty": ""});
    assert_eq!(
        problems(&job("main", "transfer", &with(&body(), "extra", wrong))),
        [
            "body.extra.empty must not be empty: leave it out".to_owned(),
            format!("body.extra.node_id {place}"),
            format!("body.extra.payee_store_no {place}"),
            format!("body.extra.platform_no {place}"),
            format!("body.extra.total_amount {place}"),
        ]
    );
}

#[test]
fn everything_wrong_is_named_at_once_with_the_key_s_own_error() {
    let mut wrong = job("main", "transfer", &json!({"total_amount": 0.1, "payer_type": "1", "payee_typo": "2"}));
    wrong["platform_no"] = json!("a b");
    wrong["run_at"] = json!("tomorrow");
    wrong["priority"] = json!(1);
    assert_eq!(
        problems(&wrong),
        [
            "platform_no must hold no white space and no control characters, and holds U+0020",
            "run_at must be an RFC 3339 time with an offset, for example 2026-01-01T08:00:00+08:00",
            "priority is not a known field",
            "body.node_id is required",
            "body.total_amount must be a positive integer of fen: 1000 for 10.00 yuan",
            "body.payee_type is required",
            "body.arrive_time is required",
            "body.payer_store_no is required, or payer_merchant_id instead: exactly one of them",
            "body.payee_store_no is required, or payee_merchant_id instead: exactly one of them",
            "body.payee_typo is not a known field; did you mean payee_type? extra takes further ones",
        ]
    );
}
