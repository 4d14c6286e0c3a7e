//! `GET /v1/events`: changes as server-sent events. A client that connects again continues behind the id of the last event that it read.
//!
//! Events are read from the partitions' streams a page at a time, and the next page once the client has taken the page before: a slow
//! client costs a page, and a client that takes nothing is disconnected. A stream has the events of several queues; the client is sent
//! those that its token may see.

mod change;
mod place;

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State as AppState;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bursar_domain::{AccountName, Kind};
use bursar_store::{Event, Origin};
use schemars::{JsonSchema, SchemaGenerator};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout};

use crate::http::auth::{Allowed, Read};
use crate::http::operation::{Content, get};
use crate::http::part::Part;
use crate::http::problem::{Kind as Refusal, Problem};
use crate::http::query::Query;
use crate::state::tokens::{Bearer, STREAMS_PER_TOKEN};
use crate::state::{Shared, clock};
use change::{Change, EventData, is_of, shown};
use place::Place;

/// Events of each stream in one page: the memory that one slow client costs.
const PAGE: usize = 100;

/// The longest silence before a comment is sent. Proxies cut connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The time before a client connects again, in milliseconds.
const COME_BACK_MS: u32 = 2_000;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn part() -> Part {
    let description = format!(
        "Each event has a name and an id. `job`: a job's new state. `queue`: `paused`, `resumed`, `gateway` or `lost_writes`. `notification`: one \
         that is stored. `callback`: a webhook that is given up. `gap`: events that the client missed are no longer kept; about ten thousand \
         entries of each partition are, which several queues and accounts share. Without an id the stream begins now; with the id of the last \
         event that the client read, behind it; with 0, at the oldest event that is kept. A comment comes every {} s without an event. A token \
         may have {STREAMS_PER_TOKEN} streams at once.",
        KEEP_ALIVE.as_secs()
    );
    Part::described("events", "Changes, as they happen.").route(
        "/v1/events",
        [get("events", events)
            .summary("Changes as server-sent events")
            .description(description)
            .allowed::<Read>()
            .query::<Parameters>()
            .header::<String>(
                "Last-Event-ID",
                "The id of the last event that the client read. It counts more than `last_event_id`.",
            )
            .answer(200, "A stream without an end.", Content::Events(SchemaGenerator::subschema_for::<EventData>))
            .refuses(&[Refusal::NotFound])
            .stored()],
    )
}

/// The parameters of the query.
#[derive(JsonSchema)]
struct Parameters {
    /// Only events of this account.
    #[schemars(with = "Option<AccountName>")]
    account: Option<String>,
    /// Only events of this kind.
    kind: Option<Kind>,
    /// The id of the last event that the client read, for a client that cannot send the header.
    last_event_id: Option<String>,
}

impl Parameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let (account, kind) = (query.parse("account"), query.parse("kind"));
        let last_event_id = query.parse("last_event_id");
        query.finish()?;
        Ok(Self { account, kind, last_event_id })
    }
}

/// One client with its place in the streams.
struct Following {
    app: Shared,
    bearer: Arc<Bearer>,
    /// The queues and accounts of the client, by the names that events have.
    origins: HashMap<String, Origin>,
    place: Place,
    /// The only kind that the client wants.
    kind: Option<Kind>,
    news: watch::Receiver<()>,
    /// The text before the first event.
    first: Option<String>,
    /// When the client was last sent anything.
    said: Instant,
    _stream: OwnedSemaphorePermit,
}

async fn events(
    who: Allowed<Read>,
    AppState(app): AppState<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let Parameters { account, kind, last_event_id } = Parameters::read(&uri)?;
    let origins = app.origins(&who.bearer, account.as_deref(), kind)?;
    // The header is newer: the client has it from an event, and had the parameter when it connected first.
    let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let busy = || {
        let detail = format!("a token may follow the events {STREAMS_PER_TOKEN} times at once");
        Problem::new(Refusal::TooMany, detail).retry_after(KEEP_ALIVE)
    };
    let stream = Arc::clone(&who.bearer.streams).try_acquire_owned().map_err(|_| busy())?;
    let news = app.job_watch.of_anything();
    let partitions: BTreeSet<u16> = origins.iter().map(|origin| app.store.partition_of(origin)).collect();
    let partitions: Vec<u16> = partitions.into_iter().collect();
    let (place, first) = match header.or(last_event_id).filter(|id| !id.is_empty()) {
        None => (Place::at(app.store.newest_events(&partitions).await?), String::new()),
        Some(id) => {
            let mut place = Place::read(&id, &partitions).ok_or_else(|| {
                Problem::invalid(&[bursar_domain::FieldError {
                    field: "last_event_id".into(),
                    rule: "is no id of an event here; 0 is the beginning".into(),
                }])
            })?;
            let gone = app.store.forgotten_events(place.streams()).await?;
            // A Redis that has lost writes may be behind the place: new events there would have ids before it.
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
    /// The text that the client is sent next; `None` at the end: the server drains, or the token is no longer known.
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
            if self.app.drain.is_cancelled() || !self.app.tokens.still_knows(&self.bearer, clock::now()) {
                return None;
            }
            let silent_until = self.said + KEEP_ALIVE;
            match self.app.store.events(self.place.streams(), PAGE).await {
                Ok(events) if !events.is_empty() => match self.frames(&events) {
                    // The events behind them may be for this client.
                    frames if frames.is_empty() && Instant::now() < silent_until => continue,
                    frames if frames.is_empty() => return Some(self.still_here()),
                    frames => return Some(frames),
                },
                Ok(_) => {}
                Err(error) => tracing::debug!(error = %error.chain(), "events cannot be read; the read is repeated"),
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

    /// A comment, with the place behind the events that are not for this client: it continues there.
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
            let _ = write!(text, "id: {}\nevent: {name}\ndata: {}\n\n", self.place, data.text());
        }
        text
    }
}

/// Events may be missing: a stream keeps about ten thousand.
fn gap(origin: &Origin) -> String {
    format!("event: gap\ndata: {}\n\n", EventData::of(origin, Change::Nothing {}).text())
}
