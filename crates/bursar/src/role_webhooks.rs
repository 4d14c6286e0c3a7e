//! The role that delivers webhooks: with the server, in `bursar serve` and `bursar up`.

use std::path::Path;

use bursar_store::{Origin, Store};
use bursar_webhooks::{Allowed, Dispatcher, Secrets, Settings, SigningKeys, Telemetry, Trust};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::accounts::{AccountError, read_file};
use crate::config::{Config, UnsignedWebhooks, Webhooks};
use crate::exit::Failure;
use crate::private_files::{self, Part};
use crate::process_audit;
use crate::reload::Reload;

/// The key of the file with the signing secrets.
const SECRETS: &str = "webhooks.secrets_file";

/// The rule for a server without one.
const UNSIGNED: &str =
    "is required: a receiver cannot tell an unsigned message from a forged one (or set webhooks.allow_unsigned = true)";

/// Starts deliveries. They end after `drain` with the attempts in flight. The caller has connected and started logging.
pub(crate) async fn start(
    config: &Config,
    reload: &Reload,
    store: Store,
    telemetry: Telemetry,
    drain: CancellationToken,
) -> Result<JoinHandle<()>, Failure> {
    private_files::warn(config, Part::Server);
    let audited = store.clone();
    let dispatcher = Dispatcher::new(settings(config)?, telemetry, store, origins(config)).map_err(unfit)?;
    let dispatcher = dispatcher.following(reload.origins().await);
    let hangup = signal(SignalKind::hangup())?;
    let renewing = renew(config.webhooks.clone(), dispatcher.secrets(), hangup, audited);
    Ok(tokio::spawn(async move {
        tokio::select! {
            () = dispatcher.run(drain) => {}
            () = renewing => {}
        }
    }))
}

/// The queues and accounts whose events are delivered.
pub(crate) fn origins(config: &Config) -> Vec<Origin> {
    let jobs = config.queues().into_iter().map(Origin::Jobs);
    let notifications = config.accounts.keys().cloned().map(Origin::Notifications);
    jobs.chain(notifications).collect()
}

/// Reads the secrets file again at each SIGHUP and never ends. A file that cannot be used changes nothing.
async fn renew(webhooks: Webhooks, in_use: SigningKeys, mut hangup: Signal, store: Store) {
    while hangup.recv().await.is_some() {
        let Some(file) = &webhooks.secrets_file else { continue };
        match secrets(file) {
            Ok(secrets) => {
                tracing::info!(?secrets, "read the webhooks' secrets again");
                process_audit::reloaded(&store, file, Ok("webhooks' secrets".to_owned()));
                in_use.replace(secrets);
            }
            Err(error) => {
                let chain = bursar_store::chain(&error);
                tracing::error!("webhooks keep their previous secrets: {chain}");
                process_audit::reloaded(&store, file, Err(chain));
            }
        }
    }
    std::future::pending().await // without the signal there is nothing to renew, and deliveries go on
}

/// The fault by which webhooks cannot be delivered; `None` if they can.
pub(crate) fn faults(config: &Config) -> Option<AccountError> {
    settings(config).and_then(|settings| bursar_webhooks::check(&settings).map_err(unfit)).err()
}

fn settings(config: &Config) -> Result<Settings, AccountError> {
    let webhooks = &config.webhooks;
    // Without an account there is no job, and nothing to deliver.
    let is_unsigned = webhooks.secrets_file.is_none() && !config.accounts.is_empty();
    if is_unsigned && webhooks.allow_unsigned == UnsignedWebhooks::Refused {
        return Err(AccountError::Unfit { key: SECRETS.to_owned(), problem: UNSIGNED.to_owned() });
    }
    let secrets = webhooks.secrets_file.as_deref().map(secrets).transpose()?.unwrap_or_default();
    let ca_pem = webhooks.ca_file.as_deref().map(|file| read_file("webhooks.ca_file".into(), file)).transpose()?;
    Ok(Settings {
        secrets,
        allowed: Allowed::new(webhooks.allow.clone()),
        trust: Trust::of(ca_pem, webhooks.ca_only),
        timeout: webhooks.timeout,
        retry_for: webhooks.retry_for,
        concurrency: webhooks.concurrency,
    })
}

fn secrets(file: &Path) -> Result<Secrets, AccountError> {
    let text = read_file(SECRETS.into(), file)?;
    let unfit = |error| AccountError::Unfit { key: SECRETS.into(), problem: format!("{}: {error}", file.display()) };
    Secrets::parse(&text).map_err(unfit)
}

fn unfit(error: bursar_webhooks::SettingsError) -> AccountError {
    AccountError::Unfit { key: format!("webhooks.{}", error.key), problem: error.rule }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const ACCOUNT: &str =
        "[accounts.shop]\ngateway = 'beingfi'\nbase_url = 'https://h'\nmch_no = 'M'\napp_id = '1'\nsecret_file = 's'\n";

    #[test]
    fn a_server_that_may_deliver_needs_a_secret_or_leave() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secrets"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let fault = |text: &str| {
            let config = Config::parse(text, &folder.path().join("bursar.toml"), std::iter::empty()).unwrap();
            faults(&config).map(|error| error.to_string())
        };
        let signed = "[webhooks]\nsecrets_file = 'secrets'\n";
        let allowed = "[webhooks]\nallow_unsigned = true\n";
        assert_eq!(fault(ACCOUNT), Some(format!("{SECRETS} {UNSIGNED}")));
        for right in ["", signed, allowed, &format!("{signed}{ACCOUNT}"), &format!("{allowed}{ACCOUNT}")] {
            assert_eq!(fault(right), None, "{right}");
        }
        // A file that is named is never waived.
        let missing = fault(&format!("[webhooks]\nsecrets_file = 'none'\nallow_unsigned = true\n{ACCOUNT}"));
        assert!(missing.is_some_and(|fault| fault.contains("cannot read")));
        assert_eq!(
            faults(&Config::parse("", Path::new(""), std::iter::empty()).unwrap()).map(|error| error.to_string()),
            None
        );
    }
}
