//! A receiver of webhooks: keeps what it receives, and replies as a test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode, Uri,
        header::{HeaderName, LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

/// One message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The path that it was posted to.
    pub path: String,
    /// `webhook-id`
    pub id: String,
    /// `webhook-timestamp`
    pub timestamp: String,
    /// `webhook-signature`; empty when there was none.
    pub signature: String,
    /// `traceparent`; empty when there was none.
    pub traceparent: String,
    /// The body.
    pub body: String,
    /// The status of its reply.
    pub answered: u16,
}

impl Received {
    /// True if one of its signatures is by this secret (`whsec_…`), checked as its receiver would: over id, time and body.
    ///
    /// # Panics
    /// When the secret is none.
    #[must_use]
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok()).expect("whsec_ and base64");
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let expected = format!("v1,{}", STANDARD.encode(hmac(&key, text.as_bytes())));
        self.signature.split(' ').any(|one| one == expected)
    }
}

/// HMAC by the letter of RFC 2104, for keys of a block at most.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

/// The reply to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This status.
    Status(u16),
    /// This status, after a while.
    Late(Duration, u16),
    /// A redirect to there.
    Redirect(String),
    /// This status, with this `Retry-After`.
    Busy(u16, String),
}

type Answers = dyn Fn(&Received) -> Answer + Send + Sync;

/// The receiver. It ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Answers>,
}

impl Receiver {
    /// Listens on a free port of this machine. A message is kept when its answer is decided, before it leaves.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(answers: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port that is listened on");
        let received = Arc::new(Mutex::new(Vec::new()));
        let shared = Shared { received: Arc::clone(&received), answers: Arc::new(answers) };
        let router = Router::new().route("/{*path}", post(receive)).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { address, received, task }
    }

    /// A receiver that is content with everything.
    pub async fn content() -> Self {
        Self::start(|_| Answer::Status(204)).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `path` is posted to.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Everything that came, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut message = Received {
        path: uri.path().to_owned(),
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        traceparent: header("traceparent"),
        body,
        answered: 0,
    };
    let answer = (shared.answers)(&message);
    type Header = Option<(HeaderName, String)>;
    let (delay, status, header): (_, _, Header) = match answer {
        Answer::Status(status) => (Duration::ZERO, status, None),
        Answer::Late(delay, status) => (delay, status, None),
        Answer::Redirect(to) => (Duration::ZERO, 307, Some((LOCATION, to))),
        Answer::Busy(status, wait) => (Duration::ZERO, status, Some((RETRY_AFTER, wait))),
    };
    message.answered = status;
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    sleep(delay).await;
    let status = StatusCode::from_u16(status).expect("a status");
    match header {
        Some(header) => (status, [header]).into_response(),
        None => status.into_response(),
    }
}
