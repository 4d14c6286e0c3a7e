//! `GET /v1/events`: what changes, as server-sent events. Each has an id from which a client that comes back goes on.
//!
//! Events are read from the partitions' streams, a page at a time, and the next page only once the client has taken the one before: a slow
//! client costs a page, a client that takes nothing is let go. A stream has the events of several queues, of which the client is sent those
//! that its token may know.

mod place;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bursar_domain::Kind;
use bursar_store::{Event, Origin};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout};

use crate::http::auth::{Allowed, Read};
use crate::http::part::Part;
use crate::http::problem::{Kind as Refusal, Problem};
use crate::http::query::Query;
use crate::state::Shared;
use crate::state::tokens::{Bearer, STREAMS_PER_TOKEN};
use place::Place;

/// Events of each stream in one page: what one slow client can make us hold.
const PAGE: usize = 100;

/// After so long without an event the client is told that the line is alive. Proxies cut lines that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back, in milliseconds.
const COME_BACK_MS: u32 = 2_000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn part() -> Part {
    Part::new(include_str!("events/openapi.json")).route("/v1/events", get(events))
}

/// One client's way through the events.
struct Following {
    app: Shared,
    bearer: Arc<Bearer>,
    /// Whose events the client is sent, by the names that their entries have.
    origins: HashMap<String, Origin>,
    place: Place,
    /// The only kind that the client wants to know of.
    kind: Option<Kind>,
    news: watch::Receiver<()>,
    /// What is to be said before the first event.
    first: Option<String>,
    /// When anything was last said.
    said: Instant,
    _stream: OwnedSemaphorePermit,
}

