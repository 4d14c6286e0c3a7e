//! Undelivered webhooks: listed, and delivered again for an operator.

use bursar_domain::{
    AuditAction, AuditResult, AuditTarget, Kind, MAX_ACTIONS, ResendResult, Resent, WebhookState, WebhookView,
};
use bursar_store::{Origin, ResendOutcome, WebhookFilter};
use futures_util::StreamExt;

use crate::ops::audit::{self, Acting, NotDone};
use crate::state::ServerState;
use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;

/// The meaning of a resend that Redis did not answer.
const UNKNOWN: &str = "the webhooks may be on their way; a repetition sends them once more, with the same webhook-id";

/// Jobs or notifications whose webhooks are resent at the same time.
const AT_ONCE: usize = 32;

/// Why nothing was delivered again.
enum NotResent {
    /// By the state of the webhooks.
    Outcome(Resent),
    /// Anything else.
    Refused(Refusal),
}

impl From<Refusal> for NotResent {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl NotDone for NotResent {
    fn result(&self) -> (AuditResult, String) {
        match self {
            Self::Outcome(outcome) => (AuditResult::Refused, outcome.text().to_owned()),
            Self::Refused(refusal) => audit::result_of(refusal),
        }
    }
}

/// The undelivered webhooks of the origins that this bearer may see, `limit` at most.
///
/// # Errors
/// [`Refusal::NotFound`] for an account that the bearer knows nothing of, [`Refusal::Store`].
pub(crate) async fn undelivered(
    app: &ServerState,
    bearer: &Bearer,
    (account, kind): (Option<&str>, Option<Kind>),
    filter: WebhookFilter<'_>,
    limit: usize,
) -> Result<Vec<WebhookView>, Refusal> {
    let mut found = Vec::new();
    for origin in app.origins(bearer, account, kind)? {
        if found.len() >= limit {
            break;
        }
        found.extend(app.store.undelivered(&origin, filter, limit - found.len()).await?);
    }
    Ok(found)
}

/// Has the webhooks of one job or notification delivered again. Records it in the audit trail.
///
/// # Errors
/// [`Refusal::Store`]: it may have been done.
pub(crate) async fn resend(
    app: &ServerState,
    origin: &Origin,
    key: &str,
    acting: Acting<'_>,
) -> Result<ResendResult, Refusal> {
    let act = async {
        let resent = app.store.resend_webhooks(origin, key, acting.operator()).await;
        match resent.map_err(|error| Refusal::of_store(error, UNKNOWN))? {
            ResendOutcome::Due(events) => Ok(events),
            ResendOutcome::NothingToResend => Err(NotResent::Outcome(Resent::NothingToResend)),
            ResendOutcome::UnderWay => Err(NotResent::Outcome(Resent::UnderWay)),
            ResendOutcome::TooMany => Err(NotResent::Outcome(Resent::TooMany)),
        }
    };
    let what = (AuditAction::WebhookResend, AuditTarget::entry(origin, key).of(origin.account()));
    let (outcome, events) = match audit::recorded(app, acting, what, act, |events| format!("{events} events")).await {
        Ok(events) => (Resent::Resent, events),
        Err(NotResent::Outcome(outcome)) => (outcome, 0),
        Err(NotResent::Refused(refusal)) => return Err(refusal),
    };
    Ok(ResendResult { queue: origin.to_string(), key: key.to_owned(), outcome, events })
}

/// The same for all failed webhooks of a receiver, of a thousand jobs or notifications at most.
///
/// # Errors
/// [`Refusal::Store`] if they cannot be listed; nothing was done.
pub(crate) async fn resend_failed_of(
    app: &ServerState,
    bearer: &Bearer,
    receiver: &str,
    acting: Acting<'_>,
) -> Result<Vec<ResendResult>, Refusal> {
    let filter = WebhookFilter { state: WebhookState::Failed, receiver: Some(receiver) };
    let failed = undelivered(app, bearer, (None, None), filter, MAX_ACTIONS).await?;
    let resent = futures_util::stream::iter(failed).map(|view| async move {
        let failed =
            ResendResult { queue: view.queue.clone(), key: view.key.clone(), outcome: Resent::Failed, events: 0 };
        match view.queue.parse() {
            Ok(origin) => resend(app, &origin, &view.key, acting).await.unwrap_or(failed),
            Err(_) => failed,
        }
    });
    Ok(resent.buffered(AT_ONCE).collect().await)
}
