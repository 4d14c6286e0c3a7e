//! The API as its clients know it: an address, a token of each role, and answers that are looked at.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;

use crate::wait::SOON;

/// A token of each role, with its lines for the tokens file.
#[derive(Debug)]
pub struct Tokens {
    /// Of a producer, `shop`.
    pub producer: String,
    /// Of an operator, `li`.
    pub operator: String,
    /// Of a reader, `audit`.
    pub reader: String,
    /// The tokens file.
    pub file: String,
}

/// A reply: the status, the headers, the body.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: header::HeaderMap,
    /// The body as JSON; a text where it is none, null where it is empty.
    pub body: Value,
}

/// A server's API.
#[derive(Debug)]
pub struct Api {
    /// Where it listens.
    pub address: String,
    /// The tokens of its requests.
    pub tokens: &'static Tokens,
    client: Client,
}

impl Api {
    /// The API at this address, which knows these tokens.
    pub fn new(address: String, tokens: &'static Tokens) -> Self {
        let client = Client::builder().timeout(SOON * 3).build().expect("a client");
        Self { address, tokens, client }
    }

    /// A request of the bearer of `token`; "" for a client without a token.
    pub fn request(&self, method: &str, path: &str, token: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        if token.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {token}")) }
    }

    /// A GET by the reader.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request("GET", path, &self.tokens.reader)).await
    }

    /// A GET by the reader that must be answered with 200; its body.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.body
    }

    /// A POST of JSON by the bearer of `token`.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        answer(with_json(self.request("POST", path, token), body.to_string())).await
    }

    /// Submits by the producer.
    pub async fn submit(&self, body: &Value) -> Answer {
        self.post("/v1/jobs", &self.tokens.producer, body).await
    }

    /// An act of the operator.
    pub async fn act(&self, path: &str, body: &Value) -> Answer {
        self.post(path, &self.tokens.operator, body).await
    }
}

/// The request with a body that says that it is JSON.
pub fn with_json(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body)
}

/// Sends the request; returns the reply.
pub async fn answer(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))).await
}

async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Answer { status, headers, body }
}

impl Answer {
    /// A header's text, "" where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks that it refuses as RFC 9457 has it, by this status and the last part of the type.
    pub fn refuses(&self, status: u16, kind: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["type"], format!("urn:bursar:problem:{kind}"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        for member in ["title", "detail"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        assert_eq!(self.body["documentation"], format!("/problems#{kind}"), "{self:?}");
        let reason = StatusCode::from_u16(status).expect("a status").canonical_reason();
        assert!(reason.is_some() && !self.header("x-request-id").is_empty(), "{self:?}");
        self
    }

    /// The fields that it names as wrong.
    pub fn wrong_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().unwrap_or_else(|| panic!("it names fields: {self:?}"));
        errors.iter().map(|error| error["field"].as_str().expect("a field has a name")).collect()
    }
}

/// Long enough for a request that must not be answered yet.
pub const NOT_YET: Duration = Duration::from_millis(200);
