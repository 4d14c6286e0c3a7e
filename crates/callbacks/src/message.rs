//! What is told: the body of one event, and the name by which a receiver knows it again. Both are the same at each attempt.

use bursar_domain::{JobView, Millis};
use bursar_store::{Callback, Origin};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Bytes of the digest that make a message's name: no two events share them.
const ID_BYTES: usize = 16;

/// One event as it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `webhook-id`.
    pub(crate) id: String,
    /// JSON: `type`, `timestamp`, `sequence`, `data`.
    pub(crate) body: String,
}

impl Message {
    /// A job came to an end or before a person.
    pub(crate) fn of_job(origin: &Origin, callback: &Callback, job: &JobView) -> Self {
        let (kind, Callback { key, number, at: Millis(at), .. }) = (format!("job.{}", job.state), callback);
        // Not by its number alone: should Redis lose writes, the number may come again with another event.
        let name = format!("{origin}/{key}/{number}/{at}/{kind}");
        Self::new(callback, &name, &kind, &json!(job))
    }

    /// The gateway has notified an account. What it said names the message, and nothing of ours: should Redis forget that it was
    /// posted, a replay has the name that the receiver knows.
    pub(crate) fn of_notification(origin: &Origin, callback: &Callback, notification: &Value) -> Self {
        const KIND: &str = "notification.received";
        // One that an earlier build kept says no hash; its content, whose fields have an order, names it.
        let content = notification.get("content_sha256").or_else(|| notification.get("content"));
        let said = json!([notification.get("method"), notification.get("record_id"), content]);
        Self::new(callback, &format!("{origin}/{KIND}/{said}"), KIND, notification)
    }

    fn new(callback: &Callback, name: &str, kind: &str, data: &Value) -> Self {
        let digest = Sha256::digest(name);
        let body = json!({"type": kind, "timestamp": callback.at.rfc3339(), "sequence": callback.number, "data": data});
        Self { id: format!("msg_{}", hex::encode(&digest[..ID_BYTES])), body: body.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use bursar_domain::State;
    use bursar_store::Happened;

    use super::*;

    fn callback(number: u64, at: u64) -> Callback {
        Callback {
            key: "k1".into(),
            fence: 1,
            url: String::new(),
            failures: 0,
            first_tried: Millis(0),
            number,
            at: Millis(at),
            what: Happened::Notified(Value::Null),
            trace: None,
        }
    }

    fn job(state: State) -> JobView {
        JobView {
            account: "main".into(),
            kind: "transfer".into(),
            platform_no: "k1".into(),
            state,
            trade_no: Some("T1".into()),
            gateway_status: Some("1".into()),
            attempts: 1,
            asks: 2,
            created_at: None,
            updated_at: None,
            due_at: None,
            reason: None,
        }
    }

    #[test]
    fn a_receiver_reads_what_happened_when_and_to_which_job() {
        let origin = Origin::Jobs("main/transfer".parse().unwrap());
        let message = Message::of_job(&origin, &callback(2, 1_700_000_000_000), &job(State::Succeeded));
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!((&body["type"], &body["sequence"]), (&json!("job.succeeded"), &json!(2)));
        assert_eq!(body["timestamp"], "2023-11-14T22:13:20.000Z");
        assert_eq!((&body["data"]["platform_no"], &body["data"]["state"]), (&json!("k1"), &json!("succeeded")));
    }

    #[test]
    fn an_event_keeps_its_name_and_no_other_has_it() {
        let origin = Origin::Jobs("main/transfer".parse().unwrap());
        let id = |number, at, state| Message::of_job(&origin, &callback(number, at), &job(state)).id;
        let first = id(1, 5, State::Succeeded);
        assert_eq!(first, id(1, 5, State::Succeeded));
        for other in [id(2, 5, State::Succeeded), id(1, 6, State::Succeeded), id(1, 5, State::NeedsReview)] {
            assert_ne!(first, other);
        }
        assert!(first.len() == 36 && !first.contains('.'), "a dot parts the signed text: {first}");
    }

    #[test]
    fn what_a_gateway_said_has_one_name_whenever_it_is_told_and_under_whichever_number() {
        let origin: Origin = "main/notify".parse().unwrap();
        let note =
            |record: &str, hash: &str| json!({"id": 1, "method": "m", "record_id": record, "content_sha256": hash});
        let id = |key: &str, at, note: &Value| {
            let callback = Callback { key: key.into(), ..callback(1, at) };
            Message::of_notification(&origin, &callback, note).id
        };
        let first = id("1", 5, &note("r1", "aa"));
        assert_eq!(first, id("73", 9_000, &note("r1", "aa")), "kept anew after Redis had forgotten it");
        for other in
            [note("r1", "ab"), note("r2", "aa"), json!({"method": "n", "record_id": "r1", "content_sha256": "aa"})]
        {
            assert_ne!(first, id("1", 5, &other), "{other}");
        }
        let elsewhere: Origin = "shop/notify".parse().unwrap();
        assert_ne!(first, Message::of_notification(&elsewhere, &callback(1, 5), &note("r1", "aa")).id);
    }
}
