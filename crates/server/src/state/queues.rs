//! The queues of the configuration, and which of them a bearer may know. What a token is not for does not exist for its bearer.

use bursar_domain::{Kind, Queue};
use bursar_store::Origin;

use super::ServerState;
use super::notification_accounts::notification_accounts;
use super::refusal::Refusal;
use super::tokens::Bearer;

impl ServerState {
    /// The queues of the configuration that this bearer may know, in its order.
    pub(crate) fn known_queues(&self, bearer: &Bearer) -> Vec<Queue> {
        self.accounts.get().queues.iter().filter(|queue| bearer.accounts.have(&queue.account)).cloned().collect()
    }

    /// The queues that this bearer may know, of this account and kind where they are given.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for an account that the bearer knows no queue of.
    pub(crate) fn queues_of(
        &self,
        bearer: &Bearer,
        account: Option<&str>,
        kind: Option<Kind>,
    ) -> Result<Vec<Queue>, Refusal> {
        let queues = self.known_queues(bearer);
        let unknown = account.filter(|name| !queues.iter().any(|queue| queue.account.as_str() == *name));
        if unknown.is_some() {
            // An empty answer would look as if there were no jobs.
            return Err(Refusal::NotFound("no account has that name".to_owned()));
        }
        let fits = |queue: &Queue| {
            account.is_none_or(|name| queue.account.as_str() == name) && kind.is_none_or(|kind| queue.kind == kind)
        };
        Ok(queues.into_iter().filter(fits).collect())
    }

    /// The origins of events that this bearer may see: the queues of this account and kind, and the account's notifications.
    ///
    /// # Errors
    /// As [`ServerState::queues_of`].
    pub(crate) fn origins(
        &self,
        bearer: &Bearer,
        account: Option<&str>,
        kind: Option<Kind>,
    ) -> Result<Vec<Origin>, Refusal> {
        let queues = self.queues_of(bearer, account, kind)?.into_iter().map(Origin::Jobs);
        let notifying = notification_accounts(self, bearer).into_iter().map(|account| account.name.clone());
        let notifying = notifying.filter(|name| account.is_none_or(|account| name.as_str() == account));
        Ok(queues.chain(notifying.map(Origin::Notifications)).collect())
    }

    /// The queue of that account and kind, if this bearer may see it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], with the queues that there are.
    pub(crate) fn queue(&self, bearer: &Bearer, account: &str, kind: &str) -> Result<Queue, Refusal> {
        let queues = self.known_queues(bearer);
        let found = queues.iter().find(|queue| queue.account.as_str() == account && queue.kind.as_str() == kind);
        found.cloned().ok_or_else(|| {
            let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
            Refusal::NotFound(format!("no account has that queue; there are {}", queues.join(", ")))
        })
    }
}
