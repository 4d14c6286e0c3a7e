//! Requests as bytes, for what no client library sends: smuggled, malformed, oversized. Behind each one comes an honest request over the
//! same connection, so that every answer is counted: one more than the table says is a smuggled request.

use std::net::SocketAddr;

use bursar_test_support::SOON;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::jobs::transfer;
use crate::world::World;

/// What a probe sends, in which `{token}` is an operator's token and `{producer}` a producer's, and the statuses of all answers until the server closes.
type Probe = (&'static str, String, &'static [u16]);

/// The honest request behind a probe.
const HONEST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// A request for the queues with a token, up to its last headers.
const QUEUES: &str = "GET /v1/queues HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n";

/// A submission's head, up to its last headers. An operator may not submit: 403 where the head is understood.
const SUBMIT: &str =
    "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{token}}\r\n\r\n")
}

fn submit(rest: &str) -> String {
    format!("{SUBMIT}{rest}")
}

fn health(rest: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{rest}\r\n")
}

fn lengths() -> Vec<Probe> {
    let chunked = "Transfer-Encoding: chunked\r\n";
    vec![
        (
            "length and chunks",
            submit(&format!("Content-Length: 6\r\n{chunked}\r\n0\r\n\r\nGET /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n")),
            &[403],
        ),
        ("chunks and length", submit(&format!("{chunked}Content-Length: 4\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n")), &[403]),
        ("xchunked", submit("Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n{}"), &[400]),
        ("chunked, identity", submit("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"), &[400]),
        ("chunked twice", submit("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"), &[400]),
        ("two lengths", submit("Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}"), &[400]),
        ("the same length twice", submit("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"), &[403]),
        ("length +2", submit("Content-Length: +2\r\n\r\n{}"), &[400]),
        ("length 0x2", submit("Content-Length: 0x2\r\n\r\n{}"), &[400]),
        ("length -1", submit("Content-Length: -1\r\n\r\n{}"), &[400]),
        ("length of 2^64", submit("Content-Length: 18446744073709551616\r\n\r\n{}"), &[400]),
        ("space before colon", submit("Content-Length : 2\r\n\r\n{}"), &[400]),
        (
            "a job, by chunks and a length",
            format!(
                "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{producer}}\r\nContent-Type: application/json\r\n\
                 Content-Length: 6\r\n{chunked}\r\n0\r\n\r\nGET /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n"
            ),
            &[400],
        ),
        ("chunk with a bare LF", submit(&format!("{chunked}\r\n2;a=b\n{{}}\r\n0\r\n\r\n")), &[403]),
        ("chunk too large", submit(&format!("{chunked}\r\nfffffffffffffffff\r\n{{}}\r\n0\r\n\r\n")), &[403]),
        ("a body announced and no token", "POST /v1/jobs HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100000000\r\nContent-Type: application/json\r\n\r\n".to_owned(), &[401]),
        ("a request as a body", health("Content-Length: 33\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r"), &[200]),
    ]
}

fn heads() -> Vec<Probe> {
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    vec![
        (
            "a folded header",
            "GET /v1/queues HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n Authorization: Bearer {token}\r\n\r\n".to_owned(),
            &[400],
        ),
        ("bare LF", "GET /healthz HTTP/1.1\nHost: x\n\n".to_owned(), &[200, 200]),
        ("bare CR", "GET /healthz HTTP/1.1\rHost: x\r\r".to_owned(), &[400]),
        ("NUL in a header", health("X: a\0b\r\n"), &[400]),
        ("no Host", "GET /healthz HTTP/1.1\r\n\r\n".to_owned(), &[200, 200]),
        ("two Hosts", health("Host: y\r\n"), &[200, 200]),
        ("HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n".to_owned(), &[200]),
        ("HTTP/0.9", "GET /healthz\r\n".to_owned(), &[400]),
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[]),
        ("HTTP/3.0", "GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n".to_owned(), &[400]),
        ("no HTTP", "\u{16}\u{3}\u{1}\u{0}\r\n\r\n".to_owned(), &[400]),
        ("40 KiB in a header", health(&format!("X: {}\r\n", "a".repeat(40_960))), &[431]),
        ("600 KiB in a header", health(&format!("X: {}\r\n", "a".repeat(600_000))), &[431]),
        ("90 headers", health(&many(90)), &[200, 200]),
        ("300 headers", health(&many(300)), &[431]),
        ("a target of 70 KiB", get(&format!("/{}", "a".repeat(70_000))), &[431]),
        ("three at once", health("").repeat(3), &[200, 200, 200, 200]),
    ]
}

