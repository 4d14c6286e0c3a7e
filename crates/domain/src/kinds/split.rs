//! `/api/division/exec`: a paid order is divided among receivers, once for all.
//! Field names and lengths are the page's (seed 004, read 2026-11-22); what must not be sent is domain.md §5.3's.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::Draft;
use crate::Millis;
use crate::fields::{Field, FieldError, Reader, Rule, Written, optional, write_object};
use crate::money::whole_number;
use crate::{MAX_DAYS_AHEAD, is_too_far_ahead};

const ORDER: &[Field] = &[optional("payOrderId", Rule::Id(30)), optional("mchOrderNo", Rule::Id(30))];

/// The page's length for the encoded list; the server is not known to check it, the page says it (trap 37).
const MAX_RECEIVERS_CHARS: usize = 512;

/// "About a minute after the payment" (seed 004): earlier calls find the order not yet divisible.
const AFTER_PAYMENT: Duration = Duration::from_secs(60);

/// A share of 1 in millionths: the column is DECIMAL(20,6).
const WHOLE: u64 = 1_000_000;

/// What is read field by field below, for its rules go beyond a table's.
const FURTHER: [&str; 6] = [
    "useSysAutoDivisionReceivers",
    "receivers",
    "receivers[].receiverId",
    "receivers[].receiverGroupId",
    "receivers[].divisionProfit",
    "paid_at",
];

pub(super) fn names() -> Vec<String> {
    ORDER.iter().map(|field| field.name).chain(FURTHER).map(str::to_owned).collect()
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<Draft> {
    let mut fields = reader.table(ORDER);
    reader.exactly_one("payOrderId", "mchOrderNo", &fields);
    let text_of = |name: &str| fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.as_str());
    let business_key = business_key(text_of);
    // Left out, the server fails with a null pointer (domain.md §5.3): always send it.
    let use_system = reader.field(optional("useSysAutoDivisionReceivers", Rule::Whole { low: 0, high: 1 }));
    let use_system = use_system.unwrap_or_else(|| 0.into());
    let by_system = use_system == 1;
    fields.push(("useSysAutoDivisionReceivers".to_owned(), use_system));
    match (by_system, reader.take("receivers")) {
        (false, receivers) => read_receivers(reader, receivers, &mut fields),
        (true, Some(_)) => reader.wrong("receivers", "must be left out when useSysAutoDivisionReceivers is 1"),
        (true, None) => {}
    }
    let not_before = read_paid_at(reader);
    Some(Draft { fields, business_key: business_key?, not_before })
}

/// An order is divided once, whichever of its two numbers names it.
pub(super) fn business_key<'a>(text_of: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    ORDER.iter().find_map(|field| Some(format!("{}/{}", field.name, text_of(field.name)?)))
}

fn read_paid_at(reader: &mut Reader<'_>) -> Option<Millis> {
    let paid_at = reader.take("paid_at")?;
    match paid_at.as_str().and_then(Millis::parse_rfc3339) {
        Some(at) if is_too_far_ahead(at) => {
            reader.wrong("paid_at", format!("must be at most {MAX_DAYS_AHEAD} days ahead"));
            None
        }
        Some(at) => Some(at.plus(AFTER_PAYMENT)),
        None => {
            reader.wrong("paid_at", "must be an RFC 3339 time with an offset");
            None
        }
    }
}

/// With nobody to pay, the server hands the whole order to the merchant for good: a list is never empty.
fn read_receivers(reader: &mut Reader<'_>, receivers: Option<Value>, fields: &mut Written) {
    let receivers = match receivers {
        Some(Value::Array(receivers)) if !receivers.is_empty() => receivers,
        Some(Value::Array(_)) | None => {
            return reader.wrong(
                "receivers",
                "is required and must not be empty: without receivers the order is closed and nobody is paid",
            );
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return reader.wrong("receivers", "must be a list of receivers (it is encoded for the wire by Bursar)");
        }
    };
    let mut errors = Vec::new();
    let mut list = Receivers::default();
    let written: Vec<String> =
        receivers.into_iter().enumerate().map(|(index, item)| list.read(index, item, &mut errors)).collect();
    if list.accounts && list.groups {
        errors.push(FieldError {
            field: "receivers".into(),
            rule: "must name accounts or groups, not both: who is in a named group would be paid twice".into(),
        });
    }
    if list.total > WHOLE {
        errors.push(FieldError {
            field: "receivers".into(),
            rule: "must not divide more than the whole: the shares add up to more than 1".into(),
        });
    }
    for FieldError { field, rule } in errors {
        reader.wrong(&field, rule);
    }
    let text = format!("[{}]", written.join(","));
    if text.chars().count() > MAX_RECEIVERS_CHARS {
        reader.wrong(
            "receivers",
            format!("must be at most {MAX_RECEIVERS_CHARS} characters long when encoded: use groups"),
        );
    }
    fields.push(("receivers".to_owned(), text.into()));
}

