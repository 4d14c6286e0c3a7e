//! Refusals as RFC 9457 has them: `application/problem+json` with a type for programs, a sentence for people, and the members of the type.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bursar_domain::FieldError;
use bursar_store::StoreError;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::state::refusal::Refusal;

/// The page with every type of problem.
pub(crate) const DOCUMENTATION: &str = "/problems";

/// The Retry-After while Redis is away: it is back within a second, or away for longer.
const COME_BACK: Duration = Duration::from_secs(2);

/// The Retry-After for a record that cannot be read: a newer build or a person must act first.
const COME_BACK_FOR_A_RECORD: Duration = Duration::from_secs(60);

/// The kind of a refusal. A `type` never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProblemType")]
pub(crate) enum Kind {
    /// No bearer token, or none that is known.
    #[serde(rename = "urn:bursar:problem:unauthenticated")]
    NoToken,
    /// The token's role does not allow this.
    #[serde(rename = "urn:bursar:problem:forbidden")]
    WrongRole,
    /// No route, job, queue or notification has this name, or the token is not for it.
    #[serde(rename = "urn:bursar:problem:not-found")]
    NotFound,
    /// The route has other methods.
    #[serde(rename = "urn:bursar:problem:method-not-allowed")]
    WrongMethod,
    /// The body did not arrive in time.
    #[serde(rename = "urn:bursar:problem:request-timeout")]
    TooSlow,
    /// The body is no JSON text, or the request is no HTTP.
    #[serde(rename = "urn:bursar:problem:malformed")]
    Malformed,
    /// The key has other content; `fields` names what differs.
    #[serde(rename = "urn:bursar:problem:key-conflict")]
    KeyConflict,
    /// Another job has the same business key, for example the same order; `first` names that job.
    #[serde(rename = "urn:bursar:problem:business-key-conflict")]
    BusinessKeyConflict,
    /// The state of the job or queue does not allow the action, or no longer.
    #[serde(rename = "urn:bursar:problem:invalid-state")]
    NotNow,
    /// The body, or its number of jobs, is over the limit.
    #[serde(rename = "urn:bursar:problem:payload-too-large")]
    TooLarge,
    /// The head of the request is too long.
    #[serde(rename = "urn:bursar:problem:head-too-large")]
    HeadTooLarge,
    /// The Content-Type is not JSON, or the body is compressed.
    #[serde(rename = "urn:bursar:problem:wrong-content-type")]
    WrongContentType,
    /// Rules are broken; `errors` names all of them.
    #[serde(rename = "urn:bursar:problem:invalid")]
    Invalid,
    /// The token's rate is used up, or too many unknown tokens came from this address within a minute.
    #[serde(rename = "urn:bursar:problem:rate-limited")]
    TooMany,
    /// Redis cannot do it now. It is safe to repeat the request.
    #[serde(rename = "urn:bursar:problem:unavailable")]
    Unavailable,
    /// Redis has a record of the job that this build cannot read. A newer build can, or an operator must look at it.
    #[serde(rename = "urn:bursar:problem:unreadable-record")]
    UnreadableRecord,
    /// A reply of Redis that cannot be read, or a fault of Bursar.
    #[serde(rename = "urn:bursar:problem:internal")]
    Internal,
}

impl Kind {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::WrongRole => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::KeyConflict | Self::BusinessKeyConflict | Self::NotNow => StatusCode::CONFLICT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::UnreadableRecord => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::NoToken => "Unauthenticated",
            Self::WrongRole => "Forbidden",
            Self::NotFound => "Not found",
            Self::WrongMethod => "Method not allowed",
            Self::TooSlow => "Request timeout",
            Self::Malformed => "Malformed request",
            Self::KeyConflict => "Key already used",
            Self::BusinessKeyConflict => "Business key already used",
            Self::NotNow => "Invalid state",
            Self::TooLarge => "Payload too large",
            Self::HeadTooLarge => "Request header fields too large",
            Self::WrongContentType => "Unsupported media type",
            Self::Invalid => "Validation failed",
            Self::TooMany => "Rate limit exceeded",
            Self::Unavailable => "Service unavailable",
            Self::UnreadableRecord => "Record not readable",
            Self::Internal => "Internal server error",
        }
    }

    /// The last part of the `type`.
    pub(crate) fn name(self) -> String {
        let word = json!(self);
        word.as_str().and_then(|word| word.rsplit(':').next()).unwrap_or_default().to_owned()
    }

    /// Every kind with its meaning, as its variant documents it.
    pub(crate) fn meanings() -> BTreeMap<Self, String> {
        let schema = Self::json_schema(&mut SchemaGenerator::default());
        let variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let meaning = |variant: &Value| {
            Some((Self::deserialize(&variant["const"]).ok()?, variant["description"].as_str()?.replace('\n', " ")))
        };
        variants.filter_map(meaning).collect()
    }

    /// The headers that every problem of this kind has, with their descriptions.
    pub(crate) const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::NoToken => &[("WWW-Authenticate", "The scheme: Bearer.")],
            Self::TooMany | Self::UnreadableRecord => &[("Retry-After", "Seconds until a repetition is worth it.")],
            Self::WrongMethod => &[("Allow", "The methods that the route has.")],
            Self::WrongRole
            | Self::NotFound
            | Self::TooSlow
            | Self::Malformed
            | Self::KeyConflict
            | Self::BusinessKeyConflict
            | Self::NotNow
            | Self::TooLarge
            | Self::HeadTooLarge
            | Self::WrongContentType
            | Self::Invalid
            | Self::Unavailable
            | Self::Internal => &[],
        }
    }
}

