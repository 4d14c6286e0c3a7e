//! The division query that some vendors of BeingFi's family have: what is asked, and what each answer is understood to mean.

use crate::support::accounts::{again, order, split};
use crate::support::{Server, accounts, sign};
use bursar_domain::{Kind, Outcome, ParsedResponse};
use bursar_gateways::{Beingfi, BeingfiSettings, Gateway, GatewayRequest, StatusQuery};
use serde_json::{Value, json};

const PAY_ORDER: &str = "P202108271011463510002";
const BATCH: &str = "D1793211";

fn asking(url: &str) -> Beingfi {
    let path = Some("/api/division/query".to_owned());
    Beingfi::new(BeingfiSettings { split_query_path: path, ..accounts::beingfi_settings(url) }).unwrap()
}

/// The split after a send, with the batch that the gateway named for it.
fn sent() -> GatewayRequest {
    GatewayRequest { trade_nos: vec![BATCH.into()], ..again(split()) }
}

/// A signed answer to a query: `data`'s fields are texts.
fn outcome(data: &Value) -> String {
    let mut pairs: Vec<String> = data
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name, value.as_str().unwrap()))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.sort();
    sign::beingfi(&data.to_string(), &pairs.join("&"))
}

fn records(records: &Value) -> String {
    outcome(&json!({"payOrderId": PAY_ORDER, "batchOrderId": BATCH, "records": records.to_string()}))
}

async fn parsed_reply(body: &str, order: &GatewayRequest) -> ParsedResponse {
    let server = Server::answering(body).await;
    asking(&server.url()).status(order).await
}

#[tokio::test]
async fn a_query_names_the_order_and_the_batch_once_known() {
    let by_merchant = r#"{"mchOrderNo":"20160427210604000490","useSysAutoDivisionReceivers":1}"#;
    for (order, expected) in [
        (again(split()), vec![("payOrderId", PAY_ORDER)]),
        (sent(), vec![("batchOrderId", BATCH), ("payOrderId", PAY_ORDER)]),
        (order(Kind::Split, by_merchant), vec![("mchOrderNo", "20160427210604000490")]),
    ] {
        let server = Server::answering("{}").await;
        let gateway = asking(&server.url());
        assert!(gateway.can_query(&order));
        gateway.status(&order).await;
        let request = &server.received()[0];
        assert_eq!(request.path(), "/api/division/query");
        let mut params = request.params();
        for envelope in ["appId", "mchNo", "reqTime", "signType", "version"] {
            assert!(params.remove(envelope).is_some_and(|value| !value.is_empty()), "{envelope}");
        }
        assert!(params.remove("sign").is_some());
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(params, expected);
    }
}

