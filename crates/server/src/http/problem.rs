//! Refusals as RFC 9457 has them: `application/problem+json` with a type to branch on, a sentence to read, and what else a
//! client needs to go on.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bursar_domain::FieldError;
use bursar_store::StoreError;
use serde_json::{Map, Value, json};

use crate::state::refusal::Refusal;

/// When to come back to a Redis that could not take something: it is back within a second, or away for longer.
const COME_BACK: Duration = Duration::from_secs(2);

/// When to come back for a record that cannot be read: a newer build or a person must have been there first.
const COME_BACK_FOR_A_RECORD: Duration = Duration::from_secs(60);

/// The kinds of refusal. Each is a `type` that never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No token, or none that is known.
    NoToken,
    /// The token's role may not do that.
    WrongRole,
    /// Nothing by that name: a route, a job, a queue.
    NotFound,
    /// The route is there, for other methods.
    WrongMethod,
    /// The body did not come in time.
    TooSlow,
    /// The key stands for other content, or another key for the same thing.
    Conflict,
    /// The job or queue is not, or no longer, as the action needs it.
    NotNow,
    /// The body, or the batch in it, is over the limit.
    TooLarge,
    /// The body is not JSON by its own account.
    WrongContentType,
    /// It breaks rules, all of which are named.
    Invalid,
    /// The token's rate is used up.
    TooMany,
    /// Redis cannot take or tell it now.
    Unavailable,
    /// Redis has a record that this build cannot read: nobody knows here how that job stands.
    UnreadableRecord,
    /// Something that should not be: a reply that cannot be read, a fault of ours.
    Internal,
}

impl Kind {
    const fn status(self) -> StatusCode {
        match self {
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::WrongRole => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::NotNow => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::UnreadableRecord => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The last part of the `type`, and the `title`.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoToken => ("unauthenticated", "a valid bearer token is required"),
            Self::WrongRole => ("forbidden", "the token's role does not allow this"),
            Self::NotFound => ("not-found", "there is nothing by that name"),
            Self::WrongMethod => ("method-not-allowed", "this route has other methods"),
            Self::TooSlow => ("request-timeout", "the body did not come in time"),
            Self::Conflict => ("conflict", "another job was there first"),
            Self::NotNow => ("invalid-state", "its state does not allow this"),
            Self::TooLarge => ("payload-too-large", "the body is over the limit"),
            Self::WrongContentType => ("wrong-content-type", "the body must be JSON"),
            Self::Invalid => ("invalid", "rules are broken"),
            Self::TooMany => ("rate-limited", "the token's rate is used up"),
            Self::Unavailable => ("unavailable", "Redis cannot take or tell it now"),
            Self::UnreadableRecord => ("unreadable-record", "this build cannot read the job's record"),
            Self::Internal => ("internal", "something is wrong on our side"),
        }
    }
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
    /// `detail` is for the person who reads it; it may come from the client, and is JSON text in the answer.
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), members: Map::new(), headers: Vec::new() }
    }

    /// A record that cannot be read.
    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(Kind::UnreadableRecord, detail).retry_after(COME_BACK_FOR_A_RECORD)
    }

    /// Whether it is about a record that cannot be read.
    pub(crate) fn is_of_a_record(&self) -> bool {
        self.kind == Kind::UnreadableRecord
    }

    /// What breaks rules, all of it.
    pub(crate) fn invalid(errors: &[FieldError]) -> Self {
        let sentences: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self::new(Kind::Invalid, sentences.join("; ")).with("errors", json!(errors))
    }

    /// Adds a member of its own to the object.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// The status and the sentence, for a page that tells them to a person.
    pub(crate) fn status_and_detail(&self) -> (StatusCode, &str) {
        (self.kind.status(), &self.detail)
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says when to come back: in whole seconds, rounded up, at least one.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Redis did not do its part; `meaning` is what that means for the client.
    fn of_store(error: &StoreError, meaning: &str) -> Self {
        match error {
            StoreError::Unreadable { what, .. } => Self::new(Kind::Internal, format!("{what} cannot be read")),
            StoreError::NotDurable { required, .. } => {
                Self::new(Kind::Unavailable, format!("not kept as redis.durability = \"{required}\" asks: {meaning}"))
                    .retry_after(COME_BACK)
            }
            StoreError::Cluster | StoreError::Layout(_) => Self::new(Kind::Unavailable, error.to_string()),
            StoreError::Refused { .. } => {
                Self::new(Kind::Unavailable, format!("Redis refuses at the moment: {meaning}")).retry_after(COME_BACK)
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
        let (slug, title) = self.kind.words();
        let status = self.kind.status();
        let mut object = Map::new();
        object.insert("type".into(), format!("urn:bursar:problem:{slug}").into());
        object.insert("title".into(), title.into());
        object.insert("status".into(), status.as_u16().into());
        object.insert("detail".into(), self.detail.into());
        object.extend(self.members);
        let mut response = (status, Value::Object(object).to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
