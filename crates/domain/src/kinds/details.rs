//! The facts in a content by which a person knows a payment: its amount, its parties, its order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::job_kind::ReceiverFields;
use crate::mask::shown_field;
use crate::{Fen, Kind};

/// The amount, the parties and the order of a job. An expired job has none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContentDetails {
    /// The amount in fen; `null` where the content names none.
    pub amount_fen: Option<Fen>,
    /// The account that pays, masked: `****9a`.
    pub payer: Option<String>,
    /// The account that is paid, masked.
    pub payee: Option<String>,
    /// The order that the job is about. It is left out where the kind has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// Those among whom the order is divided. They are left out where the kind has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<Receiver>,
}

/// One receiver of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receiver {
    /// The receiver or the group of receivers, masked.
    pub receiver: String,
    /// The share of the whole, as the content has it; `null` where the gateway knows it.
    pub share: Option<String>,
}

/// The form in which texts of a content are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As every screen has them: see [`shown_field`].
    Masked,
    /// As they are stored: for a comparison, or for an operator whose act is on record.
    Whole,
}

impl ContentDetails {
    /// Reads them out of a stored content.
    #[must_use]
    pub fn of(kind: Kind, content: &str, shown: Shown) -> Self {
        let Ok(fields) = serde_json::from_str::<Map<String, Value>>(content) else { return Self::default() };
        let facts = kind.facts();
        Self {
            amount_fen: fields.get(facts.amount).and_then(Fen::read),
            payer: first(&fields, facts.payer, shown),
            payee: first(&fields, facts.payee, shown),
            order_id: first(&fields, facts.order, shown),
            receivers: facts.receivers.as_ref().map(|names| receivers(&fields, names, shown)).unwrap_or_default(),
        }
    }
}

fn first(fields: &Map<String, Value>, names: &[&str], shown: Shown) -> Option<String> {
    let (name, text) = names.iter().find_map(|name| Some((*name, text(fields.get(*name)?)?)))?;
    Some(match shown {
        Shown::Masked => shown_field(name, &text),
        Shown::Whole => text,
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The wire has the list as JSON in a text; a split through YZT may have it as a list.
fn receivers(fields: &Map<String, Value>, names: &ReceiverFields, shown: Shown) -> Vec<Receiver> {
    let list = match fields.get(names.list) {
        Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(list) => list.clone(),
        None => Value::Null,
    };
    let entries = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let entries = entries.iter().filter_map(Value::as_object);
    let read = |entry: &Map<String, Value>| {
        let receiver = first(entry, names.ids, shown)?;
        Some(Receiver { receiver, share: entry.get(names.share).and_then(text) })
    };
    entries.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_names_its_amount_and_its_parties() {
        let whole = |kind, content: &str| ContentDetails::of(kind, content, Shown::Whole);
        let transfer =
            r#"{"platform_no":"T","total_amount":10,"payer_store_no":"amy99a","payee_merchant_id":"1302329392001"}"#;
        let details = whole(Kind::Transfer, transfer);
        assert_eq!(details.amount_fen, Fen::new(10));
        assert_eq!((details.payer.as_deref(), details.payee.as_deref()), (Some("amy99a"), Some("1302329392001")));
        let masked = ContentDetails::of(Kind::Transfer, transfer, Shown::Masked);
        assert_eq!((masked.payer.as_deref(), masked.payee.as_deref()), (Some("****9a"), Some("****2001")));
        let upload = whole(Kind::BillUpload, r#"{"order_id":"ORD5","order_amount":"1234","store_id":"s1"}"#);
        assert_eq!((upload.order_id.as_deref(), upload.payer.as_deref()), (Some("ORD5"), Some("s1")));
        assert_eq!((upload.amount_fen, upload.payee), (Fen::new(1234), None));
        let withdrawal = r#"{"merchant_id":1302329392001,"total_amount":5,"bank_card_no":"6222021234567890123"}"#;
        let masked = ContentDetails::of(Kind::Withdrawal, withdrawal, Shown::Masked);
        assert_eq!((masked.payer.as_deref(), masked.payee.as_deref()), (Some("****2001"), Some("****0123")));
        assert_eq!(whole(Kind::Transfer, "no JSON"), ContentDetails::default());
    }

    #[test]
    fn a_split_names_its_order_and_its_receivers() {
        let split = r#"{"mchOrderNo":"M7","receivers":"[{\"receiverId\":80002912,\"divisionProfit\":\"0.3\"},{\"receiverGroupId\":100}]"}"#;
        let details = ContentDetails::of(Kind::Split, split, Shown::Masked);
        assert_eq!((details.amount_fen, details.order_id.as_deref()), (None, Some("M7")));
        let receiver = |receiver: &str, share: Option<&str>| Receiver {
            receiver: receiver.to_owned(),
            share: share.map(str::to_owned),
        };
        assert_eq!(details.receivers, [receiver("****12", Some("0.3")), receiver("100", None)]);
        let whole = ContentDetails::of(Kind::Split, split, Shown::Whole);
        assert_eq!(whole.receivers[0], receiver("80002912", Some("0.3")));
    }
}
