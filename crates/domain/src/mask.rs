//! The parts of a job that a screen may show: people's accounts by their ends, and nothing that we do not know to be harmless.

use serde_json::Value;

use crate::Kind;

/// The shortest run of digits that may be a bank account.
const MIN_ACCOUNT_DIGITS: usize = 12;

/// Fields of notifications that name records, amounts and times.
const IN_NOTIFICATIONS: &[&str] = &[
    "channel",
    "record_id",
    "trans_time",
    "trans_amount",
    "ccy_code",
    "fee",
    "post_fee",
    "bind_status",
    "deduct_status",
    "host_tx_date",
    "reverse_flag",
];

/// True if a screen may show a field whole: the key, which is ours, and what a kind's table or the list above says so of. All
/// other fields may name people or accounts, undocumented `extra` fields among them.
fn is_harmless(name: &str) -> bool {
    // A screen knows a field by its name alone: one that any kind hides is shown for none.
    let of_a_kind = || {
        Kind::ALL.iter().any(|kind| kind.facts().shows(name)) && !Kind::ALL.iter().any(|kind| kind.facts().hides(name))
    };
    name == "platform_no" || IN_NOTIFICATIONS.contains(&name) || of_a_kind()
}

/// Long numbers by their ends: a person finds the account again, and no one learns it.
#[must_use]
pub fn without_accounts(text: &str) -> String {
    without_accounts_but(text, &[])
}

/// The same, where these words may be shown whole: a job's own key, the gateway's numbers for it.
#[must_use]
pub fn without_accounts_but(text: &str, whole: &[&str]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(word) = whole.iter().find(|word| !word.is_empty() && rest.starts_with(**word)) {
            shown.push_str(word);
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let step = if digits > 0 { digits } else { rest.chars().next().map_or(1, char::len_utf8) };
        let (piece, after) = rest.split_at(step);
        if digits >= MIN_ACCOUNT_DIGITS {
            shown.extend(["****", &piece[digits - 4..]]);
        } else {
            shown.push_str(piece);
        }
        rest = after;
    }
    shown
}

/// A content's fields by name, as a screen may show them. Lists that were encoded for the wire are taken apart:
/// `receivers[0].divisionProfit`.
#[must_use]
pub fn shown_fields(content: &str) -> Vec<(String, String)> {
    fields_by(content, shown_field)
}

/// The same as they are stored, for an operator whose act is on record.
#[must_use]
pub fn whole_fields(content: &str) -> Vec<(String, String)> {
    fields_by(content, |_, text| text.to_owned())
}

/// The form in which a field of this name shows its text.
type Form = fn(&str, &str) -> String;

fn fields_by(content: &str, form: Form) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    match serde_json::from_str(content) {
        Ok(value) => add("", "", value, form, &mut fields),
        Err(_) => fields.push((String::new(), form("", content))),
    }
    fields
}

fn add(path: &str, name: &str, value: Value, form: Form, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (inner, value) in object {
                let path = if path.is_empty() { inner.clone() } else { format!("{path}.{inner}") };
                add(&path, &inner, value, form, fields);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.into_iter().enumerate() {
                add(&format!("{path}[{index}]"), name, value, form, fields);
            }
        }
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => add(path, name, inner, form, fields),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | Err(_) => {
                fields.push((path.to_owned(), form(name, &text)));
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            fields.push((path.to_owned(), form(name, &value.to_string())));
        }
    }
}

/// The text of one field as a screen may show it: whole if the field is known to be harmless, else masked. All that shows a part of a
/// content shows it by this function.
#[must_use]
pub fn shown_field(name: &str, text: &str) -> String {
    if is_harmless(name) { text.to_owned() } else { masked(text) }
}

/// By its end: four characters of a long text, two of one that is not short, none of a name.
fn masked(text: &str) -> String {
    let length = text.chars().count();
    let kept = match length {
        0..6 => 0,
        6..12 => 2,
        12.. => 4,
    };
    format!("****{}", text.chars().skip(length - kept).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_account_numbers_show_their_last_four_digits() {
        assert_eq!(
            without_accounts("账户6222021234567890123不存在, order 12345678901"),
            "账户****0123不存在, order 12345678901"
        );
        assert_eq!(without_accounts(""), "");
        let key = "1001XP2025010110000001";
        assert_eq!(
            without_accounts_but(&format!("{key} of 6222021234567890123"), &[key, ""]),
            format!("{key} of ****0123")
        );
    }

    #[test]
    fn only_harmless_fields_of_a_content_are_shown_whole() {
        let content = r#"{"node_id":"00061967","platform_no":"T1","total_amount":10,"payer_store_no":"amy99a",
            "payee_merchant_id":"1302329392001","acc_name":"欧阳锋","remark":"6222021234567890123",
            "receivers":"[{\"receiverId\":\"80002912\",\"divisionProfit\":\"0.0001\"}]"}"#;
        let expected = [
            ("acc_name", "****"),
            ("node_id", "00061967"),
            ("payee_merchant_id", "****2001"),
            ("payer_store_no", "****9a"),
            ("platform_no", "T1"),
            ("receivers[0].divisionProfit", "0.0001"),
            ("receivers[0].receiverId", "****12"),
            ("remark", "****0123"),
            ("total_amount", "10"),
        ];
        let mut shown = shown_fields(content);
        shown.sort();
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_json_is_masked_whole() {
        assert_eq!(shown_fields("6222021234567890123"), [(String::new(), "****0123".to_owned())]);
    }
}
