//! A proxy between a client and the server that loses, cuts and holds replies, or refuses requests itself. The key of the job that a
//! request is about says which, so one proxy serves all of a client's tests. It keeps every request for the test to check.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Long against a request of a test.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// Seconds that a limited client must leave alone.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The fate of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Passed,
    /// The server has done it. The connection ends without a byte of the reply.
    ReplyDropped,
    /// The same, by a reset.
    ReplyReset,
    /// The server has done it. Half of its reply arrives.
    ReplyCut,
    /// The server has done it. Nothing arrives, and the connection stays open.
    ReplyStalled,
    /// 503, and the server never sees the request.
    Unavailable,
    /// 429 with `Retry-After` in seconds, and the server never sees the request.
    RateLimited,
    /// 503 with `Retry-After` as a date, and the server never sees the request.
    UnavailableUntil,
    /// 200 with a page of a proxy.
    Page,
    /// 502 with a page of a proxy, at each attempt.
    BadGateway,
}

/// The fates of a key's first submissions, by the beginning of the key. Those behind pass.
pub(crate) const FATES: [(&str, &[Fate]); 6] = [
    ("LOST-", &[Fate::ReplyDropped, Fate::ReplyReset]),
    ("CUT-", &[Fate::ReplyCut]),
    ("HANG-", &[Fate::ReplyStalled]),
    ("DOWN-", &[Fate::Unavailable, Fate::Unavailable]),
    ("RATE-", &[Fate::RateLimited, Fate::UnavailableUntil]),
    ("PAGE-", &[Fate::Page]),
];

/// Keys whose requests never arrive, whatever the method.
const NEVER: &str = "GONE-";

/// Keys of which reads lose their first replies, too.
const READS_LOST: &str = "LOST-";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) fate: Fate,
    /// The server's status and body; `None` where it did not see the request.
    pub(crate) reply: Option<(u16, Value)>,
}

impl Request {
    /// True if it is about a key that begins so: one of the jobs in its body, or the one of its path.
    pub(crate) fn is_about(&self, key: &str) -> bool {
        let body = String::from_utf8_lossy(&self.body);
        self.path.contains(&format!("/{key}")) || body.contains(&format!("\"{key}"))
    }
}

