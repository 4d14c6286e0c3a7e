//! Jobs that break a rule: the message names the field and the rule, nothing of them is stored, and the valid ones around
//! them are accepted.

use std::process::Stdio;

use bursar_test_support::Process;
use serde_json::{Value, json};

use crate::jobs::{bill, having, key, split, transfer, with, withdrawal};
use crate::plan::Plan;
use crate::world::{SOON, World};

const OK: &str = "G";

/// A good transfer with one field of its body changed.
fn t(field: &str, value: Value) -> Value {
    with(transfer("X"), field, value)
}

/// A good bill with one field of its first goods changed.
fn goods(field: &str, value: Value) -> Value {
    let mut job = bill("X", "100010001");
    job["body"]["goods_detail"][0][field] = value;
    job
}

/// A good split with these receivers.
fn receivers(receivers: Value) -> Value {
    with(split("X", "P1"), "receivers", receivers)
}

/// A job with a field taken out.
fn without(mut job: Value, field: &str) -> Value {
    if job.as_object_mut().unwrap().remove(field).is_none() {
        job["body"].as_object_mut().unwrap().remove(field).unwrap();
    }
    job
}

/// A wrong job, and the beginning of the message that it gets.
type Case = (Value, &'static str);

fn long(chars: usize) -> Value {
    Value::String("门".repeat(chars))
}

fn cases() -> Vec<Case> {
    [transfers(), bills(), splits()].concat()
}

fn transfers() -> Vec<Case> {
    vec![
        (without(transfer("X"), "account"), "account is required"),
        (without(transfer("X"), "kind"), "kind is required"),
        (without(transfer("X"), "platform_no"), "platform_no is required"),
        (without(transfer("X"), "body"), "body is required"),
        (having(transfer("X"), "account", json!("unknown")), "account names no configured account: unknown"),
        (having(transfer("X"), "account", json!(1)), "account must be a string"),
        (having(transfer("X"), "account", json!("a b")), "account must be 1 to 32 letters, digits, - or _"),
        (having(transfer("X"), "kind", json!("payment")), "kind must be bill_upload, transfer, split or withdrawal"),
        (having(transfer("X"), "kind", json!("split")), "kind is not taken by this yzt account"),
        (having(split("X", "P1"), "account", json!("main")), "kind is not taken by this yzt account"),
        (withdrawal("X", "rent"), "kind is not taken by this yzt account"),
        (having(transfer("X"), "account", json!("shop")), "kind is not taken by this beingfi account"),
        (having(transfer("X"), "platform_no", json!("")), "platform_no must"),
        (having(transfer("X"), "platform_no", json!("k".repeat(65))), "platform_no must"),
        (having(transfer("X"), "platform_no", json!("a b")), "platform_no must"),
        (having(transfer("X"), "platform_no", json!(7)), "platform_no must be a string"),
        (having(transfer("X"), "body", json!([])), "body must be an object"),
        (having(transfer("X"), "urgent", json!(true)), "urgent is not a known field"),
        (having(transfer("X"), "run_at", json!("tomorrow")), "run_at must be an RFC 3339 time with an offset"),
        (
            having(transfer("X"), "run_at", json!("2026-01-01T08:00:00")),
            "run_at must be an RFC 3339 time with an offset",
        ),
        (having(transfer("X"), "run_at", json!(0)), "run_at must be an RFC 3339 time with an offset"),
        (
            having(transfer("X"), "callback_url", json!("ftp://shop.example")),
            "callback_url must be an http or https URL",
        ),
        (t("tip", json!(1)), "body.tip is not a known field: extra takes further ones"),
        (t("platform_no", json!("Y")), "body.platform_no must be the job's platform_no or be left out"),
        (t("node_id", json!(61_967)), "body.node_id must be a string"),
        (t("node_id", long(9)), "body.node_id must be at most 8 characters long"),
        (t("node_id", json!("")), "body.node_id must not be empty"),
        (t("node_id", json!("a\u{7}")), "body.node_id must hold no control characters"),
        (t("node_id", Value::Null), "body.node_id is required"),
        (t("payer_store_no", long(65)), "body.payer_store_no must be at most 64 characters long"),
        (
            t("payer_merchant_id", json!("1000000001123")),
            "body.payer_merchant_id must not be given together with payer_store_no",
        ),
        (t("payer_store_no", Value::Null), "body.payer_store_no is required, or payer_merchant_id instead"),
        (t("payee_merchant_id", json!("1")), "body.payee_merchant_id must not be given together with payee_store_no"),
        (without(transfer("X"), "payee_store_no"), "body.payee_store_no is required, or payee_merchant_id instead"),
        (t("arrive_time", json!("T2")), "body.arrive_time must be the string \"T0\" or \"T1\""),
        (t("total_amount", json!(10.0)), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", json!(0.1)), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", json!("1.5")), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", json!(0)), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", json!(-10)), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", json!(u64::MAX)), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", json!("99999999999999999999")), "body.total_amount must be a positive integer of fen"),
        (t("total_amount", Value::Null), "body.total_amount is required"),
        (t("total_amount", json!(5_001)), "body.total_amount must be at most 5000 fen, this account's max_amount"),
    ]
}

