//! The events of the audit trail that a process causes by itself: a start with another configuration, files that are read again. Nothing
//! waits for them.

use std::path::Path;

use bursar_domain::{Actor, AuditAction, AuditEvent, AuditResult, AuditTarget};
use bursar_store::{Store, StoreError};
use bursar_telemetry::log_audit;
use sha2::{Digest, Sha256};

use crate::config::Config;

/// Digits of a digest that an event shows.
const SHOWN_DIGITS: usize = 16;

/// Notes it if this role begins with another configuration than the last time. The digest is of what `bursar config show` prints: the paths of
/// secrets, not the secrets.
pub(crate) fn configuration(config: &Config, file: Option<&Path>, store: &Store, role: &'static str) {
    let shown = serde_json::to_string(&config.shown()).unwrap_or_default(); // texts and numbers: writing them cannot fail
    let digest = format!("{:x}", Sha256::digest(shown));
    let file = file.map_or_else(|| "the environment".to_owned(), |file| file.display().to_string());
    let store = store.clone();
    tokio::spawn(async move {
        if let Err(error) = compare(&store, role, &digest, &file).await {
            tracing::error!(error = %error.chain(), "the audit trail cannot be written");
        }
    });
}

async fn compare(store: &Store, role: &str, digest: &str, file: &str) -> Result<(), StoreError> {
    let before = store.last_configuration(role).await?;
    if before.as_deref() == Some(digest) {
        return Ok(());
    }
    let short = |digest: &str| digest.chars().take(SHOWN_DIGITS).collect::<String>();
    let before = before.map_or_else(|| "none".to_owned(), |before| short(&before));
    let detail = format!("{role}: {before} -> {}", short(digest));
    let event = Actor::process().intends(AuditAction::ConfigurationChange, AuditTarget::file(&file), None);
    log_audit(&store.audit(event.ended(AuditResult::Done, Some(detail))).await?);
    store.remember_configuration(role, digest).await
}

/// Notes that a file was read again, with the outcome.
pub(crate) fn reloaded(store: &Store, file: &Path, read: Result<String, String>) {
    read_again(store, file, read, AuditResult::Failed);
}

/// Notes that the configuration was read again: the accounts that have changed, or the reason why it was refused.
pub(crate) fn reconfigured(store: &Store, file: &Path, read: Result<String, String>) {
    read_again(store, file, read, AuditResult::Refused);
}

fn read_again(store: &Store, file: &Path, read: Result<String, String>, unusable: AuditResult) {
    let event = Actor::process().intends(AuditAction::Reload, AuditTarget::file(&file.display()), None);
    let (result, detail) = match read {
        Ok(detail) => (AuditResult::Done, detail),
        Err(problem) => (unusable, problem),
    };
    let event = event.ended(result, Some(detail));
    let store = store.clone();
    tokio::spawn(async move { written(&store, event).await });
}

async fn written(store: &Store, event: AuditEvent) {
    match store.audit(event.clone()).await {
        Ok(event) => log_audit(&event),
        Err(error) => {
            tracing::error!(error = %error.chain(), "the audit trail cannot be written");
            log_audit(&event);
        }
    }
}
