//! Jobs and lanes as paths name them. What is no name, what no account has, and what the token is not for, is not found.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use bursar_domain::{AccountName, Key, Kind as JobKind, Lane};
use bursar_store::{JobRecord, Origin, StoredAs, Unreadable};

use crate::api::notify::read::{notified, number as read_number};
use crate::http::problem::{Kind, Problem};
use crate::state::tokens::Bearer;
use crate::state::{App, Shared};

/// Every lane of the configuration, in its order.
pub(crate) struct Lanes(Vec<Lane>);

impl Lanes {
    pub(crate) fn new(lanes: Vec<Lane>) -> Self {
        Self(lanes)
    }

    /// Those of the accounts that this bearer's token is for.
    pub(crate) fn of(&self, bearer: &Bearer) -> Vec<&Lane> {
        self.0.iter().filter(|lane| bearer.accounts.have(&lane.account)).collect()
    }
}

/// `{account}/{kind}` of a path: a lane of the configuration.
pub(crate) struct LaneName(pub(crate) Lane);

/// `{account}/{kind}/{platform_no}` of a path.
pub(crate) struct JobName {
    pub(crate) lane: Lane,
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

impl JobName {
    /// There is no job by that name.
    pub(crate) fn unknown(&self) -> Problem {
        Problem::new(Kind::NotFound, format!("there is no job {} in {}", self.key, self.lane))
    }

    /// There is a job by that name, and this build cannot read it.
    pub(crate) fn unreadable(&self, why: &Unreadable) -> Problem {
        let then = then(why);
        Problem::unreadable(format!("job {} in {} cannot be read by this build: {why}; {then}", self.key, self.lane))
    }
}

/// What is to be done about a job that cannot be read.
pub(crate) const fn then(why: &Unreadable) -> &'static str {
    match why {
        Unreadable::Newer { .. } => "a server of that build can read it",
        Unreadable::Damaged(_) => "`bursar quarantine` lists it once it has come due, for an operator to look at",
    }
}

impl FromRequestParts<Shared> for LaneName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind)) = path::<(String, String)>(parts).await?;
        app.lane(&*bearer(parts)?, &account, &kind).map(Self)
    }
}

impl FromRequestParts<Shared> for JobName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind, key)) = path::<(String, String, String)>(parts).await?;
        let lane = app.lane(&*bearer(parts)?, &account, &kind)?;
        let key =
            key.parse().map_err(|error| Problem::new(Kind::NotFound, format!("no job has that key: it {error}")))?;
        Ok(Self { lane, key })
    }
}

impl FromRequestParts<Shared> for NotificationName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let Path((account, number)) = path::<(String, String)>(parts).await?;
        let unknown = || Problem::new(Kind::NotFound, format!("{account} has no notification {number}"));
        let name = Self {
            account: account.parse().map_err(|_| unknown())?,
            number: read_number(&number).map_err(|_| unknown())?,
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

impl App {
    /// The job of that name.
    ///
    /// # Errors
    /// A problem for a job that is not there, and for one that cannot be read.
    pub(crate) async fn job(&self, name: &JobName) -> Result<JobRecord, Problem> {
        match self.store.job(&name.lane, &name.key).await? {
            Some(StoredAs::Job(job)) => Ok(*job),
            Some(StoredAs::Unreadable { why, .. }) => Err(name.unreadable(&why)),
            None => Err(name.unknown()),
        }
    }

    /// The lanes that this bearer may know, of this account and kind where they are given.
    pub(crate) fn lanes_of(
        &self,
        bearer: &Bearer,
        account: Option<&str>,
        kind: Option<JobKind>,
    ) -> Result<Vec<Lane>, Problem> {
        let lanes = self.lanes.of(bearer);
        let unknown = account.filter(|name| !lanes.iter().any(|lane| lane.account.as_str() == *name));
        if unknown.is_some() {
            // An empty answer would look as if there were no jobs.
            return Err(Problem::new(Kind::NotFound, "no account has that name"));
        }
        let fits = |lane: &&Lane| {
            account.is_none_or(|name| lane.account.as_str() == name) && kind.is_none_or(|kind| lane.kind == kind)
        };
        Ok(lanes.into_iter().filter(fits).cloned().collect())
    }

    /// Whatever has events of its own and that this bearer may know: the lanes of this account and kind, and the account's
    /// notifications.
    pub(crate) fn origins(
        &self,
        bearer: &Bearer,
        account: Option<&str>,
        kind: Option<JobKind>,
    ) -> Result<Vec<Origin>, Problem> {
        let lanes = self.lanes_of(bearer, account, kind)?.into_iter().map(Origin::Jobs);
        let notified = notified(self, bearer).into_iter().map(|notified| &notified.name);
        let notified = notified.filter(|name| account.is_none_or(|account| name.as_str() == account));
        Ok(lanes.chain(notified.cloned().map(Origin::Notifications)).collect())
    }

    /// The lane of that account and kind, if this bearer may know it.
    pub(crate) fn lane(&self, bearer: &Bearer, account: &str, kind: &str) -> Result<Lane, Problem> {
        let lanes = self.lanes.of(bearer);
        let found = lanes.iter().find(|lane| lane.account.as_str() == account && lane.kind.as_str() == kind);
        found.map(|lane| (*lane).clone()).ok_or_else(|| {
            let lanes: Vec<String> = lanes.iter().map(ToString::to_string).collect();
            Problem::new(Kind::NotFound, format!("no account has that lane; there are {}", lanes.join(", ")))
        })
    }
}
