//! Signing in by a token of the API, and out again.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bursar_domain::{AuditAction, AuditResult, AuditTarget};
use maud::html;
use serde::Deserialize;
use tokio::time::Instant;

use crate::dashboard::access;
use crate::dashboard::access::Posted;
use crate::dashboard::cookie;
use crate::dashboard::i18n::language::local;
use crate::dashboard::page::{Answered, Live, Refused, Tab, framed, lead_on, refuse, refuse_problem, see};
use crate::dashboard::signed_in::Guest;
use crate::http::auth::MAX_TOKEN_BYTES;
use crate::http::client::Client;
use crate::ops;
use crate::state::sessions::Whose;
use crate::state::tokens::{Bearer, NoBearer};
use crate::state::{Shared, clock};

/// The address to open once signed in.
#[derive(Default, Deserialize)]
pub(super) struct To {
    #[serde(default)]
    pub(super) to: String,
}

/// The outcome of the last attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    Nothing,
    Wrong,
    Expired,
}

/// `GET /sign-in`
pub(super) async fn show(State(app): State<Shared>, guest: Guest, to: Result<Query<To>, QueryRejection>) -> Response {
    let to = to.map(|Query(to)| to.to).unwrap_or_default();
    asking(&app, &guest, &to, Tried::Nothing)
}

fn asking(app: &Shared, guest: &Guest, to: &str, tried: Tried) -> Response {
    let words = guest.words;
    let why = match tried {
        Tried::Nothing => None,
        Tried::Wrong => Some(words.token_unknown),
        Tried::Expired => Some(words.token_expired),
    };
    let content = html! {
        div.sign-in {
            h1 { (words.sign_in) }
            @if let Some(oidc) = &app.oidc {
                p { a.button.main href={ "/sign-in/provider?to=" (query(local(to))) } { (words.sign_in_provider.replace("{0}", oidc.host())) } }
            }
            p.soft { (words.sign_in_how) }
            @if let Some(why) = why { p.notice.bad role="alert" { (why) } }
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
    let (tried, why) = match app.bearer_of(form.text("token")) {
        Ok(bearer) => {
            let whose = Whose::Token(bearer.name.clone());
            let cookie = begin(&app, &guest, (&headers, &client), &bearer, whose).await?;
            return Ok(with_cookie(see(local(form.text("to"))), &cookie));
        }
        Err(unknown @ NoBearer::Unknown) => (Tried::Wrong, unknown.to_string()),
        Err(expired @ NoBearer::Expired(_)) => (Tried::Expired, expired.to_string()),
    };
    app.refused(None, client.address, AuditAction::SignInFailed, ("/sign-in", Some(why)));
    if let Some(wait) = app.must_wait(client.address) {
        return Err(too_many(&guest, wait));
    }
    let mut again = asking(&app, &guest, form.text("to"), tried);
    *again.status_mut() = StatusCode::UNAUTHORIZED;
    Ok(again)
}

/// Begins a session of this bearer; its cookie.
pub(super) async fn begin(
    app: &Shared,
    guest: &Guest,
    (headers, client): (&HeaderMap, &Client),
    bearer: &Arc<Bearer>,
    whose: Whose,
) -> Result<String, Refused> {
    let refused = |status, why: &str| refuse(guest, None, status, why);
    if bearer.rate.take(app.settings.rate_per_second, Instant::now()).is_err() {
        return Err(refused(StatusCode::TOO_MANY_REQUESTS, guest.words.too_many));
    }
    let session = app.sessions.make(bearer, whose, clock::now());
    let session = session.map_err(|error| refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))?;
    let begun = app.sessions.begin(&app.store, &session).await;
    begun.map_err(|_| refused(StatusCode::SERVICE_UNAVAILABLE, guest.words.redis_away))?;
    app.note_use(bearer);
    let event = bearer.actor(client.address).intends(AuditAction::SignIn, AuditTarget::default(), None);
    ops::audit::note(app, event.ended(AuditResult::Done, None));
    Ok(cookie::session(headers, &app.sessions.cookie(&session), app.sessions.limits.lifetime))
}

/// `POST /sign-out`: the cookie stays until the session has ended, so that the person can repeat it. A person of a provider ends the session
/// there next, where it has an address for that.
pub(super) async fn sign_out(State(app): State<Shared>, headers: HeaderMap, posted: Posted) -> Answered {
    let signed_in = &posted.signed_in;
    let ended = app.sessions.end(&app.store, &signed_in.session).await;
    ended.map_err(|refusal| refuse_problem(signed_in, refusal))?;
    let event = signed_in.actor.intends(AuditAction::SignOut, AuditTarget::default(), None);
    ops::audit::note(&app, event.ended(AuditResult::Done, None));
    let at_provider = match &app.oidc {
        Some(oidc) if signed_in.bearer().is_person() => oidc.sign_out().await,
        Some(_) | None => None,
    };
    let guest = &signed_in.guest;
    let left = at_provider.map_or_else(|| see("/sign-in"), |to| lead_on(guest, guest.words.signing_out, &to));
    Ok(with_cookie(left, &cookie::session(&headers, "", Duration::ZERO)))
}

/// A text as a value of a query.
fn query(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(super) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The refusal of a network that has failed too often within a minute.
pub(super) fn too_many(guest: &Guest, wait: Duration) -> Refused {
    let mut refused = refuse(guest, None, StatusCode::TOO_MANY_REQUESTS, guest.words.too_many);
    refused.0.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    refused
}
