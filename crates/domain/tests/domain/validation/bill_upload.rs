//! `bill_upload`: `funds.bill.upload`.

use serde_json::{Value, json};

use super::{chars, content, each_is_refused, each_is_required, job, no_amounts, parse, problems, with};

fn goods(number: &str, category: &str) -> Value {
    json!({
        "goods_name": format!("ipad{number}"), "quantity": 1, "price": 200_000, "real_price": 199_999,
        "goods_id": format!("apple-0{number}"), "goods_category": category, "body": format!("特价手机{number}"),
        "goods_fee_amount": 1
    })
}

/// The page's request example, its list a list and its undocumented fields in `extra`.
fn body() -> Value {
    json!({
        "fee_amount": 1, "goods_detail": [goods("1", "34543238"), goods("2", "34543239")], "node_id": "100001",
        "order_amount": 199, "order_id": "100010001", "order_time": "20240301131800", "org_order_id": "100010000",
        "pay_merchant_id": "1302329392", "pay_type": "502", "store_id": "20008221",
        "trade_no": "2019112011001004330000121536", "trade_type": "1", "user_id": "01", "split_rule_source": "1",
        "extra": {"merchant_id": "1000000000826", "remark": "备注"}
    })
}

#[test]
fn the_page_s_example_is_sent_as_the_page_sends_it() {
    let sent: Value = serde_json::from_str(&content(&job("main", "bill_upload", &body()))).unwrap();
    let mut expected = body();
    expected["merchant_id"] = expected["extra"]["merchant_id"].take();
    expected["remark"] = expected["extra"]["remark"].take();
    expected.as_object_mut().unwrap().remove("extra");
    let encoded = sent["goods_detail"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(encoded).unwrap(), expected["goods_detail"]);
    expected["goods_detail"] = encoded.into();
    assert_eq!(sent, expected);
    assert!(encoded.starts_with(r#"[{"goods_id":"apple-01","goods_name":"ipad1","quantity":1,"#), "{encoded}");
}

#[test]
fn the_smallest_bill_is_sent_in_the_page_s_order() {
    let smallest = json!({"store_id": "1", "order_time": "20240301131800", "order_id": "2", "order_amount": 3,
        "node_id": "4", "trade_type": "1"});
    assert_eq!(
        content(&job("main", "bill_upload", &smallest)),
        r#"{"trade_type":"1","node_id":"4","order_amount":3,"order_id":"2","order_time":"20240301131800","store_id":"1"}"#
    );
}

#[test]
fn a_bill_is_about_its_order_and_the_type_of_its_trade() {
    let business_key =
        |body: &Value| parse(&job("main", "bill_upload", body).to_string()).unwrap().content.business_key().to_owned();
    assert_eq!(business_key(&body()), "100010001/1");
    assert_eq!(business_key(&with(&body(), "trade_type", json!("2"))), "100010001/2");
}

#[test]
fn what_the_page_requires_is_required() {
    let required = ["trade_type", "node_id", "order_amount", "order_id", "order_time", "store_id"];
    each_is_required("main", "bill_upload", &body(), &required);
    let refund = with(&body(), "trade_type", json!("2"));
    let rule = "is required for a refund (trade_type 2)";
    each_is_refused("main", "bill_upload", &refund, &[("org_order_id", Value::Null, rule)]);
    for optional in ["fee_amount", "goods_detail", "org_order_id", "pay_type", "trade_no", "user_id", "extra"] {
        assert!(parse(&job("main", "bill_upload", &with(&body(), optional, Value::Null)).to_string()).is_ok());
    }
}

#[test]
fn amounts_are_integers_of_fen_and_a_fee_may_be_zero() {
    for amount in no_amounts() {
        let rule = "must be a positive integer of fen: 1000 for 10.00 yuan";
        each_is_refused("main", "bill_upload", &body(), &[("order_amount", amount.clone(), rule)]);
        if amount != json!(0) && amount != json!("0") {
            let rule = "must be a whole number, 0 or more";
            each_is_refused("main", "bill_upload", &body(), &[("fee_amount", amount, rule)]);
        }
    }
    assert!(content(&job("main", "bill_upload", &with(&body(), "fee_amount", json!(0)))).contains(r#""fee_amount":0"#));
    let cap = "must be at most 100 fen, this account's max_amount";
    each_is_refused("capped", "bill_upload", &body(), &[("order_amount", json!(199), cap)]);
}

#[test]
fn each_field_has_its_rule() {
    let long = |max: usize| format!("must be at most {max} characters long");
    for (field, max) in [
        ("node_id", 8),
        ("order_id", 32),
        ("org_order_id", 32),
        ("pay_merchant_id", 32),
        ("pay_type", 8),
        ("store_id", 16),
        ("trade_no", 32),
        ("user_id", 8),
        ("split_rule_source", 8),
        ("split_refund_seq", 64),
    ] {
        let longest = with(&body(), field, json!(chars(max)));
        assert!(parse(&job("main", "bill_upload", &longest).to_string()).is_ok(), "{field}");
        each_is_refused(
            "main",
            "bill_upload",
            &body(),
            &[
                (field, json!(chars(max + 1)), &long(max)),
                (field, json!(""), "must not be empty"),
                (field, json!(7), "must be a string"),
            ],
        );
    }
    each_is_refused(
        "main",
        "bill_upload",
        &body(),
        &[
            ("trade_type", json!("3"), "must be the string \"1\" or \"2\""),
            ("trade_type", json!(1), "must be the string \"1\" or \"2\""),
            ("order_time", json!("2024-03-01 13:18:00"), "must be a string with a time, written yyyyMMddHHmmss"),
            ("order_time", json!("20240230131800"), "must be a string with a time, written yyyyMMddHHmmss"),
            ("order_time", json!(20_240_301_131_800_u64), "must be a string with a time, written yyyyMMddHHmmss"),
            ("colour", json!("1"), "is not a known field: extra takes further ones"),
            ("order_amont", json!(1), "is not a known field; did you mean order_amount? extra takes further ones"),
            ("storeId", json!("1"), "is not a known field; did you mean store_id? extra takes further ones"),
            ("remark", json!("x"), "is given twice: here and in extra"),
            (
                "platform_no",
                json!("other"),
                "must be the job's platform_no or be left out: it is a field of the job, not of its body",
            ),
        ],
    );
}

#[test]
fn identifiers_hold_no_invisible_characters_or_padding() {
    let hidden = |character: char| {
        format!("must hold no invisible or direction-changing characters, and holds U+{:04X}", u32::from(character))
    };
    for field in [
        "node_id",
        "order_id",
        "org_order_id",
        "pay_merchant_id",
        "pay_type",
        "store_id",
        "trade_no",
        "user_id",
        "split_rule_source",
        "split_refund_seq",
    ] {
        for character in ['\u{200b}', '\u{202c}', '\u{feff}', '\u{ad}'] {
            each_is_refused(
                "main",
                "bill_upload",
                &body(),
                &[(field, json!(format!("12{character}")), &hidden(character))],
            );
        }
        for (padded, space) in [(" 12", "U+0020"), ("12 ", "U+0020"), ("   ", "U+0020"), ("12\u{a0}", "U+00A0")] {
            let rule = format!("must hold no white space at its ends, and holds {space}");
            each_is_refused("main", "bill_upload", &body(), &[(field, json!(padded), &rule)]);
        }
    }
    let item = |field: &str, value: &str| with(&goods("1", "1"), field, json!(value));
    let said = |item: Value| problems(&job("main", "bill_upload", &with(&body(), "goods_detail", json!([item]))));
    let padded = "body.goods_detail[0].goods_name must hold no white space at its ends, and holds U+0020";
    assert_eq!(said(item("goods_name", "ipad ")), [padded]);
    assert_eq!(said(item("goods_id", "a\u{200d}b")), [format!("body.goods_detail[0].goods_id {}", hidden('\u{200d}'))]);
    // A name is read by people, and some of its pictures are made of several.
    let family = with(&body(), "goods_detail", json!([item("goods_name", "👨‍👩‍👧 门票")]));
    assert!(parse(&job("main", "bill_upload", &family).to_string()).is_ok());
}

#[test]
fn goods_are_a_list_of_known_fields() {
    let rule = "must be a list of goods, or its JSON text";
    each_is_refused(
        "main",
        "bill_upload",
        &body(),
        &[
            ("goods_detail", json!("{}"), rule),
            ("goods_detail", json!("[]"), "must not be empty: leave it out"),
            (
                "goods_detail",
                json!("[{"),
                "must be a list of goods, or its JSON text: its text is no JSON: EOF while parsing an object at line 1 column 2",
            ),
            ("goods_detail", json!({}), rule),
            ("goods_detail", json!([]), "must not be empty: leave it out"),
        ],
    );
    let wrong = json!([goods("1", "1"), 7, {"goods_name": chars(257), "quantity": 0, "price": -1, "real_price": 0.5, "sku": "x"}]);
    assert_eq!(
        problems(&job("main", "bill_upload", &with(&body(), "goods_detail", wrong))),
        [
            "body.goods_detail[1] must be an object",
            "body.goods_detail[2].goods_id is required",
            "body.goods_detail[2].goods_name must be at most 256 characters long",
            "body.goods_detail[2].quantity must be a whole number, 1 or more",
            "body.goods_detail[2].price must be a whole number, 0 or more",
            "body.goods_detail[2].real_price must be a whole number, 0 or more",
            "body.goods_detail[2].sku is not a known field",
        ]
    );
    for field in ["goods_id", "goods_name", "quantity", "price", "real_price"] {
        let list = json!([with(&goods("1", "1"), field, Value::Null)]);
        let problems = problems(&job("main", "bill_upload", &with(&body(), "goods_detail", list)));
        assert_eq!(problems, [format!("body.goods_detail[0].{field} is required")]);
    }
}

#[test]
fn extra_carries_what_no_table_knows_and_nothing_else() {
    let problems = problems(&job(
        "main",
        "bill_upload",
        &with(
            &body(),
            "extra",
            json!({"order_amount": 1, "platform_no": "x", "goods_detail": "x", "empty": "", "null": null, "fine": {"a": [1]}}),
        ),
    ));
    let place = "has its own place and must not be given here";
    assert_eq!(
        problems,
        [
            "body.extra.empty must not be empty: leave it out".to_owned(),
            format!("body.extra.goods_detail {place}"),
            "body.extra.null must not be empty: leave it out".to_owned(),
            format!("body.extra.order_amount {place}"),
            format!("body.extra.platform_no {place}"),
        ]
    );
    each_is_refused(
        "main",
        "bill_upload",
        &body(),
        &[("extra", json!("remark=x"), "must be an object of further fields")],
    );
}

#[test]
fn the_order_of_extra_does_not_change_the_content() {
    let text = |extra: &str| {
        let job = job("main", "bill_upload", &with(&body(), "extra", json!("EXTRA"))).to_string();
        parse(&job.replace("\"EXTRA\"", extra)).unwrap().content.hash()
    };
    assert_eq!(text(r#"{"b":{"y":1,"x":2},"a":"1"}"#), text(r#"{"a":"1","b":{"x":2,"y":1}}"#));
}

#[test]
fn what_would_not_fit_the_wire_is_refused() {
    let huge = with(&body(), "extra", json!({"remark": "x".repeat(210 * 1024)}));
    assert_eq!(problems(&job("main", "bill_upload", &huge)), ["body must come to at most 204800 bytes"]);
}
