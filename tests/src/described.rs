//! The routes as `/openapi.json` describes them, and requests of each in which nothing is wrong.

use std::sync::OnceLock;

use jsonschema::{Validator, draft202012};
use serde_json::{Map, Value, json};

use crate::api::{Answer, Api, answer};
use crate::jobs::transfer;

/// The whole description, and what it says of references.
#[derive(Debug)]
pub struct Description(Value);

impl Description {
    /// Reads it from the server.
    pub async fn read(server: &Api) -> Self {
        Self(answer(server.request("GET", "/openapi.json", "")).await.body)
    }

    /// The target of a reference; everything else is itself.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
            Some(pointer) => self.resolved(self.0.pointer(pointer).expect("a reference leads somewhere")),
            None => value,
        }
    }

    /// Every operation.
    pub fn routes(&self) -> Vec<Route> {
        let paths = self.0["paths"].as_object().expect("paths");
        let items = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").keys().filter(|name| *name != "parameters");
            methods.map(move |method| (path, item, method))
        });
        items.map(|(path, item, method)| self.route(path, item, method)).collect()
    }

    /// One operation.
    pub fn route(&self, template: &str, item: &Value, method: &str) -> Route {
        let operation = &item[method];
        let listed = [&item["parameters"], &operation["parameters"]].into_iter().filter_map(Value::as_array).flatten();
        let parameters: Vec<&Value> = listed.map(|parameter| self.resolved(parameter)).collect();
        let of = |place: &'static str| {
            let there = parameters.iter().filter(move |parameter| parameter["in"] == place);
            there.map(|parameter| {
                (parameter["name"].as_str().expect("a name").to_owned(), self.resolved(&parameter["schema"]).clone())
            })
        };
        let responses = operation["responses"].as_object().expect("responses").iter();
        let answers = responses.map(|(status, response)| {
            let content = self.resolved(response)["content"].as_object().expect("an answer has a body");
            let (content_type, media) = content.iter().next().expect("a type of content");
            let described = Described {
                content_type: content_type.clone(),
                body: self.judge(&media["schema"]),
                event: media.get("x-item-schema").map(|schema| self.judge(schema)),
            };
            (status.clone(), described)
        });
        let content = operation["requestBody"]["content"].as_object();
        let schema = content.and_then(|content| content.values().next()).map(|media| &media["schema"]);
        Route {
            method: method.to_uppercase(),
            template: template.to_owned(),
            names: of("path").map(|(name, _)| name).collect(),
            query: of("query").collect(),
            answers: answers.collect(),
            body: schema.map(|schema| self.judge(schema)),
            bodies: schema.map(|schema| self.objects(schema)),
            closed: operation["security"] != json!([]),
        }
    }

    /// The objects that a body may be, each as its properties with their schemas.
    pub fn objects(&self, schema: &Value) -> Vec<Map<String, Value>> {
        let schema = self.resolved(schema);
        if let Some(variants) = schema["oneOf"].as_array() {
            return variants.iter().flat_map(|variant| self.objects(variant)).collect();
        }
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let properties = properties.into_iter().map(|(name, schema)| {
            let mut resolved = self.resolved(&schema).clone();
            resolved["type"] = json!(self.types(&schema));
            (name, resolved)
        });
        vec![properties.collect()]
    }

    /// The types that a value of this schema may have.
    fn types(&self, schema: &Value) -> Vec<Value> {
        let schema = self.resolved(schema);
        let choice = schema["anyOf"].as_array().into_iter().flatten();
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            Value::Null => Vec::new(),
            only @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                vec![only.clone()]
            }
        };
        types.into_iter().chain(choice.flat_map(|variant| self.types(variant))).collect()
    }

    /// A judge of values by this schema, which may refer to all of the description.
    fn judge(&self, schema: &Value) -> Judge {
        let mut root = schema.clone();
        root["components"] = self.0["components"].clone();
        Judge { root, validator: OnceLock::new() }
    }

    /// Checks a webhook's body.
    pub fn judges_webhook(&self, body: &Value) {
        let name = body["type"].as_str().expect("a webhook has a type");
        let post = &self.0["webhooks"][name]["post"];
        assert!(post.is_object(), "no webhook {name} is described");
        self.judge(&post["requestBody"]["content"]["application/json"]["schema"]).accepts(name, body);
    }
}

/// Judges values by a schema.
#[derive(Debug)]
pub struct Judge {
    root: Value,
    validator: OnceLock<Validator>,
}

