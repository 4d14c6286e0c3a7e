//! `split` at an account that has YZT's undocumented split switched on.

use serde_json::json;

use super::{content, job, parse, problems};

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
        problems(&job("generic", "split", &json!({"platform_no": "x", "a": "", "b": null, "c": 1}))),
        [
            "body.platform_no must be the job's platform_no or be left out: it is a field of the job, not of its body",
            "body.a must not be empty: leave it out",
            "body.b must not be empty: leave it out",
        ]
    );
    assert_eq!(problems(&job("generic", "split", &json!({}))), ["body must not be empty"]);
}

#[test]
fn a_number_goes_out_as_it_was_written_or_is_refused() {
    let with = |number: &str| {
        job("generic", "split", &json!({"a": {"b": ["NUMBER"]}, "c": 1})).to_string().replace("\"NUMBER\"", number)
    };
    for number in ["12345678901234567890", "-9223372036854775808", "0.1", "1840000000757.02024300000115", "-0.0"] {
        let text = parse(&with(number)).unwrap().content.text().to_owned();
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        let again = job("generic", "split", &json!({"a": body["a"], "c": 1}));
        assert_eq!(content(&again), text, "what was written reads back as the same");
    }
    for rounded in ["202404221232028501746384896", "1840000000757020243.00000115", "-1e16", "1e300"] {
        let said = parse(&with(rounded)).unwrap_err().to_string();
        assert_eq!(said, "body.a holds a number with more digits than a number keeps: write it as a text", "{rounded}");
    }
}