async fn events(
    who: Allowed<Read>,
    State(app): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let account = query.take("account", |account| Ok(account.to_owned()));
    let kind = query.take("kind", |kind| kind.parse::<Kind>().map_err(|error| error.to_string()));
    let given = query.take("last_event_id", |id| Ok(id.to_owned()));
    query.finish()?;
    let origins = app.origins(&who.bearer, account.as_deref(), kind)?;
    // The header is the newer one: the client was sent it since it began with the address.
    let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let busy = || {
        let detail = format!("a token may follow the events {STREAMS_PER_TOKEN} times at once");
        Problem::new(Refusal::TooMany, detail).retry_after(KEEP_ALIVE)
    };
    let stream = Arc::clone(&who.bearer.streams).try_acquire_owned().map_err(|_| busy())?;
    let news = app.job_watch.of_anything();
    let partitions: BTreeSet<u16> = origins.iter().map(|origin| app.store.partition_of(origin)).collect();
    let partitions: Vec<u16> = partitions.into_iter().collect();
    let (place, first) = match header.or(given).filter(|id| !id.is_empty()) {
        None => (Place::at(app.store.newest_events(&partitions).await?), String::new()),
        Some(id) => {
            let mut place = Place::read(&id, &partitions).ok_or_else(|| {
                Problem::invalid(&[bursar_domain::FieldError {
                    field: "last_event_id".into(),
                    rule: "is no id of an event here; 0 is the beginning".into(),
                }])
            })?;
            let gone = app.store.forgotten_events(place.streams()).await?;
            // A Redis that has lost writes may be behind the place: what is new there would come before it.
            for (partition, newest) in app.store.newest_events(&gone).await? {
                place.no_later_than(partition, newest);
            }
            let missed = origins.iter().filter(|origin| gone.contains(&app.store.partition_of(*origin)));
            (place, missed.map(gap).collect())
        }
    };
    let first = Some(format!("retry: {COME_BACK_MS}\nid: {place}\n\n{first}"));
    let origins = origins.into_iter().map(|origin| (origin.to_string(), origin)).collect();
    let following =
        Following { app, bearer: who.bearer, origins, place, kind, news, first, said: Instant::now(), _stream: stream };
    let pages = futures_util::stream::unfold(following, async |mut following| {
        let page = following.page().await?;
        Some((Ok::<_, Infallible>(Bytes::from(page)), following))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")), // nginx passes it on as it comes
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}

impl Following {
    /// What the client is sent next; `None` at the end: the server is about to, or the token is known no longer.
    async fn page(&mut self) -> Option<String> {
        let page = match self.first.take() {
            Some(first) => first,
            None => self.next_page().await?,
        };
        self.said = Instant::now();
        Some(page)
    }

    async fn next_page(&mut self) -> Option<String> {
        loop {
            if self.app.drain.is_cancelled() || !self.app.tokens.still_knows(&self.bearer) {
                return None;
            }
            let silent_until = self.said + KEEP_ALIVE;
            match self.app.store.events(self.place.streams(), PAGE).await {
                Ok(events) if !events.is_empty() => match self.frames(&events) {
                    // What is behind them may be for this client.
                    frames if frames.is_empty() && Instant::now() < silent_until => continue,
                    frames if frames.is_empty() => return Some(self.still_here()),
                    frames => return Some(frames),
                },
                Ok(_) => {}
                Err(error) => tracing::debug!(error = %error.chain(), "events cannot be read; they will be"),
            }
            let silence = silent_until.saturating_duration_since(Instant::now());
            let app = Arc::clone(&self.app);
            tokio::select! {
                () = app.drain.cancelled() => return None,
                news = timeout(silence, self.news.changed()) => {
                    if news.is_err() {
                        return Some(self.still_here());
                    }
                }
            }
        }
    }

    /// No event, and the place behind those that were not for this client: with it the client comes back to what it has not passed over.
    fn still_here(&self) -> String {
        format!(": still here\nid: {}\n\n", self.place)
    }

    fn frames(&mut self, events: &[Event]) -> String {
        let mut text = String::new();
        for event in events {
            self.place.behind(event);
            let Some(origin) = self.origins.get(&event.queue).filter(|origin| is_of(event, origin, self.kind)) else {
                continue;
            };
            let (name, data) = shown(event, origin);
            // Writing to a text cannot fail.
            let _ = write!(text, "id: {}\nevent: {name}\ndata: {data}\n\n", self.place);
        }
        text
    }
}

/// Whether a client that wants this kind only wants the event: a notification is of the kind of the job that it names.
fn is_of(event: &Event, origin: &Origin, wanted: Option<Kind>) -> bool {
    let Some(wanted) = wanted else { return true };
    match origin {
        Origin::Jobs(queue) => queue.kind == wanted,
        Origin::Notifications(_) => event.field("kind") == Some(wanted.as_str()),
    }
}

/// Whose events these are.
fn whose(origin: &Origin) -> Value {
    match origin {
        Origin::Jobs(queue) => json!({"account": queue.account, "kind": queue.kind.as_str()}),
        Origin::Notifications(account) => json!({"account": account}),
    }
}

/// An event's name and data.
fn shown(event: &Event, origin: &Origin) -> (&'static str, Value) {
    let mut data = whose(origin);
    let name = match (event.field("event"), event.field("key")) {
        (None, None) => "other",
        (None, Some(key)) => {
            data["platform_no"] = key.into();
            data["state"] = json!(event.field("state"));
            "job"
        }
        (Some("notification"), _) => {
            data["notification"] = json!(event.field("number"));
            for name in ["method", "outcome", "kind"] {
                if let Some(value) = event.field(name) {
                    data[name] = value.into();
                }
            }
            "notification"
        }
        (Some(what), Some(key)) => {
            data["callback"] = what.strip_prefix("webhook_").unwrap_or(what).into();
            data["key"] = key.into();
            "callback"
        }
        (Some(what), None) => {
            data["queue"] = what.into();
            data["reason"] = json!(event.reason().map(|reason| reason.view()));
            "queue"
        }
    };
    data["at"] = event.id.at.rfc3339().into();
    (name, data)
}

/// Some events may be missing: a stream keeps about ten thousand.
fn gap(origin: &Origin) -> String {
    format!("event: gap\ndata: {}\n\n", whose(origin))
}

#[cfg(test)]
mod tests {
    use bursar_domain::Reason;
    use bursar_store::EventId;

    use super::*;

    fn event(fields: &[(&str, &str)]) -> Event {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Event { id: EventId::default(), partition: 3, queue: "main/transfer".into(), fields }
    }

    #[test]
    fn an_event_is_named_by_what_it_is_about() {
        let queue: Origin = "main/transfer".parse().unwrap();
        let shown = |fields: &[(&str, &str)]| {
            let (name, mut data) = shown(&event(fields), &queue);
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
        let (name, data) = shown(&named, &origin);
        assert_eq!((name, &data["notification"], &data["kind"]), ("notification", &json!("7"), &json!("split")));
        assert!(is_of(&named, &origin, None) && is_of(&named, &origin, Some(Kind::Split)));
        assert!(!is_of(&named, &origin, Some(Kind::Transfer)));
    }
}
