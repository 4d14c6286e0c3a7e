//! The traps of the gateways' pages that concern the wire, one test each; `TRAPS.md` lists all 42 with their tests.

use crate::support::accounts::{bill, numbered, split, transfer};
use crate::support::{Received, Server, accounts, sign};
use bursar_domain::{Outcome, ParsedResponse};
use bursar_gateways::{
    BalanceQuery, Beingfi, BeingfiSettings, Channel, Gateway, GatewayRequest, Inquiry, NotificationError, Receiver,
    ReceiverBinding, StatusQuery, UploadMethod, Yzt, YztSettings,
};
use serde_json::{Value, json};

async fn exchange(body: impl Into<String>, order: &GatewayRequest) -> (ParsedResponse, Received) {
    let server = Server::answering(body).await;
    let parsed = accounts::yzt(&server.url()).send(order).await;
    (parsed, server.received().remove(0))
}

async fn sent(body: impl Into<String>) -> ParsedResponse {
    exchange(body, &transfer()).await.0
}

async fn divided(data: &str, sorted: &str) -> ParsedResponse {
    let server = Server::answering(sign::beingfi(data, sorted)).await;
    accounts::beingfi(&server.url()).send(&split()).await
}

#[tokio::test]
async fn trap_01_calls_have_their_pages_names_not_the_examples() {
    let server = Server::answering("{}").await;
    let gateway = accounts::yzt(&server.url());
    gateway.send(&transfer()).await;
    gateway.status(&numbered(&["1"])).await;
    gateway.balance_of(&BalanceQuery::default()).await.unwrap_err();
    gateway.send(&bill()).await;
    let methods: Vec<String> = server.received().iter().map(|request| request.params()["method"].clone()).collect();
    let pages =
        ["bkfunds.balance.pay.apply", "bkfunds.balance.pay.query", "merchant.balanceQuery", "funds.bill.upload"];
    assert_eq!(methods, pages);
}

#[tokio::test]
async fn trap_02_a_bill_upload_has_two_names_and_two_nodes() {
    for (method, name) in [
        (UploadMethod::FundsBillUpload, "funds.bill.upload"),
        (UploadMethod::BkfundsOrderUpload, "bkfunds.order.upload"),
    ] {
        for node in ["funds_bill_upload_response", "bkfunds_order_upload_response"] {
            let server = Server::answering(sign::yzt(node, &sign::taken("\"\""))).await;
            let settings = YztSettings { upload_method: method, ..accounts::yzt_settings(&server.url()) };
            assert_eq!(Yzt::new(settings).unwrap().send(&bill()).await.outcome, Outcome::Succeeded, "{name} {node}");
            assert_eq!(server.received()[0].params()["method"], name);
        }
    }
}

#[tokio::test]
async fn trap_03_each_content_has_its_own_signature() {
    let (_, first) = exchange("{}", &transfer()).await;
    let (_, second) = exchange("{}", &bill()).await;
    assert_ne!(first.params()["sign"], second.params()["sign"]);
    for request in [first, second] {
        let printed = "bP6dfs2LgvpxhyeTS+VwfSp"; // under three different examples
        assert!(sign::app_signed(&request.params()) && !request.params()["sign"].starts_with(printed));
    }
}

#[tokio::test]
async fn trap_04_the_content_on_the_wire_is_the_stored_json() {
    let content = r#"{"node_id":"1","platform_no":"a\"b\\{{号}}","total_amount":10}"#;
    let order = accounts::order(bursar_domain::Kind::Transfer, content);
    let (_, request) = exchange("{}", &order).await;
    assert_eq!(request.params()["biz_content"], content);
    assert!(serde_json::from_str::<Value>(&request.params()["biz_content"]).is_ok());
}

