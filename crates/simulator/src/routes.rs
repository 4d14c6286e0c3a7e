//! Every path the simulator answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post, put};

use crate::beingfi::{self, Route};
use crate::control;
use crate::gateway::{Gateway, Request};
use crate::wire::{ELSEWHERE, Line};
use crate::yzt;

/// Spring's `max-in-memory-size`, which the platform leaves as it is; a larger body is answered 413.
const MAX_BODY_BYTES: usize = 256 * 1024;

type Shared = State<Arc<Gateway>>;

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/", post(to_yzt))
        .route(beingfi::EXEC, post(to_exec))
        .route(beingfi::BIND, post(to_bind))
        .route(ELSEWHERE, any(followed))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .route("/_ledger", get(control::ledger))
        .route("/_stats", get(control::stats))
        .route("/_faults", put(control::set_faults).get(control::faults))
        .route("/_lives", put(control::set_lives))
        .route("/_latency", put(control::set_latency))
        .method_not_allowed_fallback(unknown)
        .fallback(unknown)
        .with_state(gateway)
}

async fn to_yzt(
    State(gateway): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = yzt::read(&gateway, content_type(&headers), &body).map(Request::Yzt);
    gateway.take(line, read).await
}

async fn to_exec(
    State(gateway): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = beingfi::read(&gateway, Route::Exec, content_type(&headers), &body).map(Request::BeingFi);
    gateway.take(line, read).await
}

async fn to_bind(
    State(gateway): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let read = beingfi::read(&gateway, Route::Bind, content_type(&headers), &body).map(Request::BeingFi);
    gateway.take(line, read).await
}

async fn followed(State(gateway): Shared) -> Response {
    gateway.books.violation(None, "a redirect was followed");
    StatusCode::NOT_FOUND.into_response()
}

async fn unknown(State(gateway): Shared, method: Method, uri: Uri) -> Response {
    gateway.books.violation(None, &format!("{method} {} is not a route", uri.path()));
    StatusCode::NOT_FOUND.into_response()
}

fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
