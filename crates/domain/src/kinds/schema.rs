//! The JSON schema (draft 2020-12) of the bodies of a kind, made of the tables that the validator reads by. It takes every body that
//! the validator takes; the validator knows more rules than a schema can say.

use serde_json::{Map, Value, json};

use super::job_kind::{Body, Further, JobKind, List};
use crate::fields::{Field, Rule};

/// The schema of a body; of one of several where gateways differ.
pub(super) fn of_kind(kind: &JobKind) -> Value {
    match kind.bodies {
        [body] => of_body(body),
        bodies => json!({ "anyOf": bodies.iter().map(of_body).collect::<Vec<_>>() }),
    }
}

fn of_body(body: &Body) -> Value {
    let mut schema = of_table(body.fields);
    let mut properties: Map<String, Value> = body.lists.iter().map(|list| (list.name.into(), of_list(list))).collect();
    if body.further == Further::InExtra {
        let extra = json!({ "type": "object", "description": "Fields that the gateway's page does not have." });
        properties.insert("extra".into(), nullable(&extra));
    }
    let undocumented = json!({ "description": "Of the page's example; the same as in `extra`." });
    properties.extend(body.undocumented.iter().map(|name| ((*name).to_owned(), undocumented.clone())));
    let key = json!({ "type": "string", "description": "The job's platform_no, or left out." });
    properties.insert("platform_no".into(), nullable(&key));
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.append(&mut properties);
    }
    if !body.one_of.is_empty() {
        let pairs = body.one_of.iter().map(|pair| {
            let given =
                pair.map(|name| json!({ "required": [name], "properties": { name: { "not": { "type": "null" } } } }));
            json!({ "oneOf": given })
        });
        schema["allOf"] = pairs.collect();
    }
    if body.further == Further::Any {
        schema["additionalProperties"] = true.into();
        schema["minProperties"] = 1.into();
    }
    schema
}

/// An object with these fields and no others.
fn of_table(table: &[Field]) -> Value {
    let properties: Map<String, Value> = table
        .iter()
        .map(|field| {
            let schema = of_rule(field.rule);
            (field.name.to_owned(), if field.required { schema } else { nullable(&schema) })
        })
        .collect();
    let required: Vec<&str> = table.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn of_list(list: &List) -> Value {
    let entries = json!({ "type": "array", "minItems": 1, "items": of_table(list.items) });
    let text = json!({ "type": "string", "minLength": 2, "description": "The list's JSON text." });
    json!({ "anyOf": [entries, text, { "type": "null" }] })
}

/// `null` is the same as leaving the field out.
fn nullable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn of_rule(rule: Rule) -> Value {
    match rule {
        Rule::Text(max) | Rule::Id(max) => json!({ "type": "string", "minLength": 1, "maxLength": max }),
        Rule::OneOf(words) => json!({ "type": "string", "enum": words }),
        Rule::Amount => whole(1, i64::MAX, "An amount in fen."),
        Rule::Price => whole(0, i64::MAX, "An amount in fen."),
        Rule::Whole { low, high } => whole(low, high, "A whole number."),
        // The page's example has an empty text where the other of two ids is given.
        Rule::Number => json!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": i64::MAX },
                { "type": "string", "pattern": "^[0-9]{0,19}$" },
            ],
            "description": "A positive whole number.",
        }),
        Rule::Share => json!({
            "anyOf": [
                { "type": "number", "exclusiveMinimum": 0, "maximum": 1 },
                { "type": "string", "pattern": r"^[01](\.[0-9]{1,6})?$" },
            ],
            "description": "A share above 0 and at most 1, with at most 6 decimals.",
        }),
        Rule::Stamp14 => json!({ "type": "string", "pattern": "^[0-9]{14}$", "description": "yyyyMMddHHmmss" }),
        Rule::Moment => json!({ "type": "string", "format": "date-time" }),
    }
}

/// A number, or a text with its digits: the gateways' pages write amounts in both ways.
fn whole(low: i64, high: i64, description: &str) -> Value {
    json!({
        "anyOf": [
            { "type": "integer", "minimum": low, "maximum": high },
            { "type": "string", "pattern": "^[0-9]{1,19}$" },
        ],
        "description": description,
    })
}