/// What the entries of one list come to together.
#[derive(Default)]
struct Receivers {
    ids: BTreeSet<(&'static str, i64)>,
    accounts: bool,
    groups: bool,
    total: u64,
}

impl Receivers {
    fn read(&mut self, index: usize, item: Value, errors: &mut Vec<FieldError>) -> String {
        let Value::Object(item) = item else {
            errors.push(FieldError { field: format!("receivers[{index}]"), rule: "must be an object".into() });
            return String::new();
        };
        let mut reader = Reader::new(format!("receivers[{index}]."), item, errors);
        let fields: Written = [self.read_id(&mut reader), self.read_share(&mut reader)].into_iter().flatten().collect();
        reader.finish();
        write_object(&fields)
    }

    /// Only the used one of the two is sent: the page's example has an empty group beside each account (trap 41).
    fn read_id(&mut self, reader: &mut Reader<'_>) -> Option<(String, Value)> {
        let mut given = |name| reader.take(name).filter(|id| id != "");
        let (name, id) = match (given("receiverId"), given("receiverGroupId")) {
            (Some(id), None) => ("receiverId", id),
            (None, Some(id)) => ("receiverGroupId", id),
            (Some(_), Some(_)) => {
                let rule = "must not be given together with receiverId: exactly one of them";
                reader.wrong("receiverGroupId", rule);
                return None;
            }
            (None, None) => {
                reader.wrong("receiverId", "or receiverGroupId is required: exactly one of them");
                return None;
            }
        };
        self.accounts |= name == "receiverId";
        self.groups |= name == "receiverGroupId";
        let Some(id) = whole_number(&id).filter(|id| *id > 0) else {
            reader.wrong(name, "must be a positive whole number");
            return None;
        };
        if !self.ids.insert((name, id)) {
            reader.wrong(name, "stands in the list twice and would be paid twice");
            return None;
        }
        Some((name.to_owned(), id.to_string().into()))
    }

    /// Left out, it is the share that the system has for this receiver.
    fn read_share(&mut self, reader: &mut Reader<'_>) -> Option<(String, Value)> {
        let share = reader.take("divisionProfit")?;
        let Some(share) = millionths(&share) else {
            reader.wrong("divisionProfit", "must be a share above 0 and at most 1, with at most 6 decimals");
            return None;
        };
        self.total = self.total.saturating_add(share);
        Some(("divisionProfit".to_owned(), decimal(share).into()))
    }
}

/// A share in millionths: `0.3`, `"0.3"` or `1`. `None` when it is zero, over 1, or finer than the server's column.
fn millionths(share: &Value) -> Option<u64> {
    let text = match share {
        Value::String(text) => text.clone(),
        // Rust prints a float in plain notation with the fewest digits that read back the same.
        Value::Number(number) => match number.as_u64() {
            Some(whole) => whole.to_string(),
            None => number.as_f64()?.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 1 || decimals.len() > 6 {
        return None;
    }
    let share = whole.parse::<u64>().ok()? * WHOLE + format!("{decimals:0<6}").parse::<u64>().ok()?;
    (1..=WHOLE).contains(&share).then_some(share)
}

/// The shortest plain notation: `0.1`, never `0.10` (the server signs numbers in canonical form).
fn decimal(share: u64) -> String {
    let text = format!("{}.{:06}", share / WHOLE, share % WHOLE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_exact_decimals_above_0_and_at_most_1() {
        for (share, written) in [
            (json!(0.1), "0.1"),
            (json!("0.10"), "0.1"),
            (json!(1), "1"),
            (json!("1.0"), "1"),
            (json!("0.0001"), "0.0001"),
            (json!(0.000_001), "0.000001"),
        ] {
            assert_eq!(millionths(&share).map(decimal).as_deref(), Some(written), "{share}");
        }
        for wrong in [
            json!(0),
            json!("0.0"),
            json!(1.1),
            json!("1.000001"),
            json!("-0.1"),
            json!("1e-3"),
            json!("0.0000001"),
            json!(""),
            json!("."),
            json!(null),
            json!("0,1"),
        ] {
            assert_eq!(millionths(&wrong), None, "{wrong}");
        }
    }
}