fn bills() -> Vec<Case> {
    vec![
        (with(bill("X", "1"), "trade_type", json!("3")), "body.trade_type must be the string \"1\" or \"2\""),
        (
            with(bill("X", "1"), "order_time", json!("20240230131800")),
            "body.order_time must be a string with a time, written yyyyMMddHHmmss",
        ),
        (with(bill("X", "1"), "fee_amount", json!(-1)), "body.fee_amount must be a whole number, 0 or more"),
        (with(bill("X", "1"), "goods_detail", json!("{}")), "body.goods_detail must be a list of goods"),
        (with(bill("X", "1"), "goods_detail", json!([])), "body.goods_detail must not be empty"),
        (with(bill("X", "1"), "extra", json!({"order_id": "2"})), "body.extra.order_id has its own place"),
        (with(bill("X", "1"), "extra", json!([])), "body.extra must be an object"),
        (goods("price", json!(1.5)), "body.goods_detail[0].price must be a whole number, 0 or more"),
        (goods("goods_id", Value::Null), "body.goods_detail[0].goods_id is required"),
        (goods("colour", json!("red")), "body.goods_detail[0].colour is not a known field"),
        (goods("body", long(1_025)), "body.goods_detail[0].body must be at most 1024 characters long"),
    ]
}

fn splits() -> Vec<Case> {
    vec![
        (without(split("X", "P1"), "payOrderId"), "body.payOrderId is required, or mchOrderNo instead"),
        (
            with(split("X", "P1"), "mchOrderNo", json!("M1")),
            "body.mchOrderNo must not be given together with payOrderId",
        ),
        (with(split("X", "P1"), "paid_at", json!("yesterday")), "body.paid_at must be an RFC 3339 time"),
        (with(split("X", "P1"), "useSysAutoDivisionReceivers", json!(1)), "body.receivers must be left out"),
        (receivers(json!([])), "body.receivers is required and must not be empty"),
        (
            receivers(json!([{"divisionProfit": 0.1}])),
            "body.receivers[0].receiverId is required, or receiverGroupId instead",
        ),
        (
            receivers(json!([{"receiverId": 1, "receiverGroupId": 2}])),
            "receivers[0].receiverGroupId must not be given together",
        ),
        (
            receivers(json!([{"receiverId": 1}, {"receiverGroupId": 2}])),
            "body.receivers must name accounts or groups, not both",
        ),
        (receivers(json!([{"receiverId": 1}, {"receiverId": 1}])), "body.receivers[1].receiverId is in the list twice"),
        (
            receivers(json!([{"receiverId": 1, "divisionProfit": 0}])),
            "body.receivers[0].divisionProfit must be a share above 0",
        ),
        (
            receivers(json!([{"receiverId": 1, "divisionProfit": 0.6}, {"receiverId": 2, "divisionProfit": 0.6}])),
            "body.receivers must not divide more than the whole",
        ),
    ]
}

async fn world() -> World {
    Plan::new().set("accounts.main.max_amount", 5_000).start().await
}

#[tokio::test]
async fn every_broken_rule_names_its_field_and_good_lines_pass() {
    let world = world().await;
    let cases = cases();
    let mut lines = Vec::new();
    for (number, (wrong, _)) in cases.iter().enumerate() {
        lines.push(transfer(&format!("{OK}-{number}")).to_string());
        lines.push(wrong.to_string());
    }
    let file = world.file(lines.join("\n")).display().to_string();
    let finished = world.run(&["submit", &file]).await;
    assert_eq!(finished.code, Some(1), "some were refused: {}", finished.stderr);
    let outcomes: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!(outcomes.len(), cases.len() * 2, "{}", finished.stdout);
    for (number, (wrong, rule)) in cases.iter().enumerate() {
        assert_eq!(outcomes[number * 2], format!("new {OK}-{number}"));
        world.accepted(transfer(&format!("{OK}-{number}")));
        let outcome = outcomes[number * 2 + 1];
        assert!(outcome.starts_with("invalid ") && outcome.contains(rule), "{wrong}\nwanted {rule}\ngot    {outcome}");
    }
    assert_eq!(world.run(&["show", "X"]).await.code, Some(1), "nothing of a refused job is stored");
    let _worker = world.worker().await;
    world.settled().await;
    assert_eq!(world.books_agree().await.executed, cases.len() as u64);
}

