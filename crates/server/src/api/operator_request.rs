//! What an operator's body says: why, and for `resolve` as what. Every wrong field is named.

use bursar_domain::{FieldError, MAX_REASON_CHARS, State, is_reason};
use serde_json::{Map, Value};

use crate::http::problem::Problem;

/// A body being taken apart.
pub(crate) struct OperatorRequest {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl OperatorRequest {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self { fields, errors: Vec::new() }),
            Ok(_) | Err(_) => {
                Err(Problem::invalid(&[error("body", "must be a JSON object, for example {\"reason\": \"…\"}")]))
            }
        }
    }

    /// Why.
    pub(crate) fn reason(&mut self) -> String {
        let rule = format!(
            "must be a text of 1 to {MAX_REASON_CHARS} characters, without control characters: it is kept with the act"
        );
        let reason = match self.fields.remove("reason") {
            Some(Value::String(reason)) => Some(reason),
            Some(_) | None => None,
        };
        reason.filter(|reason| is_reason(reason)).unwrap_or_else(|| {
            self.errors.push(error("reason", &rule));
            String::new()
        })
    }

    /// As what a job is resolved: `as`, or `state` as the command line has it, too.
    pub(crate) fn end(&mut self) -> State {
        let name = if self.fields.contains_key("as") { "as" } else { "state" };
        let end = self.fields.remove(name).and_then(|end| end.as_str()?.parse().ok());
        let ends = [State::Succeeded, State::Failed, State::Refunded];
        end.filter(|end| ends.contains(end)).unwrap_or_else(|| {
            self.errors.push(error("as", "must be succeeded, failed or refunded"));
            State::NeedsReview
        })
    }

    /// # Errors
    /// A problem that names everything that is wrong, what nobody asked for included.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for name in self.fields.keys() {
            let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
            self.errors.push(error(&shown, "is not a field of this order"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&self.errors)) }
    }
}

fn error(field: &str, rule: &str) -> FieldError {
    FieldError { field: field.to_owned(), rule: rule.to_owned() }
}
