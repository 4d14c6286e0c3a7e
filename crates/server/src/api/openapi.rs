//! `GET /openapi.json`: the interface described, joined from the pages of its parts.

use axum::body::Bytes;
use axum::http::{HeaderName, header};
use axum::routing::get;
use serde_json::{Map, Value};

use crate::http::part::Part;

/// What is common to all parts: title, security, the problem object.
const FRAME: &str = include_str!("openapi.json");

/// The part that describes these others, and itself.
pub(crate) fn part(others: &[Part]) -> Part {
    let text = Bytes::from(document(others).to_string());
    Part::new(FRAME).route("/openapi.json", get(async move || described(text)))
}

fn described(text: Bytes) -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(header::CONTENT_TYPE, "application/json")], text)
}

/// The whole description.
fn document(others: &[Part]) -> Value {
    let pages = others.iter().map(|part| part.description).chain([FRAME]);
    pages.filter_map(|page| serde_json::from_str(page).ok()).fold(Value::Object(Map::new()), joined)
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
    use crate::api::{events, health, jobs, metrics, notify, queues};

    #[test]
    fn every_reference_leads_somewhere() {
        let work = [jobs::part(), queues::part(), events::part(), notify::part(), health::part(), metrics::part()];
        let document = document(&work);
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
