//! `GET /openapi.json`: the API described, from the operations of its parts and the types that they read and write.

mod described;
mod schemas;
mod webhooks;

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::{HeaderName, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::operation::get;
use crate::http::part::Part;
use schemas::Schemas;

/// The dialect of the description: its schemas are JSON Schema 2020-12.
const VERSION: &str = "3.1.0";

/// The part that describes these others, and itself.
pub(crate) fn part(others: &[Part]) -> Part {
    let text = Arc::new(OnceLock::new());
    let answered = Arc::clone(&text);
    let own = Part::described("openapi", "The description of the API.").route(
        "/openapi.json",
        [get("openapi", async move || answer(&answered))
            .summary("This description")
            .answers::<Description>(200, "OpenAPI 3.1.")],
    );
    let document = document(others.iter().chain([&own]));
    text.get_or_init(|| Bytes::from(document.to_string()));
    own
}

fn answer(text: &OnceLock<Bytes>) -> ([(HeaderName, &'static str); 1], Bytes) {
    ([(header::CONTENT_TYPE, "application/json")], text.get().cloned().unwrap_or_default())
}

/// An OpenAPI description.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OpenApi")]
struct Description {
    /// The version of OpenAPI.
    openapi: &'static str,
    /// The title and version of the API.
    info: Map<String, Value>,
    servers: Value,
    security: Value,
    tags: Vec<Value>,
    /// The operations by path and method.
    paths: Map<String, Value>,
    /// The requests that Bursar makes to a `callback_url`.
    webhooks: Map<String, Value>,
    /// The schemas, by their names.
    components: Map<String, Value>,
}

/// The whole description.
pub(crate) fn document<'a>(parts: impl Iterator<Item = &'a Part>) -> Value {
    let mut schemas = Schemas::new();
    let (mut tags, mut paths) = (Vec::new(), Map::new());
    for part in parts {
        let Some(tag) = part.tag else { continue };
        tags.push(json!({"name": tag.name, "description": tag.description}));
        for (path, operation) in part.operations() {
            let described = described::operation(path, operation, tag.name, &mut schemas);
            let methods = paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
            methods[operation.method] = described;
        }
    }
    let webhooks = webhooks::all(&mut schemas);
    let responses = described::refusals(&mut schemas);
    let components = Map::from_iter([
        ("securitySchemes".to_owned(), security_schemes()),
        ("responses".to_owned(), responses.into()),
        ("schemas".to_owned(), schemas.into_definitions().into()),
    ]);
    json!(Description {
        openapi: VERSION,
        info: info(),
        servers: json!([{"url": "/"}]),
        security: json!([{"token": []}]),
        tags,
        paths,
        webhooks,
        components,
    })
}

fn info() -> Map<String, Value> {
    let license = "MIT OR Apache-2.0";
    Map::from_iter([
        ("title".to_owned(), "Bursar".into()),
        ("version".to_owned(), "1".into()),
        ("summary".to_owned(), "Durable payment jobs: no second payment, no lost one, and proof.".into()),
        (
            "description".to_owned(),
            "To submit the same job again is always safe and answers its state. Every refusal is a problem (RFC 9457), whose `type` never \
             changes its meaning. Times are RFC 3339 in UTC; amounts are whole fen."
                .into(),
        ),
        ("license".to_owned(), json!({"name": license, "identifier": license})),
    ])
}

fn security_schemes() -> Value {
    json!({"token": {
        "type": "http",
        "scheme": "bearer",
        "description":
            "A token of server.tokens_file. A producer submits and reads, an operator acts and reads, a reader reads. A token may be limited \
             to accounts: its bearer sees and uses those alone. Requests for other accounts get 404, and jobs for them are invalid, as if the \
             accounts were not configured.",
    }})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{audit, events, health, jobs, metrics, notify, queues};

    fn whole() -> Value {
        let notifications = [notify::stored_part(), notify::received_part()];
        let work = [jobs::part(), queues::part(), events::part(), audit::part(), health::part(), metrics::part()];
        let own = part(&[]);
        document(work.iter().chain(&notifications).chain([&own]))
    }

    /// Every object of the document.
    fn objects(document: &Value) -> Vec<&Map<String, Value>> {
        let (mut open, mut found) = (vec![document], Vec::new());
        while let Some(value) = open.pop() {
            match value {
                Value::Object(object) => {
                    found.push(object);
                    open.extend(object.values());
                }
                Value::Array(list) => open.extend(list),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        found
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = whole();
        let references: Vec<&str> =
            objects(&document).into_iter().filter_map(|object| object.get("$ref")?.as_str()).collect();
        assert!(references.len() > 100, "{}", references.len());
        for reference in references {
            assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_schema_is_one() {
        let document = whole();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert!(schemas.len() > 40, "{}", schemas.len());
        for (name, schema) in schemas {
            let errors: Vec<String> =
                jsonschema::draft202012::meta::validator().iter_errors(schema).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }

    #[test]
    fn no_description_speaks_of_the_source() {
        let document = whole();
        for object in objects(&document) {
            let Some(description) = object.get("description").and_then(Value::as_str) else { continue };
            assert!(!description.contains("[`") && !description.contains("serde"), "{description}");
        }
    }

    #[test]
    fn every_operation_has_its_name_a_summary_and_an_answer() {
        let document = whole();
        let items = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let mut names: Vec<&str> = Vec::new();
        for operation in items {
            let name = operation["operationId"].as_str().unwrap();
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
            assert!(operation["responses"]["200"].is_object(), "{name}");
            for parameter in operation["parameters"].as_array().unwrap() {
                assert!(parameter["schema"].is_object() && parameter["name"].is_string(), "{name}: {parameter}");
            }
            names.push(name);
        }
        let operations = names.len();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() == operations && operations >= 18, "{names:?}");
    }

    #[test]
    fn a_new_job_has_a_schema_for_each_kind() {
        let document = whole();
        let schemas = &document["components"]["schemas"];
        let mapping = schemas["NewJob"]["discriminator"]["mapping"].as_object().unwrap();
        assert_eq!(mapping.len(), bursar_domain::Kind::ALL.len());
        for (kind, reference) in mapping {
            let schema = document.pointer(reference.as_str().unwrap().strip_prefix('#').unwrap()).unwrap();
            assert_eq!(schema["properties"]["kind"]["const"], *kind);
            assert!(schema["properties"]["body"]["$ref"].is_string(), "{schema}");
        }
    }
}
