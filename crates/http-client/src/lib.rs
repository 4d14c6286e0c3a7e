//! The one builder of the HTTP clients that Bursar calls others with: gateways, receivers of webhooks, collectors of traces. This
//! crate alone names reqwest.
//!
//! A request goes to the address that it names and is made once. A client that repeats a request by itself pays twice, one that follows
//! a redirect carries a payment or a webhook to an address that no one has checked, and a proxy of the environment reads it.

mod errors;

pub use reqwest::{Body, Client, ClientBuilder, Error, Request, Response, Result, StatusCode, Url, dns, header};

pub use errors::{UntrustedAuthority, causes};
use reqwest::redirect::Policy;
use reqwest::{Certificate, retry};

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

/// The same builder, which trusts these certificate authorities (PEM) besides the system's.
///
/// # Errors
/// [`UntrustedAuthority`] where the text holds no certificate that can be read.
pub fn trusting(builder: ClientBuilder, pem: &str) -> std::result::Result<ClientBuilder, UntrustedAuthority> {
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if certificates.is_empty() => Err(UntrustedAuthority::None),
        Ok(certificates) => Ok(builder.tls_certs_merge(certificates)),
        Err(error) => Err(UntrustedAuthority::Unreadable(causes(&error))),
    }
}
