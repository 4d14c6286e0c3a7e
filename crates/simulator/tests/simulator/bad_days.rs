//! Each fault on the wire and in the ledger; and the answers to wrong requests.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::client::{APPLY, Merchant, bill, form, options, transfer};
use bursar_simulator::{FaultProfile, Options};
use serde_json::{Value, json};

async fn raw_apply(merchant: &Merchant, key: &str) -> std::io::Result<Vec<u8>> {
    merchant.raw("/", &form(&merchant.params(APPLY, &transfer(key, 10)))).await
}

async fn executions(merchant: &Merchant, key: &str) -> u64 {
    merchant.record(key).await.executions
}

/// After any fault, the same bytes once more must lead to exactly one execution.
async fn settles(merchant: &Merchant, key: &str) {
    let again = merchant.node(&merchant.apply(key).await.unwrap());
    assert_eq!(again["data"]["status"], "1", "{key}");
    assert_eq!(executions(merchant, key).await, 1, "{key}");
    assert_eq!(merchant.ledger().await.violations, [], "{key}");
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_a_close() {
    let merchant = Merchant::with(options()).await;
    for (fault, executed) in [("reset-before", 0), ("lost-answer", 1)] {
        merchant.force(fault, fault).await;
        let error = raw_apply(&merchant, fault).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{fault}");
        assert_eq!(executions(&merchant, fault).await, executed, "{fault}");
        settles(&merchant, fault).await;
    }
    let fault = "closed-without-answer";
    merchant.force(fault, fault).await;
    assert_eq!(raw_apply(&merchant, fault).await.unwrap(), b"");
    assert_eq!(executions(&merchant, fault).await, 1);
    settles(&merchant, fault).await;
}

#[tokio::test]
async fn a_hang_is_silent_for_its_time_and_then_closes() {
    let merchant = Merchant::with(options()).await;
    for (fault, executed) in [("hang-before", 0), ("hang-after", 1)] {
        assert_eq!(merchant.put("/_faults", json!({ "key": fault, "fault": fault, "ms": 80 })).await, 200);
        let since = Instant::now();
        assert_eq!(raw_apply(&merchant, fault).await.unwrap(), b"", "{fault}");
        assert!(since.elapsed() >= Duration::from_millis(80), "{fault}");
        assert_eq!(executions(&merchant, fault).await, executed, "{fault}");
        settles(&merchant, fault).await;
    }
}

#[tokio::test]
async fn an_endless_hang_ends_with_the_client_or_the_simulator() {
    let merchant = Merchant::with(options()).await;
    merchant.force("K1", "hang-after").await;
    let limit = Duration::from_millis(100);
    assert!(tokio::time::timeout(limit, raw_apply(&merchant, "K1")).await.is_err());
    settles(&merchant, "K1").await;

    merchant.force("K2", "hang-before").await;
    let request = form(&merchant.params(APPLY, &transfer("K2", 10)));
    let address = merchant.simulator.ready().listen.clone();
    let hanging = tokio::spawn(crate::client::exchange(address, crate::client::request_text("/", &request)));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !merchant.ledger().await.keys.contains_key("K2") && Instant::now() < deadline {}
    let ledger = merchant.simulator.stop().await;
    assert_eq!(hanging.await.unwrap().unwrap(), b"");
    assert_eq!(ledger.keys["K2"].executions, 0);
}

#[tokio::test]
async fn a_late_execution_happens_without_a_waiting_client() {
    let merchant = Merchant::with(options()).await;
    assert_eq!(merchant.put("/_faults", json!({ "key": "K1", "fault": "late-execution", "ms": 150 })).await, 200);
    let limit = Duration::from_millis(50);
    assert!(tokio::time::timeout(limit, raw_apply(&merchant, "K1")).await.is_err());
    assert_eq!(executions(&merchant, "K1").await, 0);
    let deadline = Instant::now() + Duration::from_secs(5);
    while executions(&merchant, "K1").await == 0 && Instant::now() < deadline {}
    settles(&merchant, "K1").await;
}

#[tokio::test]
async fn pages_of_html_come_with_and_without_an_execution() {
    let merchant = Merchant::with(options()).await;
    for (fault, status, executed) in [("bad-gateway-before", 502, 0), ("bad-gateway-after", 502, 1), ("html", 200, 1)] {
        merchant.force(fault, fault).await;
        let answer = merchant.apply(fault).await.unwrap();
        assert_eq!(answer.status, status, "{fault}");
        assert!(answer.text.starts_with("<html>"), "{fault}");
        assert_eq!(executions(&merchant, fault).await, executed, "{fault}");
        settles(&merchant, fault).await;
    }
}

#[tokio::test]
async fn the_gateways_errors_are_signed_in_the_methods_node() {
    let merchant = Merchant::with(options()).await;
    for (fault, code, sub_code, executed) in [
        ("busy", "20000", "isv.service-busy", 0),
        ("invalid-timestamp", "40002", "isv.invalid-timestamp", 0),
        ("unknown-error-before", "20000", "isp.unknown-error", 0),
        ("unknown-error-after", "20000", "isp.unknown-error", 1),
        ("gateway-timeout", "20000", "isp.gateway-response-timeout", 1),
        ("refused", "40004", "isv.name-error", 0),
        ("not-paid", "40004", "isv.name-error", 0),
        ("unknown-refusal", "40004", "isv.never-documented", 0),
    ] {
        merchant.force(fault, fault).await;
        let answer = merchant.apply(fault).await.unwrap();
        assert!(answer.text.starts_with("{\"bkfunds_balance_pay_apply_response\":"), "{fault}");
        let node = merchant.node(&answer);
        assert_eq!((&node["code"], &node["sub_code"]), (&json!(code), &json!(sub_code)), "{fault}");
        assert_eq!(executions(&merchant, fault).await, executed, "{fault}");
        settles(&merchant, fault).await;
    }
}

#[tokio::test]
async fn an_answer_in_pieces_is_whole_half_or_cut() {
    let merchant = Merchant::with(options()).await;
    merchant.force("half", "truncated-json").await;
    let half = merchant.apply("half").await.unwrap();
    assert_eq!(half.status, 200);
    assert!(serde_json::from_str::<Value>(&half.text).is_err());
    settles(&merchant, "half").await;

    merchant.force("cut", "cut-body").await;
    assert!(merchant.apply("cut").await.is_err());
    merchant.force("cut", "cut-body").await;
    let cut = String::from_utf8(raw_apply(&merchant, "cut").await.unwrap()).unwrap();
    assert!(cut.contains("{\"bkfunds_balance_pay_apply_response\":"), "{cut}");
    settles(&merchant, "cut").await;

    assert_eq!(merchant.put("/_faults", json!({ "key": "slow", "fault": "trickle", "ms": 100 })).await, 200);
    let since = Instant::now();
    assert_eq!(merchant.node(&merchant.apply("slow").await.unwrap())["code"], 10_000);
    assert!(since.elapsed() >= Duration::from_millis(90));
    settles(&merchant, "slow").await;

    merchant.force("big", "oversized").await;
    let big = merchant.apply("big").await.unwrap();
    assert!(big.text.len() > 8 * 1024 * 1024);
    assert_eq!(merchant.node(&big)["code"], 10_000);
    settles(&merchant, "big").await;
}

#[tokio::test]
async fn signatures_fail_where_they_should_and_hold_in_an_odd_shape() {
    let merchant = Merchant::with(options()).await;
    for fault in ["bad-signature", "missing-signature"] {
        merchant.force(fault, fault).await;
        let answer = merchant.apply(fault).await.unwrap();
        assert!(merchant.verified(&answer).is_none(), "{fault}");
        let whole: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(whole["bkfunds_balance_pay_apply_response"]["data"]["status"], "1");
        assert_eq!(whole.get("sign").is_some(), fault == "bad-signature");
        settles(&merchant, fault).await;
    }
    merchant.force("forged", "forged-busy").await;
    let forged = merchant.apply("forged").await.unwrap();
    assert!(merchant.verified(&forged).is_none() && forged.text.contains("isv.service-busy"), "{}", forged.text);
    assert!(!forged.text.contains("\"sign\""), "{}", forged.text);
    settles(&merchant, "forged").await;
    merchant.force("odd", "odd-shape").await;
    let odd = merchant.apply("odd").await.unwrap();
    assert!(odd.text.find("\"sign\"") < odd.text.find("_response"), "{}", odd.text);
    assert_eq!(merchant.node(&odd)["data"]["status"], "1");
    settles(&merchant, "odd").await;
}

#[tokio::test]
async fn answers_about_something_else_are_signed_all_the_same() {
    let merchant = Merchant::with(options()).await;
    let applied = merchant.node(&merchant.apply("K1").await.unwrap());
    let trade_no = applied["data"]["trade_no"].as_str().unwrap();
    for (fault, field, value) in [
        ("other-key", "platform_no", "ANOTHER-KEY-0001"),
        ("other-amount", "total_amount", "11"),
        ("unknown-status", "status", "x"),
    ] {
        let rule = json!({ "key": "K1", "on": "query", "fault": fault });
        assert_eq!(merchant.put("/_faults", rule).await, 200);
        let queried = merchant.node(&merchant.query(trade_no).await.unwrap());
        assert_eq!(queried["data"][field], value, "{fault}");
        let right = merchant.node(&merchant.query(trade_no).await.unwrap());
        assert_ne!(right["data"][field], value, "{fault}");
    }
}

#[tokio::test]
async fn a_redirect_that_is_followed_is_written_down() {
    let merchant = Merchant::with(options()).await;
    merchant.force("K1", "redirect").await;
    let redirected = merchant.apply("K1").await.unwrap();
    assert_eq!(redirected.status, 307);
    settles(&merchant, "K1").await;
    let followed = merchant.post("/_elsewhere", String::new()).await.unwrap();
    assert_eq!(followed.status, 404);
    assert_eq!(merchant.ledger().await.violations[0].text, "a redirect was followed");
}

#[tokio::test]
async fn the_other_gateway_fails_in_its_own_words() {
    let merchant = Merchant::with(options()).await;
    for (fault, code, executed) in [
        ("busy", 9999, 0),
        ("account-disabled", 9999, 0),
        ("invalid-timestamp", 11, 0),
        ("refused", 9999, 0),
        ("not-paid", 9999, 0),
        ("unknown-refusal", 9999, 0),
        ("gateway-timeout", 9999, 1),
        ("unknown-error-after", 10, 1),
        ("forged-busy", 10, 1),
    ] {
        merchant.force(fault, fault).await;
        let answer: Value = serde_json::from_str(&merchant.exec(fault).await.unwrap().text).unwrap();
        assert_eq!(answer["code"], code, "{fault}");
        assert!(answer.get("sign").is_none(), "{fault}");
        assert_eq!(executions(&merchant, fault).await, executed, "{fault}");
    }
    merchant.force("P1", "bad-signature").await;
    assert!(merchant.beingfi_data(&merchant.exec("P1").await.unwrap()).is_none());
    merchant.force("P2", "odd-shape").await;
    assert_eq!(merchant.beingfi_data(&merchant.exec("P2").await.unwrap()).unwrap()["state"], 1);
    for (fault, data) in [
        ("nobody-paid", json!({ "state": 1 })),
        (
            "failed-without-code",
            json!({ "state": 2, "errMsg": "系统：java.net.SocketTimeoutException: Read timed out" }),
        ),
    ] {
        merchant.force(fault, fault).await;
        assert_eq!(merchant.beingfi_data(&merchant.exec(fault).await.unwrap()), Some(data));
        assert_eq!(executions(&merchant, fault).await, 1, "{fault}");
    }
    merchant.force("P3", "unknown-status").await;
    assert_eq!(merchant.beingfi_data(&merchant.exec("P3").await.unwrap()).unwrap()["state"], 7);
}

#[tokio::test]
async fn fault_rules_count_down_until_cleared() {
    let merchant = Merchant::with(options()).await;
    let busy = async |key: &str| merchant.node(&merchant.apply(key).await.unwrap())["code"] == "20000";
    assert_eq!(merchant.put("/_faults", json!({ "next": 2, "on": "send", "fault": "busy" })).await, 200);
    assert_eq!([busy("A").await, busy("B").await, busy("C").await], [true, true, false]);
    assert_eq!(merchant.put("/_faults", json!([{ "always": true, "fault": "busy" }])).await, 200);
    assert_eq!([busy("A").await, busy("A").await], [true, true]);
    assert_eq!(merchant.put("/_faults", json!({ "clear": true })).await, 200);
    assert!(!busy("A").await);
    for wrong in
        [json!({}), json!({ "fault": "unheard-of" }), json!({ "fault": "busy", "times": 0 }), json!({ "x": 1 })]
    {
        assert_eq!(merchant.put("/_faults", wrong.clone()).await, 400, "{wrong}");
    }
}

#[tokio::test]
async fn latency_is_changed_while_it_runs() {
    let merchant = Merchant::with(options()).await;
    assert_eq!(merchant.put("/_latency", json!({ "ms": 60 })).await, 200);
    let since = Instant::now();
    merchant.apply("K1").await.unwrap();
    assert!(since.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_client_that_repeats_executes_every_key_once() {
    for profile in [FaultProfile::Mild, FaultProfile::Hostile] {
        let hang = Duration::from_millis(20);
        let merchant = Merchant::with(Options { profile, seed: 7, hang, ..options() }).await;
        for number in 0..60 {
            let key = format!("K{number}");
            let mut settled = false;
            for _ in 0..50 {
                let Ok(answer) = merchant.apply(&key).await else { continue };
                settled = merchant.verified(&answer).is_some_and(|node| node["code"] == 10_000);
                if settled {
                    break;
                }
            }
            assert!(settled, "{key}");
        }
        let ledger = merchant.ledger().await;
        assert_eq!(ledger.executed, 60, "{profile}");
        assert!(ledger.keys.values().all(|record| record.executions == 1), "{profile}");
        assert_eq!(ledger.violations, [], "{profile}");
        assert!(ledger.requests > 60, "{profile}");
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_like_the_platform_and_recorded() {
    let merchant = Merchant::with(options()).await;
    let good = || merchant.params(APPLY, &transfer("K1", 10));
    let without = |name: &str| good().into_iter().filter(|(given, _)| given != name).collect::<Vec<_>>();
    let resigned = |name: &str, value: &str| {
        let mut params: Vec<_> = without(name).into_iter().filter(|(given, _)| given != "sign").collect();
        params.push((name.to_owned(), value.to_owned()));
        params.sort();
        merchant.signed(params)
    };
    let mut unsigned_change = good();
    unsigned_change[1].1 = transfer("K1", 11);
    let cases = [
        (without("method"), "error_response", "isv.missing-method"),
        (resigned("method", "no.such.method"), "error_response", "isv.invalid-method"),
        (without("version"), "error_response", "isv.missing-version"),
        (without("app_id"), "apply", "isv.missing-app-id"),
        (resigned("app_id", "1"), "apply", "isv.invalid-app-key"),
        (without("sign"), "apply", "isv.missing-signature"),
        (resigned("sign_type", "RSA"), "apply", "isv.invalid-signature-type"),
        (unsigned_change, "apply", "isv.invalid-signature"),
        (without("timestamp"), "apply", "isv.invalid-signature"),
        (resigned("timestamp", "2024-04-2815:09:29"), "apply", "isv.invalid-timestamp"),
        (resigned("timestamp", "2024-04-28 15:09:29"), "apply", "isv.invalid-timestamp"),
        (resigned("format", "xml"), "apply", "isv.invalid-format"),
        (resigned("biz_content", "{}"), "apply", "isv.invalid-parameter"),
    ];
    let count = cases.len();
    for (params, node, sub_code) in cases {
        let answer = merchant.post("/", form(&params)).await.unwrap();
        assert!(answer.text.split(':').next().is_some_and(|name| name.contains(node)), "{sub_code}: {}", answer.text);
        assert_eq!(merchant.node(&answer)["sub_code"], sub_code, "{}", answer.text);
    }
    let ledger = merchant.ledger().await;
    assert_eq!((ledger.executed, ledger.violations.len()), (0, count));
    assert!(ledger.violations.iter().any(|violation| violation.key.as_deref() == Some("K1")));
}

#[tokio::test]
async fn a_form_with_an_unescaped_equals_sign_loses_that_parameter() {
    let merchant = Merchant::with(options()).await;
    let body = form(&merchant.params(APPLY, &transfer("K1", 10))).replace("%3D", "=");
    let answer = merchant.post("/", body).await.unwrap();
    assert_eq!(merchant.node(&answer)["sub_code"], "isv.missing-signature");
    assert!(merchant.ledger().await.violations[0].text.contains("sign is not one name and one value"));
}

#[tokio::test]
async fn an_undocumented_request_is_refused() {
    let merchant = Merchant::with(options()).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut content: Value = serde_json::from_str(&transfer("K1", 10)).unwrap();
        change(&mut content);
        content.to_string()
    };
    let wrong = [
        changed(&|content| content["payer_merchant_id"] = json!("1")),
        changed(&|content| drop(content.as_object_mut().unwrap().remove("payee_store_no"))),
        changed(&|content| content["total_amount"] = json!("10")),
        changed(&|content| content["total_amount"] = json!(0)),
        changed(&|content| content["remark"] = json!("x")),
        changed(&|content| content["arrive_time"] = json!("T2")),
    ];
    for content in wrong {
        let answer = merchant.node(&merchant.call(APPLY, &content).await.unwrap());
        assert_eq!(answer["sub_code"], "isv.invalid-parameter", "{content}");
    }
    let refund = bill("B1").replace("\"trade_type\":\"1\"", "\"trade_type\":\"2\"");
    let answer = merchant.node(&merchant.call("funds.bill.upload", &refund).await.unwrap());
    assert_eq!(answer["sub_code"], "isv.invalid-parameter");
    assert_eq!(merchant.ledger().await.violations.len(), 7);
}

#[tokio::test]
async fn the_other_gateway_refuses_wrong_requests_in_its_own_way() {
    let merchant = Merchant::with(options()).await;
    let code = async |params: &[(&str, &str)]| {
        let answer = merchant.post("/api/division/exec", merchant.beingfi_form(params)).await.unwrap();
        serde_json::from_str::<Value>(&answer.text).unwrap()["code"].clone()
    };
    let of_one = r#"[{"receiverId":"1","divisionProfit":"0.1"}]"#;
    assert_eq!(code(&[("useSysAutoDivisionReceivers", "0"), ("receivers", of_one)]).await, 9999);
    assert_eq!(code(&[("payOrderId", "P1"), ("receivers", of_one)]).await, 9999);
    assert_eq!(code(&[("payOrderId", "P1"), ("mchOrderNo", "P1"), ("useSysAutoDivisionReceivers", "1")]).await, 11);
    let unsigned = merchant.beingfi_form(&[("payOrderId", "P1"), ("useSysAutoDivisionReceivers", "1")]);
    let answer = merchant.post("/api/division/exec", unsigned.replace("P1", "P2")).await.unwrap();
    assert!(answer.text.contains("验签失败"), "{}", answer.text);
    assert_eq!(merchant.ledger().await.violations.len(), 4);
    assert_eq!(merchant.ledger().await.executed, 0);

    assert_eq!(code(&[("payOrderId", "P3"), ("useSysAutoDivisionReceivers", "0"), ("receivers", "[]")]).await, 0);
    assert_eq!(merchant.ledger().await.violations[4].text, "a division without receivers");
}

#[tokio::test]
async fn an_unknown_route_and_an_oversized_body_are_recorded() {
    let merchant = Merchant::with(options()).await;
    assert_eq!(merchant.post("/gateway", String::new()).await.unwrap().status, 404);
    assert_eq!(merchant.post("/", "a".repeat(300 * 1024)).await.unwrap().status, 413);
    assert_eq!(merchant.http.get(merchant.url("/")).send().await.unwrap().status().as_u16(), 404);
    assert_eq!(merchant.ledger().await.violations.len(), 2);
}
