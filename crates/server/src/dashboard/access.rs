//! Sessions and forms: a page needs a session, and a form must come from a page of that session.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::cookie;
use super::i18n::language;
use super::page::{Refused, refuse};
use super::signed_in::{Guest, SignedIn};
use super::zone;
use crate::http::client::Client;
use crate::state::Shared;
use crate::state::sessions::{NoSession, Presence};

/// The longest form, in bytes: a reason of 1,000 characters, each in twelve bytes, and some names.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The longest form with a list of jobs, in bytes: the most jobs of one batch, each with the longest queue, key and version.
pub(super) const MAX_LIST_BYTES: usize = 256 * 1024;

/// A form of at most `MAX` bytes that was sent by this visitor from a page of ours.
pub(super) struct Posted<const MAX: usize = MAX_FORM_BYTES> {
    pub(super) signed_in: SignedIn,
    pub(super) form: Form,
}

/// A form's fields.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// A field's text, "" for one that was left out.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, text)| text.trim())
    }

    /// Every text of a field that may be there several times.
    pub(super) fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, text)| text.trim())
    }
}

impl Guest {
    fn of(parts: &Parts) -> Self {
        let here = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str).to_owned();
        Self { words: language::of(&parts.headers), zone: zone::of(&parts.headers), here }
    }
}

impl<S: Sync> FromRequestParts<S> for Guest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

impl FromRequestParts<Shared> for SignedIn {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refused> {
        let guest = Guest::of(parts);
        let cookie = cookie::value(&parts.headers, cookie::session_name(&parts.headers));
        let Some(session) = cookie.and_then(|cookie| app.session(cookie)) else {
            return Err(to_sign_in(parts, &guest));
        };
        Client::of(parts).is(&session.bearer);
        if session.bearer.rate.take(app.settings.rate_per_second, Instant::now()).is_err() {
            return Err(refuse(&guest, None, StatusCode::TOO_MANY_REQUESTS, guest.words.too_many));
        }
        match app.sessions.check(&app.store, &session, presence(&parts.headers)).await {
            Ok(()) => {}
            Err(NoSession::Over) => return Err(to_sign_in(parts, &guest)),
            Err(NoSession::Unknown) => {
                return Err(refuse(&guest, None, StatusCode::SERVICE_UNAVAILABLE, guest.words.redis_away));
            }
        }
        app.note_use(&session.bearer);
        let form_token = app.sessions.form_token(&session);
        let actor = session.bearer.actor(Client::of(parts).address);
        Ok(Self { session, form_token, actor, guest })
    }
}

/// The way back here after signing in, for pages that only show something. An action is not repeated by coming back.
fn to_sign_in(parts: &Parts, guest: &Guest) -> Refused {
    let back = if parts.method == Method::GET && guest.here != "/" {
        let here: String = form_urlencoded::byte_serialize(guest.here.as_bytes()).collect();
        format!("/sign-in?to={here}")
    } else {
        "/sign-in".to_owned()
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, back)]).into_response().into()
}

impl<const MAX: usize> FromRequest<Shared> for Posted<MAX> {
    type Rejection = Refused;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Refused> {
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, app).await?;
        let form = read_up_to(MAX, Request::from_parts(parts.clone(), body), app)
            .await
            .map_err(|status| refuse(&signed_in.guest, Some(&signed_in), status, signed_in.words().form_unreadable))?;
        if !is_from_here(&parts.headers) || !app.sessions.is_form_token(&signed_in.session, form.text("form_token")) {
            return Err(refuse(
                &signed_in.guest,
                Some(&signed_in),
                StatusCode::FORBIDDEN,
                signed_in.words().form_foreign,
            ));
        }
        Ok(Self { signed_in, form })
    }
}

/// Reads a form of any sender.
pub(super) async fn read(request: Request, app: &Shared) -> Result<Form, StatusCode> {
    read_up_to(MAX_FORM_BYTES, request, app).await
}

async fn read_up_to(most: usize, request: Request, app: &Shared) -> Result<Form, StatusCode> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = tokio::time::timeout(app.settings.client_timeout, to_bytes(request.into_body(), most)).await;
    let body = body.map_err(|_| StatusCode::REQUEST_TIMEOUT)?.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    Ok(Form(form_urlencoded::parse(&body).into_owned().collect()))
}

/// The part of a request in its session. The script that renews a page and the stream of events are no navigation, and no page can forge the
/// header that says so.
fn presence(headers: &HeaderMap) -> Presence {
    match headers.get("sec-fetch-mode").map(HeaderValue::as_bytes) {
        None | Some(b"navigate") => Presence::Person,
        Some(_) => Presence::Page,
    }
}

/// True if a browser sent this from a page of this site: no page can forge the headers that say so.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = text("origin") else { return true }; // no browser, or an old one: the form's token decides
    let host = text("x-forwarded-host").or_else(|| text("host")).unwrap_or_default();
    origin.split_once("://").is_some_and(|(_, from)| from == host)
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_form_from_another_site_is_known_by_what_the_browser_says() {
        for own in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://bursar.example"), ("host", "10.0.0.1:8080")],
            &[("origin", "http://localhost:8080"), ("host", "localhost:8080")],
            &[("origin", "https://bursar.example"), ("host", "10.0.0.1"), ("x-forwarded-host", "bursar.example")],
            &[],
        ] {
            assert!(is_from_here(&headers(own)), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example"), ("host", "bursar.example")],
            &[("origin", "null"), ("host", "bursar.example")],
        ] {
            assert!(!is_from_here(&headers(foreign)), "{foreign:?}");
        }
    }
}
