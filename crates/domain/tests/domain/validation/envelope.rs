//! The fields around the body, and texts that are no job.

use bursar_domain::{Invalid, Job, MAX_JOB_BYTES, NewJob};
use serde_json::{Value, json};

use super::{chars, job, parse, problems, rules, with};

fn transfer() -> Value {
    job(
        "main",
        "transfer",
        &json!({
            "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
            "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0"
        }),
    )
}

fn refused(bytes: &[u8]) -> Invalid {
    Job::parse(bytes, rules).expect_err("must be refused")
}

#[test]
fn a_job_is_read_with_its_time_and_its_callback() {
    let mut submitted = transfer();
    submitted["run_at"] = json!("2026-01-01T08:00:00+08:00");
    submitted["callback_url"] = json!("https://shop.example/bursar");
    submitted["traceparent"] = json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let parsed = parse(&submitted.to_string()).unwrap();
    assert_eq!(parsed.queue.to_string(), "main/transfer");
    assert_eq!(parsed.key.as_str(), "1001XP2025010110000001");
    assert_eq!(parsed.run_at.map(bursar_domain::Millis::rfc3339).as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(parsed.callback_url.as_deref(), Some("https://shop.example/bursar"));
    assert_eq!(parsed.trace.unwrap().as_str(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

#[test]
fn each_field_around_the_body_has_its_rule() {
    let kinds = "must be bill_upload, transfer, split or withdrawal";
    let url = "must be an http or https URL of at most 2048 characters";
    let time = "must be an RFC 3339 time with an offset, for example 2026-01-01T08:00:00+08:00";
    let trace = "must be a W3C traceparent: 00-, 32 digits, -, 16 digits, -, 2 digits, in lower case";
    for (field, value, rule) in [
        ("account", Value::Null, "is required"),
        ("account", json!(7), "must be a string"),
        ("account", json!(""), "must be 1 to 32 letters, digits, - or _"),
        ("account", json!("a/b"), "must be 1 to 32 letters, digits, - or _"),
        ("account", json!("nowhere"), "names no configured account: nowhere"),
        ("kind", Value::Null, "is required"),
        ("kind", json!("payout"), kinds),
        ("kind", json!("Transfer"), kinds),
        ("kind", json!([]), "must be a string"),
        ("platform_no", Value::Null, "is required"),
        ("platform_no", json!(7), "must be a string"),
        ("platform_no", json!(""), "must be 1 to 64 characters"),
        ("platform_no", json!(chars(65)), "must be 1 to 64 characters"),
        ("platform_no", json!("a\tb"), "must hold no white space and no control characters"),
        ("platform_no", json!("a b"), "must hold no white space and no control characters, and holds U+0020"),
        ("platform_no", json!("a\u{a0}"), "must hold no white space and no control characters, and holds U+00A0"),
        (
            "platform_no",
            json!("a\u{200b}"),
            "must hold no invisible or direction-changing characters, and holds U+200B",
        ),
        ("platform_no", json!(".."), "must not be . or ..: no browser opens a page of that name"),
        ("body", Value::Null, "is required"),
        ("body", json!("{}"), "must be an object with the page's fields"),
        ("body", json!([]), "must be an object with the page's fields"),
        ("run_at", json!("2026-01-01T08:00:00"), time),
        ("run_at", json!("1969-01-01T00:00:00Z"), time),
        ("run_at", json!(1_767_225_600), time),
        ("callback_url", json!("ftp://shop.example"), url),
        ("callback_url", json!("shop.example"), url),
        ("callback_url", json!(7), url),
        ("callback_url", json!(format!("https://shop.example/{}", chars(2048))), url),
        ("traceparent", json!(7), "must be a string"),
        ("traceparent", json!("00-abc-def-01"), trace),
        ("priority", json!(1), "is not a known field"),
    ] {
        assert_eq!(problems(&with(&transfer(), field, value)), [format!("{field} {rule}")]);
    }
}

#[test]
fn no_job_is_put_off_for_more_than_400_days() {
    let days = |days: i64| (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days)).to_string();
    for (ahead, taken) in [(-1_000, true), (0, true), (399, true), (401, false), (100_000, false)] {
        let submitted = with(&transfer(), "run_at", json!(days(ahead)));
        let mut split = job("shop", "split", &json!({"payOrderId": "P1", "useSysAutoDivisionReceivers": 1}));
        split["body"]["paid_at"] = json!(days(ahead));
        if taken {
            assert!(parse(&submitted.to_string()).is_ok() && parse(&split.to_string()).is_ok(), "{ahead}");
        } else {
            assert_eq!(problems(&submitted), ["run_at must be at most 400 days ahead"], "{ahead}");
            assert_eq!(problems(&split), ["body.paid_at must be at most 400 days ahead"], "{ahead}");
        }
    }
}

#[test]
fn a_kind_foreign_to_the_gateway_is_refused_with_its_kinds() {
    let takes = |account, kind| problems(&with(&with(&transfer(), "account", json!(account)), "kind", json!(kind)));
    let yzt = "kind is not taken by this yzt account, which takes bill_upload and transfer";
    let beingfi = "kind is not taken by this beingfi account, which takes split";
    assert_eq!(takes("main", "split"), [yzt]);
    assert_eq!(takes("shop", "transfer"), [beingfi]);
    assert_eq!(takes("shop", "bill_upload"), [beingfi]);
}

#[test]
fn an_invalid_json_object_is_reported_with_its_place() {
    let too_long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_JOB_BYTES));
    let deep = "[".repeat(1_000);
    for (bytes, rule) in [
        (&b""[..], "must be one JSON object: EOF while parsing a value at line 1 column 0"),
        (b"{\"account\":", "must be one JSON object: EOF while parsing a value at line 1 column 11"),
        (b"{} {}", "must be one JSON object: trailing characters at line 1 column 4"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"7", "must be a JSON object"),
        (b"{\"account\":\"\xff\"}", "must be UTF-8: byte 13 is not"),
        (too_long.as_bytes(), "must be at most 262144 bytes of JSON"),
        (deep.as_bytes(), "must be one JSON object: recursion limit exceeded at line 1 column 128"),
        (b"{\"a\":1e999}", "must be one JSON object: number out of range at line 1 column 10"),
    ] {
        assert_eq!(refused(bytes).to_string(), format!("job {rule}"));
        assert_eq!(refused(bytes).key, None);
    }
}

#[test]
fn a_repeated_field_is_refused_at_every_level() {
    let text = transfer().to_string();
    for (once, twice, field) in [
        ("\"account\":", "\"account\":\"main\",\"account\":", "account"),
        ("\"total_amount\":", "\"total_amount\":1,\"total_amount\":", "total_amount"),
        ("\"node_id\":", "\"extra\":[{\"a\":1,\"\\u0061\":2}],\"node_id\":", "a"),
    ] {
        let problems = refused(text.replace(once, twice).as_bytes()).to_string();
        assert!(
            problems.starts_with(&format!("job must be one JSON object: the field {field} occurs twice at line 1 ")),
            "{problems}"
        );
    }
}

#[test]
fn a_refusal_names_its_job_and_is_fit_for_a_terminal() {
    let mut wrong = transfer();
    wrong["kind"] = json!("payout");
    assert_eq!(refused(wrong.to_string().as_bytes()).key.as_deref(), Some("1001XP2025010110000001"));
    wrong["platform_no"] = json!(format!("\u{1b}[2J{}", chars(100)));
    wrong["\u{1b}]0;"] = json!(1);
    let invalid = refused(wrong.to_string().as_bytes());
    assert_eq!(invalid.key, Some(format!("\\u{{1b}}[2J{}", chars(60))));
    assert!(!invalid.to_string().chars().any(char::is_control), "{invalid}");
}

#[test]
fn a_refusal_does_not_outgrow_what_it_refuses() {
    let mut wrong = transfer();
    for number in 0..2_000 {
        wrong["body"][format!("{number:0100}")] = json!(1);
    }
    let errors = problems(&wrong);
    assert_eq!(errors.len(), 101);
    assert_eq!(errors[100], "job breaks 1900 further rules");
    assert!(errors.iter().all(|error| error.len() < 120), "{errors:?}");
}

#[test]
fn a_job_built_in_rust_is_validated_by_the_same_rules() {
    let mut new = NewJob::new("main", "transfer", "1001XP2025010110000001", transfer()["body"].clone());
    assert_eq!(Job::validate(&new, rules), parse(&transfer().to_string()));
    new.body.insert("total_amount".into(), json!(0.1));
    new.run_at = Some("soon".into());
    let invalid = Job::validate(&new, rules).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "run_at must be an RFC 3339 time with an offset, for example 2026-01-01T08:00:00+08:00; body.total_amount must be a positive integer of fen: 1000 for 10.00 yuan"
    );
}

