//! The lanes of the configuration, and which of them a bearer may know. What a token is not for does not exist for its bearer.

use bursar_domain::{Kind, Lane};
use bursar_store::Origin;

use super::App;
use super::notified::notified;
use super::refusal::Refusal;
use super::tokens::Bearer;

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

impl App {
    /// The lanes that this bearer may know, of this account and kind where they are given.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for an account that the bearer knows no lane of.
    pub(crate) fn lanes_of(
        &self,
        bearer: &Bearer,
        account: Option<&str>,
        kind: Option<Kind>,
    ) -> Result<Vec<Lane>, Refusal> {
        let lanes = self.lanes.of(bearer);
        let unknown = account.filter(|name| !lanes.iter().any(|lane| lane.account.as_str() == *name));
        if unknown.is_some() {
            // An empty answer would look as if there were no jobs.
            return Err(Refusal::NotFound("no account has that name".to_owned()));
        }
        let fits = |lane: &&Lane| {
            account.is_none_or(|name| lane.account.as_str() == name) && kind.is_none_or(|kind| lane.kind == kind)
        };
        Ok(lanes.into_iter().filter(fits).cloned().collect())
    }

    /// Whatever has events of its own and that this bearer may know: the lanes of this account and kind, and the account's
    /// notifications.
    ///
    /// # Errors
    /// As [`App::lanes_of`].
    pub(crate) fn origins(
        &self,
        bearer: &Bearer,
        account: Option<&str>,
        kind: Option<Kind>,
    ) -> Result<Vec<Origin>, Refusal> {
        let lanes = self.lanes_of(bearer, account, kind)?.into_iter().map(Origin::Jobs);
        let notified = notified(self, bearer).into_iter().map(|notified| &notified.name);
        let notified = notified.filter(|name| account.is_none_or(|account| name.as_str() == account));
        Ok(lanes.chain(notified.cloned().map(Origin::Notifications)).collect())
    }

    /// The lane of that account and kind, if this bearer may know it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], with the lanes that there are.
    pub(crate) fn lane(&self, bearer: &Bearer, account: &str, kind: &str) -> Result<Lane, Refusal> {
        let lanes = self.lanes.of(bearer);
        let found = lanes.iter().find(|lane| lane.account.as_str() == account && lane.kind.as_str() == kind);
        found.map(|lane| (*lane).clone()).ok_or_else(|| {
            let lanes: Vec<String> = lanes.iter().map(ToString::to_string).collect();
            Refusal::NotFound(format!("no account has that lane; there are {}", lanes.join(", ")))
        })
    }
}
