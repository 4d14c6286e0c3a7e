//! The events of the stream: their names and data.

use bursar_domain::{AccountName, Kind, Millis, NotificationOutcome, Reason, ReasonView, State};
use bursar_store::{Event, Origin};
use schemars::JsonSchema;
use serde::Serialize;

/// The data of an event.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventData {
    /// The account's name.
    #[schemars(with = "AccountName")]
    account: String,
    /// The kind of the job or queue; of a notification, the kind of the job that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Kind>")]
    kind: Option<String>,
    #[serde(flatten)]
    change: Change,
    /// When it happened; not of a `gap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Millis>")]
    at: Option<String>,
}

/// A change, by the event's name.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Change {
    /// `job`: a job has a new state.
    Job {
        /// The job's key.
        platform_no: String,
        /// The job's state.
        #[schemars(with = "Option<State>")]
        state: Option<String>,
    },
    /// `queue`: a queue has changed.
    Queue {
        /// The change.
        queue: String,
        /// Why.
        #[serde(serialize_with = "Reason::serialize_view")]
        #[schemars(with = "Option<ReasonView<'static>>")]
        reason: Option<Reason>,
    },
    /// `notification`: a gateway's notification is stored.
    Notification {
        /// The notification's number within the account.
        notification: Option<String>,
        /// The gateway's method.
        #[serde(skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// The notification's place among the versions of its record.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<NotificationOutcome>")]
        outcome: Option<String>,
    },
    /// `callback`: a webhook is given up.
    Webhook {
        /// The change.
        callback: String,
        /// The job's key, or the notification's number.
        key: String,
    },
    /// `gap`: events are missing. `other`: an event that this build does not know.
    Nothing {},
}

impl Change {
    const fn name(&self) -> &'static str {
        match self {
            Self::Job { .. } => "job",
            Self::Queue { .. } => "queue",
            Self::Notification { .. } => "notification",
            Self::Webhook { .. } => "callback",
            Self::Nothing {} => "other",
        }
    }
}

/// An event's name and data.
pub(super) fn shown(event: &Event, origin: &Origin) -> (&'static str, EventData) {
    let field = |name| event.field(name).map(str::to_owned);
    let change = match (event.field("event"), field("key")) {
        (None, None) => Change::Nothing {},
        (None, Some(platform_no)) => Change::Job { platform_no, state: field("state") },
        (Some("notification"), _) => {
            Change::Notification { notification: field("number"), method: field("method"), outcome: field("outcome") }
        }
        (Some(change), Some(key)) => {
            Change::Webhook { callback: change.strip_prefix("webhook_").unwrap_or(change).to_owned(), key }
        }
        (Some(change), None) => Change::Queue { queue: change.to_owned(), reason: event.reason() },
    };
    let mut data = EventData::of(origin, change);
    data.at = Some(event.id.at.rfc3339());
    data.kind = data.kind.or_else(|| field("kind"));
    (data.change.name(), data)
}

impl EventData {
    pub(super) fn of(origin: &Origin, change: Change) -> Self {
        let (account, kind) = match origin {
            Origin::Jobs(queue) => (&queue.account, Some(queue.kind.to_string())),
            Origin::Notifications(account) => (account, None),
        };
        Self { account: account.to_string(), kind, change, at: None }
    }

    /// One line of JSON.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts: writing them cannot fail
    }
}

/// True if the client wants events of this kind. A notification has the kind of the job that it names.
pub(super) fn is_of(event: &Event, origin: &Origin, wanted: Option<Kind>) -> bool {
    let Some(wanted) = wanted else { return true };
    match origin {
        Origin::Jobs(queue) => queue.kind == wanted,
        Origin::Notifications(_) => event.field("kind") == Some(wanted.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use bursar_store::EventId;
    use schemars::generate::SchemaSettings;
    use serde_json::{Value, json};

    use super::*;

    fn event(fields: &[(&str, &str)]) -> Event {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Event { id: EventId::default(), partition: 3, queue: "main/transfer".into(), fields }
    }

    /// An event's name and data, judged by the schema that the description has.
    fn described(event: &Event, origin: &Origin) -> (&'static str, Value) {
        let (name, data) = shown(event, origin);
        let data = json!(data);
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let schema = generator.into_root_schema_for::<EventData>().to_value();
        jsonschema::validate(&schema, &data).unwrap();
        (name, data)
    }

    #[test]
    fn an_event_is_named_by_what_it_is_about() {
        let queue: Origin = "main/transfer".parse().unwrap();
        let shown = |fields: &[(&str, &str)]| {
            let (name, mut data) = described(&event(fields), &queue);
            for known in ["account", "kind", "at"] {
                assert!(data.as_object_mut().unwrap().remove(known).is_some(), "{known}");
            }
            (name, data)
        };
        let job = shown(&[("key", "A"), ("state", "succeeded")]);
        assert_eq!(job, ("job", json!({"platform_no": "A", "state": "succeeded"})));
        let paused = shown(&[("event", "paused"), ("reason", &Reason::LostWrites.recorded())]);
        assert_eq!(paused, ("queue", json!({"queue": "paused", "reason": Reason::LostWrites.view()})));
        assert_eq!(shown(&[("event", "lost_writes")]), ("queue", json!({"queue": "lost_writes", "reason": null})));
        let given_up = shown(&[("event", "webhook_given_up"), ("key", "A")]);
        assert_eq!(given_up, ("callback", json!({"callback": "given_up", "key": "A"})));
    }

    #[test]
    fn a_notification_is_of_the_kind_of_the_job_that_it_names() {
        let origin: Origin = "main/notify".parse().unwrap();
        let named = event(&[
            ("event", "notification"),
            ("number", "7"),
            ("method", "m"),
            ("outcome", "new"),
            ("kind", "split"),
        ]);
        let (name, data) = described(&named, &origin);
        assert_eq!((name, &data["notification"], &data["kind"]), ("notification", &json!("7"), &json!("split")));
        assert!(is_of(&named, &origin, None) && is_of(&named, &origin, Some(Kind::Split)));
        assert!(!is_of(&named, &origin, Some(Kind::Transfer)));
    }
}
