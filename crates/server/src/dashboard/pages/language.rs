//! Choosing a language.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::dashboard::i18n::language::{COOKIE, by_tag, local};
use crate::http::path::PathParts;

/// The lifetime of the choice, in seconds: a year.
const KEPT_SECONDS: u32 = 365 * 24 * 60 * 60;

/// The address to return to.
#[derive(Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    to: String,
}

/// `GET /language/{tag}?to=…`: keeps the choice and goes back.
pub(super) async fn choose(tag: PathParts<String>, back: Result<Query<Back>, QueryRejection>) -> Response {
    let back = back.map(|Query(back)| back.to).unwrap_or_default();
    let Some(words) = tag.ok().and_then(|Path(tag)| by_tag(&tag)) else { return StatusCode::NOT_FOUND.into_response() };
    let kept = format!("{COOKIE}={}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax; HttpOnly", words.tag);
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, kept), (header::LOCATION, local(&back).to_owned())]).into_response()
}
