//! The body of an operator's request: a reason, and for `resolve` the final state. Every wrong field is named.

use bursar_domain::{FieldError, MAX_REASON_CHARS, REASON_PATTERN, State, is_reason};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::http::problem::Problem;

/// An action's reason.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ActionRequest {
    /// The operator's reason. It is recorded with the action.
    #[schemars(length(min = 1, max = MAX_REASON_CHARS), regex(pattern = REASON_PATTERN))]
    pub(crate) reason: String,
}

/// The reason and the final state of a job that is resolved.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ResolveRequest {
    /// The operator's reason. It is recorded with the action.
    #[schemars(length(min = 1, max = MAX_REASON_CHARS), regex(pattern = REASON_PATTERN))]
    pub(crate) reason: String,
    /// The job's final state, as the operator knows it.
    #[schemars(rename = "as")]
    pub(crate) end: End,
}

/// A final state that an operator may know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "ResolvedAs", rename_all = "snake_case")]
pub(crate) enum End {
    /// The money was paid.
    Succeeded,
    /// The money was not paid.
    Failed,
    /// The money was paid and came back.
    Refunded,
}

impl End {
    const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Refunded];

    pub(crate) const fn state(self) -> State {
        match self {
            Self::Succeeded => State::Succeeded,
            Self::Failed => State::Failed,
            Self::Refunded => State::Refunded,
        }
    }
}

impl ActionRequest {
    /// # Errors
    /// A problem that names every wrong field.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::of(body)?;
        let reason = fields.reason();
        fields.finish()?;
        reason.map(|reason| Self { reason }).ok_or_else(|| Problem::invalid(&[no_object()]))
    }
}

impl ResolveRequest {
    /// # Errors
    /// A problem that names every wrong field.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = Fields::of(body)?;
        let (reason, end) = (fields.reason(), fields.end());
        fields.finish()?;
        reason.zip(end).map(|(reason, end)| Self { reason, end }).ok_or_else(|| Problem::invalid(&[no_object()]))
    }
}

/// The fields of a body, with the errors found so far.
pub(crate) struct Fields {
    fields: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(crate) fn of(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self { fields, errors: Vec::new() }),
            Ok(_) | Err(_) => Err(Problem::invalid(&[no_object()])),
        }
    }

    /// The reason; `None` if an error names it.
    pub(crate) fn reason(&mut self) -> Option<String> {
        let rule = format!(
            "must be a text of 1 to {MAX_REASON_CHARS} characters, without control characters: it is kept with the action"
        );
        let reason = match self.fields.remove("reason") {
            Some(Value::String(reason)) => Some(reason),
            Some(_) | None => None,
        };
        let reason = reason.filter(|reason| is_reason(reason));
        if reason.is_none() {
            self.errors.push(error("reason", &rule));
        }
        reason
    }

    /// Takes a field's value.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    /// Adds an error.
    pub(crate) fn wrong(&mut self, field: &str, rule: &str) {
        self.errors.push(error(field, rule));
    }

    /// True if a final state is given. `null` is none.
    pub(crate) fn has_end(&mut self) -> bool {
        if self.fields.get("as").is_some_and(Value::is_null) {
            self.fields.remove("as");
        }
        ["as", "state"].iter().any(|name| self.fields.contains_key(*name))
    }

    /// The body is no object of this form.
    pub(crate) fn no_object() -> Problem {
        Problem::invalid(&[no_object()])
    }

    /// The final state, `as`, or `state` as the command line calls it; `None` if an error names it.
    pub(crate) fn end(&mut self) -> Option<End> {
        let name = if self.fields.contains_key("as") { "as" } else { "state" };
        let given = self.fields.remove(name);
        let word = given.as_ref().and_then(Value::as_str);
        let end = End::ALL.into_iter().find(|end| Some(end.state().as_str()) == word);
        if end.is_none() {
            self.errors.push(error("as", "must be succeeded, failed or refunded"));
        }
        end
    }

    /// # Errors
    /// A problem with every error, one for each unknown field among them.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for name in self.fields.keys() {
            let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
            self.errors.push(error(&shown, "is not a field of this request"));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&self.errors)) }
    }
}

fn no_object() -> FieldError {
    error("body", "must be a JSON object, for example {\"reason\": \"…\"}")
}

fn error(field: &str, rule: &str) -> FieldError {
    FieldError { field: field.to_owned(), rule: rule.to_owned() }
}
