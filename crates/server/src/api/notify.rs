//! `POST /notify/{account}`: what a gateway tells by itself. It is verified, kept, and only then acknowledged: the seven
//! bytes `success` say that nobody need tell it again. Everything else is answered `fail`, and the gateway comes back.
//!
//! A notification never changes a job's state. One that names a job brings its next question to the gateway forward.

pub(crate) mod read;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bursar_gateways::MAX_NOTIFICATION_BYTES;

use crate::http::part::Part;
use crate::ops::notifications::{NotAcknowledged, keep};
use crate::state::Shared;

pub(crate) fn part() -> Part {
    Part::new(include_str!("notify/openapi.json"))
        .route("/notify/{account}", post(notify))
        .route("/v1/notifications", get(read::list))
        .route("/v1/notifications/{account}/{id}", get(read::one))
}

async fn notify(State(app): State<Shared>, name: Result<Path<String>, PathRejection>, request: Request) -> Response {
    let named = |name: Path<String>| app.settings.notified.iter().find(|account| account.name.as_str() == *name);
    let Some(account) = name.ok().and_then(named) else {
        return answer(StatusCode::NOT_FOUND);
    };
    let text = match body(request.into_body(), app.settings.patience).await {
        Ok(text) => text,
        Err((status, why)) => {
            tracing::warn!(account = account.name.as_str(), "a notification is refused: {why}");
            return answer(status);
        }
    };
    answer(match keep(&app, account, &text).await {
        Ok(()) => StatusCode::OK,
        Err(refused) => status_of(account.name.as_str(), &refused),
    })
}

/// The status of a refusal, which is logged: the gateway reads nothing but the status.
fn status_of(account: &str, refused: &NotAcknowledged) -> StatusCode {
    let (status, why) = match refused {
        NotAcknowledged::Malformed(why) => (StatusCode::BAD_REQUEST, why),
        NotAcknowledged::TooLong(why) => (StatusCode::PAYLOAD_TOO_LARGE, why),
        NotAcknowledged::Foreign(why) => (StatusCode::UNAUTHORIZED, why),
        NotAcknowledged::Held(why) => {
            tracing::error!(account, "a notification is kept apart, and a person must look at it: {why}");
            return StatusCode::UNPROCESSABLE_ENTITY;
        }
        NotAcknowledged::NotKept(why) => {
            tracing::error!(account, "a notification is not acknowledged: {why}");
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
    };
    tracing::warn!(account, "a notification is refused: {why}");
    status
}

fn answer(status: StatusCode) -> Response {
    let word = if status == StatusCode::OK { "success" } else { "fail" };
    (status, [(header::CONTENT_TYPE, "text/plain")], word).into_response()
}

async fn body(body: Body, patience: Duration) -> Result<String, (StatusCode, &'static str)> {
    let read = tokio::time::timeout(patience, to_bytes(body, MAX_NOTIFICATION_BYTES)).await;
    let bytes = read
        .map_err(|_| (StatusCode::REQUEST_TIMEOUT, "its body did not come in time"))?
        .map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "its body is too long, or broke off"))?;
    String::from_utf8(bytes.into()).map_err(|_| (StatusCode::BAD_REQUEST, "it is not UTF-8"))
}
