//! `POST /v1/jobs`: one job or a batch, by the same way in as the library and the command line.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bursar_domain::FieldError;
use bursar_producer::{Outcome, TraceParent};
use bursar_store::MAX_BATCH;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::http::auth::{Allowed, Submit};
use crate::http::body::JsonBody;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops;
use crate::state::Shared;
use crate::state::refusal::then;

pub(super) async fn submit(
    who: Allowed<Submit>,
    State(app): State<Shared>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let trace = traced(&headers);
    let durability = app.store.durability().as_str(); // what an acknowledgement is worth here
    let Some(jobs) = batch(&body)? else {
        let outcomes = ops::submit::submit(&app, &who.bearer, &[&body[..]], trace).await?;
        return outcomes.first().map_or_else(|| Err(no_outcome()), |outcome| one(&body, outcome, durability));
    };
    let texts: Vec<&[u8]> = jobs.iter().map(|job| job.get().as_bytes()).collect();
    let outcomes = ops::submit::submit(&app, &who.bearer, &texts, trace).await?;
    let jobs: Vec<Value> = texts.iter().zip(&outcomes).map(|(text, outcome)| of_many(text, outcome)).collect();
    Ok(Json(json!({"durability": durability, "jobs": jobs})).into_response())
}

/// The trace that the request belongs to, for jobs that name none of their own. A header that cannot be read is passed over, as
/// W3C has it: a proxy may have written it, and it must keep no job from being accepted.
fn traced(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// One outcome per job is what the producer promises.
fn no_outcome() -> Problem {
    Problem::new(Kind::Internal, "the submission has no outcome; submit it again")
}

/// The jobs of a batch; `None` when the body is not one, but one job, or nothing that can be read.
fn batch(body: &[u8]) -> Result<Option<Vec<&RawValue>>, Problem> {
    let Ok(Fields(fields)) = serde_json::from_slice::<Fields<'_>>(body) else { return Ok(None) };
    if !fields.iter().any(|(name, _)| name == "jobs") {
        return Ok(None);
    }
    let wrong = |field: &str, rule: &str| FieldError { field: field.to_owned(), rule: rule.to_owned() };
    let (mut errors, mut jobs) = (Vec::new(), None);
    for (name, value) in fields {
        let list = || serde_json::from_str::<Vec<&RawValue>>(value.get()).ok();
        match (name.as_ref(), jobs.is_some()) {
            ("jobs", false) => {
                jobs = list();
                if jobs.is_none() {
                    errors.push(wrong("jobs", "must be a list of jobs"));
                }
            }
            ("jobs", true) => errors.push(wrong("jobs", "stands twice")),
            (other, _) => {
                let shown: String = other.chars().filter(|character| !character.is_control()).take(64).collect();
                errors.push(wrong(&shown, "does not belong beside jobs"));
            }
        }
    }
    let jobs = jobs.unwrap_or_default();
    if errors.is_empty() && jobs.is_empty() {
        errors.push(wrong("jobs", "must not be empty"));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(&errors));
    }
    if jobs.len() > MAX_BATCH {
        let detail = format!("a batch may have {MAX_BATCH} jobs at most; this one has {}", jobs.len());
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    Ok(Some(jobs))
}

/// An object's fields in their order, as they stand, names that come twice included.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut object: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = object.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// What a job is called, as far as it says so.
#[derive(Deserialize)]
struct Named {
    account: Option<String>,
    kind: Option<String>,
    platform_no: Option<String>,
}

/// An outcome's status and members.
fn reply_to(text: &[u8], outcome: &Outcome) -> (StatusCode, Map<String, Value>) {
    let mut members = Map::new();
    if let Outcome::Invalid(invalid) = outcome {
        members.insert("outcome".into(), "invalid".into());
        members.insert("platform_no".into(), invalid.key.clone().into());
        members.insert("errors".into(), json!(invalid.errors));
        return (StatusCode::UNPROCESSABLE_ENTITY, members);
    }
    if let Ok(named) = serde_json::from_slice::<Named>(text) {
        for (name, value) in [("account", named.account), ("kind", named.kind), ("platform_no", named.platform_no)] {
            members.insert(name.into(), value.into());
        }
    }
    let (status, word, (name, value)) = match outcome {
        Outcome::New => (StatusCode::CREATED, "new", ("state", json!("queued"))),
        Outcome::Existing(state) => (StatusCode::OK, "existing", ("state", json!(state))),
        Outcome::Conflict { first } => (StatusCode::CONFLICT, "conflict", ("first", json!(first))),
        Outcome::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", ("errors", Value::Null)),
        Outcome::Unreadable(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, "unreadable", ("unreadable", json!(why.to_string())))
        }
    };
    members.insert("outcome".into(), word.into());
    members.insert(name.into(), value);
    (status, members)
}

fn of_many(text: &[u8], outcome: &Outcome) -> Value {
    let (status, mut members) = reply_to(text, outcome);
    members.insert("status".into(), status.as_u16().into());
    Value::Object(members)
}

fn one(text: &[u8], outcome: &Outcome, durability: &str) -> Result<Response, Problem> {
    let (status, mut members) = reply_to(text, outcome);
    match outcome {
        Outcome::New | Outcome::Existing(_) => {
            members.insert("durability".into(), durability.into());
            let place = location(&members);
            let mut response = (status, Json(Value::Object(members))).into_response();
            response.headers_mut().extend(place.map(|place| (header::LOCATION, place)));
            Ok(response)
        }
        Outcome::Invalid(invalid) => {
            let problem = Problem::invalid(&invalid.errors);
            Err(members.into_iter().fold(problem, |problem, (name, value)| problem.with(&name, value)))
        }
        Outcome::Unreadable(why) => {
            let problem = Problem::unreadable(format!(
                "a job with this key is stored, and this build cannot read it ({why}): whether it is the same job is not known, and \
                 nothing was accepted; {}",
                then(why)
            ));
            Err(members.into_iter().fold(problem, |problem, (name, value)| problem.with(&name, value)))
        }
        Outcome::Conflict { first } => {
            let detail = if members.get("platform_no").and_then(Value::as_str) == Some(first) {
                format!("{first} was submitted before with other content")
            } else {
                format!("{first} is about the same thing and was there first")
            };
            let problem = Problem::new(Kind::Conflict, detail);
            Err(members.into_iter().fold(problem, |problem, (name, value)| problem.with(&name, value)))
        }
    }
}

/// Where to read the job. Its names are checked by now; a key may still hold what a path cannot.
fn location(members: &Map<String, Value>) -> Option<HeaderValue> {
    let name = |name| members.get(name).and_then(Value::as_str);
    let (account, kind, key) = (name("account")?, name("kind")?, name("platform_no")?);
    let key: String = form_urlencoded::byte_serialize(key.as_bytes()).collect(); // no key has a space, so no + comes out
    HeaderValue::try_from(format!("/v1/jobs/{account}/{kind}/{key}")).ok()
}
