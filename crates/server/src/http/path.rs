//! Jobs and queues as paths name them. A text that is no name, a name that no account has, and an account that the token is not for are not
//! found.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use bursar_domain::{AccountName, Key, Kind, Queue};
use bursar_store::Origin;
use schemars::{JsonSchema, SchemaGenerator};

use crate::http::operation::SchemaOf;
use crate::http::problem::{Kind as Refusal, Problem};
use crate::state::Shared;
use crate::state::tokens::Bearer;

/// The names in a path, where it has valid ones.
pub(crate) type PathParts<T> = Result<Path<T>, PathRejection>;

/// No notification has a higher number: Redis counts exactly up to 2^53 - 1.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// `{account}/{kind}` of a path: a queue of the configuration.
pub(crate) struct QueueName(pub(crate) Queue);

/// `{account}/{kind}/{platform_no}` of a path.
pub(crate) struct JobName {
    pub(crate) queue: Queue,
    pub(crate) key: Key,
}

/// `{account}/{kind}/{entry}` of a path: what is, or was, in quarantine. The kind is `notify` for a notification.
pub(crate) struct QuarantineEntry {
    pub(crate) origin: Origin,
    /// Any text: a key in quarantine need not be a job's.
    pub(crate) entry: String,
}

/// `{account}/{id}` of a path.
pub(crate) struct NotificationName {
    pub(crate) account: AccountName,
    /// Its number within the account.
    pub(crate) number: u64,
}

/// `{proposal}` of a path: the id that a proposal may have.
pub(crate) struct ProposalId(pub(crate) String);

/// The id of a proposal.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct ProposalIdText(
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    #[allow(dead_code, reason = "a schema alone")]
    String,
);

impl FromRequestParts<Shared> for ProposalId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let Path(id) = path::<String>(parts).await?;
        let is_id = id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(id)) } else { Err(Problem::new(Refusal::NotFound, "no proposal has this id")) }
    }
}

impl NotificationName {
    /// There is no notification by that name.
    pub(crate) fn unknown(&self) -> Problem {
        Problem::new(Refusal::NotFound, format!("{} has no notification {}", self.account, self.number))
    }
}

impl FromRequestParts<Shared> for QueueName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind)) = path::<(String, String)>(parts).await?;
        Ok(Self(app.queue(&*bearer(parts)?, &account, &kind)?))
    }
}

impl FromRequestParts<Shared> for JobName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind, key)) = path::<(String, String, String)>(parts).await?;
        let queue = app.queue(&*bearer(parts)?, &account, &kind)?;
        let key =
            key.parse().map_err(|error| Problem::new(Refusal::NotFound, format!("no job has that key: it {error}")))?;
        Ok(Self { queue, key })
    }
}

impl FromRequestParts<Shared> for QuarantineEntry {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind, entry)) = path::<(String, String, String)>(parts).await?;
        let unknown = || Problem::new(Refusal::NotFound, format!("no account has a queue {account}/{kind}"));
        let origin: Origin = format!("{account}/{kind}").parse().map_err(|_| unknown())?;
        let seen = app.origins(&*bearer(parts)?, None, None)?;
        if seen.contains(&origin) { Ok(Self { origin, entry }) } else { Err(unknown()) }
    }
}

impl FromRequestParts<Shared> for NotificationName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let Path((account, number)) = path::<(String, String)>(parts).await?;
        let unknown = || Problem::new(Refusal::NotFound, format!("{account} has no notification {number}"));
        let name = Self {
            account: account.parse().map_err(|_| unknown())?,
            number: number.parse().map(|NotificationNumber(number)| number).map_err(|_| unknown())?,
        };
        if bearer(parts)?.accounts.have(&name.account) { Ok(name) } else { Err(name.unknown()) }
    }
}

/// The bearer, whom the handler's first argument has authenticated.
fn bearer(parts: &Parts) -> Result<Arc<Bearer>, Problem> {
    let bearer = parts.extensions.get::<Arc<Bearer>>().cloned();
    bearer
        .ok_or_else(|| Problem::new(Refusal::Internal, "this route reads names before it has authenticated the bearer"))
}

async fn path<T: serde::de::DeserializeOwned + Send>(parts: &mut Parts) -> Result<Path<T>, Problem> {
    let read = Path::from_request_parts(parts, &()).await;
    read.map_err(|_| Problem::new(Refusal::NotFound, "the path has an invalid name"))
}

/// A notification's number within its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub(crate) struct NotificationNumber(#[schemars(range(max = MAX_NUMBER))] pub(crate) u64);

impl FromStr for NotificationNumber {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number| *number <= MAX_NUMBER);
        number.map(Self).ok_or("must be a notification's number")
    }
}

/// The schema of a name in a path of the API; `None` for a name that no extractor here reads.
pub(crate) fn schema_of(name: &str) -> Option<SchemaOf> {
    match name {
        "account" => Some(SchemaGenerator::subschema_for::<AccountName>),
        "kind" => Some(SchemaGenerator::subschema_for::<Kind>),
        "platform_no" => Some(SchemaGenerator::subschema_for::<Key>),
        "proposal" => Some(SchemaGenerator::subschema_for::<ProposalIdText>),
        "entry" => Some(SchemaGenerator::subschema_for::<String>),
        "id" => Some(SchemaGenerator::subschema_for::<NotificationNumber>),
        _ => None,
    }
}
