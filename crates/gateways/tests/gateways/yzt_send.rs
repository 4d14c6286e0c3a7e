//! YZT's own rules for sending: what goes out, and what each answer is understood to mean.

use crate::support::accounts::{KEY, TRADE_NO, bill, numbered, split, transfer, yzt_settings};
use crate::support::{Act, Server, accounts, sign};
use bursar_domain::{Answer, Call, Kind, Names, Reading, Received, Suspicion};
use bursar_gateways::{
    BalanceQuery, ContentType, Gateway, Inquiry, Order, ResponseSign, SplitMethods, StatusQuery, SubCodes, Transport,
    UnsignedErrors, UploadMethod, Yzt, YztSettings,
};

async fn sent(body: impl Into<String>) -> Reading {
    sent_order(body, transfer()).await
}

async fn sent_order(body: impl Into<String>, order: Order) -> Reading {
    let server = Server::answering(body).await;
    accounts::yzt(&server.url()).send(&order).await
}

async fn asked(body: impl Into<String>) -> Reading {
    let server = Server::answering(body).await;
    accounts::yzt(&server.url()).status(&numbered(&[TRADE_NO])).await
}

#[tokio::test]
async fn an_apply_is_signed_and_carries_the_stored_content() {
    for content_type in [ContentType::Form, ContentType::Json] {
        let server = Server::answering(sign::applied(r#"{"status":"9"}"#)).await;
        let transport = Transport { content_type, ..accounts::transport(&server.url()) };
        let token = bursar_gateways::Secret::new(accounts::TOKEN.into());
        let settings = YztSettings { transport, app_auth_token: Some(token), ..yzt_settings("http://x") };
        Yzt::new(settings).unwrap().send(&transfer()).await;
        let request = &server.received()[0];
        assert_eq!(request.path(), "/");
        let params = request.params();
        assert!(sign::app_signed(&params), "{content_type:?}");
        assert_eq!(params["biz_content"], accounts::TRANSFER);
        assert_eq!(params["app_auth_token"], accounts::TOKEN);
        assert!(params.values().all(|value| !value.is_empty()));
    }
}

#[tokio::test]
async fn the_status_of_an_apply_decides() {
    for (data, answer, status) in [
        (r#"{"status":"1"}"#, Answer::Succeeded, Some("1")),
        (r#"{"status":1}"#, Answer::Succeeded, Some("1")),
        (r#"{"status":"0"}"#, Answer::Failed, Some("0")),
        (r#"{"status":0}"#, Answer::Failed, Some("0")),
        (r#"{"status":"2"}"#, Answer::Refunded, Some("2")),
        (r#"{"status":"9"}"#, Answer::Accepted, Some("9")),
        (r#"{"status":9}"#, Answer::Accepted, Some("9")),
        (r#"{"status":"n"}"#, Answer::Accepted, Some("n")),
        (r#"{"status":"x"}"#, Answer::Accepted, Some("x")),
        (r#"{"status":" 1\n"}"#, Answer::Accepted, Some("1")), // not the page's word, however it looks
        (r#"{"status":true}"#, Answer::Accepted, None),
        (r#"{"status":""}"#, Answer::Accepted, None),
        (r#"{"status":null}"#, Answer::Accepted, None),
        ("{}", Answer::Accepted, None),
        (r#""""#, Answer::Accepted, None),
        ("null", Answer::Accepted, None),
        (r#"{"status":"1","status":"9"}"#, Answer::Silent, None),
    ] {
        let reading = sent(sign::applied(data)).await;
        assert_eq!((reading.answer, reading.status.as_deref()), (answer, status), "{data}: {reading:?}");
    }
}

#[tokio::test]
async fn an_unknown_status_is_shown_to_people() {
    let reading = sent(sign::applied(r#"{"status":"wat"}"#)).await;
    assert!(reading.message.unwrap().contains("unknown status wat"));
}

#[tokio::test]
async fn the_gateways_number_is_recorded_when_it_is_sane() {
    for (data, trade_no) in [
        (r#"{"trade_no":"2025062413293980461","status":"9"}"#, Some("2025062413293980461")),
        (r#"{"trade_no":2025062413293980461,"status":"9"}"#, Some("2025062413293980461")),
        (r#"{"trade_no":"","status":"9"}"#, None),
        (r#"{"trade_no":"a\" b","status":"9"}"#, None),
    ] {
        let reading = sent(sign::applied(data)).await;
        assert_eq!((reading.answer, reading.trade_no.as_deref()), (Answer::Accepted, trade_no), "{data}");
    }
    let long = format!(r#"{{"trade_no":"{}","status":"9"}}"#, "1".repeat(65));
    let reading = sent(sign::applied(&long)).await;
    assert_eq!(reading.trade_no, None);
    assert!(reading.message.unwrap().contains("ignored"));
}

#[tokio::test]
async fn an_apply_for_another_key_or_amount_is_a_mismatch() {
    for data in [r#"{"status":"1","platform_no":"other"}"#, r#"{"status":"1","total_amount":11}"#] {
        let reading = sent(sign::applied(data)).await;
        assert_eq!((reading.answer, reading.status), (Answer::Contradiction, None), "{data}");
    }
    let same = format!(r#"{{"status":"1","platform_no":"{KEY}","total_amount":10}}"#);
    assert_eq!(sent(sign::applied(&same)).await.answer, Answer::Succeeded);
}

/// Whose last word it is: only an answer that names both key and amount says so by itself. Nothing asks about bills.
#[tokio::test]
async fn an_apply_names_the_job_by_its_key_and_its_amount() {
    for (data, names) in [
        (r#"{"status":"0"}"#.to_owned(), Names::Nothing),
        (format!(r#"{{"status":"0","trade_no":"{TRADE_NO}"}}"#), Names::Nothing),
        (format!(r#"{{"status":"0","platform_no":"{KEY}"}}"#), Names::Nothing),
        (r#"{"status":"0","total_amount":10}"#.to_owned(), Names::Nothing),
        (format!(r#"{{"status":"0","platform_no":"{KEY}","total_amount":10}}"#), Names::Job),
    ] {
        let reading = sent(sign::applied(&data)).await;
        assert_eq!((reading.answer, reading.names), (Answer::Failed, names), "{data}");
    }
    let node = sign::yzt("bkfunds_order_upload_response", &sign::taken("\"\""));
    assert_eq!(sent_order(node, bill()).await.names, Names::Job);
}

#[tokio::test]
async fn an_apply_that_is_answered_with_a_refund_s_record_is_in_doubt() {
    for status in ["0", "1", "9", "n"] {
        let reading = sent(sign::applied(&format!(r#"{{"status":"{status}","trade_type":"r"}}"#))).await;
        assert_eq!((reading.answer, reading.status), (Answer::Silent, None), "{status}");
    }
}

#[tokio::test]
async fn each_code_means_the_same_to_every_kind_of_send() {
    for (code, sub_code, answer) in [
        ("20000", "isv.service-busy", Answer::NotExecuted),
        ("20000", "isp.service-not-available", Answer::NotExecuted),
        ("20000", "isp.gateway-response-timeout", Answer::Silent),
        ("20000", "isp.unknown-error", Answer::Silent),
        ("20000", "isp.service-unknown-error", Answer::Silent),
        ("20000", "aop.unknown-error", Answer::Silent),
        ("20001", "aop.invalid-app-auth-token", Answer::ConfigFault),
        ("20001", "aop.never-heard-of", Answer::Silent),
        ("40001", "isv.missing-signature", Answer::ConfigFault),
        ("40002", "isv.invalid-signature", Answer::ConfigFault),
        ("40002", "isv.invalid-app-key", Answer::ConfigFault),
        ("40002", "isv.invalid-encrypt-type", Answer::ConfigFault),
        ("40002", "isv.invalid-file-size", Answer::ConfigFault),
        ("40002", "isv.invalid-method", Answer::ConfigFault),
        ("40002", "isv.invalid-timestamp", Answer::NotExecuted),
        ("40002", "isv.invalid-parameter", Answer::Refused),
        ("40004", "isv.name-error", Answer::Silent),
        ("40004", "isv.common-error", Answer::Silent),
        ("40006", "isv.ip-forbidden", Answer::ConfigFault),
        ("99999", "isv.invalid-signature", Answer::Silent), // a sub-code under a code that it does not belong to
        ("10000", "isv.odd", Answer::Silent),
    ] {
        for order in [transfer(), bill(), split()] {
            let reading = sent_order(sign::refused(code, sub_code), order).await;
            assert_eq!(reading.answer, answer, "{code}/{sub_code}: {reading:?}");
            assert_eq!(reading.received, Received::Response, "{code}/{sub_code}");
            assert_eq!(reading.code, Some(format!("{code}/{sub_code}")));
            assert_eq!(reading.request_id.as_deref(), Some("openapi_1"));
            assert!(reading.message.unwrap().contains("because"));
        }
    }
}

#[tokio::test]
async fn success_is_in_three_places_and_denied_in_none() {
    for (node, answer) in [
        (r#"{"code":10000,"data":{"status":"1"}}"#, Answer::Succeeded),
        (r#"{"code":"10000","success":true,"sub_code":"","data":{"status":"1"}}"#, Answer::Succeeded),
        (r#"{"code":10000,"success":false,"data":{"status":"1"}}"#, Answer::Silent),
        (r#"{"code":10000,"success":"false","data":{"status":"1"}}"#, Answer::Silent),
        (r#"{"code":10000,"success":0,"data":{"status":"1"}}"#, Answer::Silent),
        (r#"{"code":10000,"success":"true","data":{"status":"1"}}"#, Answer::Succeeded),
        (r#"{"code":10000,"sub_code":"isv.x","data":{"status":"1"}}"#, Answer::Silent),
        (r#"{"success":true,"data":{"status":"1"}}"#, Answer::Silent),
        (r#"{"code":10000,"code":10000,"data":{"status":"1"}}"#, Answer::Silent),
        (r#"[{"code":10000}]"#, Answer::Silent),
    ] {
        let reading = sent(sign::yzt("bkfunds_balance_pay_apply_response", node)).await;
        assert_eq!(reading.answer, answer, "{node}: {reading:?}");
    }
}

#[tokio::test]
async fn the_operators_lists_extend_the_table_and_never_overrule_it() {
    let listed = SubCodes {
        refused: vec!["isv.name-error".into(), "isp.gateway-response-timeout".into()],
        duplicate: vec!["isv.repeated".into()],
        not_executed: vec!["isv.later".into()],
        unseen: vec!["isv.trade-not-exist".into()],
    };
    let server = Server::start(|_, request| {
        let sub_code = request.params()["biz_content"].split('|').nth(1).unwrap_or_default().to_owned();
        Act::Answer(sign::refused(if sub_code.starts_with("isp") { "20000" } else { "40004" }, &sub_code))
    })
    .await;
    let gateway = Yzt::new(YztSettings { sub_codes: listed, ..yzt_settings(&server.url()) }).unwrap();
    for (sub_code, for_transfer, for_bill) in [
        ("isv.name-error", Answer::Refused, Answer::Refused),
        ("isv.repeated", Answer::Accepted, Answer::Succeeded),
        ("isv.later", Answer::NotExecuted, Answer::NotExecuted),
        ("isv.trade-not-exist", Answer::Silent, Answer::Silent),
        ("isp.gateway-response-timeout", Answer::Silent, Answer::Silent),
        ("isv.else", Answer::Silent, Answer::Silent),
    ] {
        let content = format!(r#"{{"x":"|{sub_code}|"}}"#);
        for (kind, answer) in [(Kind::Transfer, for_transfer), (Kind::BillUpload, for_bill)] {
            let reading = gateway.send(&accounts::order(kind, &content)).await;
            assert_eq!(reading.answer, answer, "{kind} {sub_code}: {reading:?}");
        }
    }
}

#[tokio::test]
async fn a_received_bill_has_succeeded_under_either_node_and_name() {
    for upload_method in [UploadMethod::FundsBillUpload, UploadMethod::BkfundsOrderUpload] {
        for node in ["bkfunds_order_upload_response", "funds_bill_upload_response"] {
            let server = Server::answering(sign::yzt(node, r#"{"code":"10000","success":true,"data":""}"#)).await;
            let gateway = Yzt::new(YztSettings { upload_method, ..yzt_settings(&server.url()) }).unwrap();
            let reading = gateway.send(&bill()).await;
            assert_eq!(reading.answer, Answer::Succeeded, "{node}: {reading:?}");
            assert!(server.received()[0].params()["method"].ends_with(".upload"));
            assert!(!gateway.can_query(&bill()));
        }
    }
}

#[tokio::test]
async fn an_unsigned_or_badly_signed_success_never_completes_a_job() {
    let node = sign::taken(r#"{"status":"1","trade_no":"2025062413293980461"}"#);
    let bare = format!(r#"{{"bkfunds_balance_pay_apply_response":{node}}}"#);
    let empty = format!(r#"{{"bkfunds_balance_pay_apply_response":{node},"sign":""}}"#);
    let bad = format!(r#"{{"bkfunds_balance_pay_apply_response":{node},"sign":"{}"}}"#, sign::platform_sign("else"));
    let broken = format!(r#"{{"bkfunds_balance_pay_apply_response":{node},"sign":"%%%"}}"#);
    for (body, note) in
        [(bare, "not signed"), (empty, "not signed"), (bad, "signature is not"), (broken, "signature is not")]
    {
        for (order, node) in [(transfer(), "balance_pay_apply"), (bill(), "order_upload"), (split(), "split_apply")] {
            let reading = sent_order(body.replace("balance_pay_apply", node), order).await;
            assert_eq!((reading.answer, reading.status.clone()), (Answer::Silent, None), "{reading:?}");
            assert_eq!(reading.received, Received::Nothing);
            // The number is kept: asking by it brings a signed answer, and costs less than a second send.
            assert_eq!(reading.trade_no.as_deref(), Some(TRADE_NO));
            assert!(reading.message.unwrap().contains(note));
        }
        assert_eq!(asked(body.replace("_apply_", "_query_")).await.answer, Answer::Silent);
    }
}

/// An attacker on the way writes an error after the gateway has executed the call: without the platform's signature no code
/// says that a send was not executed.
#[tokio::test]
async fn an_unsigned_or_badly_signed_error_proves_nothing() {
    for (code, sub_code, suspicion) in EARLY_AND_LATE {
        for (_, sign, note) in signatures() {
            let body = format!(r#"{{"error_response":{}{sign}}}"#, sign::refusal(code, sub_code));
            for order in [transfer(), bill(), split()] {
                for order in [order.clone(), accounts::again(order)] {
                    let reading = sent_order(body.clone(), order).await;
                    let read = (reading.answer, reading.received, reading.suspicion);
                    assert_eq!(read, (Answer::Silent, Received::Nothing, suspicion), "{code}/{sub_code}{sign}");
                    assert!(reading.message.unwrap().contains(note));
                }
            }
            let reading = asked(body).await;
            let read = (reading.answer, reading.received, reading.suspicion);
            assert_eq!(read, (Answer::Silent, Received::Nothing, suspicion), "{code}/{sub_code}{sign}");
        }
    }
}

/// A code, a sub-code, and what they suggest where nothing vouches for them.
const EARLY_AND_LATE: [(&str, &str, Suspicion); 8] = [
    ("20000", "isv.service-busy", Suspicion::Nothing),
    ("20000", "isp.unknown-error", Suspicion::Nothing),
    ("20001", "aop.invalid-auth-token", Suspicion::Misconfigured),
    ("40002", "isv.invalid-app-key", Suspicion::Misconfigured),
    ("40002", "isv.invalid-timestamp", Suspicion::Nothing),
    ("40002", "isv.invalid-parameter", Suspicion::Nothing),
    ("40004", "isv.name-error", Suspicion::Nothing),
    ("40006", "isv.ip-forbidden", Suspicion::Misconfigured),
];

/// The text behind a node, and the word for people.
fn signatures() -> [(bool, String, &'static str); 3] {
    [
        (false, String::new(), "not signed"),
        (false, r#","sign":"""#.into(), "not signed"),
        (true, format!(r#","sign":"{}""#, sign::platform_sign("something else")), "signature is not"),
    ]
}

#[tokio::test]
async fn an_unsigned_error_counts_where_the_operator_says_so() {
    let settings = YztSettings { unsigned_errors: UnsignedErrors::Believe, ..yzt_settings("http://127.0.0.1:9") };
    let gateway = Yzt::new(settings).unwrap();
    for (code, sub_code, answer) in [
        ("20000", "isv.service-busy", Answer::NotExecuted),
        ("40002", "isv.invalid-app-key", Answer::ConfigFault),
        ("40002", "isv.invalid-timestamp", Answer::NotExecuted),
        ("40002", "isv.invalid-parameter", Answer::Silent),
        ("40004", "isv.name-error", Answer::Silent),
        ("20000", "isp.unknown-error", Answer::Silent),
    ] {
        for (is_signed, sign, _) in signatures() {
            let body = format!(r#"{{"error_response":{}{sign}}}"#, sign::refusal(code, sub_code));
            let reading = gateway.understand(Call::Send, &transfer(), &body);
            let expected = if is_signed { Answer::Silent } else { answer };
            assert_eq!(reading.answer, expected, "{code}/{sub_code}{sign}");
        }
    }
}

/// A signature proves who speaks; only the name of the node says what is spoken of.
#[tokio::test]
async fn a_signed_response_to_another_method_is_no_response() {
    let data = format!(r#"{{"status":"0","platform_no":"{KEY}","total_amount":10,"trade_no":"1"}}"#);
    for node in ["evil_response", "merchant_balanceQuery_response", "bkfunds_balance_pay_query_response"] {
        for text in [
            sign::taken(&data),
            sign::refusal("40002", "isv.invalid-parameter"),
            sign::refusal("20000", "isv.service-busy"),
        ] {
            for order in [transfer(), bill(), split()] {
                let reading = sent_order(sign::yzt(node, &text), order).await;
                let read = (reading.answer, reading.received, reading.trade_no.as_deref());
                assert_eq!(read, (Answer::Silent, Received::Nothing, None), "{node} {text}");
                assert!(reading.message.unwrap().contains(node), "people read what came instead");
            }
        }
    }
    for order in [transfer(), bill(), split()] {
        let reading = sent_order(sign::yzt("error_response", &sign::taken(&data)), order).await;
        assert_eq!((reading.answer, reading.received), (Answer::Silent, Received::Nothing), "an error that is none");
    }
    for node in ["bkfunds_balance_pay_apply_response", "funds_bill_upload_response"] {
        let reading = asked(sign::yzt(node, &sign::taken(&data))).await;
        assert_eq!((reading.answer, reading.received), (Answer::Silent, Received::Nothing), "{node}");
    }
    for node in ["funds_bill_upload_response", "bkfunds_order_upload_response"] {
        assert_eq!(sent(sign::yzt(node, &sign::taken(&data))).await.answer, Answer::Silent, "{node} to a transfer");
    }
}

#[tokio::test]
async fn a_tenant_without_a_platform_key_may_waive_signatures() {
    let body = format!(r#"{{"bkfunds_balance_pay_apply_response":{}}}"#, sign::taken(r#"{"status":"1"}"#));
    let server = Server::answering(body).await;
    let settings = YztSettings { response_sign: ResponseSign::Waived, ..yzt_settings(&server.url()) };
    assert_eq!(Yzt::new(settings).unwrap().send(&transfer()).await.answer, Answer::Succeeded);
}

#[tokio::test]
async fn a_refused_timestamp_is_judged_by_the_gateways_clock() {
    let now = jiff::Timestamp::now();
    let date = |minutes: i64| {
        let at = now + jiff::SignedDuration::from_mins(minutes);
        at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for (date, answer, note) in [
        (Some(date(0)), Answer::NotExecuted, ""),
        (Some(date(4)), Answer::NotExecuted, ""),
        (Some(date(11)), Answer::ConfigFault, "behind the gateway's"),
        (Some(date(-11)), Answer::ConfigFault, "ahead of the gateway's"),
        (Some("someday".to_owned()), Answer::NotExecuted, ""),
        (None, Answer::NotExecuted, ""),
    ] {
        let server = Server::start(move |_, _| {
            let headers = date.iter().map(|date| ("Date".to_owned(), date.clone())).collect();
            Act::AnswerWith(200, headers, sign::refused("40002", "isv.invalid-timestamp").into_bytes())
        })
        .await;
        let gateway = accounts::yzt(&server.url());
        for reading in [gateway.send(&transfer()).await, gateway.status(&numbered(&[TRADE_NO])).await] {
            assert_eq!(reading.answer, answer, "{reading:?}");
            assert!(reading.message.unwrap().contains(note), "{note}");
        }
    }
}

#[tokio::test]
async fn the_generic_split_needs_its_configured_names() {
    let server = Server::answering(sign::yzt("bkfunds_split_apply_response", &sign::taken(r#"{"status":"9"}"#))).await;
    let split_at = |split| Yzt::new(YztSettings { split, ..yzt_settings(&server.url()) });
    let reading = split_at(None).unwrap().send(&split()).await;
    assert_eq!((reading.answer, server.count()), (Answer::ConfigFault, 0));

    let methods =
        |query: Option<&str>| SplitMethods { apply: "bkfunds.split.apply".into(), query: query.map(Into::into) };
    let gateway = split_at(Some(methods(Some("bkfunds.split.query")))).unwrap();
    assert_eq!(gateway.send(&split()).await.answer, Answer::Accepted);
    assert_eq!(server.received()[0].params()["method"], "bkfunds.split.apply");
    let known = Order { trade_nos: vec![TRADE_NO.into()], ..split() };
    assert!(gateway.can_query(&known) && !gateway.can_query(&split()));
    assert!(!split_at(Some(methods(None))).unwrap().can_query(&known));
    assert_eq!(
        split_at(Some(SplitMethods { apply: String::new(), query: None })).err().unwrap().setting,
        "split_method"
    );
}

#[tokio::test]
async fn a_balance_is_returned_as_it_was_read() {
    let data = r#"{"available_balance":12,"frozen_balance":"3","amount_retained":0}"#;
    let server = Server::answering(sign::yzt("merchant_balanceQuery_response", &sign::taken(data))).await;
    let query =
        BalanceQuery { merchant_id: Some(1_000_000_000_926), store_no: Some(String::new()), ..Default::default() };
    let balance = accounts::yzt(&server.url()).balance_of(&query).await.unwrap();
    assert_eq!((balance.available_balance, balance.frozen_balance), (Some(12), Some(3)));
    assert_eq!((balance.amount_retained, balance.total_balance), (Some(0), None));
    assert_eq!(server.received()[0].params()["biz_content"], r#"{"merchant_id":1000000000926}"#);

    let server = Server::answering(sign::refused("40002", "isv.invalid-app-key")).await;
    let refused = accounts::yzt(&server.url()).balance_of(&query).await.unwrap_err();
    assert_eq!(refused.answer, Answer::ConfigFault);
    let server = Server::answering(format!(r#"{{"merchant_balanceQuery_response":{}}}"#, sign::taken(data))).await;
    assert_eq!(accounts::yzt(&server.url()).balance_of(&query).await.unwrap_err().answer, Answer::Silent);
}

#[tokio::test]
async fn a_success_with_an_unreadable_field_is_in_doubt() {
    let right = [("code", "10000"), ("success", "true"), ("sub_code", "null")];
    let data = r#"{"status":"1"}"#;
    for unreadable in ["1e999", r#""\ud800""#, r#"["isv.x"]"#, "{}"] {
        for (name, _) in right {
            let fields =
                right.map(|(field, value)| format!(r#""{field}":{}"#, if field == name { unreadable } else { value }));
            let node = format!(r#"{{{},"data":{data}}}"#, fields.join(","));
            let body = sign::yzt("bkfunds_balance_pay_apply_response", &node);
            let reading = accounts::yzt("http://127.0.0.1:9").understand(Call::Send, &transfer(), &body);
            assert_eq!(reading.answer, Answer::Silent, "{body}");
        }
        for (field, answer) in [("platform_no", Answer::Silent), ("status", Answer::Accepted)] {
            let data = format!(r#"{{"status":"1","{field}":{unreadable}}}"#)
                .replace(r#""status":"1","status""#, r#""status""#);
            let reading =
                accounts::yzt("http://127.0.0.1:9").understand(Call::Send, &transfer(), &sign::applied(&data));
            assert_eq!(reading.answer, answer, "{data}");
        }
        let data = format!(r#"{{"status":"1","total_amount":{unreadable}}}"#);
        let reading = accounts::yzt("http://127.0.0.1:9").understand(Call::Send, &transfer(), &sign::applied(&data));
        assert!(matches!(reading.answer, Answer::Silent | Answer::Contradiction), "{data}: {reading:?}");
    }
}
