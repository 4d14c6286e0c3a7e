//! `GET /v1/events`: what changes, as server-sent events. Each has an id from which a client that comes back goes on.
//!
//! Events are read from their streams, one of each lane and one of each account's notifications, a page at a time, and the next page only once the client has taken the one
//! before: a slow client costs a page, a client that takes nothing is let go.

mod place;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bursar_domain::{Kind, Reason};
use bursar_store::{Event, Origin};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::app::Shared;
use crate::auth::{Allowed, Read};
use crate::problem::{Kind as Refusal, Problem};
use crate::query::Query;
use crate::routes::Part;
use crate::tokens::Bearer;
use place::Place;

/// Events of each stream in one page: what one slow client can make us hold.
const PAGE: usize = 100;

/// After so long without an event the client is told that the line is alive. Proxies cut lines that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back, in milliseconds.
const COME_BACK_MS: u32 = 2_000;

/// Streams of one token at a time.
pub(crate) const STREAMS_PER_TOKEN: usize = 16;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn part() -> Part {
    Part::new(include_str!("events/openapi.json")).route("/v1/events", get(events))
}

/// One client's way through the events.
struct Following {
    app: Shared,
    bearer: Arc<Bearer>,
    place: Place,
    /// The only kind that the client wants to know of.
    kind: Option<Kind>,
    news: watch::Receiver<()>,
    /// What is to be said before the first event.
    first: Option<String>,
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
    let news = app.feed.of_anything();
    let (place, first) = match header.or(given).filter(|id| !id.is_empty()) {
        None => (Place::at(app.store.newest_events(&origins).await?), String::new()),
        Some(id) => {
            let place = Place::read(&id, &origins).ok_or_else(|| {
                Problem::invalid(&[bursar_domain::FieldError {
                    field: "last_event_id".into(),
                    rule: "is no id of an event here; 0 is the beginning".into(),
                }])
            })?;
            let gone = app.store.forgotten_events(place.streams()).await?;
            let told = gone.iter().map(gap).collect();
            (place, told)
        }
    };
    let first = Some(format!("retry: {COME_BACK_MS}\nid: {place}\n\n{first}"));
    let following = Following { app, bearer: who.bearer, place, kind, news, first, _stream: stream };
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
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if self.app.drain.is_cancelled() || !self.app.tokens.still_knows(&self.bearer) {
                return None;
            }
            match self.app.store.events(self.place.streams(), PAGE).await {
                Ok(events) if !events.is_empty() => match self.told(&events) {
                    told if told.is_empty() => continue, // what is behind them may be for this client
                    told => return Some(told),
                },
                Ok(_) => {}
                Err(error) => tracing::debug!(error = %error.chain(), "events cannot be read; they will be"),
            }
            let app = Arc::clone(&self.app);
            tokio::select! {
                () = app.drain.cancelled() => return None,
                news = tokio::time::timeout(KEEP_ALIVE, self.news.changed()) => {
                    if news.is_err() {
                        return Some(": still here\n\n".to_owned());
                    }
                }
            }
        }
    }

    fn told(&mut self, events: &[Event]) -> String {
        let mut text = String::new();
        for event in events {
            self.place.behind(event);
            if !is_of(event, self.kind) {
                continue;
            }
            let (name, data) = shown(event);
            // Writing to a text cannot fail.
            let _ = write!(text, "id: {}\nevent: {name}\ndata: {data}\n\n", self.place);
        }
        text
    }
}

/// Whether a client that wants this kind only wants the event: a notification is of the kind of the job that it names.
fn is_of(event: &Event, wanted: Option<Kind>) -> bool {
    let Some(wanted) = wanted else { return true };
    match &event.origin {
        Origin::Jobs(lane) => lane.kind == wanted,
        Origin::Notifications(_) => event.fields.iter().any(|(name, kind)| name == "kind" && kind == wanted.as_str()),
    }
}

/// Whose events these are.
fn whose(origin: &Origin) -> Value {
    match origin {
        Origin::Jobs(lane) => json!({"account": lane.account, "kind": lane.kind.as_str()}),
        Origin::Notifications(account) => json!({"account": account}),
    }
}

/// An event's name and data. What it is about names it: `job` and `lane`; whatever else is named by its own first field.
fn shown(event: &Event) -> (&str, Value) {
    let fields: BTreeMap<&str, &str> =
        event.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut data = whose(&event.origin);
    let name = match event.fields.first().map(|(name, _)| name.as_str()) {
        Some("key") => {
            data["platform_no"] = json!(fields.get("key"));
            data["state"] = json!(fields.get("state"));
            "job"
        }
        Some("lane") => {
            data["lane"] = json!(fields.get("lane"));
            data["reason"] = json!(fields.get("reason").map(|reason| Reason::read(reason).view()));
            "lane"
        }
        other => {
            for (name, value) in fields {
                data[name] = value.into();
            }
            other.unwrap_or("other")
        }
    };
    data["at"] = event.id.at.rfc3339().into();
    (name, data)
}

/// Some events may be missing: a stream keeps about ten thousand.
fn gap(origin: &Origin) -> String {
    format!("event: gap\ndata: {}\n\n", whose(origin))
}
