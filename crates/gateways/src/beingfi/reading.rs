//! What BeingFi's answers mean. Codes and texts are Jeepay's, which BeingFi derives from (`ApiCodeEnum`,
//! `PayOrderDivisionExecController`, `ApiController`, read 2026-11-22), and seed 004's where it has them. 9999 says
//! everything that is wrong in its text alone, so the texts are here, all of them, and what is not here is in doubt.

use std::borrow::Cow;

use bursar_domain::{Answer, Reading, Received};

use super::sign;
use crate::http::Heard;
use crate::json::{RawObject, Unclear};
use crate::{Secret, text};

/// What a refusal says about the call that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The order cannot be divided: not yet, or no more. A first attempt was too early; after one that may have been
    /// heard, it is that one which holds the order.
    NotDivisible,
    /// Another call is dividing the order at this moment.
    Running,
    /// Certainly without effect, until a person mends account, rights or secret.
    ConfigFault,
    /// Certainly without effect, for good.
    Refused,
    /// Anything may have happened.
    InDoubt,
}

/// Parts of 9999's texts, the first that fits. Everything but `InDoubt` is raised before the order is taken, so
/// nothing was divided.
const TEXTS: &[(&str, Meaning)] = &[
    ("系统异常", Meaning::InDoubt), // may come after the channel was called
    ("当前订单状态不支持分账", Meaning::NotDivisible),
    ("分账状态不正确", Meaning::Running),
    ("更新支付订单为分账处理中异常", Meaning::Running),
    ("验签失败", Meaning::ConfigFault),
    ("签名失败", Meaning::ConfigFault), // the page's own example of a message
    ("商户不存在", Meaning::ConfigFault),
    ("商户应用不存在", Meaning::ConfigFault),
    ("商户应用与商户号不匹配", Meaning::ConfigFault),
    ("获取商户应用信息失败", Meaning::ConfigFault),
    ("商户应用的支付配置不存在或已关闭", Meaning::ConfigFault), // bind only
    ("订单不存在", Meaning::Refused),
    ("不能同时为空", Meaning::Refused),
    ("不能为空", Meaning::Refused),
    ("必填一项", Meaning::Refused),
    ("分账比例不得", Meaning::Refused),
    ("分账比例有误", Meaning::Refused),         // bind only
    ("商户分账账号组不存在", Meaning::Refused), // bind only
    ("系统不支持该分账接口", Meaning::Refused), // bind only
    ("中包含不存在或", Meaning::Refused),       // a receiver or a group that is not there
    ("参数格式校验错误", Meaning::Refused),     // the page's other example
    ("参数有误", Meaning::Refused),
];

/// What a code other than 0 means.
pub(super) fn refusal(code: &str, said: &str) -> Meaning {
    match code {
        // Not the job's fault but the clock's, which would refuse every job for good.
        "11" if said.contains("reqTime") => Meaning::ConfigFault,
        "11" => Meaning::Refused,
        "9999" => TEXTS.iter().find(|(part, _)| said.contains(part)).map_or(Meaning::InDoubt, |(_, meaning)| *meaning),
        _ => Meaning::InDoubt, // 10 and 12 may come after the channel was called; others are not known
    }
}

/// Parts of a channel's code or text that tell of the way to it, not of its decision: the server writes "failed" for
/// whatever exception it met.
const NOT_A_DECISION: &[&str] = &[
    "SYSTEM_ERROR",
    "SYSTEMERROR",
    "SYSTEM-ERROR",
    "UNKNOW", // the channels write it with and without its n
    "TIMEOUT",
    "TIMED OUT",
    "ISP.",
    "系统异常",
    "系统错误",
    "系统繁忙",
    "超时",
];

/// Whether the channel decided against the division, or just could not be reached or understood.
pub(super) fn channel_decided(code: Option<&str>, said: &str) -> bool {
    let Some(code) = code else { return false };
    let (code, said) = (code.to_uppercase(), said.to_uppercase());
    !NOT_A_DECISION.iter().any(|part| code.contains(part) || (said.contains(part) && *part != "UNKNOW"))
}

/// The channel's code. Alipay's own stands only inside the text when the server does not know it (trap 39).
pub(super) fn channel_code(err_code: Option<String>, err_msg: &str) -> Option<String> {
    let known = err_code.filter(|code| code != "unknown-sub-code");
    known.or_else(|| {
        let tail = err_msg.split_once("ACQ.")?.1;
        let name: String =
            tail.chars().take_while(|character| character.is_ascii_uppercase() || *character == '_').collect();
        (!name.is_empty()).then(|| format!("ACQ.{name}"))
    })
}

/// What came back from one request.
pub(super) enum Spoken<'a> {
    /// Code 0, with `data` if there is any; the signature has been verified.
    Taken { data: Option<RawObject<'a>>, reading: Reading },
    /// Another code.
    Refused { meaning: Meaning, reading: Reading },
    /// Nothing to believe: already understood.
    Nothing(Reading),
}

/// Opens an answer: `{"code", "msg", "data", "sign"}`, the signature being over `data` alone. Nothing `hidden` goes on
/// record.
pub(super) fn open<'a>(heard: &'a Heard, secret: &Secret, hidden: &[&Secret]) -> Spoken<'a> {
    let nothing =
        |answer, http, why: &str| Spoken::Nothing(Reading { http, ..Reading::of(answer, text::message(why, hidden)) });
    let answered = match heard {
        Heard::NotExecuted { http, why } => return nothing(Answer::NotExecuted, *http, why),
        Heard::Nothing { http, why } => return nothing(Answer::Silent, *http, why),
        Heard::Answer(answered) => answered,
    };
    match believe(&answered.body, secret) {
        Ok((code, said, data)) => {
            let reading = Reading {
                received: Received::Response,
                http: Some(answered.http),
                code: Some(text::word(&code, hidden)),
                message: Some(text::message(&said, hidden)).filter(|said| !said.is_empty()),
                ..Reading::of(Answer::Silent, "")
            };
            match code.as_str() {
                "0" => Spoken::Taken { data, reading },
                _ => Spoken::Refused { meaning: refusal(&code, &said), reading },
            }
        }
        Err(why) => nothing(Answer::Silent, Some(answered.http), &why),
    }
}

type Believed<'a> = (String, String, Option<RawObject<'a>>);

/// Code, message and verified data. Only data is ever signed: a code other than 0 comes without, and so does no data.
fn believe<'a>(body: &'a str, secret: &Secret) -> Result<Believed<'a>, Cow<'static, str>> {
    let unclear = |Unclear| "a field that decides stands twice or cannot be read";
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
