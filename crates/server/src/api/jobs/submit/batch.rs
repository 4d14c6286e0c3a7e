//! The body of a submission: a job or a batch.

use std::borrow::Cow;

use bursar_domain::FieldError;
use bursar_store::MAX_BATCH;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::jobs::new_job::NewJobOfAKind;
use crate::http::problem::{Kind, Problem};

/// A batch of jobs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Batch<'a> {
    /// The jobs. Each is validated alone: one that breaks rules keeps none of the others back.
    #[schemars(schema_with = "jobs_of_a_batch", length(min = 1, max = MAX_BATCH))]
    pub(super) jobs: Vec<&'a RawValue>,
}

/// Any value is a job of a batch: a wrong one has an outcome.
fn jobs_of_a_batch(generator: &mut SchemaGenerator) -> Schema {
    let job = generator.subschema_for::<NewJobOfAKind>();
    json_schema!({"type": "array", "items": {"anyOf": [job, {}]}})
}

/// The body of a submission: a job, or a batch.
pub(super) struct Submission;

impl JsonSchema for Submission {
    fn schema_name() -> Cow<'static, str> {
        "Submission".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let variants = [generator.subschema_for::<NewJobOfAKind>(), generator.subschema_for::<Batch<'_>>()];
        json_schema!({"oneOf": variants})
    }
}

/// The jobs of a batch; `None` if the body is one job, or cannot be read.
pub(super) fn batch(body: &[u8]) -> Result<Option<Batch<'_>>, Problem> {
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
            ("jobs", true) => errors.push(wrong("jobs", "must be given once")),
            (other, _) => {
                let shown: String = other.chars().filter(|character| !character.is_control()).take(64).collect();
                errors.push(wrong(&shown, "is not a field of a batch"));
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
    Ok(Some(Batch { jobs }))
}

/// An object's fields in their order, those of the same name included.
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
