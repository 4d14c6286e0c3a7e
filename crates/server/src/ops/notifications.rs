//! Notifications: one that comes in is verified, kept, and wakes the job that it names; one that is read names jobs.

use bursar_domain::{HeldReason, Kind, Millis, NotificationView, Queue};
use bursar_gateways::{Notification, NotificationError};
use bursar_store::{Finality, Store, StoreError, StoreOutcome, StoredAs, VerifiedNotification, crash_point};
use sha2::{Digest, Sha256};

use crate::state::ServerState;
use crate::state::notified::NotifiedAccount;
use crate::state::refusal::Refusal;

/// The bank credit of seed 003: the one whose fields are known.
const TRANSFER_NOTIFY: &str = "bkfunds.acct.transfer.notify";

/// Why a notification is not acknowledged, with a sentence for the log.
#[derive(Debug)]
pub(crate) enum NotAcknowledged {
    /// It is no notification, or not one of now.
    Malformed(String),
    /// It is longer than any notification.
    TooLong(String),
    /// The platform did not write it, or not for this account.
    Foreign(String),
    /// It is kept apart, for a person; the gateway goes on telling it.
    Held(String),
    /// It is not kept, or not all that follows from it has been done.
    NotKept(String),
}

/// What a notification names.
pub(crate) enum Named {
    /// Its method is not one that names jobs.
    Nothing,
    /// These jobs.
    Jobs(Vec<(Queue, String)>),
    /// A job that nobody has submitted.
    Nobody(Queue, String),
}

/// Verifies and keeps one notification; wakes the job that it names.
///
/// # Errors
/// [`NotAcknowledged`]: the gateway is to come back.
pub(crate) async fn keep(app: &ServerState, account: &NotifiedAccount, text: &str) -> Result<(), NotAcknowledged> {
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
        held_reason: read.why_held.as_ref(),
        callback_url: account.callback_url.as_deref(),
        kind: read.job.as_ref().map(|(kind, _)| *kind),
        retention: account.retention,
        max_age: account.max_age,
    };
    let (kept, number) =
        store.receive_notification(&account.name, &verified).await.map_err(|error| not_kept(&error))?;
    let (name, method) = (account.name.as_str(), notification.method.as_str());
    match (kept, &read.why_held) {
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
            let why = "it was written longer ago than notify_max_age: the replay of one that is forgotten, or of no use any more";
            return Err(NotAcknowledged::Held(format!("{method}, number {number}: {why}")));
        }
        (StoreOutcome::Regressed, _) => {
            tracing::error!(
                account = name,
                method,
                number,
                "a notification says less than an earlier one that stands for good: look at both"
            );
        }
        // Whoever has seen one can deliver it as often as he likes.
        (StoreOutcome::Again, None) => {
            tracing::debug!(account = name, method, number, "a notification is delivered again");
            return Ok(());
        }
        (StoreOutcome::New | StoreOutcome::Changed | StoreOutcome::Unlinked | StoreOutcome::Held, _) => {
            tracing::info!(account = name, method, number, outcome = ?kept, "a notification is kept");
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

/// Writes into the log of each job that `name` may mean that it was named, and has the gateway asked about it soon, if it
/// waits for that. Whether there is such a job.
async fn wake(store: &Store, queue: &Queue, name: &str, number: u64, method: &str) -> Result<bool, StoreError> {
    let mut any = false;
    for about in queue.kind.candidate_business_keys(name) {
        let Some(key) = store.link_notification(queue, &about, number, method).await? else { continue };
        any = true;
        let woken = store.wake(queue, &key).await?;
        tracing::info!(%queue, %key, number, woken, "a notification names a job");
    }
    if !any {
        tracing::warn!(%queue, number, "a notification names a job that nobody submitted");
    }
    Ok(any)
}

/// What a verified notification says, as far as it can be read.
struct Judged {
    record_id: Option<String>,
    finality: Finality,
    job: Option<(Kind, String)>,
    why_held: Option<HeldReason>,
}

fn judged(account: &NotifiedAccount, notification: &Notification) -> Judged {
    let held = |why| Judged { record_id: None, finality: Finality::Unsaid, job: None, why_held: Some(why) };
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
        return Judged { record_id: Some(about.clone()), finality: Finality::Unsaid, job, why_held: None };
    }
    if configured.is_some() && notification.method != TRANSFER_NOTIFY {
        return Judged {
            record_id: notification.text("record_id"),
            finality: Finality::Unsaid,
            job: None,
            why_held: None,
        };
    }
    if notification.method != TRANSFER_NOTIFY {
        return held(HeldReason::UnexpectedMethod);
    }
    let Some(record_id) = notification.text("record_id") else { return held(HeldReason::NoRecordId) };
    // 0 not deducted, 6 under way, 1 deducted: one that has been deducted stays so (trap 32).
    let finality = match notification.text("deduct_status").as_deref() {
        Some("1") => Finality::Final,
        Some(_) | None => Finality::Open,
    };
    Judged { record_id: Some(record_id), finality, job: None, why_held: None }
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

/// The jobs that a keptnotification names by the configuration as it is now; nothing of this changes a job.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn named(
    app: &ServerState,
    account: &NotifiedAccount,
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
    Ok(if jobs.is_empty() { Named::Nobody(queue, about) } else { Named::Jobs(jobs) })
}
