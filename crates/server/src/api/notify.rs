//! `POST /notify/{account}`: what a gateway tells by itself. It is verified, kept, and only then acknowledged: the seven
//! bytes `success` say that nobody need tell it again. Everything else is answered `fail`, and the gateway comes back.
//!
//! A notification never changes a job's state. One that names a job brings its next question to the gateway forward.

pub(crate) mod read;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bursar_domain::{AccountName, HeldReason, Kind, Lane, Millis};
use bursar_gateways::{MAX_NOTIFICATION_BYTES, Notification, NotificationError, NotificationReader, SignRule};
use bursar_store::{Finality, Store, StoreError, StoreOutcome, VerifiedNotification, crash_point};
use sha2::{Digest, Sha256};

use crate::routes::Part;
use crate::state::{App, Shared};

/// The bank credit of seed 003: the one whose fields are known.
const TRANSFER_NOTIFY: &str = "bkfunds.acct.transfer.notify";

/// An account that its gateway may notify.
#[derive(Clone, Debug)]
pub struct NotifiedAccount {
    /// Its name.
    pub name: AccountName,
    /// Verifies that the platform wrote it.
    pub reader: Arc<NotificationReader>,
    /// The rule of its signatures, once known.
    pub sign_rule: Option<SignRule>,
    /// What is expected beside the bank credits.
    pub methods: Vec<NotifiedMethod>,
    /// Who is told.
    pub callback_url: Option<String>,
    /// How long notifications are kept.
    pub retention: Duration,
    /// The greatest age of a notification that is passed on.
    pub max_age: Duration,
}

/// A kind of notification that an operator expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifiedMethod {
    /// The method.
    pub name: String,
    /// Where in its content it names a job, by its key or by what the job is about, and of which kind.
    pub job: Option<(Kind, String)>,
}

impl NotifiedAccount {
    /// Which job a notification of this method with this content names: by its key, or by what the job is about.
    pub(crate) fn job_named(&self, method: &str, content: &serde_json::Value) -> Option<(Kind, String)> {
        let configured = self.methods.iter().find(|configured| configured.name == method)?;
        let (kind, pointer) = configured.job.as_ref()?;
        let about = content.pointer(pointer)?.as_str().filter(|about| !about.is_empty())?;
        Some((*kind, about.to_owned()))
    }
}

/// Why a notification is not acknowledged.
enum Refusal {
    /// It is no notification, or not by the platform.
    Unfit(StatusCode, String),
    /// It is kept apart, for a person; the gateway goes on telling it.
    Held(String),
    /// It is not kept, or not all that follows from it has been done.
    NotKept(String),
}

pub(crate) fn part() -> Part {
    Part::new(include_str!("notify/openapi.json"))
        .route("/notify/{account}", post(notify))
        .route("/v1/notifications", get(read::list))
        .route("/v1/notifications/{account}/{id}", get(read::one))
}

async fn notify(State(app): State<Shared>, name: Result<Path<String>, PathRejection>, request: Request) -> Response {
    let named = |name: Path<String>| app.settings.notified.iter().find(|account| account.name.as_str() == *name);
    let Some(account) = name.ok().and_then(named) else {
        return answer(StatusCode::NOT_FOUND);
    };
    let outcome = match body(request.into_body(), app.settings.patience).await {
        Ok(text) => keep(&app, account, &text).await,
        Err(refusal) => Err(refusal),
    };
    let account = account.name.as_str();
    answer(match outcome {
        Ok(()) => StatusCode::OK,
        Err(Refusal::Unfit(status, why)) => {
            tracing::warn!(account, "a notification is refused: {why}");
            status
        }
        Err(Refusal::Held(why)) => {
            tracing::error!(account, "a notification is kept apart, and a person must look at it: {why}");
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Err(Refusal::NotKept(why)) => {
            tracing::error!(account, "a notification is not acknowledged: {why}");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    })
}

fn answer(status: StatusCode) -> Response {
    let word = if status == StatusCode::OK { "success" } else { "fail" };
    (status, [(header::CONTENT_TYPE, "text/plain")], word).into_response()
}

async fn body(body: Body, patience: Duration) -> Result<String, Refusal> {
    let unfit = |status, why: &str| Refusal::Unfit(status, why.to_owned());
    let read = tokio::time::timeout(patience, to_bytes(body, MAX_NOTIFICATION_BYTES)).await;
    let bytes = read
        .map_err(|_| unfit(StatusCode::REQUEST_TIMEOUT, "its body did not come in time"))?
        .map_err(|_| unfit(StatusCode::PAYLOAD_TOO_LARGE, "its body is too long, or broke off"))?;
    String::from_utf8(bytes.into()).map_err(|_| unfit(StatusCode::BAD_REQUEST, "it is not UTF-8"))
}

/// Verifies and keeps one notification; wakes the job that it names.
async fn keep(app: &App, account: &NotifiedAccount, text: &str) -> Result<(), Refusal> {
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
            return Err(Refusal::Unfit(
                StatusCode::BAD_REQUEST,
                format!("{method}: its timestamp lies ahead of Redis's clock"),
            ));
        }
        (StoreOutcome::TooMany, _) => {
            return Err(Refusal::NotKept(format!("{method}: its record has too many versions")));
        }
        (StoreOutcome::Held | StoreOutcome::Again, Some(why)) => {
            return Err(Refusal::Held(format!("{method}, number {number}: {why}")));
        }
        (StoreOutcome::TooOld, _) => {
            let why = "it was written longer ago than notify_max_age: the replay of one that is forgotten, or of no use any more";
            return Err(Refusal::Held(format!("{method}, number {number}: {why}")));
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
        let lane = Lane { account: account.name.clone(), kind };
        let known = wake(store, &lane, &about, number, method).await.map_err(|error| not_kept(&error))?;
        if known {
            store.notification_linked(&account.name, number).await.map_err(|error| not_kept(&error))?;
        }
    }
    crash_point("before_success");
    Ok(())
}

/// Writes into the log of each job that `name` may mean that it was named, and has the gateway asked about it soon, if it
/// waits for that. Whether there is such a job.
async fn wake(store: &Store, lane: &Lane, name: &str, number: u64, method: &str) -> Result<bool, StoreError> {
    let mut any = false;
    for about in lane.kind.abouts(name) {
        let Some(key) = store.link_notification(lane, &about, number, method).await? else { continue };
        any = true;
        let woken = store.wake(lane, &key).await?;
        tracing::info!(%lane, %key, number, woken, "a notification names a job");
    }
    if !any {
        tracing::warn!(%lane, number, "a notification names a job that nobody submitted");
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

fn unfit(error: &NotificationError) -> Refusal {
    let status = match error {
        NotificationError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        NotificationError::Unreadable | NotificationError::Missing(_) => StatusCode::BAD_REQUEST,
        NotificationError::NotRsa2
        | NotificationError::OtherApp
        | NotificationError::BadSign
        | NotificationError::NoKey => StatusCode::UNAUTHORIZED,
    };
    Refusal::Unfit(status, error.to_string())
}

fn not_kept(error: &StoreError) -> Refusal {
    Refusal::NotKept(error.chain())
}
