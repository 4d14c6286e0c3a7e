//! YZT's own rules for sending: what goes out, and what each answer is understood to mean.

use crate::support::accounts::{KEY, TRADE_NO, bill, numbered, split, transfer, yzt_settings};
use crate::support::{Act, Server, accounts, sign};
use bursar_domain::{Call, Kind, Names, Outcome, ParsedResponse, Received, Suspicion};
use bursar_gateways::{
    BalanceQuery, ContentType, Gateway, GatewayRequest, Inquiry, ResponseSign, SplitMethods, StatusQuery, SubCodes,
    Transport, UnsignedErrors, UploadMethod, Yzt, YztSettings,
};

async fn sent(body: impl Into<String>) -> ParsedResponse {
    sent_order(body, transfer()).await
}

async fn sent_order(body: impl Into<String>, order: GatewayRequest) -> ParsedResponse {
    let server = Server::answering(body).await;
    accounts::yzt(&server.url()).send(&order).await
}

async fn parsed_reply(body: impl Into<String>) -> ParsedResponse {
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
    for (data, outcome, status) in [
        (r#"{"status":"1"}"#, Outcome::Succeeded, Some("1")),
        (r#"{"status":1}"#, Outcome::Succeeded, Some("1")),
        (r#"{"status":"0"}"#, Outcome::Failed, Some("0")),
        (r#"{"status":0}"#, Outcome::Failed, Some("0")),
        (r#"{"status":"2"}"#, Outcome::Refunded, Some("2")),
        (r#"{"status":"9"}"#, Outcome::Accepted, Some("9")),
        (r#"{"status":9}"#, Outcome::Accepted, Some("9")),
        (r#"{"status":"n"}"#, Outcome::Accepted, Some("n")),
        (r#"{"status":"x"}"#, Outcome::Accepted, Some("x")),
        (r#"{"status":" 1\n"}"#, Outcome::Accepted, Some("1")), // not the page's word, however it looks
        (r#"{"status":true}"#, Outcome::Accepted, None),
        (r#"{"status":""}"#, Outcome::Accepted, None),
        (r#"{"status":null}"#, Outcome::Accepted, None),
        ("{}", Outcome::Accepted, None),
        (r#""""#, Outcome::Accepted, None),
        ("null", Outcome::Accepted, None),
        (r#"{"status":"1","status":"9"}"#, Outcome::NoResponse, None),
    ] {
        let parsed = sent(sign::applied(data)).await;
        assert_eq!((parsed.outcome, parsed.status.as_deref()), (outcome, status), "{data}: {parsed:?}");
    }
}

#[tokio::test]
async fn an_unknown_status_is_shown_to_people() {
    let parsed = sent(sign::applied(r#"{"status":"wat"}"#)).await;
    assert!(parsed.message.unwrap().contains("unknown status wat"));
}

#[tokio::test]
async fn the_gateways_number_is_recorded_when_it_is_sane() {
    for (data, trade_no) in [
        (r#"{"trade_no":"2025062413293980461","status":"9"}"#, Some("2025062413293980461")),
        (r#"{"trade_no":2025062413293980461,"status":"9"}"#, Some("2025062413293980461")),
        (r#"{"trade_no":"","status":"9"}"#, None),
        (r#"{"trade_no":"a\" b","status":"9"}"#, None),
    ] {
        let parsed = sent(sign::applied(data)).await;
        assert_eq!((parsed.outcome, parsed.trade_no.as_deref()), (Outcome::Accepted, trade_no), "{data}");
    }
    let long = format!(r#"{{"trade_no":"{}","status":"9"}}"#, "1".repeat(65));
    let parsed = sent(sign::applied(&long)).await;
    assert_eq!(parsed.trade_no, None);
    assert!(parsed.message.unwrap().contains("ignored"));
}

#[tokio::test]
async fn an_apply_for_another_key_or_amount_is_a_mismatch() {
    for data in [r#"{"status":"1","platform_no":"other"}"#, r#"{"status":"1","total_amount":11}"#] {
        let parsed = sent(sign::applied(data)).await;
        assert_eq!((parsed.outcome, parsed.status), (Outcome::Mismatch, None), "{data}");
    }
    let same = format!(r#"{{"status":"1","platform_no":"{KEY}","total_amount":10}}"#);
    assert_eq!(sent(sign::applied(&same)).await.outcome, Outcome::Succeeded);
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
        let parsed = sent(sign::applied(&data)).await;
        assert_eq!((parsed.outcome, parsed.names), (Outcome::Failed, names), "{data}");
    }
    let node = sign::yzt("bkfunds_order_upload_response", &sign::taken("\"\""));
    assert_eq!(sent_order(node, bill()).await.names, Names::Job);
}

#[tokio::test]
async fn an_apply_that_is_answered_with_a_refund_s_record_is_in_doubt() {
    for status in ["0", "1", "9", "n"] {
        let parsed = sent(sign::applied(&format!(r#"{{"status":"{status}","trade_type":"r"}}"#))).await;
        assert_eq!((parsed.outcome, parsed.status), (Outcome::NoResponse, None), "{status}");
    }
}

#[tokio::test]
async fn each_code_means_the_same_to_every_kind_of_send() {
    for (code, sub_code, outcome) in [
        ("20000", "isv.service-busy", Outcome::NotExecuted),
        ("20000", "isp.service-not-available", Outcome::NotExecuted),
        ("20000", "isp.gateway-response-timeout", Outcome::NoResponse),
        ("20000", "isp.unknown-error", Outcome::NoResponse),
        ("20000", "isp.service-unknown-error", Outcome::NoResponse),
        ("20000", "aop.unknown-error", Outcome::NoResponse),
        ("20001", "aop.invalid-app-auth-token", Outcome::Misconfigured),
        ("20001", "aop.never-heard-of", Outcome::NoResponse),
        ("40001", "isv.missing-signature", Outcome::Misconfigured),
        ("40002", "isv.invalid-signature", Outcome::Misconfigured),
        ("40002", "isv.invalid-app-key", Outcome::Misconfigured),
        ("40002", "isv.invalid-encrypt-type", Outcome::Misconfigured),
        ("40002", "isv.invalid-file-size", Outcome::Misconfigured),
        ("40002", "isv.invalid-method", Outcome::Misconfigured),
        ("40002", "isv.invalid-timestamp", Outcome::NotExecuted),
        ("40002", "isv.invalid-parameter", Outcome::Rejected),
        ("40004", "isv.name-error", Outcome::NoResponse),
        ("40004", "isv.common-error", Outcome::NoResponse),
        ("40006", "isv.ip-forbidden", Outcome::Misconfigured),
        ("99999", "isv.invalid-signature", Outcome::NoResponse), // a sub-code under a code that it does not belong to
        ("10000", "isv.odd", Outcome::NoResponse),
    ] {
        for order in [transfer(), bill(), split()] {
            let parsed = sent_order(sign::refused(code, sub_code), order).await;
            assert_eq!(parsed.outcome, outcome, "{code}/{sub_code}: {parsed:?}");
            assert_eq!(parsed.received, Received::Response, "{code}/{sub_code}");
            assert_eq!(parsed.code, Some(format!("{code}/{sub_code}")));
            assert_eq!(parsed.request_id.as_deref(), Some("openapi_1"));
            assert!(parsed.message.unwrap().contains("because"));
        }
    }
}

#[tokio::test]
async fn success_is_in_three_places_and_denied_in_none() {
    for (node, outcome) in [
        (r#"{"code":10000,"data":{"status":"1"}}"#, Outcome::Succeeded),
        (r#"{"code":"10000","success":true,"sub_code":"","data":{"status":"1"}}"#, Outcome::Succeeded),
        (r#"{"code":10000,"success":false,"data":{"status":"1"}}"#, Outcome::NoResponse),
        (r#"{"code":10000,"success":"false","data":{"status":"1"}}"#, Outcome::NoResponse),
        (r#"{"code":10000,"success":0,"data":{"status":"1"}}"#, Outcome::NoResponse),
        (r#"{"code":10000,"success":"true","data":{"status":"1"}}"#, Outcome::Succeeded),
        (r#"{"code":10000,"sub_code":"isv.x","data":{"status":"1"}}"#, Outcome::NoResponse),
        (r#"{"success":true,"data":{"status":"1"}}"#, Outcome::NoResponse),
        (r#"{"code":10000,"code":10000,"data":{"status":"1"}}"#, Outcome::NoResponse),
        (r#"[{"code":10000}]"#, Outcome::NoResponse),
    ] {
        let parsed = sent(sign::yzt("bkfunds_balance_pay_apply_response", node)).await;
        assert_eq!(parsed.outcome, outcome, "{node}: {parsed:?}");
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
        Act::Outcome(sign::refused(if sub_code.starts_with("isp") { "20000" } else { "40004" }, &sub_code))
    })
    .await;
    let gateway = Yzt::new(YztSettings { sub_codes: listed, ..yzt_settings(&server.url()) }).unwrap();
    for (sub_code, for_transfer, for_bill) in [
        ("isv.name-error", Outcome::Rejected, Outcome::Rejected),
        ("isv.repeated", Outcome::Accepted, Outcome::Succeeded),
        ("isv.later", Outcome::NotExecuted, Outcome::NotExecuted),
        ("isv.trade-not-exist", Outcome::NoResponse, Outcome::NoResponse),
        ("isp.gateway-response-timeout", Outcome::NoResponse, Outcome::NoResponse),
        ("isv.else", Outcome::NoResponse, Outcome::NoResponse),
    ] {
        let content = format!(r#"{{"x":"|{sub_code}|"}}"#);
        for (kind, outcome) in [(Kind::Transfer, for_transfer), (Kind::BillUpload, for_bill)] {
            let parsed = gateway.send(&accounts::order(kind, &content)).await;
            assert_eq!(parsed.outcome, outcome, "{kind} {sub_code}: {parsed:?}");
        }
    }
}

#[tokio::test]
async fn a_received_bill_has_succeeded_under_either_node_and_name() {
    for upload_method in [UploadMethod::FundsBillUpload, UploadMethod::BkfundsOrderUpload] {
        for node in ["bkfunds_order_upload_response", "funds_bill_upload_response"] {
            let server = Server::answering(sign::yzt(node, r#"{"code":"10000","success":true,"data":""}"#)).await;
            let gateway = Yzt::new(YztSettings { upload_method, ..yzt_settings(&server.url()) }).unwrap();
            let parsed = gateway.send(&bill()).await;
            assert_eq!(parsed.outcome, Outcome::Succeeded, "{node}: {parsed:?}");
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
            let parsed = sent_order(body.replace("balance_pay_apply", node), order).await;
            assert_eq!((parsed.outcome, parsed.status.clone()), (Outcome::NoResponse, None), "{parsed:?}");
            assert_eq!(parsed.received, Received::Nothing);
            // The number is kept: asking by it brings a signed answer, and costs less than a second send.
            assert_eq!(parsed.trade_no.as_deref(), Some(TRADE_NO));
            assert!(parsed.message.unwrap().contains(note));
        }
        assert_eq!(parsed_reply(body.replace("_apply_", "_query_")).await.outcome, Outcome::NoResponse);
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
                    let parsed = sent_order(body.clone(), order).await;
                    let read = (parsed.outcome, parsed.received, parsed.suspicion);
                    assert_eq!(read, (Outcome::NoResponse, Received::Nothing, suspicion), "{code}/{sub_code}{sign}");
                    assert!(parsed.message.unwrap().contains(note));
                }
            }
            let parsed = parsed_reply(body).await;
            let read = (parsed.outcome, parsed.received, parsed.suspicion);
            assert_eq!(read, (Outcome::NoResponse, Received::Nothing, suspicion), "{code}/{sub_code}{sign}");
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
    for (code, sub_code, outcome) in [
        ("20000", "isv.service-busy", Outcome::NotExecuted),
        ("40002", "isv.invalid-app-key", Outcome::Misconfigured),
        ("40002", "isv.invalid-timestamp", Outcome::NotExecuted),
        ("40002", "isv.invalid-parameter", Outcome::NoResponse),
        ("40004", "isv.name-error", Outcome::NoResponse),
        ("20000", "isp.unknown-error", Outcome::NoResponse),
    ] {
        for (is_signed, sign, _) in signatures() {
            let body = format!(r#"{{"error_response":{}{sign}}}"#, sign::refusal(code, sub_code));
            let parsed = gateway.understand(Call::Send, &transfer(), &body);
            let expected = if is_signed { Outcome::NoResponse } else { outcome };
            assert_eq!(parsed.outcome, expected, "{code}/{sub_code}{sign}");
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
                let parsed = sent_order(sign::yzt(node, &text), order).await;
                let read = (parsed.outcome, parsed.received, parsed.trade_no.as_deref());
                assert_eq!(read, (Outcome::NoResponse, Received::Nothing, None), "{node} {text}");
                assert!(parsed.message.unwrap().contains(node), "people read what came instead");
            }
        }
    }
    for order in [transfer(), bill(), split()] {
        let parsed = sent_order(sign::yzt("error_response", &sign::taken(&data)), order).await;
        assert_eq!(
            (parsed.outcome, parsed.received),
            (Outcome::NoResponse, Received::Nothing),
            "an error that is none"
        );
    }
    for node in ["bkfunds_balance_pay_apply_response", "funds_bill_upload_response"] {
        let parsed = parsed_reply(sign::yzt(node, &sign::taken(&data))).await;
        assert_eq!((parsed.outcome, parsed.received), (Outcome::NoResponse, Received::Nothing), "{node}");
    }
    for node in ["funds_bill_upload_response", "bkfunds_order_upload_response"] {
        assert_eq!(
            sent(sign::yzt(node, &sign::taken(&data))).await.outcome,
            Outcome::NoResponse,
            "{node} to a transfer"
        );
    }
}

#[tokio::test]
async fn a_tenant_without_a_platform_key_may_waive_signatures() {
    let body = format!(r#"{{"bkfunds_balance_pay_apply_response":{}}}"#, sign::taken(r#"{"status":"1"}"#));
    let server = Server::answering(body).await;
    let settings = YztSettings { response_sign: ResponseSign::Waived, ..yzt_settings(&server.url()) };
    assert_eq!(Yzt::new(settings).unwrap().send(&transfer()).await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_refused_timestamp_is_judged_by_the_gateways_clock() {
    let now = jiff::Timestamp::now();
    let date = |minutes: i64| {
        let at = now + jiff::SignedDuration::from_mins(minutes);
        at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    for (date, outcome, note) in [
        (Some(date(0)), Outcome::NotExecuted, ""),
        (Some(date(4)), Outcome::NotExecuted, ""),
        (Some(date(11)), Outcome::Misconfigured, "behind the gateway's"),
        (Some(date(-11)), Outcome::Misconfigured, "ahead of the gateway's"),
        (Some("someday".to_owned()), Outcome::NotExecuted, ""),
        (None, Outcome::NotExecuted, ""),
    ] {
        let server = Server::start(move |_, _| {
            let headers = date.iter().map(|date| ("Date".to_owned(), date.clone())).collect();
            Act::AnswerWith(200, headers, sign::refused("40002", "isv.invalid-timestamp").into_bytes())
        })
        .await;
        let gateway = accounts::yzt(&server.url());
        for parsed in [gateway.send(&transfer()).await, gateway.status(&numbered(&[TRADE_NO])).await] {
            assert_eq!(parsed.outcome, outcome, "{parsed:?}");
            assert!(parsed.message.unwrap().contains(note), "{note}");
        }
    }
}

#[tokio::test]
async fn the_generic_split_needs_its_configured_names() {
    let server = Server::answering(sign::yzt("bkfunds_split_apply_response", &sign::taken(r#"{"status":"9"}"#))).await;
    let split_at = |split| Yzt::new(YztSettings { split, ..yzt_settings(&server.url()) });
    let parsed = split_at(None).unwrap().send(&split()).await;
    assert_eq!((parsed.outcome, server.count()), (Outcome::Misconfigured, 0));

    let methods =
        |query: Option<&str>| SplitMethods { apply: "bkfunds.split.apply".into(), query: query.map(Into::into) };
    let gateway = split_at(Some(methods(Some("bkfunds.split.query")))).unwrap();
    assert_eq!(gateway.send(&split()).await.outcome, Outcome::Accepted);
    assert_eq!(server.received()[0].params()["method"], "bkfunds.split.apply");
    let known = GatewayRequest { trade_nos: vec![TRADE_NO.into()], ..split() };
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
    assert_eq!(refused.outcome, Outcome::Misconfigured);
    let server = Server::answering(format!(r#"{{"merchant_balanceQuery_response":{}}}"#, sign::taken(data))).await;
    assert_eq!(accounts::yzt(&server.url()).balance_of(&query).await.unwrap_err().outcome, Outcome::NoResponse);
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
            let parsed = accounts::yzt("http://127.0.0.1:9").understand(Call::Send, &transfer(), &body);
            assert_eq!(parsed.outcome, Outcome::NoResponse, "{body}");
        }
        for (field, outcome) in [("platform_no", Outcome::NoResponse), ("status", Outcome::Accepted)] {
            let data = format!(r#"{{"status":"1","{field}":{unreadable}}}"#)
                .replace(r#""status":"1","status""#, r#""status""#);
            let parsed = accounts::yzt("http://127.0.0.1:9").understand(Call::Send, &transfer(), &sign::applied(&data));
            assert_eq!(parsed.outcome, outcome, "{data}");
        }
        let data = format!(r#"{{"status":"1","total_amount":{unreadable}}}"#);
        let parsed = accounts::yzt("http://127.0.0.1:9").understand(Call::Send, &transfer(), &sign::applied(&data));
        assert!(matches!(parsed.outcome, Outcome::NoResponse | Outcome::Mismatch), "{data}: {parsed:?}");
    }
}
