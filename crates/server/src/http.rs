//! What the API and the dashboard have in common as HTTP: who asks, what a path, a query and a body hold, and how a request is refused.

pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod connection;
pub(crate) mod part;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod request;
