//! The traps of the gateways' pages that concern what is submitted, one test each, through the one validator.
//! `crates/gateways/TRAPS.md` lists all 42 with their tests.

use bursar_domain::{AccountRules, GatewayKind, Invalid, Job, PartyTypes};
use serde_json::{Value, json};

fn parse(account: &str, kind: &str, body: &Value) -> Result<Job, Invalid> {
    let job = json!({"account": account, "kind": kind, "platform_no": "1001XP2025010110000001", "body": body});
    parse_text(&job.to_string())
}

fn parse_text(job: &str) -> Result<Job, Invalid> {
    Job::parse(job.as_bytes(), |account| match account {
        "main" => Some(AccountRules::new(GatewayKind::Yzt)),
        "shop" => Some(AccountRules::new(GatewayKind::Beingfi)),
        _ => None,
    })
}

/// The fields that a body is refused for.
fn refused(account: &str, kind: &str, body: &Value) -> Vec<String> {
    let errors = parse(account, kind, body).expect_err("must be refused").errors;
    errors.into_iter().map(|error| error.field).collect()
}

fn content(account: &str, kind: &str, body: &Value) -> Value {
    serde_json::from_str(parse(account, kind, body).expect("must be taken").content.text()).expect("content is JSON")
}

fn transfer() -> Value {
    json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0"
    })
}

fn bill() -> Value {
    json!({
        "trade_type": "1", "node_id": "100001", "order_amount": 199, "order_id": "100010001",
        "order_time": "20240301131800", "store_id": "20008221"
    })
}

fn split() -> Value {
    json!({"payOrderId": "P202108271011463510002", "receivers": [{"receiverId": 800_029, "divisionProfit": "0.0001"}]})
}

/// `body` with one field changed; `null` takes it out.
fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

#[test]
fn trap_09_each_side_is_either_a_store_or_a_merchant() {
    let both = with(transfer(), "payer_merchant_id", json!("1000000001123"));
    assert_eq!(refused("main", "transfer", &both), ["body.payer_merchant_id"]);
    let neither = with(transfer(), "payee_store_no", Value::Null);
    assert_eq!(refused("main", "transfer", &neither), ["body.payee_store_no"]);
    let merchant = with(with(transfer(), "payer_store_no", Value::Null), "payer_merchant_id", json!("1000000001123"));
    let content = content("main", "transfer", &merchant);
    assert_eq!((content["payer_merchant_id"].as_str(), content.get("payer_store_no")), (Some("1000000001123"), None));
}

#[test]
fn trap_10_account_types_are_the_pages_or_the_accounts_own() {
    let text = |word: &Value| {
        let body = with(transfer(), "payer_type", word.clone());
        json!({"account": "main", "kind": "transfer", "platform_no": "K", "body": body}).to_string()
    };
    for (types, word, taken) in [
        (&["1", "2"][..], json!("1"), true),
        (&["1", "2"], json!("2"), true),
        (&["1", "2"], json!("0"), false),
        (&["1", "2"], json!("9"), false),
        (&["1", "2"], json!("01"), false),
        (&["1", "2"], json!(1), false),
        (&["0", "9"], json!("0"), true),
        (&["0", "9"], json!("9"), true),
        (&["0", "9"], json!("1"), false),
    ] {
        let party_types = PartyTypes::read(types).expect("digits");
        let rules = AccountRules { party_types, ..AccountRules::new(GatewayKind::Yzt) };
        let parsed = Job::parse(text(&word).as_bytes(), |_| Some(rules));
        // The other side is of type 2, which is judged by the same list.
        let fields =
            parsed.err().map(|invalid| invalid.errors.into_iter().map(|error| error.field).collect::<Vec<_>>());
        let wrong = fields.unwrap_or_default().contains(&"body.payer_type".to_owned());
        assert_eq!(wrong, !taken, "{types:?} {word}");
    }
    for none in [&[][..], &[""], &["10"], &["x"], &["1", "-"]] {
        assert_eq!(PartyTypes::read(none), None, "{none:?}");
    }
}

#[test]
fn trap_12_yuan_with_decimals_are_no_amount() {
    for amount in [json!(1.1), json!("1.1"), json!(1.0)] {
        assert_eq!(refused("main", "transfer", &with(transfer(), "total_amount", amount)), ["body.total_amount"]);
    }
}

