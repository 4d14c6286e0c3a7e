//! `split` at an account that has YZT's undocumented split switched on.

use serde_json::json;

use super::{content, job, told};

#[test]
fn the_body_goes_through_with_the_key_before_it() {
    let body = json!({"node_id": "1", "receivers": [{"a": 1}], "total_amount": 10});
    assert_eq!(
        content(&job("generic", "split", &body)),
        r#"{"platform_no":"1001XP2025010110000001","node_id":"1","receivers":[{"a":1}],"total_amount":10}"#
    );
}

#[test]
fn what_bursar_writes_itself_and_what_is_empty_is_refused() {
    assert_eq!(
        told(&job("generic", "split", &json!({"platform_no": "x", "a": "", "b": null, "c": 1}))),
        [
            "body.a must not be empty: leave it out",
            "body.b must not be empty: leave it out",
            "body.platform_no has a place of its own and must not be given here",
        ]
    );
    assert_eq!(told(&job("generic", "split", &json!({}))), ["body must not be empty"]);
}
