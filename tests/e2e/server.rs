//! `bursar serve` as its clients know it: a process, an address, and a token of each role.

use std::process::Command;
use std::time::Duration;

use bursar_test_support::{Process, eventually};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::world::{SOON, World, bursar};

/// A token of each role, with its lines for the tokens file.
pub(crate) struct Tokens {
    pub(crate) producer: String,
    pub(crate) operator: String,
    pub(crate) reader: String,
    /// The tokens file.
    pub(crate) file: String,
}

/// What was answered: the status, the headers, the body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Value,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: String,
    pub(crate) tokens: &'static Tokens,
    client: Client,
}

/// Makes a token by the command; its value and its lines.
pub(crate) async fn token(name: &str, role: &str) -> (String, String) {
    token_for(name, role, &[]).await
}

/// The same for these accounts alone.
pub(crate) async fn token_for(name: &str, role: &str, accounts: &[&str]) -> (String, String) {
    let accounts = accounts.iter().flat_map(|account| ["--account", account]);
    let arguments: Vec<&str> = ["token", name, "--role", role].into_iter().chain(accounts).collect();
    let finished = Process::run("bursar token", bursar(&arguments), SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let token = finished.stderr.rsplit(' ').next().expect("the token is told").trim().to_owned();
    assert!(!finished.stdout.contains(&token), "the file gets the hash alone: {finished:?}");
    (token, format!("{}\n", finished.stdout))
}

/// The tokens that all tests share: `shop` is a producer, `li` an operator, `audit` a reader.
pub(crate) async fn tokens() -> &'static Tokens {
    static TOKENS: OnceCell<Tokens> = OnceCell::const_new();
    TOKENS
        .get_or_init(|| async {
            let (producer, shop) = token("shop", "producer").await;
            let (operator, li) = token("li", "operator").await;
            let (reader, audit) = token("audit", "reader").await;
            Tokens { producer, operator, reader, file: [shop, li, audit].concat() }
        })
        .await
}

impl World {
    /// Writes the tokens file, starts `bursar serve`, and waits until it listens.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_as("serve").await
    }

    /// The same by `bursar up`, which works besides.
    pub(crate) async fn serve_as(&self, command: &str) -> Server {
        self.serve_with(command, |_| {}).await
    }

    /// The same by a command that was changed by `adjust`.
    pub(crate) async fn serve_with(&self, command: &str, adjust: impl FnOnce(&mut Command)) -> Server {
        let tokens = tokens().await;
        std::fs::write(self.tokens_file(), &tokens.file).expect("writing the tokens file");
        let mut started = self.command(&[command]);
        adjust(&mut started);
        let process = Process::start(&format!("bursar {command}"), started);
        let line = process.wait_line(SOON, "its address", |line| line.contains("listening on http://")).await;
        let address = line.split("listening on http://").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.expect("the line has the address").to_owned();
        let client = Client::builder().timeout(SOON * 3).build().expect("a client");
        Server { process, address, tokens, client }
    }

    /// Where the server looks for its tokens.
    pub(crate) fn tokens_file(&self) -> std::path::PathBuf {
        self.config().with_file_name("tokens.toml")
    }
}

impl Server {
    /// Makes a token of this role for these accounts alone, and has the server know it beside those of all tests.
    pub(crate) async fn admit(&self, world: &World, role: &str, accounts: &[&str]) -> String {
        let (token, lines) = token_for("restricted", role, accounts).await;
        std::fs::write(world.tokens_file(), format!("{}{lines}", self.tokens.file)).expect("writing the tokens file");
        self.hang_up();
        eventually(SOON, "the token to be known", async || {
            let status = answer(self.request("GET", "/v1/queues", &token)).await.status;
            if status == 200 { Ok(()) } else { Err(status) }
        })
        .await;
        token
    }

    /// Tells it to read its tokens again.
    pub(crate) fn hang_up(&self) {
        let sent = std::process::Command::new("kill").args(["-HUP", &self.process.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGHUP");
    }

    /// A request of the bearer of `token`, "" for nobody.
    pub(crate) fn request(&self, method: &str, path: &str, token: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        if token.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {token}")) }
    }

    /// A GET by the reader.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request("GET", path, &self.tokens.reader)).await
    }

    /// A GET by the reader that must be answered with 200; its body.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
        answer.body
    }

    /// A POST of JSON by the bearer of `token`.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        answer(with_json(self.request("POST", path, token), body.to_string())).await
    }

    /// Submits by the producer.
    pub(crate) async fn submit(&self, body: &Value) -> Answer {
        self.post("/v1/jobs", &self.tokens.producer, body).await
    }

    /// An act of the operator.
    pub(crate) async fn act(&self, path: &str, body: &Value) -> Answer {
        self.post(path, &self.tokens.operator, body).await
    }
}

/// The request with a body that says that it is JSON.
pub(crate) fn with_json(request: RequestBuilder, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body)
}

/// What is answered to the request.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap_or_else(|error| panic!("no answer: {error:?}"))).await
}

async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Answer { status, headers, body }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks that it refuses as RFC 9457 has it, by this status and the last part of the type.
    pub(crate) fn refuses(&self, status: u16, kind: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.body["type"], format!("urn:bursar:problem:{kind}"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        for member in ["title", "detail"] {
            assert!(self.body[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        let reason = StatusCode::from_u16(status).expect("a status").canonical_reason();
        assert!(reason.is_some() && !self.header("x-request-id").is_empty(), "{self:?}");
        self
    }

    /// The fields that it names as wrong.
    pub(crate) fn wrong_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().unwrap_or_else(|| panic!("it names fields: {self:?}"));
        errors.iter().map(|error| error["field"].as_str().expect("a field has a name")).collect()
    }
}

/// Long enough for a request that must not be answered yet.
pub(crate) const NOT_YET: Duration = Duration::from_millis(200);