#[tokio::test]
async fn what_has_a_query_keeps_the_number_that_the_query_takes() {
    let data = r#"{"batchOrderId":"D1793211","channelBatchOrderId":"X1","state":4}"#;
    let body = sign::beingfi(data, "batchOrderId=D1793211&channelBatchOrderId=X1&state=4");
    let server = Server::answering(body).await;
    for gateway in [asking(&server.url()), accounts::beingfi(&server.url())] {
        let parsed = gateway.send(&split()).await;
        assert_eq!((parsed.outcome, parsed.trade_no.as_deref()), (Outcome::Accepted, Some(BATCH)));
    }
    let server =
        Server::answering(sign::beingfi(r#"{"channelBatchOrderId":"X1","state":3}"#, "channelBatchOrderId=X1&state=3"));
    let server = server.await;
    assert_eq!(asking(&server.url()).send(&split()).await.trade_no, None, "a query would not know the channel's");
    assert_eq!(accounts::beingfi(&server.url()).send(&split()).await.trade_no.as_deref(), Some("X1"));
}

#[tokio::test]
async fn the_records_decide_and_a_mixture_is_for_a_person() {
    let part = |state: Value| json!({"receiverId": "800029", "state": state});
    for (list, outcome) in [
        (json!([part(json!(1))]), Outcome::Succeeded),
        (json!([part(json!("1"))]), Outcome::Succeeded),
        (json!([{"state": 1}]), Outcome::Succeeded),
        (json!([part(json!(0))]), Outcome::Accepted),
        (json!([part(json!(3))]), Outcome::Accepted),
        (json!([part(json!(9))]), Outcome::Accepted),
        (json!([{"receiverId": "800029"}]), Outcome::Accepted),
        (json!([part(json!(1)), part(json!(3))]), Outcome::Accepted),
        (json!([part(json!(1)), part(json!(2))]), Outcome::Mismatch),
        (json!([{"receiverId": 800_029, "state": 2, "errCode": "NO_RELATION"}]), Outcome::Failed),
        (json!([{"receiverId": 800_029, "state": 2, "errCode": "SYSTEM_ERROR"}]), Outcome::Mismatch),
        (json!([part(json!(2))]), Outcome::Mismatch),
        // Another receiver was paid, or more than the split names.
        (json!([{"receiverId": "800028", "state": 1}]), Outcome::Mismatch),
        (json!([part(json!(1)), {"receiverId": "800028", "state": 1}]), Outcome::Mismatch),
        (json!([]), Outcome::NotFound),
        (json!({}), Outcome::NoResponse),
        (json!([1]), Outcome::NoResponse),
        (json!("?"), Outcome::NoResponse),
    ] {
        let parsed = parsed_reply(&records(&list), &sent()).await;
        assert_eq!(parsed.outcome, outcome, "{list}: {parsed:?}");
    }
    let none = outcome(&json!({"payOrderId": PAY_ORDER, "batchOrderId": BATCH}));
    assert_eq!(parsed_reply(&none, &sent()).await.outcome, Outcome::NotFound);
}

#[tokio::test]
async fn an_answer_about_another_order_or_none_ends_nothing() {
    let paid = json!([{"receiverId": "800029", "state": 1}]).to_string();
    let other = "P202108271011463510003";
    for (order, named, answer_of) in [
        (sent(), json!({"payOrderId": other, "batchOrderId": BATCH}), Outcome::Mismatch),
        (sent(), json!({"payOrderId": PAY_ORDER, "batchOrderId": "D2"}), Outcome::Mismatch),
        (sent(), json!({"payOrderId": PAY_ORDER}), Outcome::Succeeded),
        (sent(), json!({"batchOrderId": BATCH}), Outcome::Succeeded),
        (sent(), json!({}), Outcome::NoResponse),
        (again(split()), json!({"payOrderId": PAY_ORDER, "batchOrderId": BATCH}), Outcome::Succeeded),
        (again(split()), json!({"batchOrderId": BATCH}), Outcome::NoResponse),
    ] {
        let mut data = named.clone();
        data["records"] = json!(paid);
        let parsed = parsed_reply(&outcome(&data), &order).await;
        assert_eq!(parsed.outcome, answer_of, "{named}: {parsed:?}");
        let learnt = named.get("batchOrderId").and_then(Value::as_str).filter(|_| answer_of == Outcome::Succeeded);
        assert_eq!(parsed.trade_no.as_deref(), learnt, "{named}");
    }
}

#[tokio::test]
async fn an_unsigned_response_ends_nothing() {
    let data = json!({"payOrderId": PAY_ORDER, "batchOrderId": BATCH, "records": "[{\"state\":1}]"});
    for body in [
        json!({"code": 0, "data": data}).to_string(),
        json!({"code": 0, "data": data, "sign": "0".repeat(32)}).to_string(),
        r#"{"code":0,"msg":"SUCCESS"}"#.to_owned(),
        json!({"code": 9999, "msg": "订单不存在"}).to_string(),
        json!({"code": 9999, "msg": "当前订单状态不支持分账"}).to_string(),
        "<html>".to_owned(),
    ] {
        assert_eq!(parsed_reply(&body, &sent()).await.outcome, Outcome::NoResponse, "{body}");
    }
}

#[test]
fn the_address_of_a_query_is_a_path() {
    for path in ["", "/", "api/division/query", "https://x/api", "/api?x=1", "/a b", "/a#b"] {
        let settings =
            BeingfiSettings { split_query_path: Some(path.into()), ..accounts::beingfi_settings("http://127.0.0.1:9") };
        let error = Beingfi::new(settings).err().unwrap_or_else(|| panic!("{path} is taken"));
        assert_eq!(error.to_string(), "split_query_path must be a path: /api/division/query");
    }
}