#[tokio::test]
async fn trap_06_lengths_given_for_responses_are_not_enforced() {
    let sub_code = "isv.invalid-app-key"; // 19 characters in a string(16); the signature has 344 in a string(256)
    let parsed = sent(sign::refused("40002", sub_code)).await;
    assert_eq!((parsed.outcome, parsed.code), (Outcome::Misconfigured, Some(format!("40002/{sub_code}"))));
    let (_, request) = exchange("{}", &transfer()).await;
    assert_eq!((request.params()["timestamp"].len(), request.params()["sign"].len()), (19, 344));
}

#[tokio::test]
async fn trap_07_code_is_an_integer_or_a_string() {
    for code in ["10000", "\"10000\""] {
        let node = format!(r#"{{"code":{code},"data":{{"status":"1"}}}}"#);
        let parsed = sent(sign::yzt("bkfunds_balance_pay_apply_response", &node)).await;
        assert_eq!((parsed.outcome, parsed.code.as_deref()), (Outcome::Succeeded, Some("10000")), "{code}");
    }
    for code in ["40006", "\"40006\""] {
        let node = format!(r#"{{"code":{code},"sub_code":"isv.ip-forbidden"}}"#);
        assert_eq!(sent(sign::yzt("error_response", &node)).await.outcome, Outcome::Misconfigured, "{code}");
    }
}

#[tokio::test]
async fn trap_08_fields_called_required_may_be_absent() {
    let parsed = sent(sign::yzt("bkfunds_balance_pay_apply_response", r#"{"code":10000,"data":{"status":"9"}}"#)).await;
    assert_eq!((parsed.outcome, parsed.message, parsed.request_id), (Outcome::Accepted, None, None));
}

#[tokio::test]
async fn trap_11_amounts_are_compared_as_integers_or_digits() {
    for (amount, outcome) in [("10", Outcome::Succeeded), ("\"10\"", Outcome::Succeeded), ("10.0", Outcome::Mismatch)] {
        let data = format!(r#"{{"status":"1","platform_no":"{}","total_amount":{amount}}}"#, accounts::KEY);
        let server = Server::answering(sign::queried(&data)).await;
        let parsed = accounts::yzt(&server.url()).status(&numbered(&["1"])).await;
        assert_eq!(parsed.outcome, outcome, "{amount}");
    }
}

#[tokio::test]
async fn trap_12_an_amount_in_yuan_is_never_taken_for_fen() {
    let data = format!(r#"{{"status":"1","platform_no":"{}","total_amount":"0.10"}}"#, accounts::KEY);
    let server = Server::answering(sign::queried(&data)).await;
    let parsed = accounts::yzt(&server.url()).status(&numbered(&["1"])).await;
    assert_eq!((parsed.outcome, parsed.amount), (Outcome::Mismatch, None));
}

#[tokio::test]
async fn trap_13_a_status_is_a_letter_or_digit_and_may_be_unknown() {
    for (status, outcome) in
        [("\"n\"", Outcome::Accepted), ("9", Outcome::Accepted), ("0", Outcome::Failed), ("\"7\"", Outcome::Accepted)]
    {
        let parsed = sent(sign::applied(&format!(r#"{{"status":{status}}}"#))).await;
        assert_eq!((parsed.outcome, parsed.trade_no), (outcome, None), "{status}");
    }
}

#[tokio::test]
async fn trap_14_accepted_is_not_done() {
    let seed = r#"{"request_id":"openapi_3222265ca9b64845820695a156a3b110","code":10000,"data":{"trade_no":"2025062413293980461","status":"9"},"success":true}"#;
    let parsed = sent(sign::yzt("bkfunds_balance_pay_apply_response", seed)).await;
    assert_eq!(parsed.outcome, Outcome::Accepted);
}

#[tokio::test]
async fn trap_15_a_business_refusal_shows_its_reason() {
    let node = r#"{"code":"40004","msg":"业务处理失败","sub_code":"isv.common-error","sub_msg":"仅支持营销子账号"}"#;
    let parsed = sent(sign::yzt("bkfunds_balance_pay_apply_response", node)).await;
    assert_eq!(parsed.message.as_deref(), Some("仅支持营销子账号"));
}

#[tokio::test]
async fn trap_16_a_balance_may_lack_fields_and_its_query_has_no_empty() {
    let data = r#"{"available_balance":0,"frozen_balance":0,"amount_retained":0}"#;
    let server = Server::answering(sign::yzt("merchant_balanceQuery_response", &sign::taken(data))).await;
    let query = BalanceQuery {
        account_sub_type: Some("0".into()),
        merchant_id: Some(1_000_000_000_926),
        sso_node_id: Some("00061783".into()),
        store_no: Some(String::new()),
    };
    let balance = accounts::yzt(&server.url()).balance_of(&query).await.unwrap();
    assert_eq!((balance.available_balance, balance.total_balance), (Some(0), None));
    let content = r#"{"account_sub_type":"0","merchant_id":1000000000926,"sso_node_id":"00061783"}"#;
    assert_eq!(server.received()[0].params()["biz_content"], content);
}

#[tokio::test]
async fn trap_17_the_charset_is_always_sent() {
    let server = Server::answering("{}").await;
    accounts::yzt(&server.url()).balance_of(&BalanceQuery::default()).await.unwrap_err();
    assert_eq!(server.received()[0].params()["charset"], "utf-8");
}

#[tokio::test]
async fn trap_18_goods_reach_the_wire_as_a_text_within_a_text() {
    let (_, request) = exchange("{}", &bill()).await;
    let content: Value = serde_json::from_str(&request.params()["biz_content"]).unwrap();
    let goods: Value = serde_json::from_str(content["goods_detail"].as_str().unwrap()).unwrap();
    assert_eq!(goods[0]["goods_name"], "特价手机");
}

#[tokio::test]
async fn trap_25_data_is_an_object_or_an_empty_text() {
    for data in ["\"\"", "null", "{}"] {
        let order = bill();
        let (parsed, _) = exchange(sign::yzt("bkfunds_order_upload_response", &sign::taken(data)), &order).await;
        assert_eq!(parsed.outcome, Outcome::Succeeded, "{data}");
    }
}

#[tokio::test]
async fn trap_26_an_error_of_another_page_is_read_like_any_other() {
    let body = sign::vectors()["yzt_responses"]["error_40004"]["body"].as_str().unwrap().to_owned();
    for order in [transfer(), bill()] {
        let (parsed, _) = exchange(body.clone(), &order).await;
        assert_eq!((parsed.outcome, parsed.code.as_deref()), (Outcome::NoResponse, Some("40004/isv.name-error")));
        assert!(parsed.message.unwrap().ends_with("姓名错误"));
    }
}

fn notification(name: &str) -> String {
    sign::vectors()["yzt_notifications"][name]["body"].as_str().unwrap().to_owned()
}

fn receiver_of_notifications() -> Yzt {
    let app_id = "20210911888888888888888888".to_owned();
    Yzt::new(YztSettings { app_id, ..accounts::yzt_settings("http://x") }).unwrap()
}

/// A notification with this content, signed by the platform.
fn notify(content: &str) -> String {
    let mut params: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&notification("sign_type_included")).unwrap();
    params.remove("sign");
    params.insert("biz_content".into(), content.into());
    let pairs: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    params.insert("sign".into(), sign::platform_sign(&pairs.join("&")));
    serde_json::to_string(&params).unwrap()
}

#[test]
fn trap_28_a_notification_with_an_extra_brace_is_not_repaired() {
    let body = notification("seed_biz_content_with_surplus_brace");
    let found = receiver_of_notifications().notification(&body, None).unwrap();
    assert!(found.biz_content.ends_with("}}") && found.content().is_none());
}

#[test]
fn trap_29_required_fields_may_be_empty_and_lists_are_texts() {
    let body = notify(r#"{"channel":"04","host_flow_no":"","host_tx_date":"","store_list":"[]"}"#);
    let content = receiver_of_notifications().notification(&body, None).unwrap().content().unwrap();
    assert_eq!((&content["host_flow_no"], &content["store_list"]), (&json!(""), &json!("[]")));
}

/// It is about money that a bank received, and names none of our keys: there is no way from it to an `Outcome`.
#[test]
fn trap_30_a_notification_completes_no_job() {
    let found = receiver_of_notifications().notification(&notification("sign_type_included"), None).unwrap();
    let content = found.content().unwrap();
    assert_eq!((content.get("platform_no"), content.get("status")), (None, None));
    assert_eq!(found.method, "bkfunds.acct.transfer.notify");
    assert!(!format!("{found:?}").contains("收款方"), "and its names and account numbers are not printed");
}

#[test]
fn trap_31_a_notification_of_any_age_is_verified_with_its_time() {
    let found = receiver_of_notifications().notification(&notification("sign_type_included"), None).unwrap();
    assert_eq!(found.timestamp, Some("2024-04-29T09:14:51Z".parse().unwrap()));
}

#[test]
fn trap_32_two_versions_of_a_record_differ_by_content() {
    let gateway = receiver_of_notifications();
    let versions = [6, 1, 6].map(|status| {
        let body = notify(&format!(r#"{{"record_id":"1234","deduct_status":"{status}"}}"#));
        gateway.notification(&body, None).unwrap()
    });
    assert_ne!(versions[0].biz_content, versions[1].biz_content);
    assert_eq!(versions[0], versions[2]);
}

#[test]
fn trap_33_a_currency_is_kept_as_it_was_written() {
    let found = receiver_of_notifications().notification(&notification("sign_type_included"), None).unwrap();
    assert_eq!(found.content().unwrap()["ccy_code"], "RMB");
}

#[test]
fn a_notification_that_cannot_be_verified_is_refused() {
    use NotificationError as Wrong;
    let gateway = receiver_of_notifications();
    let good = notification("sign_type_included");
    let without_type = notification("sign_type_excluded");
    for (body, error) in [
        ("[]".into(), Wrong::Unreadable),
        (good.replace(r#""version": "1.0""#, r#""version": 1.0"#), Wrong::Unreadable),
        (good.replace(r#""version""#, r#""charset""#), Wrong::Unreadable),
        (good.replace(r#""sign""#, r#""signature""#), Wrong::Missing("sign")),
        // Rule B leaves the algorithm unsigned: only the one it can be is taken.
        (without_type.replace("RSA2", "RSA"), Wrong::NotRsa2),
        (without_type.replace(r#""sign_type""#, r#""sign_kind""#), Wrong::Missing("sign_type")),
        (good.replace("20210911888888888888888888", "20210911888888888888888889"), Wrong::OtherApp),
        (good.replace("17:14:51", "17:14:52"), Wrong::BadSign),
        (format!("{good}{}", " ".repeat(70_000)), Wrong::TooLong),
    ] {
        assert_eq!(gateway.notification(&body, None).unwrap_err(), error);
    }
    let response_sign = bursar_gateways::ResponseSign::Waived;
    let app_id = "20210911888888888888888888".to_owned();
    let keyless = Yzt::new(YztSettings { response_sign, app_id, ..accounts::yzt_settings("http://x") }).unwrap();
    assert_eq!(keyless.notification(&good, None).unwrap_err(), Wrong::NoKey);
}

#[tokio::test]
async fn trap_34_requests_go_to_the_root_with_one_charset_spelling() {
    for url in ["", "/"] {
        let server = Server::answering("{}").await;
        accounts::yzt(&format!("{}{url}", server.url())).send(&transfer()).await;
        let request = &server.received()[0];
        assert_eq!((request.path(), request.params()["charset"].as_str()), ("/", "utf-8"));
    }
}

#[test]
fn trap_36_receivers_numbers_and_accounts_come_in_any_form() {
    for (group, share) in [(json!(100_001), json!(0.3)), (json!("100001"), json!("0.3"))] {
        let fields = json!({
            "ifCode": "wxpay", "receiverGroupId": group, "accType": "0", "accNo": "o".repeat(28),
            "relationType": "OTHERS", "divisionProfit": share
        });
        assert!(Receiver::read(fields.as_object().unwrap().clone()).is_ok());
    }
}

#[tokio::test]
async fn trap_38_a_bind_with_code_0_and_state_0_has_failed() {
    let data = r#"{"bindState":0,"divisionProfit":0.3,"errCode":"NOAUTH","errMsg":"无分账权限"}"#;
    let sorted = "bindState=0&divisionProfit=0.3&errCode=NOAUTH&errMsg=无分账权限";
    let server = Server::answering(sign::beingfi(data, sorted)).await;
    let fields = json!({
        "ifCode": "wxpay", "receiverGroupId": 1, "accType": 0, "accNo": "a", "relationType": "OTHERS",
        "divisionProfit": "0.3"
    });
    let receiver = Receiver::read(fields.as_object().unwrap().clone()).unwrap();
    let bound = accounts::beingfi(&server.url()).bind_receiver(&receiver).await;
    assert!(
        matches!(bound, bursar_gateways::Bound::Rejected(ref parsed) if parsed.outcome == Outcome::Failed),
        "{bound:?}"
    );
}

#[tokio::test]
async fn trap_39_an_outer_success_may_hold_an_inner_failure() {
    let data = r#"{"errCode":"unknown-sub-code","errMsg":"Business Failed【未知的错误码ACQ.ROYALTY_ACCOUNT_NOT_EXIST】","state":2}"#;
    let sorted = "errCode=unknown-sub-code&errMsg=Business Failed【未知的错误码ACQ.ROYALTY_ACCOUNT_NOT_EXIST】&state=2";
    let parsed = divided(data, sorted).await;
    assert_eq!((parsed.outcome, parsed.code.as_deref()), (Outcome::Failed, Some("0/ACQ.ROYALTY_ACCOUNT_NOT_EXIST")));
}

#[tokio::test]
async fn trap_40_a_state_that_the_page_does_not_know_is_not_a_failure() {
    for state in ["3", "0", "4"] {
        let parsed = divided(&format!(r#"{{"state":{state}}}"#), &format!("state={state}")).await;
        assert_eq!(parsed.outcome, Outcome::Accepted, "{state}");
    }
}

#[tokio::test]
async fn trap_42_a_division_without_a_batch_has_perhaps_paid_no_one() {
    let batch =
        (r#"{"channelBatchOrderId":"2026112922001496","state":1}"#, "channelBatchOrderId=2026112922001496&state=1");
    let none = (r#"{"state":1}"#, "state=1");
    for (channel, (data, sorted), outcome) in [
        (None, batch, Outcome::Succeeded),
        (Some(Channel::Alipay), batch, Outcome::Succeeded),
        (Some(Channel::Wxpay), batch, Outcome::Mismatch),
        (None, none, Outcome::Mismatch),
        (Some(Channel::Alipay), none, Outcome::Mismatch),
        (Some(Channel::Wxpay), none, Outcome::Mismatch),
    ] {
        let server = Server::answering(sign::beingfi(data, sorted)).await;
        let settings = BeingfiSettings { channel, ..accounts::beingfi_settings(&server.url()) };
        let parsed = Beingfi::new(settings).unwrap().send(&split()).await;
        assert_eq!((parsed.outcome, parsed.status.as_deref()), (outcome, Some("1")), "{channel:?} {data}: {parsed:?}");
        let is_said = parsed.message.unwrap_or_default().contains("no one was paid");
        assert_eq!(is_said, outcome == Outcome::Mismatch, "{channel:?} {data}");
    }
}
