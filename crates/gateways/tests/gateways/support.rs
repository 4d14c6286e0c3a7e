//! A gateway of a few lines: it reads whole requests, keeps them, and does to each connection what the test says.

pub(crate) mod accounts;
pub(crate) mod sign;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    }

    /// The parameters, decoded.
    pub(crate) fn params(&self) -> std::collections::BTreeMap<String, String> {
        match self.body.starts_with('{') {
            true => serde_json::from_str(&self.body).unwrap(),
            false => form_urlencoded::parse(self.body.as_bytes()).into_owned().collect(),
        }
    }
}

/// The server's action once a request has been read.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers and keeps the connection.
    Outcome(String),
    /// The same, and answers once more as soon as another request comes over the connection: an answer too many, late.
    AnswerTwice(String, String),
    /// Answers with these headers.
    AnswerWith(u16, Vec<(String, String)>, Vec<u8>),
    /// Answers, promises to keep the connection, and closes it.
    AnswerAndClose(String),
    /// Writes these bytes and closes.
    Raw(Vec<u8>),
    /// Closes in peace.
    Close,
    /// Ends the connection with a reset.
    Reset,
    /// Keeps the connection and says nothing, ever.
    Hang,
}

type Script = dyn Fn(usize, &Received) -> Act + Send + Sync;

/// A running server. It ends with its test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server; `script` is given the request's number from 0 and the request.
    pub(crate) async fn start(script: impl Fn(usize, &Received) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), received: Arc::default(), connections: Arc::default() };
        let (script, received): (Arc<Script>, _) = (Arc::new(script), server.received.clone());
        let connections = server.connections.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve_tcp(stream, script.clone(), received.clone()));
            }
        });
        server
    }

    /// Answers everything with `body`.
    pub(crate) async fn answering(body: impl Into<String>) -> Self {
        let body = body.into();
        Self::start(move |_, _| Act::Outcome(body.clone())).await
    }

    /// Starts a TLS server with `certificate`.
    pub(crate) async fn start_tls(config: tokio_rustls::rustls::ServerConfig, body: String) -> Self {
        Self::start_tls_slowly(config, body, Duration::ZERO).await
    }

    /// The same, with a pause before each handshake.
    pub(crate) async fn start_tls_slowly(
        config: tokio_rustls::rustls::ServerConfig,
        body: String,
        pause: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), received: Arc::default(), connections: Arc::default() };
        let received = server.received.clone();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, received, body) = (acceptor.clone(), received.clone(), body.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(pause).await; // the server's slowness itself
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    while let Some(request) = read_request(&mut stream).await {
                        received.lock().unwrap().push(request);
                        stream.write_all(&http(200, &[], body.as_bytes())).await.unwrap();
                    }
                });
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Connections accepted so far, without TLS.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

async fn serve_tcp(mut stream: TcpStream, script: Arc<Script>, received: Arc<Mutex<Vec<Received>>>) {
    let mut late: Option<String> = None;
    while let Some(request) = read_request(&mut stream).await {
        if let Some(body) = late.take() {
            let _ = stream.write_all(&http(200, &[], body.as_bytes())).await;
        }
        let number = {
            let mut received = received.lock().unwrap();
            received.push(request.clone());
            received.len() - 1
        };
        let written = match script(number, &request) {
            Act::Outcome(body) => stream.write_all(&http(200, &[], body.as_bytes())).await,
            Act::AnswerTwice(body, again) => {
                late = Some(again);
                stream.write_all(&http(200, &[], body.as_bytes())).await
            }
            Act::AnswerWith(status, headers, body) => stream.write_all(&http(status, &headers, &body)).await,
            Act::AnswerAndClose(body) => {
                let _ = stream.write_all(&http(200, &[], body.as_bytes())).await;
                return;
            }
            Act::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Act::Close => return,
            Act::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Act::Hang => std::future::pending().await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let request = Received { head, body: String::new() };
            let length: usize = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            while bytes.len() < end + 4 + length {
                read_more(stream, &mut bytes).await?;
            }
            let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
            return Some(Received { body, ..request });
        }
        read_more(stream, &mut bytes).await?;
    }
}

async fn read_more(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 8192];
    let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
    bytes.extend_from_slice(&buffer[..read]);
    Some(())
}

/// An HTTP answer as bytes.
pub(crate) fn http(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}
