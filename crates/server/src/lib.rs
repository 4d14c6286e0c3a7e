//! Bursar over HTTP: submitting, following and operating jobs from any language, and what tells how Bursar is.
//!
//! A part of the interface is a module with its handlers and its page of the OpenAPI description, joined in `routes.rs`.
//! Whatever refuses, refuses by a problem (`problem.rs`). Nothing here decides anything about a job: the producer's validator and the
//! store's scripts do.

mod app;
mod auth;
mod body;
mod connection;
mod dashboard;
mod events;
mod feed;
mod health;
mod jobs;
mod lanes;
mod metrics;
mod names;
mod notify;
mod openapi;
mod orders;
mod problem;
mod query;
mod rate;
mod request;
mod routes;
mod serving;
mod tokens;

pub use app::Settings;
pub use dashboard::SessionKeyError;
pub use notify::{NotifiedAccount, NotifiedMethod};
pub use serving::{NoTokens, ServeError, Server};
pub use tokens::{Role, TokensError, new_token};
