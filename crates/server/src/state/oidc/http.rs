//! The requests to the provider, by the hardened client: no proxy, no redirect, no repetition, and bounded answers.

use std::pin::Pin;
use std::time::Duration;

use bursar_http_client::{Authorities, Client, Request, Trust, causes, hardened};
use openidconnect::{HttpRequest, HttpResponse, http};

use super::OidcError;

/// The longest time of a request to the provider.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// A request to the provider that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RequestFailed(String);

type Called = Pin<Box<dyn Future<Output = Result<HttpResponse, RequestFailed>> + Send>>;

/// The client of the provider.
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new(ca_pem: Option<&str>) -> Result<Self, OidcError> {
        let wrong = |problem: String| OidcError::Wrong { key: "ca_file", problem };
        let trust = Trust::of(ca_pem.map(str::to_owned), Authorities::Also);
        let builder = trust.apply(hardened().timeout(TIMEOUT)).map_err(|error| wrong(error.to_string()))?;
        builder.build().map(Self).map_err(|error| wrong(causes(&error)))
    }

    /// The client as openidconnect calls it.
    pub(super) fn calls(&self) -> impl Fn(HttpRequest) -> Called + Send + Sync + use<> {
        let client = self.0.clone();
        move |request| Box::pin(call(client.clone(), request))
    }
}

async fn call(client: Client, request: HttpRequest) -> Result<HttpResponse, RequestFailed> {
    let failed = |error: bursar_http_client::Error| RequestFailed(causes(&error));
    let mut response = client.execute(Request::try_from(request).map_err(failed)?).await.map_err(failed)?;
    let mut answer = http::Response::builder().status(response.status());
    for (name, value) in response.headers() {
        answer = answer.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(RequestFailed(format!("the answer has more than {MAX_ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    answer.body(body).map_err(|error| RequestFailed(error.to_string()))
}
