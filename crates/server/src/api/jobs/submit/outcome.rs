//! The answers to a submission.

use std::borrow::Cow;

use axum::http::StatusCode;
use bursar_domain::{FieldError, MAX_JOB_BYTES, State};
use bursar_producer::Outcome;
use bursar_store::Durability;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::problem::Kind;
use crate::state::refusal::then;

/// The names of a submitted job, as far as it has them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub(super) struct Named {
    /// The account's name. It is left out where the job is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<String>,
    /// The job's kind. It is left out where the job is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    /// The job's key; `null` where the job has none.
    pub(super) platform_no: Option<String>,
}

/// The outcome of a submitted job.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum JobOutcome {
    /// The job is stored.
    New {
        /// The job's state.
        state: State,
    },
    /// The same job was stored before.
    Existing {
        /// The job's state.
        state: State,
    },
    /// The key has other content, or another job has the same business key. Nothing is stored.
    Conflict {
        /// The key of the job that was submitted first.
        first: String,
        /// The fields of the content that differ from the first job's: names, never values. Empty where another key has the business key,
        /// and where only a hash is left of the first job.
        fields: Vec<String>,
        /// The conflict in a sentence, for people.
        detail: String,
    },
    /// Rules are broken. Nothing is stored.
    Invalid {
        /// Every field that breaks a rule.
        errors: Vec<FieldError>,
        /// The body that was meant, where a whole request of the gateway's page was given as the body.
        #[serde(skip_serializing_if = "Option::is_none")]
        corrected_body: Option<Map<String, Value>>,
    },
    /// A job is stored by this key, and this build cannot read it: it may be another job. Nothing is stored.
    Unreadable {
        /// Why the stored job cannot be read.
        unreadable: String,
        /// The meaning in a sentence, for people.
        detail: String,
    },
}

impl JobOutcome {
    fn of(outcome: &Outcome, key: Option<&str>) -> Self {
        match outcome {
            Outcome::New => Self::New { state: State::Queued },
            Outcome::Existing(state) => Self::Existing { state: *state },
            Outcome::Conflict { first, fields } => {
                Self::Conflict { first: first.clone(), fields: fields.clone(), detail: conflict(first, fields, key) }
            }
            Outcome::Invalid(invalid) => {
                Self::Invalid { errors: invalid.errors.clone(), corrected_body: invalid.corrected_body.clone() }
            }
            Outcome::Unreadable(why) => {
                let detail = format!(
                    "a job is stored by this key, and this build cannot read it ({why}): it may be another job; nothing was stored; {}",
                    then(why)
                );
                Self::Unreadable { unreadable: why.to_string(), detail }
            }
        }
    }
}

/// A conflict in a sentence.
fn conflict(first: &str, fields: &[String], key: Option<&str>) -> String {
    match fields {
        _ if key != Some(first) => format!("{first} has the same business key and was submitted first"),
        [] => format!("{first} was submitted before with other content"),
        fields => format!("{first} was submitted before with other content: {} differs", fields.join(", ")),
    }
}

/// A submitted job with its outcome.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Submitted {
    #[serde(flatten)]
    pub(super) named: Named,
    #[serde(flatten)]
    pub(super) outcome: JobOutcome,
    #[serde(skip)]
    bytes: usize,
}

impl Submitted {
    pub(super) fn of(text: &[u8], outcome: &Outcome) -> Self {
        let named = match outcome {
            Outcome::Invalid(invalid) => Named { platform_no: invalid.key.clone(), ..Named::default() },
            Outcome::New | Outcome::Existing(_) | Outcome::Conflict { .. } | Outcome::Unreadable(_) => {
                serde_json::from_slice(text).unwrap_or_default() // the validator has read it
            }
        };
        let outcome = JobOutcome::of(outcome, named.platform_no.as_deref());
        Self { named, outcome, bytes: text.len() }
    }

    /// The status of an answer about the job alone.
    pub(super) fn status(&self) -> StatusCode {
        match self.outcome {
            JobOutcome::New { .. } => StatusCode::CREATED,
            JobOutcome::Existing { .. } => StatusCode::OK,
            JobOutcome::Conflict { .. } => self.conflict().status(),
            JobOutcome::Invalid { .. } if self.bytes > MAX_JOB_BYTES => Kind::TooLarge.status(),
            JobOutcome::Invalid { .. } => Kind::Invalid.status(),
            JobOutcome::Unreadable { .. } => Kind::UnreadableRecord.status(),
        }
    }

    /// The type of its conflict: about its own key, or about its business key.
    pub(super) fn conflict(&self) -> Kind {
        match &self.outcome {
            JobOutcome::Conflict { first, .. } if self.named.platform_no.as_ref() != Some(first) => {
                Kind::BusinessKeyConflict
            }
            JobOutcome::Conflict { .. }
            | JobOutcome::New { .. }
            | JobOutcome::Existing { .. }
            | JobOutcome::Invalid { .. }
            | JobOutcome::Unreadable { .. } => Kind::KeyConflict,
        }
    }

    /// Its outcome in a sentence, where it has one.
    pub(super) fn detail(&self) -> &str {
        match &self.outcome {
            JobOutcome::Conflict { detail, .. } | JobOutcome::Unreadable { detail, .. } => detail,
            JobOutcome::New { .. } | JobOutcome::Existing { .. } | JobOutcome::Invalid { .. } => "",
        }
    }
}

/// One of a batch.
#[derive(Serialize, JsonSchema)]
pub(super) struct OneOfMany {
    /// The status that the job would be answered with alone.
    #[schemars(range(min = 200, max = 599))]
    pub(super) status: u16,
    #[serde(flatten)]
    pub(super) submitted: Submitted,
}

/// The outcomes of a batch.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BatchOutcomes")]
pub(super) struct Outcomes {
    /// The durability of the jobs that are stored.
    #[schemars(with = "DurabilityName")]
    pub(super) durability: &'static str,
    /// An outcome for each job, in the order of the batch.
    pub(super) jobs: Vec<OneOfMany>,
}

/// A job that is stored.
#[derive(Serialize, JsonSchema)]
pub(super) struct Accepted {
    #[serde(flatten)]
    pub(super) submitted: Submitted,
    /// The durability of the job.
    #[schemars(with = "DurabilityName")]
    pub(super) durability: &'static str,
}

/// The answer to one job, or to a batch.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Answered {
    One(Accepted),
    Batch(Outcomes),
}

/// The durability of an acknowledgement: Redis has it, Redis's disk has it, or its replicas do.
struct DurabilityName;

impl JsonSchema for DurabilityName {
    fn schema_name() -> Cow<'static, str> {
        "Durability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = [Durability::Fast, Durability::Local, Durability::Replicated(1)].map(Durability::as_str);
        json_schema!({
            "description": "How durably it is stored: in Redis's memory, on its disk, or at its replicas.",
            "type": "string",
            "enum": words,
        })
    }
}
