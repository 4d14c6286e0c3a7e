//! The JSON Schema of an archive's line, from the types that write it.

use bursar_archive::JobLine;
use bursar_domain::HistoryEvent;
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::record::StoredJob;

/// The JSON Schema of an archive's line.
#[must_use]
pub fn archive_line_schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let (record, event) = (generator.subschema_for::<StoredJob>(), generator.subschema_for::<HistoryEvent>());
    let mut schema = generator.into_root_schema_for::<JobLine<'_>>().to_value();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let described = |schema: Value, text: &str| json!({"description": text, "allOf": [schema]});
        properties.insert(
            "record".into(),
            described(record.to_value(), "The record as Redis had it, with the newest events."),
        );
        let about = "Older events, and those that others added, oldest first.";
        properties.insert("history".into(), json!({"description": about, "type": "array", "items": event.to_value()}));
    }
    in_milliseconds(&mut schema);
    schema
}

/// Views show times as texts; records and recorded events have milliseconds.
fn in_milliseconds(schema: &mut Value) {
    match schema {
        Value::Object(fields) if fields.get("format").is_some_and(|format| format == "date-time") => {
            let is_optional = fields.get("type").is_some_and(Value::is_array);
            fields.insert("type".into(), if is_optional { json!(["integer", "null"]) } else { json!("integer") });
            fields.remove("format");
            fields.insert("minimum".into(), json!(0));
        }
        Value::Object(fields) => fields.values_mut().for_each(in_milliseconds),
        Value::Array(items) => items.iter_mut().for_each(in_milliseconds),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
