//! One HTTP request, made once: it is never repeated, never redirected, never sent through a proxy of the environment,
//! and it distinguishes "no byte left" from "maybe".

mod content;

use std::time::{Duration, Instant};

use bursar_http_client::header::{ACCEPT, CONNECTION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue};
use bursar_http_client::{Body, Client, Response, StatusCode, Trust, Url, causes, hardened};
use jiff::Timestamp;

use self::content::{Content, SendDeadlinePassed, Ticket};
use crate::settings::{ContentType, TooManyRequests, Transport};
use crate::{SettingsError, SharedParts, clock};

/// The largest answer that is read, in bytes: the largest on the pages is under 4 KiB.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Idle connections kept for an account that keeps any: as many as a worker has calls in flight by default.
const MAX_IDLE_CONNECTIONS: usize = 64;

/// The outcome of one request as far as HTTP goes.
#[derive(Debug)]
pub(crate) enum HttpOutcome {
    /// It was certainly not executed: no byte of it left, or what answered is known to pass nothing on.
    NotExecuted { http: Option<u16>, why: String },
    /// It may have been executed, and nothing came back that could be read.
    NoResponse { http: Option<u16>, why: String },
    /// A whole answer with a success status, to be judged by its content.
    Response(HttpResponse),
}

/// An answer as far as HTTP goes.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub http: u16,
    /// The gateway's clock, if its answer has it.
    pub date: Option<Timestamp>,
    pub body: String,
}

/// The account's connections.
pub(crate) struct Http {
    client: Client,
    base: Url,
    call_timeout: Duration,
    keep_alive: Duration,
    content_type: ContentType,
    http_429: TooManyRequests,
}

/// Everything that a client is made of. Accounts share one only if all of this is the same; what else an
/// account sets goes with each of its requests.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Connecting {
    connect_timeout: Duration,
    keep_alive: Duration,
    trust: Trust,
}

impl Connecting {
    /// Never asked for a proxy, a redirect, a retry or HTTP/2.
    pub(crate) fn client(&self) -> Result<Client, SettingsError> {
        let builder = hardened()
            .tcp_nodelay(true)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(self.keep_alive)
            .pool_max_idle_per_host(if self.keep_alive.is_zero() { 0 } else { MAX_IDLE_CONNECTIONS });
        let builder = self.trust.apply(builder).map_err(|error| SettingsError::new("ca_file", error.to_string()))?;
        builder.build().map_err(|error| match self.trust {
            Trust::Also(_) | Trust::Only(_) => {
                SettingsError::new("ca_file", format!("cannot be trusted: {}", causes(&error)))
            }
            Trust::System => SettingsError::new("base_url", format!("cannot be reached by TLS: {}", causes(&error))),
        })
    }
}

impl Http {
    pub(crate) fn new(transport: &Transport, parts: &SharedParts) -> Result<Self, SettingsError> {
        // Each field is named: a new one must be given its place, in `Connecting` or in each request.
        let Transport { base_url, connect_timeout, call_timeout, keep_alive, trust, content_type, http_429 } =
            transport;
        let base = base_url_of(base_url)?;
        if connect_timeout.is_zero() {
            return Err(SettingsError::new("connect_timeout", "must be longer than nothing"));
        }
        if call_timeout.is_zero() {
            return Err(SettingsError::new("call_timeout", "must be longer than nothing"));
        }
        let connecting = Connecting {
            // Within half of the call: only so does a slow connection show itself as "no byte left" and not as "maybe".
            connect_timeout: (*connect_timeout).min(*call_timeout / 2),
            keep_alive: *keep_alive,
            trust: trust.clone(),
        };
        // A client that keeps connections is one account's own: what comes too late over one reaches no other account.
        let client = if keep_alive.is_zero() { parts.client(connecting)? } else { connecting.client()? };
        Ok(Self {
            client,
            base,
            call_timeout: *call_timeout,
            keep_alive: *keep_alive,
            content_type: *content_type,
            http_429: *http_429,
        })
    }

