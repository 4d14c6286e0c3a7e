//! `GET /live`: a server-sent event whenever anything has changed. The page then reloads itself, so that it always shows what the server
//! wrote.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::dashboard::page::{Answered, refuse};
use crate::dashboard::signed_in::SignedIn;
use crate::state::Shared;
use crate::state::sessions::{NoSession, Presence};
use crate::state::tokens::STREAMS_PER_TOKEN;

/// The shortest time between two events: each makes the page reload.
const PACE: Duration = Duration::from_secs(2);

/// The longest silence before a comment is sent. Proxies cut connections that are silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn events(signed_in: SignedIn, State(app): State<Shared>) -> Answered {
    let Ok(place) = Arc::clone(&signed_in.session.bearer.streams).try_acquire_owned() else {
        let why = format!("{STREAMS_PER_TOKEN}");
        return Err(refuse(&signed_in.guest, Some(&signed_in), StatusCode::TOO_MANY_REQUESTS, &why));
    };
    let news = app.job_watch.of_anything();
    let first = Bytes::from_static(b"retry: 5000\n\nevent: hello\ndata: -\n\n");
    let words = futures_util::stream::unfold((Some(first), news, app, signed_in, place), async |mut line| {
        let (first, news, app, signed_in, _) = &mut line;
        let word = match first.take() {
            Some(first) => first,
            None => next(news, app, signed_in).await?,
        };
        Some((Ok::<_, Infallible>(word), line))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (axum::http::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let response: Response = (headers, Body::from_stream(words)).into_response();
    Ok(response)
}

/// The next event; `None` at the end: the server drains, or the session is over.
async fn next(news: &mut tokio::sync::watch::Receiver<()>, app: &Shared, signed_in: &SignedIn) -> Option<Bytes> {
    tokio::select! {
        () = app.drain.cancelled() => return None,
        () = tokio::time::sleep(PACE) => {}
    }
    let changed = tokio::select! {
        () = app.drain.cancelled() => return None,
        changed = tokio::time::timeout(KEEP_ALIVE, news.changed()) => changed,
    };
    if !app.still_knows(&signed_in.session) {
        return None;
    }
    match app.sessions.check(&app.store, &signed_in.session, Presence::Page).await {
        Ok(()) => {}
        Err(NoSession::Over) => return None,
        Err(NoSession::Unknown) => return Some(Bytes::from_static(b": Redis is away\n\n")),
    }
    Some(match changed {
        Ok(_) => Bytes::from_static(b"event: change\ndata: -\n\n"),
        Err(_) => Bytes::from_static(b": still here\n\n"),
    })
}