/// A refusal, as RFC 9457 has it. A type may have further members.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemObject<'a> {
    /// The kind of refusal, for programs.
    #[serde(rename = "type")]
    kind: Kind,
    /// The same for all problems of this type.
    title: &'static str,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// The refusal in a sentence, for people.
    detail: &'a str,
    /// The address of the type's description, relative to this server.
    #[schemars(regex(pattern = "^/problems#[a-z-]+$"))]
    documentation: String,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

/// The members of a problem of the type `invalid`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BrokenRules<'a> {
    /// Every field that breaks a rule.
    #[schemars(length(min = 1))]
    errors: &'a [FieldError],
}

/// One refusal.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// `detail` is a sentence for people. It may repeat what the client sent: it is a JSON text in the answer.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), members: Map::new(), headers: Vec::new() }
    }

    /// A record that cannot be read.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(Kind::UnreadableRecord, detail).retry_after(COME_BACK_FOR_A_RECORD)
    }

    /// True for a record that cannot be read.
    pub(crate) fn is_of_a_record(&self) -> bool {
        self.kind == Kind::UnreadableRecord
    }

    /// Every field that breaks a rule.
    pub(crate) fn invalid(errors: &[FieldError]) -> Self {
        let sentences: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self::new(Kind::Invalid, sentences.join("; ")).with(&BrokenRules { errors })
    }

    /// Adds the fields of an object as members.
    pub(crate) fn with(mut self, members: &impl Serialize) -> Self {
        // A type of ours with texts and numbers: writing it cannot fail.
        if let Ok(Value::Object(members)) = serde_json::to_value(members) {
            self.members.extend(members);
        }
        self
    }

    /// The status and the sentence, for a page.
    pub(crate) fn status_and_detail(&self) -> (StatusCode, &str) {
        (self.kind.status(), &self.detail)
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds Retry-After: in whole seconds, rounded up, at least one.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Redis failed; `meaning` says what that means for the client.
    fn of_store(error: &StoreError, meaning: &str) -> Self {
        match error {
            StoreError::Unreadable { what, .. } => Self::new(Kind::Internal, format!("{what} cannot be read")),
            StoreError::NotDurable { required, .. } => Self::new(
                Kind::Unavailable,
                format!("not stored as redis.durability = \"{required}\" requires: {meaning}"),
            )
            .retry_after(COME_BACK),
            StoreError::Cluster | StoreError::Layout(_) => Self::new(Kind::Unavailable, error.to_string()),
            StoreError::Refused { .. } => {
                Self::new(Kind::Unavailable, format!("Redis refuses the command: {meaning}")).retry_after(COME_BACK)
            }
            StoreError::Url(_)
            | StoreError::Authority { .. }
            | StoreError::Untrusted(_)
            | StoreError::Unreachable { .. } => {
                Self::new(Kind::Unavailable, format!("Redis does not answer: {meaning}")).retry_after(COME_BACK)
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound(detail) => Self::new(Kind::NotFound, detail),
            Refusal::UnreadableRecord(detail) => Self::unreadable(detail),
            Refusal::Store { error, meaning } => Self::of_store(&error, meaning),
            Refusal::Late(detail) => Self::new(Kind::Unavailable, detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::from(Refusal::from(error))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let object = ProblemObject {
            kind: self.kind,
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            documentation: format!("{DOCUMENTATION}#{}", self.kind.name()),
            members: &self.members,
        };
        let text = serde_json::to_string(&object).unwrap_or_default(); // texts and numbers: writing them cannot fail
        let mut response = (status, text).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
