//! A gateway's answer, and its text: the nodes of one gateway, the plain object of the other, signed.

use serde_json::{Value, json};

use crate::beingfi::sign as md5;
use crate::fault::{Alteration, Dress};
use crate::keys::Keys;

/// An answer before it is signed and written out.
#[derive(Debug)]
pub(crate) enum Answer {
    /// `{"<node>": fields, "sign": …}`, signed over the text of the fields.
    Yzt { node: String, fields: Value },
    /// `{"code", "msg", "data", "sign"}`, signed over the pairs of `data`.
    BeingFi { code: u16, msg: String, data: Option<Value> },
}

const OTHER_KEY: &str = "ANOTHER-KEY-0001";
const OTHER_STATUS: &str = "x";
const OTHER_STATE: u8 = 7;
const ONE_FEN: i64 = 1;

impl Answer {
    pub(crate) fn text(&self, keys: &Keys, dress: Dress) -> String {
        match self {
            Self::Yzt { node, fields } => enveloped(node, fields, keys, dress),
            Self::BeingFi { code, msg, data } => plain(*code, msg, data.as_ref(), keys, dress),
        }
    }

    /// The same answer with something in it that is not so; unchanged where it has no such field.
    pub(crate) fn altered(mut self, alteration: Alteration) -> Self {
        let data = match &mut self {
            Self::Yzt { fields, .. } => fields.get_mut("data"),
            Self::BeingFi { data, .. } => data.as_mut(),
        };
        if let Some(Value::Object(data)) = data {
            match alteration {
                Alteration::Key => replace(data, "platform_no", |_| json!(OTHER_KEY)),
                Alteration::Amount => replace(data, "total_amount", one_fen_more),
                Alteration::Status => {
                    replace(data, "status", |_| json!(OTHER_STATUS));
                    replace(data, "state", |_| json!(OTHER_STATE));
                }
                Alteration::NobodyPaid if data.contains_key("state") => {
                    data.retain(|name, _| name == "batchOrderId");
                    data.insert("state".to_owned(), json!(1));
                }
                Alteration::FailedWithoutCode if data.contains_key("state") => {
                    data.retain(|name, _| name == "batchOrderId");
                    data.insert("state".to_owned(), json!(2));
                    data.insert("errMsg".to_owned(), json!("系统：java.net.SocketTimeoutException: Read timed out"));
                }
                Alteration::NobodyPaid | Alteration::FailedWithoutCode => {}
            }
        }
        self
    }
}

fn replace(data: &mut serde_json::Map<String, Value>, name: &str, with: impl Fn(&Value) -> Value) {
    if let Some(value) = data.get_mut(name) {
        *value = with(value);
    }
}

fn one_fen_more(amount: &Value) -> Value {
    let fen: i64 = amount.as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
    json!((fen + ONE_FEN).to_string())
}

fn enveloped(node: &str, fields: &Value, keys: &Keys, dress: Dress) -> String {
    let text = match dress {
        Dress::Odd => odd(fields),
        Dress::Plain | Dress::WronglySigned | Dress::Unsigned => fields.to_string(),
    };
    let sign = match dress {
        Dress::Plain | Dress::Odd => keys.sign(&text),
        Dress::WronglySigned => keys.sign(&format!("{text} ")),
        Dress::Unsigned => None,
    };
    match (sign, dress) {
        (None, _) => format!("{{\"{node}\":{text}}}"),
        (Some(sign), Dress::Odd) => format!("\r\n{{ \"sign\" : \"{sign}\" ,\n\t\"{node}\" :  {text}\n}} \n"),
        (Some(sign), Dress::Plain | Dress::WronglySigned | Dress::Unsigned) => {
            format!("{{\"{node}\":{text},\"sign\":\"{sign}\"}}")
        }
    }
}

fn plain(code: u16, msg: &str, data: Option<&Value>, keys: &Keys, dress: Dress) -> String {
    let Some(data) = data else {
        return json!({ "code": code, "msg": msg }).to_string();
    };
    let sign = md5::sign(&md5::pairs_of(data), &keys.secret);
    let mut answer = json!({ "code": code, "msg": msg, "data": data });
    match dress {
        Dress::Plain | Dress::Odd => answer["sign"] = json!(sign),
        Dress::WronglySigned => answer["sign"] = json!(md5::sign(&[], &keys.secret)),
        Dress::Unsigned => {}
    }
    match dress {
        Dress::Odd => odd(&answer),
        Dress::Plain | Dress::WronglySigned | Dress::Unsigned => answer.to_string(),
    }
}

/// The same JSON, spread out, with an undocumented field that contains the text `"sign"`.
fn odd(value: &Value) -> String {
    let mut value = value.clone();
    value["remark"] = json!("\"sign\":\"fake\"");
    format!("{value:#}").replace('\n', "\r\n\t ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_text_is_the_same_json_with_one_more_field() {
        let value = json!({ "code": 10000, "data": { "status": "9" } });
        let read: Value = serde_json::from_str(&odd(&value)).unwrap();
        assert_eq!(read["data"], value["data"]);
        assert_eq!(read["remark"], "\"sign\":\"fake\"");
    }

    #[test]
    fn an_alteration_changes_only_what_is_there() {
        let query = Answer::Yzt { node: "n".to_owned(), fields: json!({ "data": { "total_amount": "10" } }) };
        let Answer::Yzt { fields, .. } = query.altered(Alteration::Amount) else { panic!("not YZT's") };
        assert_eq!(fields["data"]["total_amount"], "11");
        let upload = Answer::Yzt { node: "n".to_owned(), fields: json!({ "data": "" }) };
        let Answer::Yzt { fields, .. } = upload.altered(Alteration::Key) else { panic!("not YZT's") };
        assert_eq!(fields, json!({ "data": "" }));
    }
}