    pub(crate) fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// The longest that one call may take, whatever number of requests it makes.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// Posts `body` to `path` below the base URL (`""` for the base URL itself) and reads the answer, within `limit`. The
    /// content does not leave after `send_by`: that is looked at last of all, when the connection is there and is about to
    /// write. "Not executed" follows from the content alone, which is still here and can leave no more; no error of the
    /// network is taken for it.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: String,
        limit: Duration,
        send_by: Option<Instant>,
    ) -> HttpOutcome {
        let mut url = self.base.clone();
        if !path.is_empty() {
            url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        }
        let (content, ticket) = Content::new(body, send_by);
        let request = self.client.post(url).headers(self.headers()).timeout(limit).body(Body::wrap(content));
        let sent = tried(request.send(), send_by, &ticket).await;
        match (ticket.withdraw(), sent) {
            (true, Err(why)) => HttpOutcome::NotExecuted { http: None, why },
            // Whatever it answers, it is not this request.
            (true, Ok(_)) => HttpOutcome::NotExecuted { http: None, why: "answered before anything was sent".into() },
            (false, Ok(response)) => self.read(response).await,
            (false, Err(why)) => HttpOutcome::NoResponse { http: None, why },
        }
    }

    /// The headers of every request of the account.
    fn headers(&self) -> HeaderMap {
        let content_type = match self.content_type {
            ContentType::Form => "application/x-www-form-urlencoded; charset=utf-8",
            ContentType::Json => "application/json; charset=utf-8",
        };
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        if self.keep_alive.is_zero() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        headers
    }

    async fn read(&self, mut response: Response) -> HttpOutcome {
        let status = response.status();
        let http = status.as_u16();
        if !status.is_success() {
            return self.refused(status);
        }
        let date = response.headers().get(DATE).and_then(|date| clock::read_http_date(date.to_str().ok()?));
        let nothing = |why: String| HttpOutcome::NoResponse { http: Some(http), why };
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER_BYTES => {
                    return nothing(format!("the answer is longer than {MAX_ANSWER_BYTES} bytes"));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return nothing(format!("the answer broke off: {}", causes(&error))),
            }
        }
        match String::from_utf8(body) {
            Ok(body) if body.is_empty() => nothing("the answer is empty".into()),
            Ok(body) => HttpOutcome::Response(HttpResponse { http, date, body }),
            Err(_) => nothing("the answer is not UTF-8".into()),
        }
    }

    /// Neither gateway answers with another status than 200: something on the way did, and no one knows what it
    /// passed on.
    fn refused(&self, status: StatusCode) -> HttpOutcome {
        let http = Some(status.as_u16());
        let why = match status.is_redirection() {
            true => format!("HTTP {status}: a redirection, which is not followed"),
            false => format!("HTTP {status} instead of an answer"),
        };
        match self.http_429 {
            TooManyRequests::NotExecuted if status == StatusCode::TOO_MANY_REQUESTS => {
                HttpOutcome::NotExecuted { http, why }
            }
            TooManyRequests::NotExecuted | TooManyRequests::InDoubt => HttpOutcome::NoResponse { http, why },
        }
    }
}

/// Waits for an answer; for a content that has not left by `send_by` no longer than until then.
async fn tried(
    sending: impl Future<Output = bursar_http_client::Result<Response>>,
    send_by: Option<Instant>,
    ticket: &Ticket,
) -> Result<Response, String> {
    let mut sending = std::pin::pin!(sending);
    if let Some(by) = send_by {
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(by.into()) => {
                if ticket.withdraw() {
                    return Err(SendDeadlinePassed.to_string());
                }
            }
            sent = &mut sending => return sent.map_err(|error| causes(&error)),
        }
    }
    sending.await.map_err(|error| causes(&error))
}

fn base_url_of(text: &str) -> Result<Url, SettingsError> {
    let wrong = |problem: &str| Err(SettingsError::new("base_url", problem));
    let Ok(url) = Url::parse(text) else { return wrong("must be a URL like https://gateway.example") };
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return wrong("must begin with https:// (or http:// for a simulator) and name a host");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return wrong("must hold no query, no fragment and no credentials");
    }
    Ok(url)
}
