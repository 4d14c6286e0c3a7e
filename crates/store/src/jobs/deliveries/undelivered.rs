//! Undelivered webhooks: those that wait and those that failed, for operators, who may have them delivered again. Failed ones are kept with
//! their job or notification.

use bursar_domain::{
    HistoryEvent, JobView, Key, Millis, Queue, State, WebhookResent, WebhookState, WebhookType, WebhookView,
};
use redis::Cmd;
use serde::Deserialize;
use serde_json::Map;
use sha2::{Digest, Sha256};

use super::owners;
use super::record::StoredDelivery;
use crate::jobs::notifications::record::StoredNotification;
use crate::jobs::read::lossy;
use crate::jobs::record::StoredJob;
use crate::reply::{from_reply, score};
use crate::{Operator, Origin, Store, StoreError};

/// Keys of one origin that a list reads at most: a filter by receiver passes over those of others.
const MAX_LOOKS: usize = 10_000;

/// Keys that one round trip reads.
const STEP: usize = 200;

/// Bytes of the digest that make a message's name: no two events share them.
const ID_BYTES: usize = 16;

/// The replies of `resend_delivery` that are no number of events.
const NOTHING: i64 = -1;
const UNDER_WAY: i64 = -2;
const TOO_MANY: i64 = -3;

/// The undelivered webhooks that an operator looks for.
#[derive(Clone, Copy, Debug)]
pub struct WebhookFilter<'a> {
    /// Where they are.
    pub state: WebhookState,
    /// Only those of this receiver: a host, or a host and port.
    pub receiver: Option<&'a str>,
}

/// The result of a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendOutcome {
    /// This number of events is due now.
    Due(u64),
    /// None has failed, and none waits.
    NothingToResend,
    /// A dispatcher delivers one at this moment: nothing was done.
    UnderWay,
    /// Too many wait already: nothing was done.
    TooMany,
}

/// What all events in an outbox have.
#[derive(Deserialize)]
struct AnyEvent {
    sequence: u64,
    at: Millis,
    #[serde(default)]
    state: Option<State>,
    #[serde(default)]
    notification: Option<serde_json::Value>,
}

/// The `webhook-id` of a job's event. Not by its number alone: should Redis lose writes, the number may come again with another event.
#[must_use]
pub fn job_webhook_id(queue: &Queue, key: &str, (sequence, at): (u64, Millis), event_type: WebhookType) -> String {
    webhook_id(&format!("{queue}/{key}/{sequence}/{}/{event_type}", at.0))
}

/// The `webhook-id` of a notification. It is derived from the gateway's content and from nothing of ours: if Redis loses the record of the
/// delivery, the replay has the same id.
#[must_use]
pub fn notification_webhook_id(origin: &Origin, notification: &serde_json::Value) -> String {
    let [method, record, hash] = ["method", "record_id", "content_sha256"].map(|name| notification.get(name));
    let said = serde_json::json!([method, record, hash]);
    webhook_id(&format!("{origin}/{}/{said}", WebhookType::NotificationReceived))
}

fn webhook_id(name: &str) -> String {
    let digest = Sha256::digest(name);
    let hex: String = digest.iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{hex}")
}