impl Judge {
    /// Checks a value.
    pub fn accepts(&self, what: &str, value: &Value) {
        let made = || draft202012::options().should_validate_formats(true).build(&self.root).expect("a schema");
        let errors: Vec<String> =
            self.validator.get_or_init(made).iter_errors(value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{what}: {errors:#?}: {value:#}");
    }
}

/// An answer as it is described.
#[derive(Debug)]
pub struct Described {
    /// Its media type.
    pub content_type: String,
    /// Judges its body.
    pub body: Judge,
    /// Judges the data of each of its events.
    pub event: Option<Judge>,
}

/// One operation as it is described.
#[derive(Debug)]
pub struct Route {
    /// In capitals.
    pub method: String,
    /// The path with its names in braces.
    pub template: String,
    /// The names in the path.
    pub names: Vec<String>,
    /// The parameters of its query, with their schemas.
    pub query: Vec<(String, Value)>,
    /// The answers by their status.
    pub answers: Vec<(String, Described)>,
    /// Judges a request's body.
    pub body: Option<Judge>,
    /// The objects that its body may be, as properties with their schemas; `None` where it has no body.
    pub bodies: Option<Vec<Map<String, Value>>>,
    /// True if it needs a token.
    pub closed: bool,
}

/// A valid value for a parameter of a path or a body.
pub fn sample(name: &str) -> Value {
    match name {
        "account" | "kind" | "platform_no" | "body" => transfer("T")[name].clone(),
        "id" => json!("1"),
        "entry" => json!("T"),
        "proposal" => json!("0".repeat(32)),
        "jobs" => json!([transfer("T")]),
        "reason" => json!("x"),
        "as" => json!("failed"),
        "action" => json!("resolve"),
        "queue" => json!("main/transfer"),
        "key" => json!("T"),
        "receiver" => json!("shop.example"),
        "run_at" => json!("2026-01-01T00:00:00Z"),
        "callback_url" => json!("https://shop.example/bursar"),
        "traceparent" => json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        other => panic!("{other} is new: say here what it may be, so that it can be tried wrong"),
    }
}

/// An object in which nothing is wrong.
pub fn samples(object: &Map<String, Value>) -> Map<String, Value> {
    object.keys().map(|name| (name.clone(), sample(name))).collect()
}

impl Route {
    /// A body in which nothing is wrong.
    pub fn sample_body(&self) -> Value {
        json!(self.bodies.iter().flatten().next().map(samples))
    }

    /// A path in which this name is that value.
    pub fn path_with(&self, name: &str, value: &str) -> String {
        self.names.iter().fold(self.template.clone(), |path, known| {
            let own = sample(known);
            let own = if known == name { value } else { own.as_str().expect("a path's names are texts") };
            path.replace(&format!("{{{known}}}"), own)
        })
    }

    /// A path in which nothing is wrong.
    pub fn path(&self) -> String {
        self.path_with("", "")
    }

    /// The gateway's own route: it reads words, not problems.
    pub fn is_for_gateways(&self) -> bool {
        self.template.starts_with("/notify/")
    }

    /// The roles that may call it.
    pub fn roles(&self) -> &'static [&'static str] {
        match (self.method.as_str(), self.template.as_str()) {
            ("GET", "/v1/audit") => &["operator"],
            ("GET", _) => &["producer", "operator", "reader"],
            ("POST", "/v1/jobs") => &["producer"],
            _ => &["operator"],
        }
    }

    /// A token that is right, "" where it wants none.
    pub fn token<'a>(&self, server: &'a Api) -> &'a str {
        if self.closed { by_role(server, self.roles()[0]) } else { "" }
    }

    /// Checks that an answer is one that is described.
    pub fn describes(&self, answer: &Answer) -> &Described {
        let described = self.answers.iter().find(|(known, _)| *known == answer.status.to_string());
        let (_, described) = described.unwrap_or_else(|| panic!("{self} does not describe {answer:?}"));
        let content_type = answer.header("content-type").split(';').next().unwrap_or_default();
        assert_eq!(content_type, described.content_type, "{self}: {answer:?}");
        described.body.accepts(&format!("{self}: {}", answer.status), &answer.body);
        described
    }

    /// Checks that this is refused so, and that it is described.
    pub fn refuses(&self, answer: &Answer, status: u16, kind: &str) {
        self.describes(answer);
        if self.is_for_gateways() {
            assert_eq!((answer.status, &answer.body), (status, &json!("fail")), "{self}");
        } else {
            assert_eq!(answer.status, status, "{self}: {answer:?}");
            answer.refuses(status, kind);
        }
    }

    /// Checks that it is refused as breaking rules, of this field among others.
    pub fn blames(&self, answer: &Answer, field: &str, given: &str) {
        self.refuses(answer, 422, "invalid");
        let within = format!("{field}.");
        let named = answer.wrong_fields().into_iter().any(|wrong| wrong == field || wrong.starts_with(&within));
        assert!(named, "{self} does not name {field} for {given}: {answer:?}");
        let rules = answer.body["errors"].as_array().expect("errors");
        assert!(rules.iter().all(|error| error["rule"].as_str().is_some_and(|rule| !rule.is_empty())), "{answer:?}");
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.method, self.template)
    }
}

/// The token of this role.
pub fn by_role<'a>(server: &'a Api, role: &str) -> &'a str {
    match role {
        "producer" => &server.tokens.producer,
        "operator" => &server.tokens.operator,
        _ => &server.tokens.reader,
    }
}
