//! A gateway without faults: vectors, keys, lives, pages and the ledger.

use std::time::Duration;

use crate::client::{APPLY, Merchant, QUERY, bill, form, options, transfer, vectors};
use bursar_simulator::{DuplicateUpload, Kind, Options, Simulator, UploadNode};
use serde_json::{Value, json};

/// Long enough that a slow machine misses no step, short enough to wait for.
const STEP: Duration = Duration::from_millis(400);

/// Lives without changes.
fn frozen() -> Options {
    Options { life_step: Duration::from_secs(3_600), ..options() }
}

#[tokio::test]
async fn a_transfer_is_executed_answered_and_found_again() {
    let merchant = Merchant::with(options()).await;
    let applied = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(applied["code"], 10_000);
    assert_eq!(applied["success"], true);
    assert_eq!(applied["data"]["status"], "1");
    let trade_no = applied["data"]["trade_no"].as_str().unwrap();

    let queried = merchant.node(&merchant.query(trade_no).await.unwrap());
    assert_eq!(queried["data"]["platform_no"], "K1");
    assert_eq!(queried["data"]["total_amount"], "10");
    assert_eq!(queried["data"]["status"], "1");
    assert_eq!(queried["data"]["trade_no"], trade_no);

    let record = merchant.record("K1").await;
    assert_eq!(record.kind, Kind::Transfer);
    assert_eq!((record.executions, record.requests, record.queries), (1, 1, 1));
    assert_eq!(record.bytes, transfer("K1", 10));
    assert_eq!(record.amount, Some(10));
    assert_eq!(record.status.as_deref(), Some("1"));
    assert_eq!(record.trade_no.as_deref(), Some(trade_no));
    assert_eq!(record.request_times_ms.len(), 1);
    let ledger = merchant.ledger().await;
    assert_eq!((ledger.executed, ledger.requests), (1, 2));
    assert_eq!(ledger.violations, []);
}

#[tokio::test]
async fn a_withdrawal_is_executed_as_often_as_it_is_sent() {
    let merchant = Merchant::with(options()).await;
    let content = json!({
        "sso_node_id": "00061967", "merchant_id": 1_000_000_001_116_i64, "account_sub_type": "0", "total_amount": 1.1,
        "card_type": "0",
    });
    for _ in 0..2 {
        let answer = merchant.node(&merchant.call("bkfunds.withdraw.apply", &content.to_string()).await.unwrap());
        assert_eq!((&answer["code"], &answer["data"]["status"]), (&json!(10_000), &Value::Null));
        assert!(answer["data"]["trade_no"].is_string(), "{answer}");
    }
    let record = merchant.record("1000000001116/1.1").await;
    assert_eq!((record.kind, record.executions, record.amount), (Kind::Withdrawal, 2, Some(110)));
    let mut keyed = content.clone();
    keyed["platform_no"] = json!("K1");
    let refused = merchant.node(&merchant.call("bkfunds.withdraw.apply", &keyed.to_string()).await.unwrap());
    assert_eq!(refused["sub_code"], "isv.invalid-parameter");
}

#[tokio::test]
async fn the_vectors_signatures_hold_and_their_wrong_ones_do_not() {
    let merchant = Merchant::with(options()).await;
    for (name, vector) in vectors()["yzt_requests"].as_object().unwrap() {
        let form_body = vector["form_body"].as_str().unwrap();
        let answer = merchant.post("/", form_body.to_owned()).await.unwrap();
        // The signature is checked before the timestamp, and the vectors' timestamp is long past.
        assert_eq!(merchant.node(&answer)["sub_code"], "isv.invalid-timestamp", "{name}");

        let mut params: Vec<(String, String)> = Vec::new();
        for (param, value) in vector["params"].as_object().unwrap() {
            let value = if param == "sign" { &vector["wrong_sign_if_sign_type_excluded"] } else { value };
            params.push((param.clone(), value.as_str().unwrap().to_owned()));
        }
        let answer = merchant.post("/", form(&params)).await.unwrap();
        assert_eq!(merchant.node(&answer)["sub_code"], "isv.invalid-signature", "{name}");
    }
    assert_eq!(merchant.ledger().await.executed, 0);
}