fn methods() -> Vec<Probe> {
    vec![
        ("CONNECT", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), &[404, 200]),
        ("TRACE", "TRACE /v1/queues HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), &[405, 200]),
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), &[404, 200]),
        (
            "OPTIONS of another origin",
            "OPTIONS /v1/jobs HTTP/1.1\r\nHost: x\r\nOrigin: https://evil\r\nAccess-Control-Request-Method: POST\r\n\r\n".to_owned(),
            &[405, 200],
        ),
        (
            "a method by a header",
            "GET /v1/jobs/main/transfer/T/cancel HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\nAuthorization: Bearer {token}\r\n\r\n".to_owned(),
            &[405, 200],
        ),
        ("HEAD", format!("HEAD{}\r\n", QUEUES.strip_prefix("GET").unwrap()), &[200, 200]),
        ("an absolute target", "GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), &[200, 200]),
    ]
}

fn targets() -> Vec<Probe> {
    let mut probes: Vec<Probe> = [
        "//v1/queues",
        "/assets/../v1/queues",
        "/assets/x/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/queues;a=b",
        "/V1/QUEUES",
        "/v1/queues/",
        "/v1/jobs/main%2ftransfer/transfer/T",
        "/v1/jobs/main/transfer/T%00",
        "/v1/jobs/main/transfer/%ff%fe",
        "/v1/jobs/main/transfer/号",
    ]
    .map(|target| (target, get(target), &[404, 200][..]))
    .into();
    let without = "GET /v1/queues?access_token={token} HTTP/1.1\r\nHost: x\r\n\r\n";
    let twice =
        "GET /v1/queues HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nAuthorization: Bearer {token}\r\n\r\n";
    let line_end = "GET /language/en?to=/%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: x\r\n\r\n";
    probes.push(("a line end in a target", line_end.to_owned(), &[303, 200]));
    probes.push(("a token in the query", without.to_owned(), &[401, 200]));
    probes.push(("two tokens", twice.to_owned(), &[401, 200]));
    probes
}

/// The answer to bytes and an honest request behind them, until the server closes.
async fn probed(address: SocketAddr, bytes: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    // The server may refuse and close before it has taken all: what it answered counts.
    connection.write_all(format!("{bytes}{HONEST}").as_bytes()).await.ok();
    let mut answer = Vec::new();
    timeout(SOON, connection.read_to_end(&mut answer)).await.expect("the server to close").ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of all answers.
fn statuses(answer: &str) -> Vec<u16> {
    let status = |rest: &str| rest.get(..3).and_then(|status| status.parse().ok());
    answer.split("HTTP/1.").skip(1).filter_map(|rest| status(rest.get(2..)?)).collect()
}

#[tokio::test]
async fn every_probe_has_its_answers_and_does_nothing() {
    let world = World::with(|settings| settings.rate_per_second = 0).await;
    world.submit_new(&[transfer("T")]).await;
    let server = world.serve().await;
    let address = server.address.parse().unwrap();
    let probes: Vec<Probe> = [lengths(), heads(), methods(), targets()].concat();
    assert!(probes.len() >= 51, "{} probes", probes.len());
    let mut wrong = Vec::new();
    for (name, bytes, expected) in probes {
        let bytes = bytes.replace("{token}", &server.tokens.operator).replace("{producer}", &server.tokens.producer);
        let answer = probed(address, &bytes).await;
        let answered = statuses(&answer);
        if answered != expected {
            let first = answer.lines().next().unwrap_or_default();
            wrong.push(format!("{name}: {answered:?} instead of {expected:?} ({first})"));
        }
        let refusals = |statuses: &[u16]| statuses.iter().filter(|status| **status >= 400).count();
        // An answer to HEAD has no body, and none of these is one.
        if answer.matches("\"urn:bursar:problem:").count() != refusals(&answered) {
            wrong.push(format!("{name}: a refusal without a problem: {answer}"));
        }
        let head = answer.to_ascii_lowercase();
        assert!(!head.contains("access-control-") && !head.contains("set-cookie: a=b"), "{name}: {answer}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.books_agree().await;
}
