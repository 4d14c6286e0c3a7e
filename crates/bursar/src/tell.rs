//! The role that tells producers what became of their jobs: beside the server, in `bursar serve` and `bursar up`.

use bursar_callbacks::{Allowed, Secrets, Settings, Teller};
use bursar_store::{Origin, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts::{AccountError, read_file};
use crate::config::{Callbacks, Config};

/// Starts telling; ends after `drain` with the attempts under way then. The caller has connected and started logging.
pub(crate) fn start(config: &Config, store: Store, drain: CancellationToken) -> Result<JoinHandle<()>, AccountError> {
    let jobs = config.lanes().into_iter().map(Origin::Jobs);
    let notifications = config.accounts.keys().cloned().map(Origin::Notifications);
    let teller = Teller::new(settings(&config.callbacks)?, store, jobs.chain(notifications).collect());
    Ok(tokio::spawn(teller.map_err(unfit)?.run(drain)))
}

/// What is wrong with the files that `[callbacks]` names.
pub(crate) fn faults(callbacks: &Callbacks) -> Option<AccountError> {
    settings(callbacks).and_then(|settings| bursar_callbacks::check(&settings).map_err(unfit)).err()
}

fn settings(callbacks: &Callbacks) -> Result<Settings, AccountError> {
    let secrets = match &callbacks.secrets_file {
        None => Secrets::default(),
        Some(file) => {
            let key = "callbacks.secrets_file";
            let text = read_file(key.into(), file)?;
            let unfit =
                |error| AccountError::Unfit { key: key.into(), problem: format!("{}: {error}", file.display()) };
            Secrets::parse(&text).map_err(unfit)?
        }
    };
    let ca_pem = callbacks.ca_file.as_deref().map(|file| read_file("callbacks.ca_file".into(), file)).transpose()?;
    Ok(Settings {
        secrets,
        allowed: Allowed::new(callbacks.allow.clone()),
        ca_pem,
        timeout: callbacks.timeout,
        retry_for: callbacks.retry_for,
        concurrency: callbacks.concurrency,
    })
}

fn unfit(error: bursar_callbacks::SettingsError) -> AccountError {
    AccountError::Unfit { key: format!("callbacks.{}", error.key), problem: error.rule }
}
