//! The accounts that the server serves: one value, which is replaced as a whole while the server runs. A request reads it once.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bursar_domain::{AccountName, Queue, Zone};
use bursar_producer::Producer;

use super::notification_accounts::NotificationAccount;

/// The accounts with all that the server needs of them.
#[derive(Debug)]
pub(crate) struct ServedAccounts {
    /// Validates and stores jobs.
    pub(crate) producer: Producer,
    /// Every queue, in the order of the configuration.
    pub(crate) queues: Vec<Queue>,
    /// Those that their gateway may notify.
    pub(crate) notification_accounts: Vec<Arc<NotificationAccount>>,
    /// The zones of their days.
    pub(crate) time_zones: BTreeMap<AccountName, Zone>,
}

impl ServedAccounts {
    pub(crate) fn new(
        producer: Producer,
        queues: Vec<Queue>,
        notification_accounts: Vec<NotificationAccount>,
        time_zones: BTreeMap<AccountName, Zone>,
    ) -> Self {
        let notification_accounts = notification_accounts.into_iter().map(Arc::new).collect();
        Self { producer, queues, notification_accounts, time_zones }
    }

    /// The account of that name, if its gateway may notify it.
    pub(crate) fn notification_account(&self, name: &str) -> Option<&Arc<NotificationAccount>> {
        self.notification_accounts.iter().find(|account| account.name.as_str() == name)
    }

    /// The accounts' names, each as often as it has queues.
    pub(crate) fn names(&self) -> impl Iterator<Item = &AccountName> {
        self.queues.iter().map(|queue| &queue.account)
    }
}

/// The accounts of the moment.
pub(crate) struct CurrentAccounts(RwLock<Arc<ServedAccounts>>);

impl CurrentAccounts {
    pub(crate) fn new(accounts: ServedAccounts) -> Self {
        Self(RwLock::new(Arc::new(accounts)))
    }

    pub(crate) fn get(&self) -> Arc<ServedAccounts> {
        // Nothing panics while it holds this lock.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace(&self, accounts: ServedAccounts) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(accounts);
    }
}
