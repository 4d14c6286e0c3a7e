//! The answers to a submission.

use std::borrow::Cow;

use axum::http::StatusCode;
use bursar_domain::{FieldError, State};
use bursar_producer::Outcome;
use bursar_store::Durability;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::http::problem::Kind;

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
    },
    /// Rules are broken. Nothing is stored.
    Invalid {
        /// Every field that breaks a rule.
        errors: Vec<FieldError>,
    },
    /// A job is stored by this key, and this build cannot read it: it may be another job. Nothing is stored.
    Unreadable {
        /// Why the stored job cannot be read.
        unreadable: String,
    },
}

impl JobOutcome {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::New => Self::New { state: State::Queued },
            Outcome::Existing(state) => Self::Existing { state: *state },
            Outcome::Conflict { first } => Self::Conflict { first: first.clone() },
            Outcome::Invalid(invalid) => Self::Invalid { errors: invalid.errors.clone() },
            Outcome::Unreadable(why) => Self::Unreadable { unreadable: why.to_string() },
        }
    }

    /// The status of an answer about the job alone.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::New { .. } => StatusCode::CREATED,
            Self::Existing { .. } => StatusCode::OK,
            Self::Conflict { .. } => Kind::Conflict.status(),
            Self::Invalid { .. } => Kind::Invalid.status(),
            Self::Unreadable { .. } => Kind::UnreadableRecord.status(),
        }
    }
}

/// A submitted job with its outcome.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Submitted {
    #[serde(flatten)]
    pub(super) named: Named,
    #[serde(flatten)]
    pub(super) outcome: JobOutcome,
}

impl Submitted {
    pub(super) fn of(text: &[u8], outcome: &Outcome) -> Self {
        let named = match outcome {
            Outcome::Invalid(invalid) => Named { platform_no: invalid.key.clone(), ..Named::default() },
            Outcome::New | Outcome::Existing(_) | Outcome::Conflict { .. } | Outcome::Unreadable(_) => {
                serde_json::from_slice(text).unwrap_or_default() // the validator has read it
            }
        };
        Self { named, outcome: JobOutcome::of(outcome) }
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
