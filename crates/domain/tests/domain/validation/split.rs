//! `split`: `/api/division/exec`.

use bursar_domain::Millis;
use serde_json::{Value, json};

use super::{chars, content, each_is_refused, job, parse, problems, with};

/// The page's request example, its list a list; the empty groups are left as they are there.
fn body() -> Value {
    json!({
        "payOrderId": "P202108271011463510002", "useSysAutoDivisionReceivers": "0",
        "receivers": [
            {"receiverGroupId": "", "receiverId": "800029", "divisionProfit": "0.0001"},
            {"receiverGroupId": "", "receiverId": "800028", "divisionProfit": "0.0002"}
        ]
    })
}

fn receivers(list: &Value) -> Value {
    job("shop", "split", &with(&body(), "receivers", list.clone()))
}

#[test]
fn the_page_s_example_is_sent_without_its_empty_groups() {
    assert_eq!(
        content(&job("shop", "split", &body())),
        r#"{"payOrderId":"P202108271011463510002","useSysAutoDivisionReceivers":0,"receivers":"[{\"receiverId\":\"800029\",\"divisionProfit\":\"0.0001\"},{\"receiverId\":\"800028\",\"divisionProfit\":\"0.0002\"}]"}"#
    );
}

#[test]
fn the_systems_receivers_are_an_explicit_choice() {
    let by_system = json!({"mchOrderNo": "20160427210604000490", "useSysAutoDivisionReceivers": 1});
    assert_eq!(
        content(&job("shop", "split", &by_system)),
        r#"{"mchOrderNo":"20160427210604000490","useSysAutoDivisionReceivers":1}"#
    );
    let both = with(&body(), "useSysAutoDivisionReceivers", json!(1));
    let rule = "body.receivers must be left out when useSysAutoDivisionReceivers is 1";
    assert_eq!(problems(&job("shop", "split", &both)), [rule]);
    let unsaid = with(&body(), "useSysAutoDivisionReceivers", Value::Null);
    assert!(content(&job("shop", "split", &unsaid)).contains(r#""useSysAutoDivisionReceivers":0"#));
}

#[test]
fn the_order_is_named_once_and_is_the_business_key() {
    each_is_refused(
        "shop",
        "split",
        &body(),
        &[
            ("payOrderId", Value::Null, "is required, or mchOrderNo instead: exactly one of them"),
            ("mchOrderNo", json!("1"), "must not be given together with payOrderId: exactly one of them"),
            ("payOrderId", json!(chars(31)), "must be at most 30 characters long"),
            ("payOrderId", json!(7), "must be a string"),
            ("payOrderId", json!(""), "must not be empty"),
            ("useSysAutoDivisionReceivers", json!(2), "must be a whole number from 0 to 1"),
            ("useSysAutoDivisionReceivers", json!(true), "must be a whole number from 0 to 1"),
            ("total_amount", json!(1), "is not a known field"),
            ("extra", json!({"a": 1}), "is not a known field"),
        ],
    );
    let parsed = parse(&job("shop", "split", &body()).to_string()).unwrap();
    assert_eq!(parsed.content.business_key(), "payOrderId/P202108271011463510002");
}

#[test]
fn a_split_without_receivers_is_refused() {
    let rule = "is required and must not be empty: without receivers the order is closed and no one is paid";
    let list = "must be a list of receivers, or its JSON text";
    each_is_refused(
        "shop",
        "split",
        &body(),
        &[
            ("receivers", Value::Null, rule),
            ("receivers", json!([]), rule),
            ("receivers", json!(r#"{"receiverId":"1"}"#), list),
            ("receivers", json!("[]"), rule),
            ("receivers", json!({"receiverId": 1}), list),
        ],
    );
}

#[test]
fn each_receiver_is_one_account_or_one_group() {
    let wrong = json!([
        {"divisionProfit": "0.1"},
        {"receiverId": 1, "receiverGroupId": 2},
        {"receiverId": "x"},
        {"receiverId": 0},
        {"receiverId": 1.5},
        {"receiverId": 7, "share": 1},
        "800029"
    ]);
    assert_eq!(
        problems(&receivers(&wrong)),
        [
            "body.receivers[0].receiverId is required, or receiverGroupId instead: exactly one of them",
            "body.receivers[1].receiverGroupId must not be given together with receiverId: exactly one of them",
            "body.receivers[2].receiverId must be a positive whole number",
            "body.receivers[3].receiverId must be a positive whole number",
            "body.receivers[4].receiverId must be a positive whole number",
            "body.receivers[5].share is not a known field",
            "body.receivers[6] must be an object",
        ]
    );
}

#[test]
fn no_receiver_is_paid_twice() {
    let both = json!([{"receiverId": 800_029}, {"receiverGroupId": 100_001}]);
    let rule = "body.receivers must name accounts or groups, not both: who is in a named group would be paid twice";
    assert_eq!(problems(&receivers(&both)), [rule]);
    let twice = json!([{"receiverId": 800_029}, {"receiverId": "0800029"}]);
    let rule = "body.receivers[1].receiverId is in the list twice and would be paid twice";
    assert_eq!(problems(&receivers(&twice)), [rule]);
    let groups = json!([{"receiverGroupId": 1}, {"receiverGroupId": "2"}]);
    assert!(content(&receivers(&groups)).contains(r#"[{\"receiverGroupId\":\"1\"},{\"receiverGroupId\":\"2\"}]"#));
}

#[test]
fn shares_are_above_zero_and_come_to_at_most_the_whole() {
    for share in
        [json!(0), json!("0"), json!(-0.1), json!(1.5), json!("1.01"), json!("0.0000001"), json!(""), json!(true)]
    {
        let problems = problems(&receivers(&json!([{"receiverId": 1, "divisionProfit": share}])));
        let rule = "must be a share above 0 and at most 1, with at most 6 decimals";
        assert_eq!(problems, [format!("body.receivers[0].divisionProfit {rule}")], "{share}");
    }
    let over = json!([{"receiverId": 1, "divisionProfit": 0.5}, {"receiverId": 2, "divisionProfit": "0.500001"}]);
    let rule = "body.receivers must not divide more than the whole: the shares add up to more than 1";
    assert_eq!(problems(&receivers(&over)), [rule]);
    let whole = json!([{"receiverId": 1, "divisionProfit": 0.5}, {"receiverId": 2, "divisionProfit": "0.50"}]);
    assert!(content(&receivers(&whole)).contains(r#"\"divisionProfit\":\"0.5\""#));
    let left_out = json!([{"receiverId": 1, "divisionProfit": null}]);
    assert!(!content(&receivers(&left_out)).contains("divisionProfit"));
}

#[test]
fn the_encoded_list_has_the_page_s_length() {
    let many: Vec<Value> = (0..20).map(|id| json!({"receiverId": 800_000 + id, "divisionProfit": "0.01"})).collect();
    let rule = "body.receivers must be at most 512 characters long when encoded: use groups";
    assert_eq!(problems(&receivers(&many.into())), [rule]);
}

#[test]
fn a_split_waits_a_minute_after_the_payment() {
    let paid = with(&body(), "paid_at", json!("2026-01-01T08:00:00+08:00"));
    let mut submitted = job("shop", "split", &paid);
    let run_at = |submitted: &Value| parse(&submitted.to_string()).unwrap().run_at.map(Millis::rfc3339);
    assert_eq!(run_at(&submitted).as_deref(), Some("2026-01-01T00:01:00.000Z"));
    submitted["run_at"] = json!("2026-01-01T09:00:00+08:00");
    assert_eq!(run_at(&submitted).as_deref(), Some("2026-01-01T01:00:00.000Z"));
    submitted["run_at"] = json!("2025-01-01T09:00:00+08:00");
    assert_eq!(run_at(&submitted).as_deref(), Some("2026-01-01T00:01:00.000Z"));
    assert!(!content(&submitted).contains("paid_at"));
    each_is_refused(
        "shop",
        "split",
        &body(),
        &[
            (
                "paid_at",
                json!("2026-01-01 08:00"),
                "must be an RFC 3339 time with an offset, for example 2026-01-01T08:00:00+08:00",
            ),
            (
                "paid_at",
                json!(1_767_225_600_000_u64),
                "must be an RFC 3339 time with an offset, for example 2026-01-01T08:00:00+08:00",
            ),
        ],
    );
}