#[tokio::test]
async fn a_repeated_key_is_executed_once_and_answered_with_its_result() {
    let merchant = Merchant::with(frozen()).await;
    merchant.give_life("K1", "9-1").await;
    let first = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(first["data"]["status"], "9");
    merchant.give_life("K1", "1").await;
    let second = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(second["data"]["status"], "1");
    assert_eq!(second["data"]["trade_no"], first["data"]["trade_no"]);
    let record = merchant.record("K1").await;
    assert_eq!((record.executions, record.requests), (1, 2));
    assert_eq!(merchant.ledger().await.violations, []);
}

#[tokio::test]
async fn a_key_with_a_second_content_is_refused_and_written_down() {
    let merchant = Merchant::with(options()).await;
    merchant.apply("K1").await.unwrap();
    let other = merchant.call(APPLY, &transfer("K1", 11)).await.unwrap();
    assert_eq!(merchant.node(&other)["code"], "40004");
    let ledger = merchant.ledger().await;
    assert_eq!(ledger.keys["K1"].executions, 1);
    assert_eq!(ledger.keys["K1"].amount, Some(10));
    assert_eq!(ledger.violations[0].key.as_deref(), Some("K1"));
    assert_eq!(ledger.violations[0].text, "a second content under this key");
}

#[tokio::test]
async fn a_gateway_that_ignores_keys_pays_again_and_counts_it() {
    let merchant = Merchant::with(Options { honours_keys: false, ..options() }).await;
    let first = merchant.node(&merchant.apply("K1").await.unwrap());
    let second = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_ne!(first["data"]["trade_no"], second["data"]["trade_no"]);
    let ledger = merchant.ledger().await;
    assert_eq!(ledger.keys["K1"].executions, 2);
    assert_eq!(ledger.executed, 2);
    let first_again = merchant.query(first["data"]["trade_no"].as_str().unwrap()).await.unwrap();
    assert_eq!(merchant.node(&first_again)["data"]["platform_no"], "K1");
}

