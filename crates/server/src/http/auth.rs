//! Bearers and their rights. The first argument of a handler says which roles may call it.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use bursar_domain::{Actor, AuditAction, Millis};
use tokio::time::Instant;

use crate::http::client::Client;
use crate::http::problem::{Kind, Problem};
use crate::state::tokens::{Bearer, NoBearer, Role};
use crate::state::{ServerState, Shared, clock};

/// The longest token that is hashed, in bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 512;

/// A right of some roles.
pub(crate) trait Right {
    /// The roles.
    const ROLES: &'static [Role];
}

/// Reading jobs, queues and events.
pub(crate) struct Read;
/// Submitting jobs.
pub(crate) struct Submit;
/// Acting on jobs and queues.
pub(crate) struct Operate;

impl Right for Read {
    const ROLES: &'static [Role] = &Role::ALL;
}

impl Right for Submit {
    const ROLES: &'static [Role] = &[Role::Producer];
}

impl Right for Operate {
    const ROLES: &'static [Role] = &[Role::Operator];
}

/// The bearer of a token whose role has the right `R`. It is a handler's first argument, so that nothing else of a request is read for a
/// stranger.
pub(crate) struct Allowed<R> {
    /// The token's bearer.
    pub(crate) bearer: Arc<Bearer>,
    /// The bearer as the audit trail names it.
    pub(crate) actor: Actor,
    right: PhantomData<R>,
}

impl<R: Right> FromRequestParts<Shared> for Allowed<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let bearer = app.bearer(parts)?;
        parts.extensions.insert(Arc::clone(&bearer)); // for the names in the path, some of which the bearer may not see
        if !R::ROLES.contains(&bearer.role) {
            let roles: Vec<&str> = R::ROLES.iter().map(|role| role.as_str()).collect();
            let detail =
                format!("{} has the role {}; this is for {}", bearer.name, bearer.role.as_str(), roles.join(" or "));
            return Err(Problem::new(Kind::WrongRole, detail));
        }
        let actor = bearer.actor(Client::of(parts).address);
        Ok(Self { bearer, actor, right: PhantomData })
    }
}

impl ServerState {
    /// The bearer of the request's token, within its rate.
    fn bearer(&self, parts: &Parts) -> Result<Arc<Bearer>, Problem> {
        let given = parts.headers.get(header::AUTHORIZATION);
        let token = given.and_then(|value| value.to_str().ok()).and_then(bearer_token);
        let known = self.bearer_of(token.unwrap_or_default());
        let client = Client::of(parts);
        if given.is_some() && known.is_err() {
            self.refused(None, client.address, AuditAction::TokenFailed, parts.uri.path());
            if let Some(wait) = self.must_wait(client.address) {
                let detail = "too many tokens from this address are not known here";
                return Err(Problem::new(Kind::TooMany, detail).retry_after(wait));
            }
        }
        let bearer = known.map_err(|no_bearer| {
            let detail = match (given, no_bearer) {
                (None, _) => "send Authorization: Bearer TOKEN; `bursar token` makes one",
                (Some(_), NoBearer::Unknown) if token.is_none() => {
                    "the Authorization header must be: Bearer, a space, and the token"
                }
                (Some(_), NoBearer::Unknown) => "the token is not known here",
                (Some(_), NoBearer::Expired(_)) => "the token has expired; `bursar token` makes a new one",
            };
            let challenge = HeaderValue::from_static("Bearer realm=\"bursar\"");
            Problem::new(Kind::NoToken, detail).header(header::WWW_AUTHENTICATE, challenge)
        })?;
        client.is(&bearer);
        bearer.rate.take(self.settings.rate_per_second, Instant::now()).map_err(|wait| {
            let per_second = self.settings.rate_per_second;
            let detail = format!("{} may make {per_second} requests a second here; send jobs in batches", bearer.name);
            Problem::new(Kind::TooMany, detail).retry_after(wait)
        })?;
        self.note_use(&bearer);
        Ok(bearer)
    }

    /// Whose token this is. The log says that an expired token was shown, once a minute.
    pub(crate) fn bearer_of(&self, token: &str) -> Result<Arc<Bearer>, NoBearer> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(NoBearer::Unknown);
        }
        self.tokens.bearer(token, clock::now()).inspect_err(|no_bearer| {
            if let NoBearer::Expired(bearer) = no_bearer
                && bearer.is_to_be_noted(Instant::now())
            {
                let expired = bearer.expires.map(Millis::rfc3339).unwrap_or_default();
                tracing::warn!(who = bearer.name, expired, "refused: the token has expired");
            }
        })
    }
}

/// The scheme's name has no case.
fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
