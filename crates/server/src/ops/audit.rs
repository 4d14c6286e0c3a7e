//! The audit trail: an action with its intention and its result, the events of sessions and files, and the trail as a bearer may read it.

use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use bursar_domain::{Actor, AuditAction, AuditEvent, AuditFilter, AuditResult, AuditTarget};
use bursar_store::{AuditCursor, AuditPage, Operator};
use bursar_telemetry::log_audit;
use tokio::time::Instant;

use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;
use crate::state::{ServerState, Shared};

/// The meaning of an intention that Redis did not take.
const NOT_DONE: &str = "nothing was done, because the audit trail cannot be written; repeat the request";

/// Between looks for attempts whose minute has ended.
const LOOK: Duration = Duration::from_secs(5);

/// An operator, and the reason for an action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acting<'a> {
    pub(crate) actor: &'a Actor,
    /// The digest of the token or the person, by which two operators are distinguished.
    pub(crate) identity: &'a str,
    pub(crate) reason: &'a str,
}

/// The same, for actions that outlive their request.
pub(crate) struct KeptActing {
    actor: Actor,
    identity: String,
    reason: String,
}

impl KeptActing {
    pub(crate) fn acting(&self) -> Acting<'_> {
        Acting { actor: &self.actor, identity: &self.identity, reason: &self.reason }
    }
}

impl Acting<'_> {
    pub(crate) fn kept(&self) -> KeptActing {
        KeptActing { actor: self.actor.clone(), identity: self.identity.to_owned(), reason: self.reason.to_owned() }
    }

    /// The same as the store records it in the history of a job.
    pub(crate) fn operator(&self) -> Operator<'_> {
        let who = self.actor.name.as_deref().unwrap_or_default();
        Operator { who, why: self.reason, identity: Some(self.identity) }
    }
}

/// An error whose part in the audit trail is known.
pub(crate) trait NotDone: From<Refusal> {
    /// The result and its explanation.
    fn result(&self) -> (AuditResult, String);
}

/// The same for a refusal: if Redis did not answer, the action may have been done.
pub(crate) fn result_of(refusal: &Refusal) -> (AuditResult, String) {
    match refusal {
        Refusal::NotFound(detail) | Refusal::UnreadableRecord(detail) => (AuditResult::Refused, detail.clone()),
        Refusal::Late(detail) => (AuditResult::Failed, detail.clone()),
        Refusal::Store { error, meaning } => (AuditResult::Failed, format!("{error}; {meaning}")),
    }
}

/// Writes what the operator intends, does it, and writes the result. `did` says what was done.
///
/// # Errors
/// Those of `act`; [`Refusal::Store`] if the intention cannot be written, and nothing is done then.
pub(crate) async fn recorded<T, E: NotDone>(
    app: &ServerState,
    acting: Acting<'_>,
    (action, target): (AuditAction, AuditTarget),
    act: impl Future<Output = Result<T, E>>,
    did: impl FnOnce(&T) -> String,
) -> Result<T, E> {
    let event = acting.actor.intends(action, target, Some(acting.reason));
    let intention = app.store.audit_intention(event.clone()).await;
    let intention = intention.map_err(|error| Refusal::of_store(error, NOT_DONE))?;
    let outcome = act.await;
    let (result, detail) = match &outcome {
        Ok(done) => (AuditResult::Done, did(done)),
        Err(error) => error.result(),
    };
    match app.store.audit_result(intention, result, Some(detail.clone())).await {
        Ok(event) => log_audit(&event),
        // The action is done or refused already; the trail has the intention.
        Err(error) => {
            tracing::error!(error = %error.chain(), "the audit trail lacks the result of an action");
            log_audit(&event.ended(result, Some(detail)));
        }
    }
    outcome
}

/// Writes an event that refuses nothing: a sign-in, a sign-out, a file that was read again. No request waits for it.
pub(crate) fn note(app: &Shared, event: AuditEvent) {
    let app = Shared::clone(app);
    tokio::spawn(async move {
        match app.store.audit(event.clone()).await {
            Ok(event) => log_audit(&event),
            Err(error) => {
                tracing::error!(error = %error.chain(), "the audit trail cannot be written");
                log_audit(&event);
            }
        }
    });
}

/// The tokens file was read again, with this number of tokens or this problem.
pub(crate) fn reloaded(app: &Shared, file: &Path, read: Result<usize, String>) {
    let event = Actor::process().intends(AuditAction::Reload, AuditTarget::file(&file.display()), None);
    let (result, detail) = match read {
        Ok(tokens) => (AuditResult::Done, format!("{tokens} tokens")),
        Err(problem) => (AuditResult::Failed, problem),
    };
    note(app, event.ended(result, Some(detail)));
}

/// Writes refused attempts when their minute ends, until the server drains, and then the rest.
pub(crate) async fn write_attempts(app: &ServerState) {
    while app.drain.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let ended = app.attempts.lock().unwrap_or_else(PoisonError::into_inner).take_ended(Instant::now());
        write(app, ended).await;
    }
    let rest = app.attempts.lock().unwrap_or_else(PoisonError::into_inner).take_all();
    write(app, rest).await;
}

async fn write(app: &ServerState, mut events: Vec<AuditEvent>) {
    while let Some(event) = events.pop() {
        if let Err(error) = app.store.audit_attempts(&event).await {
            tracing::warn!(error = %error.chain(), "refused attempts wait for the audit trail");
            events.push(event);
            app.attempts.lock().unwrap_or_else(PoisonError::into_inner).release(events);
            return;
        }
        if event.count > 1 {
            log_audit(&event);
        }
    }
}

/// A page of the trail as this bearer may read it: a token for single accounts sees the events of those alone.
///
/// # Errors
/// [`Refusal::Store`].
pub(crate) async fn page(
    app: &ServerState,
    bearer: &Bearer,
    filter: &AuditFilter,
    before: Option<AuditCursor>,
    limit: usize,
) -> Result<AuditPage, Refusal> {
    let mut page = app.store.audit_page(filter, before, limit).await?;
    page.events.retain(|event| bearer.accounts.have_named(event.target.account.as_deref()));
    Ok(page)
}
