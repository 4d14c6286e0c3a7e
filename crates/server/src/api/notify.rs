//! `POST /notify/{account}`: a gateway's notification. It is verified, stored, and only then acknowledged by the seven bytes `success`.
//! Everything else is answered by `fail`, and the gateway delivers it again.
//!
//! A notification never changes a job's state. It brings the next query about the job that it names forward.

pub(crate) mod read;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bursar_gateways::MAX_NOTIFICATION_BYTES;
use serde_json::{Map, Value, json};

use crate::http::operation::{Content, Operation, post};
use crate::http::part::Part;
use crate::ops::notifications::{NotAcknowledged, keep};
use crate::state::Shared;

/// The seven bytes after which a gateway does not deliver a notification again.
const ACKNOWLEDGED: &str = "success";

/// The tag of the route by which they arrive.
pub(crate) const RECEIVED: &str = "notify";

/// Any other word has the gateway deliver it again.
const REFUSED: &str = "fail";

/// The only route for strangers: `server.public_listen` has it alone.
pub(crate) fn received_part() -> Part {
    Part::described(RECEIVED, "Gateways' notifications, received.").route("/notify/{account}", [operation()])
}

pub(crate) fn stored_part() -> Part {
    Part::described("notifications", "Gateways' notifications, as they are stored.")
        .route("/v1/notifications", [read::list_operation()])
        .route("/v1/notifications/{account}/{id}", [read::one_operation()])
}

fn operation() -> Operation {
    let answers = [
        (200, ACKNOWLEDGED, "The notification is stored."),
        (400, REFUSED, "It is no notification, or its timestamp lies ahead."),
        (401, REFUSED, "The platform has not signed it."),
        (404, REFUSED, "No account of that name receives notifications."),
        (408, REFUSED, "Its body did not arrive in time."),
        (413, REFUSED, "It is too long."),
        (422, REFUSED, "It is signed and cannot be read. It is kept for a person."),
        (500, REFUSED, "It is not stored."),
    ];
    let operation = post("notify", notify)
        .summary("A gateway notifies an account")
        .description(
            "Signed by the platform, without a token. It is stored before it is acknowledged, once however often it is delivered. The gateway \
             delivers it again after every answer but 200.",
        )
        .body::<Map<String, Value>>(format!("At most {} KiB.", MAX_NOTIFICATION_BYTES / 1024));
    answers.into_iter().fold(operation, |operation, (status, word, description)| {
        operation.answer(status, description, Content::Text("text/plain", json!({"type": "string", "const": word})))
    })
}

async fn notify(State(app): State<Shared>, name: Result<Path<String>, PathRejection>, request: Request) -> Response {
    let accounts = app.accounts.get();
    let Some(account) = name.ok().and_then(|name| accounts.notification_account(&name)) else {
        return answer(StatusCode::NOT_FOUND);
    };
    let text = match body(request.into_body(), app.settings.client_timeout).await {
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
            tracing::error!(account, "a notification is held, and a person must look at it: {why}");
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
    let word = if status == StatusCode::OK { ACKNOWLEDGED } else { REFUSED };
    (status, [(header::CONTENT_TYPE, "text/plain")], word).into_response()
}

async fn body(body: Body, client_timeout: Duration) -> Result<String, (StatusCode, &'static str)> {
    let read = tokio::time::timeout(client_timeout, to_bytes(body, MAX_NOTIFICATION_BYTES)).await;
    let bytes = read
        .map_err(|_| (StatusCode::REQUEST_TIMEOUT, "its body did not come in time"))?
        .map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "its body is too long, or broke off"))?;
    String::from_utf8(bytes.into()).map_err(|_| (StatusCode::BAD_REQUEST, "it is not UTF-8"))
}