#[tokio::test]
async fn json_output_names_every_wrong_field_at_once() {
    let world = world().await;
    let mut job = t("total_amount", json!(0));
    job["body"]["node_id"] = json!(1);
    job["urgent"] = json!(true);
    let file = world.file(format!("\n{}\n{job}\n", transfer("GOOD"))).display().to_string();
    let finished = world.run(&["submit", &file, "--json"]).await;
    assert_eq!(finished.code, Some(1));
    let outcomes: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(outcomes[0], json!({"line": 2, "platform_no": "GOOD", "outcome": "new"}));
    let wrong = &outcomes[1];
    assert_eq!((&wrong["line"], &wrong["platform_no"], &wrong["outcome"]), (&json!(3), &json!("X"), &json!("invalid")));
    let mut fields: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["body.node_id", "body.total_amount", "urgent"], "{wrong}");
    world.accepted(transfer("GOOD"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_line_that_is_no_job_is_refused_by_its_number() {
    let world = world().await;
    let cases: [(Vec<u8>, &str); 10] = [
        (b"nonsense".to_vec(), "must be one JSON object"),
        (b"[1, 2]".to_vec(), "must be a JSON object"),
        (b"\"text\"".to_vec(), "must be a JSON object"),
        (b"null".to_vec(), "must be a JSON object"),
        (b"{\"account\": ".to_vec(), "must be one JSON object"),
        (b"{} {}".to_vec(), "must be one JSON object"),
        (b"{\"account\": \"m\xffin\"}".to_vec(), "must be UTF-8: byte 15 is not"),
        (b"{\"account\": \"main\", \"account\": \"main\"}".to_vec(), "the field account occurs twice"),
        (
            [b"{\"account\": \"", vec![b'x'; 600 * 1024].as_slice(), b"\"}"].concat(),
            "must be at most 262144 bytes of JSON",
        ),
        ("[".repeat(100_000).into_bytes(), "must be one JSON object"),
    ];
    let mut input = transfer("BEFORE").to_string().into_bytes();
    for (wrong, _) in &cases {
        input.push(b'\n');
        input.extend(wrong);
    }
    input.push(b'\n');
    input.extend(transfer("AFTER").to_string().bytes());
    let finished = world.run(&["submit", &world.file(input).display().to_string()]).await;
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let outcomes: Vec<&str> = finished.stdout.lines().collect();
    assert_eq!((outcomes[0], outcomes[outcomes.len() - 1]), ("new BEFORE", "new AFTER"));
    for (number, (_, rule)) in cases.iter().enumerate() {
        let outcome = outcomes[number + 1];
        let line = format!("invalid line {}: ", number + 2);
        assert!(outcome.starts_with(&line) && outcome.contains(rule), "wanted {line}{rule}, got {outcome}");
    }
    world.accepted(transfer("BEFORE"));
    world.accepted(transfer("AFTER"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_job_may_span_lines_and_an_empty_input_has_none() {
    let world = world().await;
    let pretty = serde_json::to_string_pretty(&transfer("PRETTY")).unwrap();
    let mut command = world.command(&["submit", "-"]);
    command.stdin(Stdio::from(std::fs::File::open(world.file(pretty)).unwrap()));
    let finished = Process::run("submit", command, SOON).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "new PRETTY"), "{finished:?}");
    for nothing in ["", "\n \n\t\n"] {
        let finished = world.run(&["submit", &world.file(nothing).display().to_string()]).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{finished:?}");
    }
    let broken = serde_json::to_string_pretty(&t("total_amount", json!(0))).unwrap();
    let finished = world.run(&["submit", &world.file(broken).display().to_string()]).await;
    assert_eq!(finished.code, Some(1));
    assert!(finished.stdout.starts_with("invalid X: body.total_amount must be"), "{finished:?}");
    world.accepted(transfer("PRETTY"));
    world.books_agree().await;
}

#[tokio::test]
async fn more_lines_than_one_round_trip_takes_are_all_submitted() {
    let world = world().await;
    let jobs: Vec<Value> = (0..1_200).map(|number| transfer(&format!("MANY-{number:04}"))).collect();
    let outcomes = world.submit(&jobs).await;
    for (job, outcome) in jobs.iter().zip(outcomes) {
        assert_eq!(outcome, format!("new {}", key(job)));
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_refused_key_cannot_forge_an_output_line() {
    let world = world().await;
    let forged = having(transfer("X"), "platform_no", json!("x\nnew GOOD\u{1b}[2J"));
    let endless = having(transfer("X"), "platform_no", json!("k".repeat(100_000)));
    let outcomes = world.submit(&[forged.clone(), endless.clone()]).await;
    assert!(outcomes[0].starts_with("invalid x\\nnew GOOD\\u{1b}[2J: platform_no must"), "{}", outcomes[0]);
    assert!(outcomes[1].starts_with("invalid kkk") && outcomes[1].len() < 300, "{} bytes", outcomes[1].len());
    let file = world.file(format!("{forged}\n{endless}")).display().to_string();
    let finished = world.run(&["submit", &file, "--json"]).await;
    assert_eq!((finished.code, finished.stdout.lines().count()), (Some(1), 2), "{finished:?}");
    world.books_agree().await;
}
