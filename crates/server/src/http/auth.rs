//! Bearers and their rights. The first argument of a handler says which roles may call it.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use bursar_domain::{Actor, AuditAction};
use tokio::time::Instant;

use crate::http::client::Client;
use crate::http::problem::{Kind, Problem};
use crate::state::tokens::{Bearer, Role};
use crate::state::{ServerState, Shared};

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
        let known = token.filter(|token| token.len() <= MAX_TOKEN_BYTES).and_then(|token| self.tokens.bearer(token));
        let client = Client::of(parts);
        let Some(bearer) = known else {
            if given.is_some() {
                self.refused(None, client.address, AuditAction::TokenFailed, parts.uri.path());
            }
            if let Some(wait) = given.and_then(|_| self.must_wait(client.address)) {
                let detail = "too many tokens from this address are not known here";
                return Err(Problem::new(Kind::TooMany, detail).retry_after(wait));
            }
            let detail = match given {
                None => "send Authorization: Bearer TOKEN; `bursar token` makes one",
                Some(_) => "the token is not one that is known here",
            };
            let challenge = HeaderValue::from_static("Bearer realm=\"bursar\"");
            return Err(Problem::new(Kind::NoToken, detail).header(header::WWW_AUTHENTICATE, challenge));
        };
        client.is(&bearer);
        bearer.rate.take(self.settings.rate_per_second, Instant::now()).map_err(|wait| {
            let per_second = self.settings.rate_per_second;
            let detail = format!("{} may make {per_second} requests a second here; send jobs in batches", bearer.name);
            Problem::new(Kind::TooMany, detail).retry_after(wait)
        })?;
        Ok(bearer)
    }
}

/// The scheme's name has no case.
fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}
