//! The meanings of BeingFi's answers. Codes and texts are Jeepay's, which BeingFi derives from (`ApiCodeEnum`,
//! `PayOrderDivisionExecController`, `ApiController`, read 2026-11-22), and those of the page of docs/gateways/beingfi.md where it has them. 9999 says
//! everything that is wrong in its text alone, so the texts are here, all of them, and what is not here is in doubt.

use std::borrow::Cow;

use bursar_domain::{Names, Outcome, ParsedResponse, Received};

use super::sign;
use crate::http::HttpOutcome;
use crate::json::{RawObject, Unclear};
use crate::{RefusalTexts, Secret, text};

/// The meaning of a refusal for the call that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The order cannot be divided: not yet, or no more. A first attempt was too early; after one that may have been
    /// heard, it is that one which holds the order.
    NotDivisible,
    /// The order is not paid: certainly without effect, and nothing that was sent before can have divided it.
    NotReady,
    /// Another call is dividing the order at this moment, or has divided it.
    Handled,
    /// Certainly without effect; another try may do.
    NotExecuted,
    /// Certainly without effect, until a person mends account, rights or secret.
    Misconfigured,
    /// Certainly without effect, for good.
    Rejected,
    /// A query's "no such division".
    NotFound,
    /// Anything may have happened.
    InDoubt,
}

/// Parts of 9999's texts, the first row of which all parts occur. Everything but `InDoubt` and `Handled` is raised before
/// the order is taken, so nothing was divided by the call that it answers.
///
/// The rows are those of open-source Jeepay 2021 to 3.2.9 (`ApiController`, `PayOrderDivisionExecController`,
/// `MchDivisionReceiverBindController`) and of the table of errors that Jeepay's vendor publishes (read 2026-11-29).
const TEXTS: &[(&[&str], Meaning)] = &[
    (&["系统异常"], Meaning::InDoubt), // may come after the channel was called
    (&["当前订单状态不支持分账"], Meaning::NotDivisible),
    (&["订单未支付成功"], Meaning::NotReady), // the vendor's example of exec's refusal
    (&["分账状态不正确"], Meaning::Handled),
    (&["更新支付订单为分账处理中异常"], Meaning::Handled),
    (&["已超出接口配置速率"], Meaning::NotExecuted), // a fork's limiter, before the order
    (&["验签失败"], Meaning::Misconfigured),
    (&["签名失败"], Meaning::Misconfigured), // the page's own example of a message
    (&["通信秘钥错误"], Meaning::Misconfigured),
    (&["商户未配置签名方式"], Meaning::Misconfigured),
    (&["商户不支持", "签名方式"], Meaning::Misconfigured),
    (&["不支持的签名方式"], Meaning::Misconfigured),
    (&["商户不存在"], Meaning::Misconfigured),
    (&["商户信息不存在或商户状态不可用"], Meaning::Misconfigured),
    (&["商户[", "信息不存在或商户状态不可用"], Meaning::Misconfigured),
    (&["商户应用不存在"], Meaning::Misconfigured),
    (&["商户应用[", "不存在或应用状态不可用"], Meaning::Misconfigured),
    (&["商户应用与商户号不匹配"], Meaning::Misconfigured), // until 3.2
    (&["参数appId与商户号不匹配"], Meaning::Misconfigured), // since
    (&["当前服务商状态不可用"], Meaning::Misconfigured),
    (&["当前代理商与商户号关系不匹配"], Meaning::Misconfigured),
    (&["无此接口", "权限"], Meaning::Misconfigured),
    (&["获取商户应用信息失败"], Meaning::Misconfigured),
    (&["商户应用的支付配置不存在或已关闭"], Meaning::Misconfigured), // bind only
    (&["订单不存在"], Meaning::Rejected),
    (&["不能同时为空"], Meaning::Rejected),
    (&["不能为空"], Meaning::Rejected),
    (&["必填一项"], Meaning::Rejected),
    (&["分账比例不得"], Meaning::Rejected),
    (&["分账比例有误"], Meaning::Rejected),             // bind only
    (&["分账接收账号类型设置有误"], Meaning::Rejected), // bind only
    (&["接收账号已绑定"], Meaning::Rejected),           // bind only
    (&["商户分账账号组不存在"], Meaning::Rejected),     // bind only
    (&["系统不支持该分账接口"], Meaning::Rejected),     // bind only
    (&["中包含不存在或"], Meaning::Rejected),           // a receiver or a group that is not there
    (&["参数格式校验错误"], Meaning::Rejected),         // the page's other example
    (&["参数有误"], Meaning::Rejected),
];

/// The meaning of a code other than 0. The operator's lists of texts come before the table.
pub(super) fn refusal(code: &str, said: &str, texts: &RefusalTexts) -> Meaning {
    if let Some(meaning) = known_to_operator(said, texts) {
        return meaning;
    }
    match code {
        // Not the job's fault but the clock's, which would refuse every job for good.
        "11" if said.contains("reqTime") => Meaning::Misconfigured,
        "11" => Meaning::Rejected,
        "9999" => {
            let row = TEXTS.iter().find(|(parts, _)| parts.iter().all(|part| said.contains(part)));
            row.map_or(Meaning::InDoubt, |(_, meaning)| *meaning)
        }
        _ => Meaning::InDoubt, // 10 and 12 may come after the channel was called; others are not known
    }
}