#[test]
fn trap_18_goods_are_a_list_here_and_a_bounded_text_on_the_wire() {
    let goods = |count: usize| {
        let item =
            json!({"goods_id": "apple-01", "goods_name": "特价手机", "quantity": 1, "price": 2, "real_price": 1});
        with(bill(), "goods_detail", Value::Array(vec![item; count]))
    };
    let content = content("main", "bill_upload", &goods(2));
    let inner: Value = serde_json::from_str(content["goods_detail"].as_str().expect("a text")).expect("JSON within");
    assert_eq!(inner[1]["goods_name"], "特价手机");
    assert_eq!(refused("main", "bill_upload", &goods(100)), ["body.goods_detail"]);
    let text = with(bill(), "goods_detail", json!("[]"));
    assert_eq!(refused("main", "bill_upload", &text), ["body.goods_detail"]);
}

#[test]
fn trap_19_a_repeated_field_is_refused() {
    let job = r#"{"account":"main","kind":"transfer","platform_no":"a","body":{"total_amount":1,"total_amount":2}}"#;
    assert!(parse_text(job).expect_err("must be refused").to_string().contains("total_amount occurs twice"));
}

#[test]
fn trap_20_goods_need_not_add_up_to_the_order() {
    let goods =
        json!([{"goods_id": "a", "goods_name": "ipad", "quantity": 1, "price": 200_000, "real_price": 199_999}]);
    assert_eq!(content("main", "bill_upload", &with(bill(), "goods_detail", goods))["order_amount"], 199);
}

#[test]
fn trap_21_extra_fields_never_replace_documented_ones() {
    let extra = with(bill(), "extra", json!({"merchant_id": "1000000000826", "remark": "备注"}));
    assert_eq!(content("main", "bill_upload", &extra)["remark"], "备注");
    for name in ["order_amount", "goods_detail", "platform_no"] {
        let collides = with(bill(), "extra", json!({name: "1"}));
        assert_eq!(refused("main", "bill_upload", &collides), [format!("body.extra.{name}")]);
    }
    let undocumented = with(with(bill(), "merchant_id", json!("1000000000826")), "remark", json!("备注"));
    assert_eq!(content("main", "bill_upload", &undocumented), content("main", "bill_upload", &extra));
    assert_eq!(refused("main", "bill_upload", &with(bill(), "colour", json!("x"))), ["body.colour"]);
}

#[test]
fn trap_22_a_refund_needs_the_original_order() {
    assert!(parse("main", "bill_upload", &with(bill(), "org_order_id", json!("100010000"))).is_ok());
    let refund = with(bill(), "trade_type", json!("2"));
    assert_eq!(refused("main", "bill_upload", &refund), ["body.org_order_id"]);
    assert!(parse("main", "bill_upload", &with(refund, "org_order_id", json!("100010000"))).is_ok());
}

#[test]
fn trap_23_one_channel_alone_needs_the_split_refund_number() {
    let refund = with(with(bill(), "trade_type", json!("2")), "org_order_id", json!("100010000"));
    assert!(parse("main", "bill_upload", &refund).is_ok());
    let numbered = with(refund, "split_refund_seq", json!("1001XP2025010110000001_S01_R01"));
    assert!(parse("main", "bill_upload", &numbered).is_ok());
}

#[test]
fn trap_24_ids_have_their_own_lengths_and_are_never_cut() {
    for (field, max) in [("order_id", 32), ("store_id", 16), ("user_id", 8), ("node_id", 8)] {
        assert!(parse("main", "bill_upload", &with(bill(), field, json!("号".repeat(max)))).is_ok(), "{field}");
        let longer = with(bill(), field, json!("号".repeat(max + 1)));
        assert_eq!(refused("main", "bill_upload", &longer), [format!("body.{field}")]);
    }
}

#[test]
fn trap_35_the_pages_typographic_quotes_are_no_json() {
    assert!(parse_text("{“account”:”main”}").is_err());
}

#[test]
fn trap_37_receivers_are_bounded_by_the_pages_length() {
    let receivers = |count: u64| {
        let list: Vec<Value> =
            (0..count).map(|id| json!({"receiverId": 800_000 + id, "divisionProfit": 0.01})).collect();
        with(split(), "receivers", Value::Array(list))
    };
    assert!(parse("shop", "split", &receivers(9)).is_ok());
    let error = parse("shop", "split", &receivers(20)).expect_err("must be refused");
    assert!(error.to_string().contains("use groups"), "{error}");
}

#[test]
fn trap_41_only_the_used_one_of_receiver_and_group_is_sent() {
    let receivers = json!([{"receiverGroupId": "", "receiverId": "800029", "divisionProfit": "0.0001"}]);
    let content = content("shop", "split", &with(split(), "receivers", receivers));
    assert_eq!(content["receivers"], r#"[{"receiverId":"800029","divisionProfit":"0.0001"}]"#);
}
