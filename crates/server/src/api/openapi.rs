//! `GET /openapi.json`: the interface described, joined from the pages of its parts.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderName, header};
use axum::routing::get;
use serde_json::{Map, Value};

use crate::routes::{Part, parts};

/// What is common to all parts: title, security, the problem object.
const FRAME: &str = include_str!("openapi.json");

pub(crate) fn part() -> Part {
    Part::new(FRAME).route("/openapi.json", get(described))
}

/// The text is made once: anybody may ask for it.
async fn described() -> ([(HeaderName, &'static str); 1], Bytes) {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(document().to_string()));
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone())
}

/// The whole description.
fn document() -> Value {
    let pages = parts().into_iter().filter_map(|part| serde_json::from_str(part.description).ok());
    pages.fold(Value::Object(Map::new()), joined)
}

/// Objects are joined, everything else is the right one's.
fn joined(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Object(mut left), Value::Object(right)) => {
            for (name, value) in right {
                let value = match left.remove(&name) {
                    Some(there) => joined(there, value),
                    None => value,
                };
                left.insert(name, value);
            }
            Value::Object(left)
        }
        (_, right) => right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        for part in parts().iter().filter(|part| !part.description.is_empty()) {
            let page: Value = serde_json::from_str(part.description).unwrap();
            let mut described: Vec<&str> = page["paths"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut routed = part.paths.clone();
            described.sort_unstable();
            routed.sort_unstable();
            assert_eq!(described, routed);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut looked_at = 0;
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                Value::Object(object) => {
                    if let Some(Value::String(reference)) = object.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                        looked_at += 1;
                    }
                    open.extend(object.values());
                }
                Value::Array(list) => open.extend(list),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        assert!(looked_at > 10, "{looked_at}");
    }
}