#[tokio::test]
async fn a_life_moves_by_time_and_every_question_sees_where_it_is() {
    let merchant = Merchant::with(Options { life_step: STEP, ..options() }).await;
    merchant.give_life("K1", "n-9-0").await;
    let applied = merchant.node(&merchant.apply("K1").await.unwrap());
    let trade_no = applied["data"]["trade_no"].as_str().unwrap().to_owned();
    let mut seen = vec![applied["data"]["status"].as_str().unwrap().to_owned()];
    let deadline = tokio::time::Instant::now() + STEP * 20;
    while seen.last().is_some_and(|status| status != "0") && tokio::time::Instant::now() < deadline {
        let queried = merchant.node(&merchant.query(&trade_no).await.unwrap());
        let status = queried["data"]["status"].as_str().unwrap().to_owned();
        if seen.last() != Some(&status) {
            seen.push(status);
        }
    }
    assert_eq!(seen, ["n", "9", "0"]);
    assert_eq!(merchant.record("K1").await.status.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_waiting_payment_may_have_no_number_yet() {
    let merchant = Merchant::with(frozen()).await;
    let life = json!({ "key": "K1", "life": "n-1", "trade_no": "withheld-while-waiting" });
    assert_eq!(merchant.put("/_lives", life).await, 204);
    let applied = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(applied["data"], json!({ "status": "n" }));
    assert!(merchant.record("K1").await.trade_no.is_some());
}

#[tokio::test]
async fn lives_can_be_weighed() {
    let merchant = Merchant::with(options()).await;
    assert_eq!(merchant.put("/_lives", json!({ "weights": { "0": 1 } })).await, 204);
    let applied = merchant.node(&merchant.apply("K1").await.unwrap());
    assert_eq!(applied["data"]["status"], "0");
    assert_eq!(merchant.put("/_lives", json!({ "key": "K1", "life": "paid" })).await, 400);
}

#[tokio::test]
async fn a_payment_is_queried_by_key_only_where_switched_on() {
    let by_key = json!({ "platform_no": "K1" }).to_string();
    let strict = Merchant::with(options()).await;
    strict.apply("K1").await.unwrap();
    let refused = strict.node(&strict.call(QUERY, &by_key).await.unwrap());
    assert_eq!(refused["sub_code"], "isv.invalid-parameter");

    let lenient = Merchant::with(Options { query_by_key: true, ..options() }).await;
    let unknown = lenient.node(&lenient.call(QUERY, &by_key).await.unwrap());
    assert_eq!(unknown["code"], "40004");
    lenient.apply("K1").await.unwrap();
    let found = lenient.node(&lenient.call(QUERY, &by_key).await.unwrap());
    assert_eq!(found["data"]["platform_no"], "K1");
    assert_eq!(lenient.ledger().await.violations, []);
}

#[tokio::test]
async fn a_bill_is_received_once_in_the_node_that_was_chosen() {
    let page = Merchant::with(options()).await;
    for _ in 0..2 {
        let answer = page.call("funds.bill.upload", &bill("B1")).await.unwrap();
        assert!(answer.text.starts_with("{\"bkfunds_order_upload_response\":"), "{}", answer.text);
        let node = page.node(&answer);
        assert_eq!((&node["code"], &node["data"], &node["success"]), (&json!("10000"), &json!(""), &json!(true)));
    }
    let record = page.record("B1/1").await;
    assert_eq!((record.kind, record.executions, record.requests), (Kind::BillUpload, 1, 2));
    assert_eq!((record.status.as_deref(), record.amount), (Some("received"), Some(199)));

    let options = Options { upload_node: UploadNode::Rule, duplicate_upload: DuplicateUpload::Refused, ..options() };
    let rule = Merchant::with(options).await;
    let first = rule.call("funds.bill.upload", &bill("B1")).await.unwrap();
    assert!(first.text.starts_with("{\"funds_bill_upload_response\":"), "{}", first.text);
    let again = rule.call("funds.bill.upload", &bill("B1")).await.unwrap();
    assert_eq!(rule.node(&again)["code"], "40004");
}

#[tokio::test]
async fn a_division_happens_once_whatever_comes_of_it() {
    let merchant = Merchant::with(frozen()).await;
    merchant.give_life("P2", "0").await;
    merchant.give_life("P3", "9-1").await;
    for (pay_order, state) in [("P1", 1), ("P2", 2), ("P3", 3)] {
        let first = merchant.exec(pay_order).await.unwrap();
        let data = merchant.beingfi_data(&first).unwrap();
        assert_eq!(data["state"], state, "{pay_order}");
        // The channel's number comes with the final status, and BeingFi adds no number.
        assert_eq!(data.get("channelBatchOrderId").is_some(), state == 1, "{data}");
        assert!(data.get("batchOrderId").is_none(), "{data}");
        let again: Value = serde_json::from_str(&merchant.exec(pay_order).await.unwrap().text).unwrap();
        assert_eq!(again, json!({ "code": 9999, "msg": "当前订单状态不支持分账" }));
        assert_eq!(merchant.record(pay_order).await.executions, 1);
    }
    let record = merchant.record("P1").await;
    assert_eq!((record.kind, record.method.as_str()), (Kind::Split, "/api/division/exec"));
    assert!(record.bytes.starts_with("appId=") && !record.bytes.contains("reqTime"), "{}", record.bytes);
    assert_eq!(merchant.ledger().await.violations, []);
}

#[tokio::test]
async fn each_division_is_queried_by_its_order_and_batch() {
    let query = async |merchant: &Merchant, params: &[(&str, &str)]| {
        merchant.post("/api/division/query", merchant.beingfi_form(params)).await.unwrap()
    };
    let without = Merchant::with(options()).await;
    assert_eq!(query(&without, &[("payOrderId", "P1")]).await.status, 404);

    let merchant = Merchant::with(Options { division_query: true, ..frozen() }).await;
    merchant.give_life("P2", "0").await;
    merchant.give_life("P3", "9-1").await;
    for (pay_order, state) in [("P1", 1), ("P2", 2), ("P3", 3)] {
        let data = merchant.beingfi_data(&merchant.exec(pay_order).await.unwrap()).unwrap();
        let batch = data["batchOrderId"].as_str().unwrap();
        for params in [&[("payOrderId", pay_order)][..], &[("payOrderId", pay_order), ("batchOrderId", batch)]] {
            let data = merchant.beingfi_data(&query(&merchant, params).await).unwrap();
            assert_eq!((&data["payOrderId"], &data["batchOrderId"]), (&json!(pay_order), &json!(batch)));
            let records: Value = serde_json::from_str(data["records"].as_str().unwrap()).unwrap();
            assert_eq!(records.as_array().unwrap().len(), 1);
            assert_eq!((&records[0]["receiverId"], &records[0]["state"]), (&json!("800029"), &json!(state)));
        }
        assert_eq!(merchant.record(pay_order).await.queries, 2);
    }
    for params in [&[("payOrderId", "P9")][..], &[("payOrderId", "P1"), ("batchOrderId", "D0")]] {
        assert_eq!(merchant.beingfi_data(&query(&merchant, params).await).unwrap()["records"], "[]");
    }
    assert_eq!(merchant.ledger().await.violations, []);
}

#[tokio::test]
async fn two_kinds_may_use_one_key() {
    let merchant = Merchant::with(options()).await;
    merchant.exec("K1").await.unwrap();
    merchant.apply("K1").await.unwrap();
    let ledger = merchant.ledger().await;
    assert_eq!(ledger.violations, []);
    assert_eq!((ledger.keys["K1"].kind, ledger.keys["K1"].executions), (Kind::Transfer, 1));
    assert_eq!((ledger.keys["split:K1"].kind, ledger.keys["split:K1"].executions), (Kind::Split, 1));
}

#[tokio::test]
async fn every_bind_makes_a_new_receiver_unless_it_is_to_fail() {
    let merchant = Merchant::with(options()).await;
    let bind = async |account: &str| {
        let params = [
            ("ifCode", "wxpay"),
            ("receiverGroupId", "100001"),
            ("accType", "0"),
            ("accNo", account),
            ("relationType", "STAFF"),
            ("divisionProfit", "0.3"),
        ];
        let answer = merchant.post("/api/division/receiver/bind", merchant.beingfi_form(&params)).await.unwrap();
        merchant.beingfi_data(&answer).unwrap()
    };
    let (first, second) = (bind("zhangsan").await, bind("zhangsan").await);
    assert_eq!(first["bindState"], 1);
    assert_ne!(first["receiverId"], second["receiverId"]);
    merchant.give_life("lisi", "0").await;
    let failed = bind("lisi").await;
    assert_eq!(failed["bindState"], 0);
    assert!(failed.get("receiverId").is_none());
}

#[tokio::test]
async fn the_balance_falls_with_every_execution() {
    let merchant = Merchant::with(options()).await;
    let balance = async || {
        let content = json!({ "account_sub_type": "0", "merchant_id": 1_000_000_000_926_i64, "store_no": "" });
        let answer = merchant.call("merchant.balanceQuery", &content.to_string()).await.unwrap();
        merchant.node(&answer)["data"]["available_balance"].as_i64().unwrap()
    };
    let before = balance().await;
    merchant.apply("K1").await.unwrap();
    merchant.apply("K1").await.unwrap();
    assert_eq!(before - balance().await, 10);
}

#[tokio::test]
async fn a_split_of_the_other_method_works_like_a_transfer() {
    let merchant = Merchant::with(options()).await;
    let content = json!({ "platform_no": "S1", "total_amount": 7, "whatever": [1] }).to_string();
    let applied = merchant.node(&merchant.call("bkfunds.split.apply", &content).await.unwrap());
    let query = json!({ "trade_no": applied["data"]["trade_no"] }).to_string();
    let queried = merchant.node(&merchant.call("bkfunds.split.query", &query).await.unwrap());
    assert_eq!(queried["data"]["platform_no"], "S1");
    let record = merchant.record("S1").await;
    assert_eq!((record.kind, record.executions, record.amount), (Kind::Split, 1, Some(7)));
}

#[tokio::test]
async fn a_request_in_json_is_read_as_well_as_a_form() {
    let merchant = Merchant::with(options()).await;
    let params = merchant.params(APPLY, &transfer("K1", 10));
    let body: serde_json::Map<String, Value> = params.into_iter().map(|(name, value)| (name, json!(value))).collect();
    let request = merchant.http.post(merchant.url("/")).header("content-type", "application/json");
    let text = request.body(Value::Object(body).to_string()).send().await.unwrap().text().await.unwrap();
    assert_eq!(merchant.node(&crate::client::Answer { status: 200, text })["code"], 10_000);
}

#[tokio::test]
async fn a_request_that_arrived_is_executed_without_its_client() {
    use tokio::io::AsyncWriteExt as _;

    let merchant = Merchant::with(Options { latency: Duration::from_millis(200), ..options() }).await;
    let text = crate::client::request_text("/", &form(&merchant.params(APPLY, &transfer("K1", 10))));
    let mut tcp = tokio::net::TcpStream::connect(&merchant.simulator.ready().listen).await.unwrap();
    tcp.write_all(text.as_bytes()).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while merchant.ledger().await.keys.is_empty() && tokio::time::Instant::now() < deadline {}
    assert_eq!(merchant.record("K1").await.executions, 0);
    drop(tcp);
    while merchant.record("K1").await.executions == 0 && tokio::time::Instant::now() < deadline {}
    assert_eq!(merchant.record("K1").await.executions, 1);
}

#[tokio::test]
async fn two_sends_at_one_time_under_one_key_are_written_down() {
    let merchant = Merchant::with(Options { latency: Duration::from_millis(100), ..options() }).await;
    let (first, second) = tokio::join!(merchant.apply("K1"), merchant.apply("K1"));
    assert!(first.is_ok() && second.is_ok());
    let ledger = merchant.ledger().await;
    assert_eq!(ledger.keys["K1"].executions, 1);
    assert_eq!(ledger.violations[0].text, "a second send under this key while one is in work");
}

#[tokio::test]
async fn the_ledger_shows_the_keys_queried_and_counters_add_up() {
    let merchant = Merchant::with(options()).await;
    for key in ["K1", "K2", "K3"] {
        merchant.apply(key).await.unwrap();
    }
    let read = async |path: &str| {
        let text = merchant.http.get(merchant.url(path)).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let ledger = read("/_ledger?keys=K1,K3,K9").await;
    assert_eq!(ledger["keys"].as_object().unwrap().keys().collect::<Vec<_>>(), ["K1", "K3"]);
    assert_eq!(ledger["executed"], 3);
    let stats = read("/_stats").await;
    assert_eq!((&stats["requests"], &stats["sends"], &stats["executed"]), (&json!(3), &json!(3), &json!(3)));
    assert_eq!((&stats["in_flight"], &stats["in_flight_max"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn the_ready_line_has_all_a_client_needs() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let ready = serde_json::to_value(simulator.ready()).unwrap();
    let names: Vec<&String> = ready.as_object().unwrap().keys().collect();
    let mut expected = vec!["app_id", "app_private_key_file", "beingfi_app_id", "beingfi_secret_file"];
    expected.extend(["listen", "mch_no", "platform_public_key_file"]);
    assert_eq!(names, expected);
    let key_file = simulator.ready().app_private_key_file.clone();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key_file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let merchant = Merchant::of(simulator);
    assert_eq!(merchant.node(&merchant.apply("K1").await.unwrap())["code"], 10_000);
    let ledger = merchant.simulator.stop().await;
    assert_eq!(ledger.executed, 1);
    assert!(!key_file.exists());
}

#[tokio::test]
async fn keys_that_are_there_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { dir: Some(dir.path().to_owned()), ..Options::default() };
    let first = Simulator::start(options.clone()).await.unwrap();
    let key = std::fs::read(&first.ready().app_private_key_file).unwrap();
    first.stop().await;
    let merchant = Merchant::with(options).await;
    assert_eq!(std::fs::read(&merchant.simulator.ready().app_private_key_file).unwrap(), key);
    assert_eq!(merchant.node(&merchant.apply("K1").await.unwrap())["code"], 10_000);
}
