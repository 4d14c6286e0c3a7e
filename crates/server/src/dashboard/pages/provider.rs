//! Signing in by an OpenID Connect provider: the way there, and the way back.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use bursar_domain::AuditAction;

use super::sign_in::{To, begin, too_many, with_cookie};
use crate::dashboard::access::is_from_here;
use crate::dashboard::cookie;
use crate::dashboard::i18n::language::local;
use crate::dashboard::page::{Answered, Refused, lead_on, refuse, see};
use crate::dashboard::signed_in::Guest;
use crate::http::client::{Client, OnRecord};
use crate::state::oidc::{ATTEMPT_LASTS, Attempt, NotSignedIn, Oidc, Returned};
use crate::state::sessions::Whose;
use crate::state::{Shared, clock};

/// The purpose of an attempt's cookie, which is part of its seal.
const PURPOSE: &str = "sign-in";

/// `GET /sign-in/provider?to=…`: to the provider, with an attempt in a cookie.
pub(super) async fn leave(
    State(app): State<Shared>,
    guest: Guest,
    (client, headers): (Client, HeaderMap),
    to: Result<Query<To>, QueryRejection>,
) -> Answered {
    let oidc = configured(&app, &guest)?;
    if !is_from_here(&headers) {
        return Err(refuse(&guest, None, StatusCode::FORBIDDEN, guest.words.form_foreign));
    }
    let to = to.map(|Query(to)| to.to).unwrap_or_default();
    let begun = oidc.begin(local(&to), clock::now()).await;
    let (address, attempt) = begun.map_err(|why| not_signed_in(&app, &guest, (&headers, &client), &why))?;
    let attempt = app.sessions.sealed(PURPOSE, &attempt);
    Ok(with_cookie(see(&address), &cookie::attempt(&headers, &attempt, ATTEMPT_LASTS)))
}

/// `GET /sign-in/return?code=…&state=…`: back from the provider. The session's cookie is not sent along by a browser that another site led here,
/// so a page of ours leads on.
pub(super) async fn come_back(
    State(app): State<Shared>,
    guest: Guest,
    (client, headers): (Client, HeaderMap),
    back: Result<Query<Returned>, QueryRejection>,
) -> Answered {
    let oidc = configured(&app, &guest)?;
    let refused = |why: NotSignedIn| not_signed_in(&app, &guest, (&headers, &client), &why);
    let back = back.map(|Query(back)| back).unwrap_or_default();
    let sealed = cookie::value(&headers, cookie::attempt_name(&headers)).unwrap_or_default();
    let attempt: Attempt = app.sessions.opened(PURPOSE, sealed).ok_or_else(|| refused(NotSignedIn::NotBegun))?;
    let person = oidc.finish(&attempt, &back, clock::now()).await.map_err(refused)?;
    let bearer = oidc.people.bearer(&person);
    let session = begin(&app, &guest, (&headers, &client), &bearer, Whose::Person(person)).await?;
    let page = with_cookie(lead_on(&guest, guest.words.signing_in, local(&attempt.to)), &session);
    Ok(with_cookie(page, &cookie::attempt(&headers, "", Duration::ZERO)))
}

fn configured<'a>(app: &'a Shared, guest: &Guest) -> Result<&'a Oidc, Refused> {
    app.oidc.as_ref().ok_or_else(|| refuse(guest, None, StatusCode::NOT_FOUND, guest.words.not_found))
}

/// The page of an attempt that failed, the end of the attempt, and its event in the audit trail.
fn not_signed_in(app: &Shared, guest: &Guest, (headers, client): (&HeaderMap, &Client), why: &NotSignedIn) -> Refused {
    let words = guest.words;
    let (status, text) = match why {
        NotSignedIn::ProviderAway(_) => (StatusCode::SERVICE_UNAVAILABLE, words.provider_away.to_owned()),
        NotSignedIn::NotBegun => (StatusCode::FORBIDDEN, words.provider_not_begun.to_owned()),
        NotSignedIn::Refused(_) => (StatusCode::FORBIDDEN, words.provider_refused.to_owned()),
        NotSignedIn::NoName(_) => (StatusCode::FORBIDDEN, words.provider_no_name.to_owned()),
        NotSignedIn::NoRole(name) => (StatusCode::FORBIDDEN, words.provider_no_role.replace("{0}", name)),
        NotSignedIn::NoAccount(name) => (StatusCode::FORBIDDEN, words.provider_no_account.replace("{0}", name)),
        NotSignedIn::TooManyAccounts(name) => {
            (StatusCode::FORBIDDEN, words.provider_too_many_accounts.replace("{0}", name))
        }
    };
    let Refused(mut page) = refuse(guest, None, status, &text);
    if status == StatusCode::FORBIDDEN {
        app.refused(None, client.address, AuditAction::SignInFailed, ("/sign-in/return", Some(why.to_string())));
        if let Some(wait) = app.must_wait(client.address) {
            Refused(page) = too_many(guest, wait);
        }
        page.extensions_mut().insert(OnRecord);
    } else {
        tracing::warn!("no one was signed in by the provider: {why}");
    }
    with_cookie(*page, &cookie::attempt(headers, "", Duration::ZERO)).into()
}
