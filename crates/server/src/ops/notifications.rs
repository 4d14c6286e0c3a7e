//! Notifications: a new one is verified, stored, and wakes the job that it names; a stored one names jobs.

use bursar_domain::{HeldReason, Kind, Millis, NotificationView, Queue};
use bursar_gateways::{Described, Notification, NotificationError, RecordStatus};
use bursar_store::{Finality, Store, StoreError, StoreOutcome, StoredAs, VerifiedNotification, crash_point};
use sha2::{Digest, Sha256};

use crate::state::ServerState;
use crate::state::notification_accounts::NotificationAccount;
use crate::state::refusal::Refusal;

/// Why a notification is not acknowledged, with a sentence for the log.
#[derive(Debug)]
pub(crate) enum NotAcknowledged {
    /// It is no notification, or not one of now.
    Malformed(String),
    /// It is longer than any notification.
    TooLong(String),
    /// The platform did not write it, or not for this account.
    Foreign(String),
    /// It is held for a person; the gateway delivers it again.
    Held(String),
    /// It is not stored, or its job is not woken.
    NotKept(String),
}

/// The jobs that a notification names.
pub(crate) enum Named {
    /// Its method is not one that names jobs.
    Nothing,
    /// These jobs.
    Jobs(Vec<(Queue, String)>),
    /// A job that is not stored.
    NoJob(Queue, String),
}

/// Verifies and stores one notification; wakes the job that it names.
///
/// # Errors
/// [`NotAcknowledged`]: the gateway delivers it again.
pub(crate) async fn keep(app: &ServerState, account: &NotificationAccount, text: &str) -> Result<(), NotAcknowledged> {
    let store = &app.store;
    let notification = account.reader.read(text, account.sign_rule).map_err(|error| unfit(&error))?;
    let read = judged(account, &notification);
    let verified = VerifiedNotification {
        method: &notification.method,
        record_id: read.record_id.as_deref(),
        hash: Sha256::digest(notification.biz_content.as_bytes()).into(),
        content: &notification.biz_content,
        written: notification.timestamp.and_then(|at| u64::try_from(at.as_millisecond()).ok()).map(Millis),
        sign_rule: notification.rule.as_str(),
        finality: read.finality,
        held_reason: read.held_reason.as_ref(),
        callback_url: account.callback_url.as_deref(),
        kind: read.job.as_ref().map(|(kind, _)| *kind),
        retention: account.retention,
        max_age: account.max_age,
    };
    let (kept, number) =
        store.receive_notification(&account.name, &verified).await.map_err(|error| not_kept(&error))?;
    let (name, method) = (account.name.as_str(), notification.method.as_str());
    match (kept, &read.held_reason) {
        (StoreOutcome::Ahead, _) => {
            return Err(NotAcknowledged::Malformed(format!("{method}: its timestamp lies ahead of Redis's clock")));
        }
        (StoreOutcome::TooMany, _) => {
            return Err(NotAcknowledged::NotKept(format!("{method}: its record has too many versions")));
        }
        (StoreOutcome::Held | StoreOutcome::Again, Some(why)) => {
            return Err(NotAcknowledged::Held(format!("{method}, number {number}: {why}")));
        }
        (StoreOutcome::TooOld, _) => {
            let why = "it is older than notify_max_age: a replay, or of no use any more";
            return Err(NotAcknowledged::Held(format!("{method}, number {number}: {why}")));
        }
        (StoreOutcome::Regressed, _) => {
            tracing::error!(
                account = name,
                method,
                number,
                "a notification takes back what an earlier one says is final: compare both"
            );
        }
        // Anyone who has seen a notification can deliver it any number of times.
        (StoreOutcome::Again, None) => {
            tracing::debug!(account = name, method, number, "a notification is delivered again");
            return Ok(());
        }
        (StoreOutcome::New | StoreOutcome::Changed | StoreOutcome::Unlinked | StoreOutcome::Held, _) => {
            tracing::info!(account = name, method, number, outcome = ?kept, "a notification is stored");
        }
    }
    if let Some((kind, about)) = read.job {
        let queue = Queue { account: account.name.clone(), kind };
        let known = wake(store, &queue, &about, number, method).await.map_err(|error| not_kept(&error))?;
        if known {
            store.notification_linked(&account.name, number).await.map_err(|error| not_kept(&error))?;
        }
    }
    crash_point("before_success");
    Ok(())
}

