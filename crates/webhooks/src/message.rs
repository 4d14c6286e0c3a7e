//! A message: the body of one event, and the id by which a receiver recognises it. Both are the same at each attempt.

use bursar_domain::{EndedBy, JobView, Millis, Queue, WebhookMessage, WebhookType};
use bursar_store::{Origin, WebhookEvent, job_webhook_id, notification_webhook_id};
use serde_json::{Value, json};

/// One event as it is posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `webhook-id`.
    pub(crate) id: String,
    /// JSON: `type`, `timestamp`, `sequence`, `data`.
    pub(crate) body: String,
}

impl Message {
    /// A job reached a terminal state or needs review.
    pub(crate) fn of_job(queue: &Queue, key: &str, event: &WebhookEvent) -> Self {
        let event_type = WebhookType::Job(event.state);
        let numbered = (u64::from(event.sequence), event.at);
        let id = job_webhook_id(queue, key, numbered, event_type);
        Self::new(numbered, id, event_type, &json!(as_it_was(queue, key, event)))
    }

    /// The gateway has notified an account.
    pub(crate) fn of_notification(origin: &Origin, (sequence, at): (u64, Millis), notification: &Value) -> Self {
        let id = notification_webhook_id(origin, notification);
        Self::new((sequence, at), id, WebhookType::NotificationReceived, notification)
    }

    fn new((sequence, at): (u64, Millis), id: String, event_type: WebhookType, data: &Value) -> Self {
        let body = json!(WebhookMessage { event_type, timestamp: at.rfc3339(), sequence, data });
        Self { id, body: body.to_string() }
    }
}

/// The job as it was when the event happened.
fn as_it_was(queue: &Queue, key: &str, event: &WebhookEvent) -> JobView {
    JobView {
        account: queue.account.to_string(),
        kind: queue.kind.to_string(),
        platform_no: key.to_owned(),
        state: event.state,
        trade_no: event.trade_no.clone(),
        gateway_status: event.gateway_status.clone(),
        attempts: event.sends,
        queries: event.queries,
        created_at: JobView::time(event.created_at),
        updated_at: JobView::time(Some(event.at)),
        due_at: None,
        reason: event.reason.clone(),
        ended_by: EndedBy::of(event.state, event.reason.as_ref(), &[]),
        details: event.details.clone(),
        environment: event.environment.clone(),
    }
}

#[cfg(test)]
mod tests {
    use bursar_domain::{ContentDetails, Fen, State};

    use super::*;

    fn event(sequence: u32, at: u64, state: State) -> WebhookEvent {
        WebhookEvent {
            sequence,
            at: Millis(at),
            state,
            created_at: None,
            sends: 1,
            queries: 2,
            trade_no: Some("T1".into()),
            gateway_status: Some("1".into()),
            reason: None,
            environment: None,
            details: ContentDetails {
                amount_fen: Fen::new(10),
                payer: Some("****9a".into()),
                ..ContentDetails::default()
            },
        }
    }

    #[test]
    fn a_receiver_reads_what_happened_when_and_to_which_job() {
        let queue = "main/transfer".parse().unwrap();
        let message = Message::of_job(&queue, "k1", &event(2, 1_700_000_000_000, State::Succeeded));
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!((&body["type"], &body["sequence"]), (&json!("job.succeeded"), &json!(2)));
        assert_eq!(body["timestamp"], "2023-11-14T22:13:20.000Z");
        assert_eq!((&body["data"]["platform_no"], &body["data"]["state"]), (&json!("k1"), &json!("succeeded")));
        let about = ["amount_fen", "payer", "payee", "ended_by"].map(|name| body["data"][name].clone());
        assert_eq!(json!(about), json!([10, "****9a", null, "gateway"]));
        let envelope =
            ["account", "kind", "attempts", "queries", "trade_no", "updated_at"].map(|name| body["data"][name].clone());
        assert_eq!(json!(envelope), json!(["main", "transfer", 1, 2, "T1", "2023-11-14T22:13:20.000Z"]));
    }

    #[test]
    fn an_event_keeps_its_name_and_no_other_has_it() {
        let queue = "main/transfer".parse().unwrap();
        let id = |number, at, state| Message::of_job(&queue, "k1", &event(number, at, state)).id;
        let first = id(1, 5, State::Succeeded);
        assert_eq!(first, id(1, 5, State::Succeeded));
        for other in [id(2, 5, State::Succeeded), id(1, 6, State::Succeeded), id(1, 5, State::NeedsReview)] {
            assert_ne!(first, other);
        }
        assert!(first.len() == 36 && !first.contains('.'), "a dot parts the signed text: {first}");
    }

    #[test]
    fn a_gateway_message_has_one_id_at_every_delivery() {
        let origin: Origin = "main/notify".parse().unwrap();
        let note =
            |record: &str, hash: &str| json!({"id": 1, "method": "m", "record_id": record, "content_sha256": hash});
        let id = |sequence, at, note: &Value| Message::of_notification(&origin, (sequence, Millis(at)), note).id;
        let first = id(1, 5, &note("r1", "aa"));
        assert_eq!(first, id(73, 9_000, &note("r1", "aa")), "stored again after Redis had lost it");
        for other in
            [note("r1", "ab"), note("r2", "aa"), json!({"method": "n", "record_id": "r1", "content_sha256": "aa"})]
        {
            assert_ne!(first, id(1, 5, &other), "{other}");
        }
        let elsewhere: Origin = "shop/notify".parse().unwrap();
        assert_ne!(first, Message::of_notification(&elsewhere, (1, Millis(5)), &note("r1", "aa")).id);
    }
}
