//! The page for an address that is none. Programs get a problem instead: their addresses are below `/v1`, or they accept no HTML.

use axum::RequestPartsExt;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::dashboard::page::{Live, Tab, framed};
use crate::dashboard::signed_in::{Guest, SignedIn};
use crate::state::Shared;

/// The page, if a browser asks for one.
pub(crate) async fn show(parts: &mut Parts, app: &Shared) -> Option<Response> {
    let accepts = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if parts.method != Method::GET || !accepts.contains("text/html") || parts.uri.path().starts_with("/v1/") {
        return None;
    }
    let signed_in = parts.extract_with_state::<SignedIn, Shared>(app).await.ok();
    let Ok(guest) = parts.extract_with_state::<Guest, Shared>(app).await;
    let words = guest.words;
    let content = html! {
        h1 { (words.frame.no_such_page) }
        p { (words.frame.no_such_page_means) }
        p { a href="/" { (words.back_to_queues) } }
    };
    let mut response = framed(&guest, signed_in.as_ref(), Tab::None, Live::No, words.frame.no_such_page, &content);
    *response.status_mut() = StatusCode::NOT_FOUND;
    Some(response.into_response())
}