/// Records the notification in the history of each job that `name` may mean, and brings the job's next query forward. Returns true if
/// there is such a job.
async fn wake(store: &Store, queue: &Queue, name: &str, number: u64, method: &str) -> Result<bool, StoreError> {
    let mut any = false;
    for about in queue.kind.candidate_business_keys(name) {
        let Some(key) = store.link_notification(queue, &about, number, method).await? else { continue };
        any = true;
        let woken = store.wake(queue, &key).await?;
        tracing::info!(%queue, %key, number, woken, "a notification names a job");
    }
    if !any {
        tracing::warn!(%queue, number, "a notification names a job that is not stored");
    }
    Ok(any)
}

/// The content of a verified notification, as far as it can be read.
struct Judged {
    record_id: Option<String>,
    finality: Finality,
    job: Option<(Kind, String)>,
    held_reason: Option<HeldReason>,
}

fn judged(account: &NotificationAccount, notification: &Notification) -> Judged {
    let held = |why| Judged { record_id: None, finality: Finality::Unsaid, job: None, held_reason: Some(why) };
    let Some(content) = notification.content().filter(serde_json::Value::is_object) else {
        return held(HeldReason::NotAnObject); // trap 28; it is never repaired
    };
    if notification.timestamp.is_none() {
        return held(HeldReason::UnreadableTimestamp);
    }
    let configured = account.methods.iter().find(|method| method.name == notification.method);
    if configured.is_some_and(|method| method.job.is_some()) {
        let job = account.job_named(&notification.method, &content);
        let Some((_, about)) = &job else { return held(HeldReason::NamesNoJob) };
        return Judged { record_id: Some(about.clone()), finality: Finality::Unsaid, job, held_reason: None };
    }
    let read = |record_id, finality| Judged { record_id, finality, job: None, held_reason: None };
    match (notification.described(), configured) {
        (Described::Record(record_id, RecordStatus::Final), _) => read(Some(record_id), Finality::Final),
        (Described::Record(record_id, RecordStatus::Open), _) => read(Some(record_id), Finality::Open),
        (Described::NoRecordId, _) => held(HeldReason::NoRecordId),
        (Described::Nowhere, Some(_)) => read(notification.record_id(), Finality::Unsaid),
        (Described::Nowhere, None) => held(HeldReason::UnexpectedMethod),
    }
}

fn unfit(error: &NotificationError) -> NotAcknowledged {
    match error {
        NotificationError::TooLong => NotAcknowledged::TooLong(error.to_string()),
        NotificationError::Unreadable | NotificationError::Missing(_) => NotAcknowledged::Malformed(error.to_string()),
        NotificationError::NotRsa2
        | NotificationError::OtherApp
        | NotificationError::BadSign
        | NotificationError::NoKey => NotAcknowledged::Foreign(error.to_string()),
    }
}

fn not_kept(error: &StoreError) -> NotAcknowledged {
    NotAcknowledged::NotKept(error.chain())
}

/// The jobs that a stored notification names by the present configuration. No job is changed.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn named(
    app: &ServerState,
    account: &NotificationAccount,
    view: &NotificationView,
) -> Result<Named, Refusal> {
    let Some((kind, about)) = account.job_named(&view.method, &view.content) else { return Ok(Named::Nothing) };
    let queue = Queue { account: account.name.clone(), kind };
    let mut jobs = Vec::new();
    for name in kind.candidate_business_keys(&about) {
        let job = app.store.job_by_business_key(&queue, &name).await?;
        jobs.extend(job.as_ref().map(StoredAs::key).map(|key| (queue.clone(), key.to_string())));
    }
    jobs.dedup();
    Ok(if jobs.is_empty() { Named::NoJob(queue, about) } else { Named::Jobs(jobs) })
}
