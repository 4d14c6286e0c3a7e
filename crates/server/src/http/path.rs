//! Jobs and queues as paths name them. What is no name, what no account has, and what the token is not for, is not found.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use bursar_domain::{AccountName, Key, Queue};

use crate::http::problem::{Kind, Problem};
use crate::state::Shared;
use crate::state::tokens::Bearer;

/// What an address names, where it holds names at all.
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

/// `{account}/{id}` of a path.
pub(crate) struct NotificationName {
    pub(crate) account: AccountName,
    /// Its number within the account.
    pub(crate) number: u64,
}

impl NotificationName {
    /// There is no notification by that name.
    pub(crate) fn unknown(&self) -> Problem {
        Problem::new(Kind::NotFound, format!("{} has no notification {}", self.account, self.number))
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
            key.parse().map_err(|error| Problem::new(Kind::NotFound, format!("no job has that key: it {error}")))?;
        Ok(Self { queue, key })
    }
}

impl FromRequestParts<Shared> for NotificationName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let Path((account, number)) = path::<(String, String)>(parts).await?;
        let unknown = || Problem::new(Kind::NotFound, format!("{account} has no notification {number}"));
        let name = Self {
            account: account.parse().map_err(|_| unknown())?,
            number: notification_number(&number).map_err(|_| unknown())?,
        };
        if bearer(parts)?.accounts.have(&name.account) { Ok(name) } else { Err(name.unknown()) }
    }
}

/// Who asks. A handler's first argument has said so by now.
fn bearer(parts: &Parts) -> Result<Arc<Bearer>, Problem> {
    let bearer = parts.extensions.get::<Arc<Bearer>>().cloned();
    bearer.ok_or_else(|| Problem::new(Kind::Internal, "this route does not ask for a token before it reads names"))
}

async fn path<T: serde::de::DeserializeOwned + Send>(parts: &mut Parts) -> Result<Path<T>, Problem> {
    let read = Path::from_request_parts(parts, &()).await;
    read.map_err(|_| Problem::new(Kind::NotFound, "the path holds what is no name"))
}

/// A notification's number.
pub(crate) fn notification_number(text: &str) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|number| *number <= MAX_NUMBER);
    number.ok_or_else(|| "must be a notification's number".to_owned())
}
