//! Operations, their answers and their refusals as OpenAPI has them.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::http::operation::{Access, Content, Members, Operation, Outcome};
use crate::http::path::schema_of;
use crate::http::problem::{BrokenRules, Kind, ProblemObject};

/// One operation of a path.
pub(super) fn operation(path: &str, operation: &Operation, tag: &str, schemas: &mut Schemas) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag],
        "parameters": parameters(path, operation, schemas),
        "responses": responses(operation, schemas),
    });
    if let Some(description) = &operation.description {
        described["description"] = description.as_str().into();
    }
    if operation.access == Access::Open {
        described["security"] = json!([]);
    }
    if let Some(body) = &operation.body {
        described["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": schemas.read(body.schema)}}});
        if let Some(description) = &body.description {
            described["requestBody"]["description"] = description.as_str().into();
        }
    }
    described
}

fn parameters(path: &str, operation: &Operation, schemas: &mut Schemas) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = names
        .map(|name| {
            let schema = schema_of(name).map(|of| schemas.read(of));
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    if let Some(of) = operation.query {
        parameters.extend(of_query(&schemas.read(of)));
    }
    parameters.extend(operation.headers.iter().map(|header| {
        let schema = schemas.read(header.schema);
        json!({"name": header.name, "in": "header", "description": header.description, "schema": schema})
    }));
    parameters
}

/// A parameter for each property of an object.
fn of_query(object: &Value) -> Vec<Value> {
    let required: Vec<&Value> = object["required"].as_array().into_iter().flatten().collect();
    let properties = object["properties"].as_object().into_iter().flatten();
    let parameters = properties.map(|(name, schema)| {
        let mut schema = present(schema);
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let is_required = required.iter().any(|known| *known == name);
        json!({"name": name, "in": "query", "required": is_required, "description": description, "schema": schema})
    });
    parameters.collect()
}

/// The schema of a value that is not `null`: a parameter that is left out has no value at all.
fn present(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(types) = schema.get_mut("type").filter(|types| types.is_array()) {
        let named = types.as_array().into_iter().flatten().find(|named| **named != "null").cloned();
        *types = named.unwrap_or_default();
    }
    let only = schema.get("anyOf").and_then(Value::as_array).and_then(|choice| match choice.as_slice() {
        [only, null] if null["type"] == "null" => Some(only.clone()),
        _ => None,
    });
    if let (Some(Value::Object(only)), Value::Object(fields)) = (only, &mut schema) {
        fields.remove("anyOf");
        fields.extend(only);
    }
    schema
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<(Kind, Members)>> = BTreeMap::new();
    for (kind, members) in &operation.refusals {
        by_status.entry(kind.status().as_u16()).or_default().push((*kind, *members));
    }
    let refusals = by_status.into_iter().map(|(status, kinds)| {
        let refused = match kinds.as_slice() {
            [(kind, None)] => json!({"$ref": format!("#/components/responses/{}", kind.name())}),
            kinds => refusal(kinds, schemas),
        };
        (status.to_string(), refused)
    });
    let refusals: Vec<(String, Value)> = refusals.collect();
    let answers = operation.answers.iter().map(|(status, answer)| (status.to_string(), answered(answer, schemas)));
    answers.chain(refusals).collect()
}

fn answered(answer: &Outcome, schemas: &mut Schemas) -> Value {
    let content = match &answer.content {
        Content::Json(of) => json!({"application/json": {"schema": schemas.written(*of)}}),
        Content::Text(media_type, schema) => json!({*media_type: {"schema": schema}}),
        Content::Events(of) => {
            json!({"text/event-stream": {"schema": {"type": "string"}, "x-item-schema": schemas.written(*of)}})
        }
    };
    let mut described = json!({"description": answer.description, "content": content});
    if !answer.headers.is_empty() {
        let headers = answer.headers.iter().map(|(name, description)| {
            ((*name).to_owned(), json!({"description": description, "schema": {"type": "string"}}))
        });
        described["headers"] = Value::Object(headers.collect());
    }
    described
}

/// Every refusal without further members, by the names that operations refer to.
pub(super) fn refusals(schemas: &mut Schemas) -> Map<String, Value> {
    let kinds: Vec<Kind> = Kind::meanings().into_keys().collect();
    kinds.into_iter().map(|kind| (kind.name(), refusal(&[(kind, None)], schemas))).collect()
}

/// A refusal by one of these kinds of the same status.
fn refusal(kinds: &[(Kind, Members)], schemas: &mut Schemas) -> Value {
    let meanings = Kind::meanings();
    let meaning = |kind: &Kind| meanings.get(kind).map_or(kind.title(), String::as_str);
    let description: Vec<&str> = kinds.iter().map(|(kind, _)| meaning(kind)).collect();
    let mut problems: Vec<Value> = kinds.iter().map(|(kind, members)| problem(*kind, *members, schemas)).collect();
    let schema = match (problems.pop(), problems.is_empty()) {
        (Some(only), true) => only,
        (last, _) => json!({"oneOf": problems.into_iter().chain(last).collect::<Vec<_>>()}),
    };
    let mut described = json!({
        "description": description.join(" Or: "),
        "content": {"application/problem+json": {"schema": schema}},
    });
    let all = kinds.iter().flat_map(|(kind, _)| kind.headers());
    let headers = all.map(|(name, description)| {
        let always = kinds.iter().all(|(kind, _)| kind.headers().iter().any(|(known, _)| known == name));
        ((*name).to_owned(), json!({"description": description, "required": always, "schema": {"type": "string"}}))
    });
    let headers: Map<String, Value> = headers.collect();
    if !headers.is_empty() {
        described["headers"] = headers.into();
    }
    described
}

/// A problem of one type, with its members.
fn problem(kind: Kind, members: Members, schemas: &mut Schemas) -> Value {
    let own: Members = match kind {
        Kind::Invalid => Some(SchemaGenerator::subschema_for::<BrokenRules<'_>>),
        Kind::NoToken
        | Kind::WrongRole
        | Kind::NotFound
        | Kind::WrongMethod
        | Kind::TooSlow
        | Kind::Malformed
        | Kind::KeyConflict
        | Kind::BusinessKeyConflict
        | Kind::HeadTooLarge
        | Kind::NotNow
        | Kind::TooLarge
        | Kind::WrongContentType
        | Kind::TooMany
        | Kind::Unavailable
        | Kind::UnreadableRecord
        | Kind::Internal => None,
    };
    let general = schemas.written(SchemaGenerator::subschema_for::<ProblemObject<'_>>);
    let parts = [own, members].into_iter().flatten().map(|of| schemas.written(of));
    let parts: Vec<Value> = [general].into_iter().chain(parts).collect();
    json!({
        "allOf": parts,
        "properties": {"type": {"const": kind}, "status": {"const": kind.status().as_u16()}},
    })
}