/// The proxy. It ends when it is dropped.
pub(crate) struct LossyProxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl LossyProxy {
    /// Listens on a free port of this machine.
    pub(crate) async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port that is listened on");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (upstream, seen) = (upstream.to_owned(), Arc::clone(&requests));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, seen) = (upstream.clone(), Arc::clone(&seen));
                // An error is the end of a connection, which its client sees.
                tokio::spawn(async move { serve(client, &upstream, &seen).await });
            }
        });
        Self { address, requests, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request over one connection, for clients that pool connections find out by themselves that it has ended.
async fn serve(mut client: TcpStream, upstream: &str, seen: &Mutex<Vec<Request>>) -> io::Result<()> {
    let (head, body) = read_request(&mut client).await?;
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { at: Instant::now(), method, path, body, fate: Fate::Passed, reply: None };
    let place = {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        request.fate = fate(&request, &seen);
        seen.push(request.clone());
        seen.len() - 1
    };
    let own = own_reply(request.fate);
    let reply = if own.is_empty() { forwarded(upstream, &head, &request.body).await? } else { own };
    if request.fate == Fate::ReplyReset {
        client.set_zero_linger()?;
    }
    if own_reply(request.fate).is_empty() {
        seen.lock().unwrap_or_else(PoisonError::into_inner)[place].reply = Some(parsed(&reply));
    }
    match request.fate {
        Fate::ReplyDropped | Fate::ReplyReset => Ok(()),
        Fate::ReplyCut => client.write_all(&reply[..reply.len() - reply_body(&reply).len() / 2]).await,
        Fate::ReplyStalled => client.read(&mut [0]).await.map(drop), // until the client has enough
        Fate::Passed
        | Fate::Unavailable
        | Fate::RateLimited
        | Fate::UnavailableUntil
        | Fate::Page
        | Fate::BadGateway => client.write_all(&reply).await,
    }
}

/// The fate by the request's key and the number of the same requests before it.
fn fate(request: &Request, before: &[Request]) -> Fate {
    if request.is_about(NEVER) {
        return Fate::BadGateway;
    }
    let row = FATES.iter().find(|(key, _)| request.is_about(key));
    let Some((key, fates)) = row.filter(|(key, _)| request.method == "POST" || *key == READS_LOST) else {
        return Fate::Passed;
    };
    let earlier = before.iter().filter(|other| other.method == request.method && other.is_about(key)).count();
    fates.get(earlier).copied().unwrap_or(Fate::Passed)
}

/// The reply of the proxy itself; empty where the server's is awaited.
fn own_reply(fate: Fate) -> Vec<u8> {
    let with = |status: &str, headers: &str, kind: &str, body: &str| {
        let head = format!("HTTP/1.1 {status}\r\n{headers}content-type: {kind}\r\nconnection: close");
        format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let problem = |name: &str, status: u16| {
        format!(r#"{{"type":"urn:bursar:problem:{name}","title":"not now","status":{status},"detail":"repeat it"}}"#)
    };
    let limited = format!("retry-after: {}\r\n", RETRY_AFTER.as_secs());
    // The date's part of a second is cut off, so one more is left of the wait at least.
    let until = jiff::Timestamp::now() + RETRY_AFTER + Duration::from_secs(1);
    let until = until.strftime("retry-after: %a, %d %b %Y %H:%M:%S GMT\r\n").to_string();
    match fate {
        Fate::Unavailable => {
            with("503 Service Unavailable", "", "application/problem+json", &problem("unavailable", 503))
        }
        Fate::RateLimited => {
            with("429 Too Many Requests", &limited, "application/problem+json", &problem("rate-limited", 429))
        }
        Fate::UnavailableUntil => {
            with("503 Service Unavailable", &until, "application/problem+json", &problem("unavailable", 503))
        }
        Fate::Page => with("200 OK", "", "text/html", "<html>Sign in to the network</html>"),
        Fate::BadGateway => with("502 Bad Gateway", "", "text/html", "<html>Bad Gateway</html>"),
        Fate::Passed | Fate::ReplyDropped | Fate::ReplyReset | Fate::ReplyCut | Fate::ReplyStalled => Vec::new(),
    }
}

async fn read_request(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut wanted = None;
    while wanted.is_none_or(|(_, whole)| bytes.len() < whole) && bytes.len() < MAX_REQUEST_BYTES {
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let (None, Some(end)) = (wanted, bytes.windows(4).position(|four| four == b"\r\n\r\n")) {
            let length =
                header(&String::from_utf8_lossy(&bytes[..end]), "content-length").and_then(|text| text.parse().ok());
            wanted = Some((end, end + 4 + length.unwrap_or(0)));
        }
    }
    let (end, _) = wanted.ok_or(io::ErrorKind::InvalidData)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    assert!(header(&head, "transfer-encoding").is_none(), "a client of Bursar knows the length of its body: {head}");
    Ok((head, bytes.split_off(end + 4)))
}

fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// The server's whole reply.
async fn forwarded(upstream: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream).await?;
    let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: Vec<&str> = kept.chain(["Connection: close", "", ""]).collect();
    server.write_all(&[head.join("\r\n").as_bytes(), body].concat()).await?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply).await?;
    Ok(reply)
}

fn reply_body(reply: &[u8]) -> &[u8] {
    reply.windows(4).position(|four| four == b"\r\n\r\n").map_or(&[], |end| &reply[end + 4..])
}

fn parsed(reply: &[u8]) -> (u16, Value) {
    let text = String::from_utf8_lossy(reply);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_slice(reply_body(reply)).expect("the server replies in JSON"))
}