#[test]
fn a_refusal_repeats_no_more_of_a_name_than_fits_a_line() {
    let name = format!("\u{1b}[31m\u{7f}{}", "x".repeat(100_000));
    let text = json!({ name.as_str(): 1 }).to_string();
    let twice = format!("{{{0},{0}}}", &text[1..text.len() - 1]);
    let said = parse(&twice).unwrap_err().to_string();
    assert!(said.contains("occurs twice") && said.len() < 300 && !said.chars().any(char::is_control), "{said:?}");
}

#[test]
fn a_business_key_can_be_read_from_the_stored_content() {
    let transfer = json!({
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "a", "payer_type": "1", "payee_store_no": "b",
        "payee_type": "2", "arrive_time": "T0",
    });
    let bill = json!({
        "trade_type": "2", "node_id": "1", "order_amount": 1, "order_id": "O-1", "order_time": "20240301131800",
        "org_order_id": "O-0", "store_id": "s",
    });
    let split = |order: &str| json!({order: "P1", "receivers": [{"receiverId": "800029"}]});
    let jobs = [
        job("main", "transfer", &transfer),
        job("main", "bill_upload", &bill),
        job("shop", "split", &split("payOrderId")),
        job("shop", "split", &split("mchOrderNo")),
        job("generic", "split", &json!({"payOrderId": "P1"})),
    ];
    for job in jobs {
        let job = parse(&job.to_string()).unwrap();
        let read = bursar_domain::business_key(job.queue.kind, &job.key, job.content.text());
        assert_eq!(read, job.content.business_key(), "{}", job.content.text());
        let by_key = job.content.business_key() == job.key.as_str();
        assert!(by_key || !job.queue.kind.is_named_by_key(), "{}", job.content.text());
    }
}
