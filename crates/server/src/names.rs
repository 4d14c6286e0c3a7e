//! Jobs and lanes as paths name them. What is no name, and what no account has, is not found.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use bursar_domain::{Key, Kind as JobKind, Lane};

use crate::app::{App, Shared};
use crate::problem::{Kind, Problem};

/// `{account}/{kind}` of a path: a lane of the configuration.
pub(crate) struct LaneName(pub(crate) Lane);

/// `{account}/{kind}/{platform_no}` of a path.
pub(crate) struct JobName {
    pub(crate) lane: Lane,
    pub(crate) key: Key,
}

impl JobName {
    /// There is no job by that name.
    pub(crate) fn unknown(&self) -> Problem {
        Problem::new(Kind::NotFound, format!("there is no job {} in {}", self.key, self.lane))
    }
}

impl FromRequestParts<Shared> for LaneName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind)) = path::<(String, String)>(parts).await?;
        app.lane(&account, &kind).map(Self)
    }
}

impl FromRequestParts<Shared> for JobName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Path((account, kind, key)) = path::<(String, String, String)>(parts).await?;
        let lane = app.lane(&account, &kind)?;
        let key =
            key.parse().map_err(|error| Problem::new(Kind::NotFound, format!("no job has that key: it {error}")))?;
        Ok(Self { lane, key })
    }
}

async fn path<T: serde::de::DeserializeOwned + Send>(parts: &mut Parts) -> Result<Path<T>, Problem> {
    let read = Path::from_request_parts(parts, &()).await;
    read.map_err(|_| Problem::new(Kind::NotFound, "the path holds what is no name"))
}

impl App {
    /// The configuration's lanes of this account and kind, where they are given.
    pub(crate) fn lanes_of(&self, account: Option<&str>, kind: Option<JobKind>) -> Result<Vec<Lane>, Problem> {
        let unknown = account.filter(|name| !self.lanes.iter().any(|lane| lane.account.as_str() == *name));
        if unknown.is_some() {
            // An empty answer would look as if there were no jobs.
            return Err(Problem::new(Kind::NotFound, "no account has that name"));
        }
        let fits = |lane: &&Lane| {
            account.is_none_or(|name| lane.account.as_str() == name) && kind.is_none_or(|kind| lane.kind == kind)
        };
        Ok(self.lanes.iter().filter(fits).cloned().collect())
    }

    /// The configuration's lane of that account and kind.
    pub(crate) fn lane(&self, account: &str, kind: &str) -> Result<Lane, Problem> {
        let found = self.lanes.iter().find(|lane| lane.account.as_str() == account && lane.kind.as_str() == kind);
        found.cloned().ok_or_else(|| {
            let lanes: Vec<String> = self.lanes.iter().map(ToString::to_string).collect();
            Problem::new(Kind::NotFound, format!("no account has that lane; there are {}", lanes.join(", ")))
        })
    }
}
