//! Choosing a time zone.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::dashboard::i18n::language::local;
use crate::dashboard::page::see;
use crate::dashboard::zone::{COOKIE, named};

/// The lifetime of the choice, in seconds: a year.
const KEPT_SECONDS: u32 = 365 * 24 * 60 * 60;

/// The choice, and the address to return to.
#[derive(Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    name: String,
    #[serde(default)]
    to: String,
}

/// `GET /zone?name=…&to=…`: keeps the choice and goes back. A name that is none is the browser's zone.
pub(super) async fn choose(choice: Result<Query<Choice>, QueryRejection>) -> Response {
    let Choice { name, to } = choice.map(|Query(choice)| choice).unwrap_or_default();
    let (zone, seconds) = named(&name).map_or((String::new(), 0), |zone| (zone.replace('/', "."), KEPT_SECONDS));
    let kept = format!("{COOKIE}={zone}; Path=/; Max-Age={seconds}; SameSite=Lax; HttpOnly");
    ([(header::SET_COOKIE, kept)], see(local(&to))).into_response()
}
