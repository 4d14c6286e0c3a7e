//! BeingFi's own rules: what each answer to a split and to a bind is understood to mean.

use crate::support::accounts::{again, split};
use crate::support::{Act, Server, accounts, sign};
use bursar_domain::{Outcome, ParsedResponse};
use bursar_gateways::{
    Beingfi, BeingfiSettings, Bound, ContentType, Gateway, GatewayRequest, Receiver, ReceiverBinding, RefusalTexts,
    StatusQuery, Transport,
};
use serde_json::{Map, Value, json};

async fn sent(body: &str, order: GatewayRequest) -> ParsedResponse {
    let server = Server::answering(body).await;
    accounts::beingfi(&server.url()).send(&order).await
}

fn refusal(code: u32, msg: &str) -> String {
    json!({"code": code, "msg": msg}).to_string()
}

#[tokio::test]
async fn a_split_is_signed_and_holds_documented_fields_only() {
    for content_type in [ContentType::Form, ContentType::Json] {
        let server = Server::answering(sign::beingfi(r#"{"state":3}"#, "state=3")).await;
        let transport = Transport { content_type, ..accounts::transport(&format!("{}/pay/", server.url())) };
        let settings = bursar_gateways::BeingfiSettings { transport, ..accounts::beingfi_settings("http://x") };
        bursar_gateways::Beingfi::new(settings).unwrap().send(&split()).await;
        let request = &server.received()[0];
        assert_eq!(request.path(), "/pay/api/division/exec");
        let mut params = request.params();
        let received = params.remove("sign").unwrap();
        let names: Vec<&str> = params.keys().map(String::as_str).collect();
        let documented = [
            "appId",
            "mchNo",
            "payOrderId",
            "receivers",
            "reqTime",
            "signType",
            "useSysAutoDivisionReceivers",
            "version",
        ];
        assert_eq!(names, documented, "{content_type:?}");
        assert_eq!(params["useSysAutoDivisionReceivers"], "0");
        assert_eq!(params["receivers"], r#"[{"receiverId":"800029","divisionProfit":"0.0001"}]"#);
        assert_eq!(params["reqTime"].len(), 13);
        let sorted: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(received, sign::md5(&sorted.join("&")));
    }
}

#[tokio::test]
async fn the_state_of_a_split_decides() {
    for (data, sorted, outcome, code) in [
        (r#"{"state":1,"channelBatchOrderId":"T1"}"#, "channelBatchOrderId=T1&state=1", Outcome::Succeeded, "0"),
        (r#"{"state":"1","channelBatchOrderId":7}"#, "channelBatchOrderId=7&state=1", Outcome::Succeeded, "0"),
        // A division that only Jeepay itself has numbered was taken by no channel (trap 42).
        (r#"{"state":1,"batchOrderId":"D1"}"#, "batchOrderId=D1&state=1", Outcome::Mismatch, "0"),
        (r#"{"state":3}"#, "state=3", Outcome::Accepted, "0"),
        (r#"{"state":7}"#, "state=7", Outcome::Accepted, "0"),
        (r#"{"errMsg":null}"#, "", Outcome::Accepted, "0"),
        (r#"{"state":2,"errCode":"NOAUTH"}"#, "errCode=NOAUTH&state=2", Outcome::Failed, "0/NOAUTH"),
        // The server writes "failed" for its own exceptions too.
        (r#"{"state":2}"#, "state=2", Outcome::NoResponse, "0"),
        (r#"{"state":2,"errCode":""}"#, "state=2", Outcome::NoResponse, "0"),
        (
            r#"{"state":2,"errCode":"SYSTEM_ERROR"}"#,
            "errCode=SYSTEM_ERROR&state=2",
            Outcome::NoResponse,
            "0/SYSTEM_ERROR",
        ),
        (
            r#"{"state":2,"errCode":"ACQ.SYSTEM_ERROR"}"#,
            "errCode=ACQ.SYSTEM_ERROR&state=2",
            Outcome::NoResponse,
            "0/ACQ.SYSTEM_ERROR",
        ),
        (
            r#"{"state":2,"errCode":"unknown-sub-code"}"#,
            "errCode=unknown-sub-code&state=2",
            Outcome::NoResponse,
            "0/unknown-sub-code",
        ),
        (r#"{"state":4,"batchOrderId":"D1"}"#, "batchOrderId=D1&state=4", Outcome::Accepted, "0"),
        (
            r#"{"state":2,"errCode":"X","errMsg":"连接超时"}"#,
            "errCode=X&errMsg=连接超时&state=2",
            Outcome::NoResponse,
            "0/X",
        ),
    ] {
        let parsed = sent(&sign::beingfi(data, sorted), split()).await;
        assert_eq!((parsed.outcome, parsed.code.as_deref()), (outcome, Some(code)), "{data}: {parsed:?}");
    }
}

/// A state 2 is the channel's decision only where it is one: codes and texts as Jeepay passes them on (findings of its
/// `AlipayKit` and `WxpayKit`, read 2026-11-29).
#[tokio::test]
async fn a_channels_unknown_is_no_refusal() {
    for (code, said, outcome) in [
        ("20000", "Service Currently Unavailable", Outcome::NoResponse),
        ("20000", "", Outcome::NoResponse),
        ("X", "Service Currently Unavailable", Outcome::NoResponse),
        ("isp.unknow-error", "Service Currently Unavailable【系统繁忙】", Outcome::NoResponse),
        ("aop.ACQ.SYSTEM_ERROR", "Business Failed【系统错误】", Outcome::NoResponse),
        ("unknown-sub-code", "Business Failed【未知的错误码ACQ.SYSTEM_ERROR】", Outcome::NoResponse),
        ("unknown-sub-code", "Business Failed【未知的错误码】", Outcome::NoResponse),
        ("SUCCESS", "返回结果签名校验失败", Outcome::NoResponse),
        ("success", "", Outcome::NoResponse),
        ("10000", "Success", Outcome::NoResponse),
        ("OK", "", Outcome::NoResponse),
        ("0", "", Outcome::NoResponse),
        ("SYSTEMERROR", "系统超时", Outcome::NoResponse),
        ("BANK_ERROR", "银行系统异常", Outcome::NoResponse),
        ("ACQ.TRADE_SETTLE_ERROR", "Business Failed【分账处理失败】", Outcome::Failed),
        ("FREQUENCY_LIMITED", "频率过高", Outcome::Failed),
        ("RECEIVER_HIGH_RISK", "", Outcome::Failed),
        ("20001", "Insufficient Token Permissions", Outcome::Failed),
    ] {
        let data = json!({"errCode": code, "errMsg": said, "state": 2}).to_string();
        let filled =
            [("errCode", code), ("errMsg", said), ("state", "2")].map(|(name, value)| (name, value.to_owned()));
        let filled = filled.into_iter().filter(|(_, value)| !value.is_empty());
        let sorted: Vec<String> = filled.map(|(name, value)| format!("{name}={value}")).collect();
        let parsed = sent(&sign::beingfi(&data, &sorted.join("&")), split()).await;
        assert_eq!((parsed.outcome, parsed.status.as_deref()), (outcome, Some("2")), "{code} {said}: {parsed:?}");
    }
}

#[tokio::test]
async fn the_channels_batch_number_is_recorded() {
    let data = r#"{"state":3,"channelBatchOrderId":"T20160427210604000490"}"#;
    let body = sign::beingfi(data, "channelBatchOrderId=T20160427210604000490&state=3");
    let parsed = sent(&body, split()).await;
    assert_eq!(parsed.trade_no.as_deref(), Some("T20160427210604000490"));
    assert_eq!(parsed.status.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_success_without_its_signature_never_completes_a_split() {
    for body in [
        r#"{"code":0,"data":{"state":1}}"#.to_owned(),
        r#"{"code":0,"data":{"state":1},"sign":""}"#.to_owned(),
        sign::beingfi(r#"{"state":1}"#, "state=2"),
        sign::beingfi(r#"{"state":1,"state":1}"#, "state=1"),
        sign::beingfi("[1]", "1"),
        r#"{"data":{"state":1}}"#.to_owned(),
        r#"{"code":0,"code":9999,"data":{"state":1}}"#.to_owned(),
    ] {
        let parsed = sent(&body, split()).await;
        assert_eq!((parsed.outcome, parsed.status.clone()), (Outcome::NoResponse, None), "{body}: {parsed:?}");
    }
    // Without data there is nothing to sign, so nothing vouches for it.
    for body in [r#"{"code":0,"msg":"SUCCESS"}"#, r#"{"code":0,"data":null}"#, r#"{"code":0,"data":"","sign":"x"}"#] {
        for order in [split(), again(split())] {
            assert_eq!(sent(body, order).await.outcome, Outcome::NoResponse, "{body}");
        }
    }
}

#[tokio::test]
async fn each_refusal_is_read_by_its_text() {
    for (code, msg, first, repeated) in [
        (9999, "当前订单状态不支持分账", Outcome::NotReady, Outcome::Accepted),
        (9999, "分账状态不正确", Outcome::Accepted, Outcome::Accepted),
        (9999, "更新支付订单为分账处理中异常！", Outcome::Accepted, Outcome::Accepted),
        (9999, "订单不存在", Outcome::Rejected, Outcome::Rejected),
        (9999, "mchOrderNo 和 payOrderId不能同时为空", Outcome::Rejected, Outcome::Rejected),
        (9999, "分账用户组： receiverId 和 与receiverGroupId 必填一项", Outcome::Rejected, Outcome::Rejected),
        (9999, "分账[用户]中包含不存在或渠道不可用账号，请更改", Outcome::Rejected, Outcome::Rejected),
        (9999, "验签失败", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "签名失败", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户应用不存在或商户状态不可用", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户不存在，请检查商户号", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户信息不存在或商户状态不可用", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户[M1623997351]信息不存在或商户状态不可用", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户或商户应用不存在", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户应用不存在或应用状态不可用", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户应用[60cc3ba7]不存在或应用状态不可用", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户应用与商户号不匹配", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "参数appId与商户号不匹配", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "通信秘钥错误！", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户未配置签名方式", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户不支持[RSA2]签名方式", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "不支持的签名方式", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "当前服务商状态不可用", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "当前代理商与商户号关系不匹配", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "商户(M1623997351)无此接口[分账]权限！", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "代理商(A1)无此接口[分账]权限！", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "订单未支付成功，不允许分账", Outcome::NotReady, Outcome::NotReady),
        (9999, "已超出接口配置速率，请60s后重试或商户后台修改速率", Outcome::NotExecuted, Outcome::NotExecuted),
        (9999, "是否使用系统配置的自动分账组不能为空", Outcome::Rejected, Outcome::Rejected),
        (9999, "系统异常", Outcome::NoResponse, Outcome::NoResponse),
        (9999, "系统异常：订单不存在", Outcome::NoResponse, Outcome::NoResponse),
        (9999, "从未见过的错误", Outcome::NoResponse, Outcome::NoResponse),
        (9999, "", Outcome::NoResponse, Outcome::NoResponse),
        (10, "系统异常[订单不存在]", Outcome::NoResponse, Outcome::NoResponse),
        (11, "参数有误[payOrderId]", Outcome::Rejected, Outcome::Rejected),
        (12, "数据库服务异常", Outcome::NoResponse, Outcome::NoResponse),
        (5000, "新增失败", Outcome::NoResponse, Outcome::NoResponse),
        (31337, "?", Outcome::NoResponse, Outcome::NoResponse),
    ] {
        let body = refusal(code, msg);
        let read = [sent(&body, split()).await, sent(&body, again(split())).await];
        assert_eq!([read[0].outcome, read[1].outcome], [first, repeated], "{code} {msg}");
        assert_eq!(read[0].code, Some(code.to_string()));
    }
    assert_eq!(
        sent(r#"{"code":"9999","msg":"订单不存在"}"#, split()).await.outcome,
        Outcome::Rejected,
        "a code as a text"
    );
}

/// An account whose operator has put a text into each of the lists, and one more into two of them.
fn taught(url: &str) -> Beingfi {
    let list = |text: &str| vec![text.to_owned()];
    let texts = RefusalTexts {
        in_doubt: list("订单不存在"), // which the table takes for a refusal
        refused: vec!["渠道拒绝".into(), "订单不存在".into()],
        duplicate: list("该批次已受理"),
        not_ready: list("资金未到账"),
        not_executed: list("请排队等候"),
        config_fault: list("合同已到期"),
        unseen: list("分账批次不存在"),
    };
    Beingfi::new(BeingfiSettings {
        texts,
        split_query_path: Some("/api/division/query".into()),
        ..accounts::beingfi_settings(url)
    })
    .unwrap()
}

#[tokio::test]
async fn doubt_comes_before_the_operators_text_and_the_table() {
    for (code, msg, sent, queried) in [
        (9999, "渠道拒绝此订单", Outcome::Rejected, Outcome::NoResponse),
        (12, "渠道拒绝此订单", Outcome::Rejected, Outcome::NoResponse),
        (9999, "该批次已受理，请勿重复提交", Outcome::Accepted, Outcome::NoResponse),
        (9999, "资金未到账", Outcome::NotReady, Outcome::NoResponse),
        (9999, "请排队等候", Outcome::NotExecuted, Outcome::NotExecuted),
        (9999, "合同已到期", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "分账批次不存在", Outcome::NoResponse, Outcome::NotFound),
        (9999, "订单不存在", Outcome::NoResponse, Outcome::NoResponse),
        (9999, "验签失败", Outcome::Misconfigured, Outcome::Misconfigured),
        (9999, "从未见过的错误", Outcome::NoResponse, Outcome::NoResponse),
    ] {
        let server = Server::answering(refusal(code, msg)).await;
        let gateway = taught(&server.url());
        let read = [gateway.send(&split()).await.outcome, gateway.status(&again(split())).await.outcome];
        assert_eq!(read, [sent, queried], "{code} {msg}");
    }
}

#[tokio::test]
async fn a_split_cannot_be_queried_and_a_repeat_proves_nothing() {
    // Unless the operator names a vendor's address for it.
    let gateway = accounts::beingfi("http://127.0.0.1:9");
    assert!(!gateway.can_query(&again(split())) && !gateway.repeat_is_answered());
    assert_eq!(gateway.status(&again(split())).await.outcome, Outcome::NoResponse);
}

#[tokio::test]
async fn other_kinds_are_not_sent() {
    let server = Server::answering("{}").await;
    for order in [accounts::transfer(), accounts::bill()] {
        assert_eq!(accounts::beingfi(&server.url()).send(&order).await.outcome, Outcome::Misconfigured);
    }
    assert_eq!(server.count(), 0);
}

fn receiver() -> Map<String, Value> {
    let fields = json!({
        "ifCode": "wxpay", "receiverAlias": "我的第一个账号", "receiverGroupId": 100_001, "accType": 0,
        "accNo": "oHDNZ5Q0Kq2i8cYnRzXvLmTbWu4A", "accName": "张三", "relationType": "OTHERS",
        "relationTypeName": "我的员工", "divisionProfit": "0.30"
    });
    fields.as_object().unwrap().clone()
}

async fn bound(act: Act) -> (Bound, Server) {
    let server = Server::start(move |_, _| act.clone()).await;
    let bound = accounts::beingfi(&server.url()).bind_receiver(&Receiver::read(receiver()).unwrap()).await;
    (bound, server)
}

#[tokio::test]
async fn a_bound_receiver_is_named_by_its_id() {
    let body = sign::beingfi(r#"{"bindState":1,"receiverId":800031}"#, "bindState=1&receiverId=800031");
    let (bound, server) = bound(Act::Outcome(body)).await;
    assert!(matches!(bound, Bound::Done { ref receiver_id, .. } if receiver_id == "800031"), "{bound:?}");
    let request = &server.received()[0];
    assert_eq!(request.path(), "/api/division/receiver/bind");
    assert_eq!(request.params()["divisionProfit"], "0.3", "in the form that the server signs");
}

#[tokio::test]
async fn what_was_certainly_not_bound_may_be_tried_again() {
    let failed = sign::beingfi(
        r#"{"bindState":0,"errCode":"NOAUTH","errMsg":"无分账权限"}"#,
        "bindState=0&errCode=NOAUTH&errMsg=无分账权限",
    );
    for body in [
        failed,
        refusal(9999, "验签失败"),
        refusal(9999, "接收账号已绑定"),
        refusal(9999, "分账接收账号类型设置有误"),
        refusal(9999, "商户信息不存在或商户状态不可用"),
        refusal(9999, "已超出接口配置速率，请60s后重试"),
        refusal(9999, "商户分账账号组不存在，请检查"),
        refusal(11, "参数有误"),
    ] {
        let (bound, _) = bound(Act::Outcome(body.clone())).await;
        assert!(matches!(bound, Bound::Rejected(_)), "{body}: {bound:?}");
    }
    let nowhere = accounts::beingfi("http://nowhere.invalid").bind_receiver(&Receiver::read(receiver()).unwrap()).await;
    assert!(matches!(nowhere, Bound::Rejected(_)), "{nowhere:?}");
}

#[tokio::test]
async fn an_unclear_bind_says_so_and_is_not_repeated() {
    for act in [
        Act::Close,
        Act::Reset,
        Act::AnswerWith(502, Vec::new(), Vec::new()),
        Act::Outcome(refusal(9999, "系统异常")),
        Act::Outcome(refusal(10, "系统异常[x]")),
        Act::Outcome(r#"{"code":0,"data":{"bindState":1,"receiverId":1}}"#.into()),
        Act::Outcome(sign::beingfi(r#"{"bindState":1}"#, "bindState=1")),
        Act::Outcome(r#"{"code":0}"#.into()),
    ] {
        let (bound, server) = bound(act.clone()).await;
        assert!(matches!(bound, Bound::Unknown(_)), "{act:?}: {bound:?}");
        assert_eq!(server.count(), 1, "{act:?}");
    }
}

#[test]
fn a_receiver_with_wrong_fields_is_refused_by_name() {
    let with = |name: &str, value: Value| {
        let mut fields = receiver();
        fields.insert(name.into(), value);
        Receiver::read(fields)
    };
    for (name, value) in [
        ("ifCode", json!("")),
        ("accNo", Value::Null),
        ("accType", json!(2)),
        ("receiverGroupId", json!("ten")),
        ("receiverAlias", json!("名".repeat(65))),
        ("divisionProfit", json!("wxpay")), // the page's own example value
        ("divisionProfit", json!(0)),
        ("accNo", json!("oHDNZ5Q0Kq2i8cYnRzXvLmTbWu4A\u{200b}")),
        ("accNo", json!(" oHDNZ5Q0Kq2i8cYnRzXvLmTbWu4A")),
        ("divisionProfit", json!("1.1")),
        ("divisionProfit", json!("0.0000001")),
        ("channelExtInfo", json!({})),
        ("mchNo", json!("M1")),
    ] {
        let errors = with(name, value.clone()).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with(name), "{name} {value}: {errors:?}");
    }
    assert!(with("relationType", json!("CUSTOM")).is_ok());
    let mut nameless = receiver();
    nameless.remove("accName");
    nameless.insert("ifCode".into(), json!("alipay"));
    assert_eq!(Receiver::read(nameless).unwrap_err(), ["accName is required for alipay"]);
    assert!(
        !format!("{:?}", Receiver::read(receiver()).unwrap()).contains("张三"),
        "a person's account is not printed"
    );
}
