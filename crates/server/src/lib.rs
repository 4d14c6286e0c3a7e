//! Bursar over HTTP: submitting, following and operating jobs from any language, and what tells how Bursar is.
//!
//! A part of the interface is a module with its handlers and its page of the OpenAPI description, joined in `routes.rs`.
//! Whatever refuses, refuses by a problem (`problem.rs`). Nothing here decides anything about a job: the producer's validator and the
//! store's scripts do.

mod api;
mod dashboard;
mod http;
mod routes;
mod server;
mod state;

pub use api::notify::{NotifiedAccount, NotifiedMethod};
pub use server::{NoTokens, ServeError, Server};
pub use state::Settings;
pub use state::sessions::SessionKeyError;
pub use state::tokens::{Role, TokensError, new_token};
