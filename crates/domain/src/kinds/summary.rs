//! The facts in a stored content that decide about its job's calls.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::job_kind::JobKind;
use crate::{Fen, Kind};

/// The facts in a stored content that the gateway must agree with, and those that deadlines depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentSummary {
    /// The amount that the job moves, where the content names one.
    pub amount: Option<Fen>,
    /// True if the money arrives the next working day (T1), so that "not yet" may last over a holiday.
    pub next_day: bool,
}

impl ContentSummary {
    /// Reads it out of content that was validated when it was submitted.
    #[must_use]
    pub fn of(kind: Kind, content: &str) -> Self {
        let mut reader = serde_json::Deserializer::from_str(content);
        InContent(kind.facts()).deserialize(&mut reader).unwrap_or_default()
    }
}

/// The fields that decide, in the content of a kind. Each job's content is read at each claim, so other fields are passed over.
struct InContent(&'static JobKind);

impl<'de> DeserializeSeed<'de> for InContent {
    type Value = ContentSummary;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ContentSummary, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InContent {
    type Value = ContentSummary;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a content")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<ContentSummary, A::Error> {
        let Self(kind) = self;
        let mut subject = ContentSummary::default();
        while let Some(Name(name)) = fields.next_key::<Name<'de>>()? {
            if name == kind.amount {
                subject.amount = Fen::read(&fields.next_value::<Value>()?);
            } else if let Some((_, value)) = kind.next_day.filter(|(field, _)| name == *field) {
                subject.next_day = fields.next_value::<Value>()? == value;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(subject)
    }
}

/// A field's name, borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
