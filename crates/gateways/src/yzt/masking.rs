//! A notification's content as it is shown to those who need not know whom it is about (docs/gateways/yzt.md: names of account holders
//! and banks, account numbers).

use serde_json::{Map, Value};

use bursar_domain::shown_field;

/// As deep as contents are looked into; what lies deeper is left out.
const MAX_DEPTH: usize = 16;

/// The content, of which only harmless fields are whole: the same as on every screen. A text, which is what a content is that could not be read,
/// is left out: no one knows which part of it is a name.
#[must_use]
pub fn masked(content: &Value) -> Value {
    match content {
        Value::Object(fields) => masked_fields(fields, MAX_DEPTH),
        Value::String(text) => Value::String(format!("({} characters)", text.chars().count())),
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => masked_value("", content, MAX_DEPTH),
    }
}

fn masked_fields(fields: &Map<String, Value>, depth: usize) -> Value {
    fields.iter().map(|(name, value)| (name.clone(), masked_value(name, value, depth))).collect()
}

fn masked_value(name: &str, value: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    match value {
        Value::Object(fields) => masked_fields(fields, depth),
        Value::Array(items) => items.iter().map(|item| masked_value(name, item, depth)).collect(),
        Value::String(text) => Value::String(masked_text(name, text, depth)),
        Value::Number(number) => Value::String(masked_text(name, &number.to_string(), depth)),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn masked_text(name: &str, text: &str, depth: usize) -> String {
    // Lists come as JSON in a text (trap 29).
    if let Ok(inner @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str::<Value>(text) {
        return masked_value(name, &inner, depth).to_string();
    }
    shown_field(name, text) // as every screen shows it
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_numbers_of_people_are_shown_by_one_end() {
        let content = json!({"record_id": "1234", "in_acct_name": "王小明", "out_acct_no": "624615616476846548",
            "in_acct_no": "12345", "trans_amount": "100000", "remark": "王小明 6222021234567890123", "use_ex": "卡6222021234567890123",
            "store_list": "[{\"store_id\":\"S0001\",\"store_name\":\"门店0001\"}]", "n": 7});
        let shown = masked(&content);
        assert_eq!((&shown["record_id"], &shown["trans_amount"]), (&json!("1234"), &json!("100000")));
        assert_eq!((&shown["in_acct_name"], &shown["remark"]), (&json!("****"), &json!("****0123")));
        assert_eq!((&shown["out_acct_no"], &shown["in_acct_no"]), (&json!("****6548"), &json!("****")));
        assert_eq!(shown["use_ex"], "****0123");
        assert!(!shown["store_list"].as_str().unwrap().contains("S0001"), "{shown}");
        for hidden in ["小明", "624615616476846548", "6222021234567890123", "门店"] {
            assert!(!shown.to_string().contains(hidden), "{shown}");
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_shown() {
        assert_eq!(masked(&json!("{\"in_acct_name\":\"王小明\"}}")), "(23 characters)");
    }
}