impl Store {
    /// The number of jobs or notifications of this origin with webhooks in this state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn undelivered_count(&self, origin: &Origin, state: WebhookState) -> Result<u64, StoreError> {
        let set = self.queues.of(origin).set(set_of(state));
        let (counts, _) = self.many("ZCARD", vec![Cmd::zcard(set)]).await?;
        from_reply("ZCARD", counts.first())
    }

    /// About `limit` jobs or notifications of this origin at most with webhooks that the filter passes: failed ones the newest first, waiting
    /// ones by their next attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn undelivered(
        &self,
        origin: &Origin,
        filter: WebhookFilter<'_>,
        limit: usize,
    ) -> Result<Vec<WebhookView>, StoreError> {
        let set = self.queues.of(origin).set(set_of(filter.state));
        let (mut found, mut looked) = (Vec::new(), 0_usize);
        while found.len() < limit && looked < MAX_LOOKS {
            let last = isize::try_from(looked + STEP).unwrap_or(isize::MAX) - 1;
            let first = isize::try_from(looked).unwrap_or(isize::MAX);
            let range = match filter.state {
                WebhookState::Failed => Cmd::zrevrange_withscores(&set, first, last),
                WebhookState::Waiting => Cmd::zrange_withscores(&set, first, last),
            };
            let (rows, _) = self.many("ZRANGE", vec![range]).await?;
            let rows: Vec<(Vec<u8>, f64)> = from_reply("ZRANGE", rows.first())?;
            let read = rows.len();
            let rows: Vec<(String, Millis)> = rows.into_iter().map(|(key, at)| (lossy(key), score(at))).collect();
            let views = self.views_of_undelivered(origin, filter.state, &rows).await?;
            found.extend(views.into_iter().filter(|view| filter.receiver.is_none_or(|host| is_at(view, host))));
            looked += read;
            if read < STEP {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The undelivered webhooks of one job or notification.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn undelivered_of(&self, origin: &Origin, key: &str) -> Result<Vec<WebhookView>, StoreError> {
        let queue_keys = self.queues.of(origin);
        let mut found = Vec::new();
        for state in WebhookState::ALL {
            let (at, _) = self.many("ZSCORE", vec![Cmd::zscore(queue_keys.set(set_of(state)), key)]).await?;
            let at: Option<f64> = from_reply("ZSCORE", at.first())?;
            if let Some(at) = at {
                found.extend(self.views_of_undelivered(origin, state, &[(key.to_owned(), score(at))]).await?);
            }
        }
        Ok(found)
    }

    async fn views_of_undelivered(
        &self,
        origin: &Origin,
        state: WebhookState,
        rows: &[(String, Millis)],
    ) -> Result<Vec<WebhookView>, StoreError> {
        let queue_keys = self.queues.of(origin);
        let list = match state {
            WebhookState::Waiting => "outbox",
            WebhookState::Failed => "failed",
        };
        let requested = rows.iter().flat_map(|(key, _)| {
            [
                Cmd::lindex(queue_keys.of_key(list, key), 0),
                Cmd::llen(queue_keys.of_key(list, key)),
                Cmd::get(queue_keys.of_key("delivery", key)),
                Cmd::get(queue_keys.of_key(owners(origin).name(), key)),
            ]
        });
        let (replies, _) = self.many("LINDEX", requested.collect()).await?;
        let mut views = Vec::with_capacity(rows.len());
        for ((key, at), reply) in rows.iter().zip(replies.chunks_exact(4)) {
            let text = |at: usize| from_reply::<Option<Vec<u8>>>("GET", reply.get(at)).unwrap_or_default().map(lossy);
            let event = text(0).and_then(|text| serde_json::from_str(&text).ok());
            let (event_type, webhook_id, happened) = named(origin, key, event.as_ref());
            let attempts = match state {
                WebhookState::Waiting => StoredDelivery::read(text(2).as_deref()).map_or(0, |record| record.failures),
                WebhookState::Failed => 0,
            };
            let is = |wanted| state == wanted;
            views.push(WebhookView {
                queue: origin.to_string(),
                key: key.clone(),
                state,
                receiver: text(3).and_then(|owner| receiver(origin, &owner)),
                events: from_reply("LLEN", reply.get(1)).unwrap_or_default(),
                event_type,
                webhook_id,
                happened_at: JobView::time(happened),
                failed_attempts: attempts,
                due_at: JobView::time(is(WebhookState::Waiting).then_some(*at)),
                failed_at: JobView::time(is(WebhookState::Failed).then_some(*at)),
            });
        }
        Ok(views)
    }

    /// Has the failed webhooks of a job or notification delivered again, or brings the next attempt of waiting ones forward, for an operator.
    /// The order is in its history. Each keeps its `webhook-id`.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; a repetition has them delivered once more, with the same ids.
    pub async fn resend_webhooks(
        &self,
        origin: &Origin,
        key: &str,
        operator: Operator<'_>,
    ) -> Result<ResendOutcome, StoreError> {
        let queue_keys = self.queues.of(origin);
        let (record, at) = self.many("GET", vec![Cmd::get(queue_keys.of_key("delivery", key))]).await?;
        let record: Option<Vec<u8>> = from_reply("GET", record.first())?;
        let record = record.map(lossy).unwrap_or_default();
        let unwanted = StoredDelivery::read(Some(record.as_str()).filter(|text| !text.is_empty()));
        let unwanted = if unwanted.is_ok_and(|record| record.gone) { record.as_str() } else { "" };
        let mut call =
            self.scripts.resend_delivery.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
        call.push(key).push(self.queues.delivery_channel()).push(line(at, operator)).push(unwanted);
        Ok(match call.run::<i64>(self).await? {
            NOTHING => ResendOutcome::NothingToResend,
            UNDER_WAY => ResendOutcome::UnderWay,
            TOO_MANY => ResendOutcome::TooMany,
            events => ResendOutcome::Due(events.unsigned_abs()),
        })
    }
}

/// The history's line, to which the script adds the number of events.
fn line(at: Millis, operator: Operator<'_>) -> String {
    let event = WebhookResent {
        at,
        operator: operator.who.to_owned(),
        comment: operator.why.to_owned(),
        events: 0,
        more: Map::new(),
    };
    let mut line = serde_json::to_value(HistoryEvent::WebhookResent(event)).unwrap_or_default(); // texts and numbers
    if let serde_json::Value::Object(fields) = &mut line {
        fields.remove("events");
    }
    line.to_string()
}

const fn set_of(state: WebhookState) -> &'static str {
    match state {
        WebhookState::Waiting => "due_deliveries",
        WebhookState::Failed => "failed_deliveries",
    }
}

/// The type, the id and the time of an event.
fn named(origin: &Origin, key: &str, event: Option<&AnyEvent>) -> (Option<String>, Option<String>, Option<Millis>) {
    let Some(event) = event else { return (None, None, None) };
    let (event_type, id) = match (origin, event.state, &event.notification) {
        (Origin::Jobs(queue), Some(state), _) => {
            let event_type = WebhookType::Job(state);
            (event_type, job_webhook_id(queue, key, (event.sequence, event.at), event_type))
        }
        (Origin::Notifications(_), _, Some(notification)) => {
            (WebhookType::NotificationReceived, notification_webhook_id(origin, notification))
        }
        (Origin::Jobs(_) | Origin::Notifications(_), ..) => return (None, None, Some(event.at)),
    };
    (Some(event_type.to_string()), Some(id), Some(event.at))
}

/// The receiver's URL without what may be a secret: user, password, query.
fn receiver(origin: &Origin, owner: &str) -> Option<String> {
    let url = match origin {
        Origin::Jobs(_) => StoredJob::read(owner).ok()?.callback_url,
        Origin::Notifications(_) => StoredNotification::read(owner).ok()?.callback_url,
    }?;
    Some(without_secrets(&url))
}

fn without_secrets(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = bare.split_once("://") else { return bare.to_owned() };
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// True if the receiver is at this host, with or without its port.
fn is_at(view: &WebhookView, wanted: &str) -> bool {
    let Some((_, rest)) = view.receiver.as_deref().and_then(|url| url.split_once("://")) else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    host.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(wanted)
}

/// True if a key may be one of a job or the number of a notification.
#[must_use]
pub fn is_webhook_key(origin: &Origin, key: &str) -> bool {
    match origin {
        Origin::Jobs(_) => key.parse::<Key>().is_ok(),
        Origin::Notifications(_) => key.parse::<u64>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_shown_without_secrets_and_found_by_its_host() {
        let origin: Origin = "main/transfer".parse().unwrap();
        let mut view = WebhookView {
            queue: origin.to_string(),
            key: "T".into(),
            state: WebhookState::Failed,
            receiver: Some(without_secrets("https://li:pass@Shop.example:8443/cb?token=x#y")),
            events: 1,
            event_type: None,
            webhook_id: None,
            happened_at: None,
            failed_attempts: 0,
            due_at: None,
            failed_at: None,
        };
        assert_eq!(view.receiver.as_deref(), Some("https://Shop.example:8443/cb"));
        assert!(is_at(&view, "shop.example") && is_at(&view, "shop.example:8443"));
        assert!(!is_at(&view, "shop.example:443") && !is_at(&view, "example") && !is_at(&view, ""));
        view.receiver = None;
        assert!(!is_at(&view, "shop.example"));
    }
}
