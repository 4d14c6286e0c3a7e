//! Signing in by a token of the API, and out again.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bursar_domain::{AuditAction, AuditResult, AuditTarget};
use maud::html;
use serde::Deserialize;

use crate::dashboard::access;
use crate::dashboard::access::Posted;
use crate::dashboard::cookie;
use crate::dashboard::i18n::language::local;
use crate::dashboard::page::{Answered, Live, Refused, Tab, framed, refuse, see};
use crate::dashboard::signed_in::Guest;
use crate::http::auth::MAX_TOKEN_BYTES;
use crate::http::client::Client;
use crate::ops;
use crate::state::Shared;
use crate::state::sessions;

/// The address to open once signed in.
#[derive(Default, Deserialize)]
pub(super) struct To {
    #[serde(default)]
    to: String,
}

/// The outcome of the last attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Nothing,
    Wrong,
}

/// `GET /sign-in`
pub(super) async fn show(guest: Guest, to: Result<Query<To>, QueryRejection>) -> Response {
    let to = to.map(|Query(to)| to.to).unwrap_or_default();
    asking(&guest, &to, Tried::Nothing)
}

fn asking(guest: &Guest, to: &str, tried: Tried) -> Response {
    let words = guest.words;
    let content = html! {
        div.sign-in {
            h1 { (words.sign_in) }
            p.soft { (words.sign_in_how) }
            @if tried == Tried::Wrong { p.notice.bad role="alert" { (words.token_unknown) } }
            form action="/sign-in" method="post" {
                input type="hidden" name="to" value=(local(to));
                label for="token" { (words.token) }
                input #token type="password" name="token" autocomplete="current-password" maxlength=(MAX_TOKEN_BYTES) required autofocus;
                button.main type="submit" { (words.sign_in) }
            }
            p.soft { (words.sign_in_make) " " code { "bursar token NAME --role operator" } }
        }
    };
    framed(guest, None, Tab::None, Live::No, words.sign_in, &content)
}

/// `POST /sign-in`
pub(super) async fn sign_in(State(app): State<Shared>, guest: Guest, request: Request) -> Answered {
    let headers = request.headers().clone();
    let (parts, body) = request.into_parts();
    let (client, request) = (Client::of(&parts), Request::from_parts(parts, body));
    if !access::is_from_here(&headers) {
        return Err(refuse(&guest, None, StatusCode::FORBIDDEN, guest.words.form_foreign));
    }
    let form = access::read(request, &app).await;
    let form = form.map_err(|status| refuse(&guest, None, status, guest.words.form_unreadable))?;
    let token = form.text("token");
    let bearer = Some(token).filter(|token| token.len() <= MAX_TOKEN_BYTES).and_then(|token| app.tokens.bearer(token));
    let Some(bearer) = bearer else {
        app.refused(None, client.address, AuditAction::SignInFailed, "/sign-in");
        if let Some(wait) = app.must_wait(client.address) {
            return Err(too_many(&guest, wait));
        }
        let mut again = asking(&guest, form.text("to"), Tried::Wrong);
        *again.status_mut() = StatusCode::UNAUTHORIZED;
        return Ok(again);
    };
    let value = app
        .sessions
        .begin(&bearer, sessions::now())
        .map_err(|error| refuse(&guest, None, StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))?;
    let event = bearer.actor(client.address).intends(AuditAction::SignIn, AuditTarget::default(), None);
    ops::audit::note(&app, event.ended(AuditResult::Done, None));
    Ok(with_cookie(see(local(form.text("to"))), &cookie::session(&headers, &value)))
}

/// `POST /sign-out`
pub(super) async fn sign_out(State(app): State<Shared>, headers: axum::http::HeaderMap, posted: Posted) -> Response {
    app.sessions.end(&posted.signed_in.session, sessions::now());
    let event = posted.signed_in.actor.intends(AuditAction::SignOut, AuditTarget::default(), None);
    ops::audit::note(&app, event.ended(AuditResult::Done, None));
    with_cookie(see("/sign-in"), &cookie::session(&headers, ""))
}

/// The refusal of a network that has failed too often within a minute.
fn too_many(guest: &Guest, wait: Duration) -> Refused {
    let mut refused = refuse(guest, None, StatusCode::TOO_MANY_REQUESTS, guest.words.too_many);
    refused.0.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    refused
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    response.headers_mut().extend(HeaderValue::try_from(cookie).ok().map(|cookie| (header::SET_COOKIE, cookie)));
    response
}