fn known_to_operator(said: &str, texts: &RefusalTexts) -> Option<Meaning> {
    let lists = [
        (&texts.in_doubt, Meaning::InDoubt),
        (&texts.duplicate, Meaning::Handled),
        (&texts.refused, Meaning::Rejected),
        (&texts.not_ready, Meaning::NotReady),
        (&texts.not_executed, Meaning::NotExecuted),
        (&texts.config_fault, Meaning::Misconfigured),
        (&texts.unseen, Meaning::NotFound),
    ];
    let known = |list: &[String]| list.iter().any(|part| said.contains(part.as_str()));
    lists.into_iter().find(|(list, _)| known(list)).map(|(_, meaning)| meaning)
}

/// Parts of a channel's code or text that are about the way to it, not its decision: the server writes "failed" for
/// whatever exception it met.
const NOT_A_DECISION: &[&str] = &[
    "SYSTEM_ERROR",
    "SYSTEMERROR",
    "SYSTEM-ERROR",
    "UNKNOW", // the channels write it with and without its n
    "TIMEOUT",
    "TIMED OUT",
    "ISP.",
    "SERVICE CURRENTLY UNAVAILABLE", // Alipay's message for 20000
    "系统异常",
    "系统错误",
    "系统繁忙",
    "超时",
];

/// Codes that are no decision by themselves: Alipay's 20000 ("the result is unknown", its help says), and what says that
/// all went well, which the server falls back on when a channel gave no code.
const CODES_WITHOUT_A_DECISION: &[&str] = &["20000", "10000", "SUCCESS", "OK", "0"];

/// True if the channel decided against the division, or just could not be reached or understood.
pub(super) fn channel_decided(code: Option<&str>, said: &str) -> bool {
    let Some(code) = code else { return false };
    let (code, said) = (code.to_uppercase(), said.to_uppercase());
    !CODES_WITHOUT_A_DECISION.contains(&code.trim())
        && !NOT_A_DECISION.iter().any(|part| code.contains(part) || (said.contains(part) && *part != "UNKNOW"))
}

/// The channel's code. Alipay's own code occurs only inside the text when the server does not know it (trap 39).
pub(super) fn channel_code(err_code: Option<String>, err_msg: &str) -> Option<String> {
    let known = err_code.filter(|code| code != "unknown-sub-code");
    known.or_else(|| {
        let tail = err_msg.split_once("ACQ.")?.1;
        let name: String =
            tail.chars().take_while(|character| character.is_ascii_uppercase() || *character == '_').collect();
        (!name.is_empty()).then(|| format!("ACQ.{name}"))
    })
}

/// The response to one request.
pub(super) enum Envelope<'a> {
    /// Code 0, with `data` whose signature has been verified.
    Taken { data: RawObject<'a>, parsed: ParsedResponse },
    /// Another code.
    Rejected { meaning: Meaning, parsed: ParsedResponse },
    /// Nothing to believe: already understood.
    Nothing(ParsedResponse),
}

/// Opens an answer: `{"code", "msg", "data", "sign"}`, the signature being over `data` alone. Nothing `hidden` goes on
/// record.
pub(super) fn open<'a>(
    http_outcome: &'a HttpOutcome,
    secret: &Secret,
    texts: &RefusalTexts,
    hidden: &[&Secret],
) -> Envelope<'a> {
    let nothing = |outcome, http, why: &str| {
        Envelope::Nothing(ParsedResponse { http, ..ParsedResponse::of(outcome, text::message(why, hidden)) })
    };
    let response = match http_outcome {
        HttpOutcome::NotExecuted { http, why } => return nothing(Outcome::NotExecuted, *http, why),
        HttpOutcome::NoResponse { http, why } => return nothing(Outcome::NoResponse, *http, why),
        HttpOutcome::Response(response) => response,
    };
    match believe(&response.body, secret) {
        Ok((code, said, data)) => {
            let parsed = ParsedResponse {
                received: Received::Response,
                names: Names::Job, // no page describes a query that would confirm it
                http: Some(response.http),
                code: Some(text::word(&code, hidden)),
                message: Some(text::message(&said, hidden)).filter(|said| !said.is_empty()),
                ..ParsedResponse::of(Outcome::NoResponse, "")
            };
            match code.as_str() {
                "0" => match data {
                    Some(data) => Envelope::Taken { data, parsed },
                    // Nothing is signed there, so nothing vouches for it, and it names nothing.
                    None => nothing(Outcome::NoResponse, Some(response.http), "code 0 without data proves nothing"),
                },
                _ => Envelope::Rejected { meaning: refusal(&code, &said, texts), parsed },
            }
        }
        Err(why) => nothing(Outcome::NoResponse, Some(response.http), &why),
    }
}

type Believed<'a> = (String, String, Option<RawObject<'a>>);

/// Code, message and verified data. Only data is ever signed: a code other than 0 comes without, and TLS alone vouches for it.
fn believe<'a>(body: &'a str, secret: &Secret) -> Result<Believed<'a>, Cow<'static, str>> {
    let unclear = |Unclear| "a field that decides occurs twice or cannot be read";
    let Some(outer) = RawObject::parse(body) else {
        return Err(format!("the answer is not a JSON object: {body}").into());
    };
    let code = outer.word("code").map_err(unclear)?.ok_or("the answer has no code")?;
    let said = outer.word("msg").map_err(unclear)?.unwrap_or_default();
    let data = outer.raw("data").map_err(unclear)?.filter(|data| *data != "\"\"");
    let (Some(data), "0") = (data, code.as_str()) else { return Ok((code, said, None)) };
    let Some(signature) = outer.word("sign").map_err(unclear)? else { return Err("the answer is not signed".into()) };
    if !sign::verifies(data, &signature, secret) {
        return Err("the answer's signature is not BeingFi's: check the account's secret".into());
    }
    Ok((code, said, RawObject::parse(data)))
}
