//! The one builder of the HTTP clients that Bursar calls others with: gateways, receivers of webhooks, collectors of traces. This
//! crate alone names reqwest.
//!
//! A request goes to the address that it names and is made once. A client that repeats a request by itself pays twice, one that follows
//! a redirect carries a payment or a webhook to an address that no one has checked, and a proxy of the environment reads it.

mod errors;
mod trust;

pub use reqwest::{Body, Client, ClientBuilder, Error, Request, Response, Result, StatusCode, Url, dns, header};

pub use errors::{UntrustedAuthority, causes};
use reqwest::redirect::Policy;
use reqwest::retry;
pub use trust::{Authorities, Trust};

/// A client without proxy, redirect, repetition and referer, over HTTP/1.1: the caller adds timeouts and the reuse of connections.
pub fn hardened() -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .retry(retry::never())
        .referer(false)
        .http1_only()
        .user_agent(concat!("bursar/", env!("CARGO_PKG_VERSION")))
}
