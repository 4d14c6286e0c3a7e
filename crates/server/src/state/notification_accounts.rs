//! The accounts whose gateway may notify them, and which of them a bearer may know.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountName, Kind};
use bursar_gateways::{NotificationReader, SignRule};

use super::ServerState;
use super::refusal::Refusal;
use super::tokens::Bearer;

/// An account that its gateway may notify.
#[derive(Clone, Debug)]
pub struct NotificationAccount {
    /// Its name.
    pub name: AccountName,
    /// Verifies that the platform wrote it.
    pub reader: Arc<NotificationReader>,
    /// The rule of its signatures, once known.
    pub sign_rule: Option<SignRule>,
    /// The expected methods besides bank credits.
    pub methods: Vec<NotificationMethod>,
    /// The receiver of its webhooks.
    pub callback_url: Option<String>,
    /// The time for which notifications are kept.
    pub retention: Duration,
    /// The greatest age of a notification that is passed on.
    pub max_age: Duration,
}

/// A kind of notification that an operator expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationMethod {
    /// The method.
    pub name: String,
    /// The kind of the job that it names, and the place in its content of the job's key or business key.
    pub job: Option<(Kind, String)>,
}

impl NotificationAccount {
    /// The job that a notification of this method with this content names: by its key, or by its business key.
    pub(crate) fn job_named(&self, method: &str, content: &serde_json::Value) -> Option<(Kind, String)> {
        let configured = self.methods.iter().find(|configured| configured.name == method)?;
        let (kind, pointer) = configured.job.as_ref()?;
        let about = content.pointer(pointer)?.as_str().filter(|about| !about.is_empty())?;
        Some((*kind, about.to_owned()))
    }
}

/// The accounts that are notified and that this bearer may know.
pub(crate) fn notification_accounts(app: &ServerState, bearer: &Bearer) -> Vec<Arc<NotificationAccount>> {
    let accounts = app.accounts.get();
    accounts.notification_accounts.iter().filter(|account| bearer.accounts.have(&account.name)).cloned().collect()
}

/// The account of that name, if it is notified.
///
/// # Errors
/// [`Refusal::NotFound`].
pub(crate) fn of_account(app: &ServerState, bearer: &Bearer, name: &str) -> Result<Arc<NotificationAccount>, Refusal> {
    let found = notification_accounts(app, bearer).into_iter().find(|account| account.name.as_str() == name);
    found.ok_or_else(|| Refusal::NotFound("no account of that name is notified".to_owned()))
}
