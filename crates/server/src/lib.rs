//! Bursar over HTTP: submitting, following and operating jobs from any language, with health and metrics.
//!
//! The crate is in layers, and `layers.rs` checks that each names only those below it. `state` holds the state of all requests and knows no
//! HTTP; `ops` has the operations of the API and the dashboard; `http` reads requests and refuses them by a problem; `api` and `dashboard`
//! answer, and never name each other. A part of the interface is a module with its handlers, and an operation of the API describes itself
//! for OpenAPI; `routes` joins the parts, and `server` listens. Nothing here decides anything about a job: the producer's validator and the
//! store's scripts do.

mod api;
mod dashboard;
mod http;
#[cfg(test)]
mod layers;
mod ops;
mod routes;
mod server;
mod state;

pub use ipnet::IpNet;
#[doc(hidden)]
pub use routes::paths;
pub use server::{NoTokens, ServeError, Server, ServerAccounts};
pub use state::identity::{Identity, identify};
pub use state::notification_accounts::{NotificationAccount, NotificationMethod};
pub use state::oidc::{OidcError, OidcSettings, ProviderFindings, probe_provider};
pub use state::sessions::{SessionKeyError, SessionLimits};
pub use state::tokens::{KnownToken, Role, TokensError, known_tokens, new_token};
pub use state::{ProxyHeader, Settings};
