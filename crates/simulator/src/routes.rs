//! Every path the simulator answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
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
    let routes = if gateway.options.division_query {
        Router::new().route(beingfi::QUERY, post(to_gateway))
    } else {
        Router::new()
    };
    routes
        .route("/", post(to_gateway))
        .route(beingfi::EXEC, post(to_gateway))
        .route(beingfi::BIND, post(to_gateway))
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

async fn to_gateway(
    State(gateway): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return rejected(&gateway, rejection),
    };
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let read = match uri.path() {
        beingfi::EXEC => beingfi::read(&gateway, Route::Exec, content_type, &body).map(Request::BeingFi),
        beingfi::QUERY => beingfi::read(&gateway, Route::Query, content_type, &body).map(Request::BeingFi),
        beingfi::BIND => beingfi::read(&gateway, Route::Bind, content_type, &body).map(Request::BeingFi),
        _ => yzt::read(&gateway, content_type, &body).map(Request::Yzt),
    };
    gateway.take(line, read).await
}

async fn followed(State(gateway): Shared) -> Response {
    gateway.books.violation(None, "a redirect was followed");
    StatusCode::NOT_FOUND.into_response()
}

/// Looking at a page that is not there moves nothing; sending something to it is a mistake.
async fn unknown(State(gateway): Shared, method: Method, uri: Uri) -> Response {
    if !method.is_safe() {
        gateway.books.violation(None, &format!("{method} {} is not a route", uri.path()));
    }
    StatusCode::NOT_FOUND.into_response()
}

/// A body that ends early is a client that died; one that is too long is a client that is wrong.
fn rejected(gateway: &Gateway, rejection: BytesRejection) -> Response {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        gateway.books.violation(None, "a body of more than 256 KiB");
    }
    rejection.into_response()
}
