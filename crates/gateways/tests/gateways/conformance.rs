//! The rules that every gateway keeps, whatever its wire format: one request a call, no byte repeated, and "maybe" never
//! read as "no". Each test runs for every kind of send at both gateways.

use std::time::Duration;

use crate::support::{Act, Server, accounts, sign};
use bursar_domain::{Outcome, ParsedResponse, Received};
use bursar_gateways::{Beingfi, Gateway, GatewayRequest, TooManyRequests, Transport, Yzt};

/// A kind of send, with what a healthy gateway answers to it.
struct Case {
    name: &'static str,
    gateway: fn(Transport) -> Box<dyn Gateway>,
    order: GatewayRequest,
    healthy: String,
    /// The outcome that the healthy response means.
    outcome: Outcome,
}

fn yzt(transport: Transport) -> Box<dyn Gateway> {
    Box::new(Yzt::new(bursar_gateways::YztSettings { transport, ..accounts::yzt_settings("http://x") }).unwrap())
}

fn beingfi(transport: Transport) -> Box<dyn Gateway> {
    let settings = bursar_gateways::BeingfiSettings { transport, ..accounts::beingfi_settings("http://x") };
    Box::new(Beingfi::new(settings).unwrap())
}

fn cases() -> Vec<Case> {
    let case = |name, gateway, order, healthy| Case { name, gateway, order, healthy, outcome: Outcome::Succeeded };
    let withdrawn = sign::yzt("bkfunds_withdraw_apply_response", &sign::taken(r#"{"trade_no":"2025062413293980461"}"#));
    vec![
        case("transfer", yzt as fn(_) -> _, accounts::transfer(), sign::applied(r#"{"status":"1"}"#)),
        case("bill upload", yzt, accounts::bill(), sign::yzt("bkfunds_order_upload_response", &sign::taken("\"\""))),
        case(
            "generic split",
            yzt,
            accounts::split(),
            sign::yzt("bkfunds_split_apply_response", &sign::taken(r#"{"status":"1"}"#)),
        ),
        case(
            "split",
            beingfi,
            accounts::split(),
            sign::beingfi(r#"{"channelBatchOrderId":"T1","state":1}"#, "channelBatchOrderId=T1&state=1"),
        ),
        Case { outcome: Outcome::Accepted, ..case("withdrawal", yzt, accounts::withdrawal(), withdrawn) },
    ]
}

impl Case {
    fn at(&self, url: &str) -> Box<dyn Gateway> {
        (self.gateway)(accounts::transport(url))
    }

    /// Where connections are kept between requests.
    fn keeping(&self, url: &str) -> Box<dyn Gateway> {
        (self.gateway)(Transport { keep_alive: Duration::from_secs(4), ..accounts::transport(url) })
    }

    /// Sends once to a server that does `act`, and returns the reading and how many requests came.
    async fn sent_to(&self, act: Act) -> (ParsedResponse, usize) {
        let server = Server::start(move |_, _| act.clone()).await;
        let transport = Transport { call_timeout: Duration::from_secs(3), ..accounts::transport(&server.url()) };
        let parsed = (self.gateway)(transport).send(&self.order).await;
        (parsed, server.count())
    }
}

#[tokio::test]
async fn a_healthy_answer_is_read_for_what_it_says() {
    for case in cases() {
        let (parsed, requests) = case.sent_to(Act::Outcome(case.healthy.clone())).await;
        assert_eq!((parsed.outcome, requests), (case.outcome, 1), "{}: {parsed:?}", case.name);
        assert_eq!((parsed.http, parsed.received), (Some(200), Received::Response), "{}", case.name);
    }
}

/// A code that no list knows comes from a gateway that works; everything else that teaches nothing does not.
#[tokio::test]
async fn a_response_with_an_unknown_code_is_a_response() {
    for case in cases() {
        for unknown in [sign::refused("40004", "isv.never-heard-of"), r#"{"code":77,"msg":"?"}"#.to_owned()] {
            let (parsed, _) = case.sent_to(Act::Outcome(unknown.clone())).await;
            let of_this_gateway = unknown.contains("error_response") != case.healthy.starts_with(r#"{"code""#);
            let received = if of_this_gateway { Received::Response } else { Received::Nothing };
            assert_eq!((parsed.outcome, parsed.received), (Outcome::NoResponse, received), "{}: {parsed:?}", case.name);
        }
    }
}

#[tokio::test]
async fn a_refused_connection_and_an_unknown_host_executed_nothing() {
    // A socket that does not listen keeps its port, so that no other test's server gets it meanwhile.
    let kept = tokio::net::TcpSocket::new_v4().unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("http://{}", kept.local_addr().unwrap());
    for case in cases() {
        for url in [closed.as_str(), "http://nowhere.invalid"] {
            let parsed = case.at(url).send(&case.order).await;
            let expected = (Outcome::NotExecuted, Received::Nothing);
            assert_eq!((parsed.outcome, parsed.received), expected, "{} at {url}: {parsed:?}", case.name);
            assert!(parsed.message.is_some_and(|message| !message.is_empty()), "{}", case.name);
        }
    }
}

#[tokio::test]
async fn a_tls_handshake_that_fails_or_hangs_executed_nothing() {
    // Not a server at all, one that hangs up, and one that never says a word.
    for greeting in [Some(&b"220 mail.example ESMTP\r\n"[..]), Some(b""), None] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                match greeting {
                    Some(greeting) => drop(stream.try_write(greeting)),
                    None => kept.push(stream),
                }
            }
        });
        for case in cases() {
            let transport = Transport { connect_timeout: Duration::from_millis(300), ..accounts::transport(&url) };
            let parsed = (case.gateway)(transport).send(&case.order).await;
            assert_eq!(parsed.outcome, Outcome::NotExecuted, "{} after {greeting:?}: {parsed:?}", case.name);
        }
    }
}

#[tokio::test]
async fn silence_after_the_request_is_in_doubt_and_stays_so() {
    for case in cases() {
        for act in [Act::Close, Act::Reset, Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec())] {
            let (parsed, requests) = case.sent_to(act.clone()).await;
            assert_eq!((parsed.outcome, requests), (Outcome::NoResponse, 1), "{} {act:?}: {parsed:?}", case.name);
            assert_eq!(parsed.received, Received::Nothing, "{} {act:?}", case.name);
        }
        let server = Server::start(|_, _| Act::Hang).await;
        let transport = Transport {
            connect_timeout: Duration::from_millis(800),
            call_timeout: Duration::from_millis(1000),
            ..accounts::transport(&server.url())
        };
        let parsed = (case.gateway)(transport).send(&case.order).await;
        assert_eq!((parsed.outcome, server.count()), (Outcome::NoResponse, 1), "{}: {parsed:?}", case.name);
    }
}

#[tokio::test]
async fn a_send_of_a_worker_frozen_too_long_is_not_made() {
    for case in cases() {
        let server = Server::start(|_, _| Act::Hang).await;
        let late = GatewayRequest {
            send_by: std::time::Instant::now().checked_sub(Duration::from_millis(1)),
            ..case.order.clone()
        };
        let parsed = (case.gateway)(accounts::transport(&server.url())).send(&late).await;
        assert_eq!((parsed.outcome, server.count()), (Outcome::NotExecuted, 0), "{}: {parsed:?}", case.name);
    }
}

#[tokio::test]
async fn any_other_status_than_success_leaves_a_send_in_doubt() {
    for case in cases() {
        for status in [400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504] {
            // Even around a healthy answer: what wrote the status did not come from the gateway.
            let act = Act::AnswerWith(status, Vec::new(), case.healthy.clone().into_bytes());
            let (parsed, requests) = case.sent_to(act).await;
            assert_eq!((parsed.outcome, requests), (Outcome::NoResponse, 1), "{} {status}: {parsed:?}", case.name);
            assert_eq!((parsed.http, parsed.received), (Some(status), Received::Nothing), "{}", case.name);
        }
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    for case in cases() {
        let elsewhere = Server::answering(case.healthy.clone()).await;
        for status in [301, 302, 303, 307, 308] {
            let headers = vec![("Location".to_owned(), elsewhere.url())];
            let (parsed, requests) = case.sent_to(Act::AnswerWith(status, headers, Vec::new())).await;
            assert_eq!((parsed.outcome, requests), (Outcome::NoResponse, 1), "{} {status}: {parsed:?}", case.name);
        }
        assert_eq!(elsewhere.count(), 0, "{}", case.name);
    }
}

#[tokio::test]
async fn too_many_requests_proves_nothing_unless_the_operator_says_so() {
    for case in cases() {
        let server = Server::start(|_, _| Act::AnswerWith(429, Vec::new(), b"slow down".to_vec())).await;
        let transport = Transport { http_429: TooManyRequests::NotExecuted, ..accounts::transport(&server.url()) };
        let parsed = (case.gateway)(transport).send(&case.order).await;
        assert_eq!((parsed.outcome, parsed.http), (Outcome::NotExecuted, Some(429)), "{}", case.name);
    }
}

#[tokio::test]
async fn an_unreadable_response_is_in_doubt_and_quoted_briefly() {
    for case in cases() {
        let half = &case.healthy[..case.healthy.len() / 2];
        let bodies: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"<html>\r\n<h1>502 Bad Gateway</h1>".to_vec(),
            b"null".to_vec(),
            b"[]".to_vec(),
            b"{}".to_vec(),
            b"success".to_vec(),
            half.as_bytes().to_vec(),
            format!("{}}}", case.healthy).into_bytes(),
            b"\xff\xfe{}".to_vec(),
            vec![b' '; 2 * 1024 * 1024],
            format!("{{\"a\":\"{}\"}}", "错\u{7}\u{202e}".repeat(1000)).into_bytes(),
        ];
        for body in bodies {
            let shown = String::from_utf8_lossy(&body).chars().take(40).collect::<String>();
            let (parsed, requests) = case.sent_to(Act::AnswerWith(200, Vec::new(), body)).await;
            assert_eq!((parsed.outcome, requests), (Outcome::NoResponse, 1), "{} {shown}: {parsed:?}", case.name);
            assert_eq!(parsed.received, Received::Nothing, "{} {shown}", case.name);
            let message = parsed.message.unwrap();
            assert!(message.chars().count() <= 200 && !message.chars().any(char::is_control), "{message}");
        }
        let endless = http_without_end();
        let (parsed, _) = case.sent_to(Act::Raw(endless)).await;
        assert_eq!(parsed.outcome, Outcome::NoResponse, "{}: a body that breaks off", case.name);
    }
}

fn http_without_end() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{\"code\":0".to_vec()
}

/// The worst moments for a kept connection: closed right after an answer that promised to keep it, closed or reset
/// once the next request has been read, and answered twice in one breath.
#[tokio::test]
async fn nothing_is_sent_twice_over_dying_connections() {
    for case in cases() {
        let healthy = case.healthy.clone();
        let server = Server::start(move |number, _| match number % 4 {
            0 => Act::Outcome(healthy.clone()),
            1 => Act::AnswerAndClose(healthy.clone()),
            2 => Act::Close,
            _ => Act::Reset,
        })
        .await;
        let gateway = case.keeping(&server.url());
        let mut silent = 0;
        for sends in 1..=60 {
            let parsed = gateway.send(&case.order).await;
            // One call, at most one request, even when it meets a connection that is just being closed.
            assert!(server.count() <= sends, "{}: {} requests for {sends} sends", case.name, server.count());
            assert!([case.outcome, Outcome::NoResponse].contains(&parsed.outcome), "{}: {parsed:?}", case.name);
            silent += usize::from(parsed.outcome == Outcome::NoResponse);
        }
        assert!(silent >= 20, "{}: every closed and reset connection was noticed: {silent}", case.name);
    }
}

#[tokio::test]
async fn each_request_has_its_own_connection_unless_kept_alive() {
    for case in cases() {
        for (keeps, expected, connection) in [(false, 5, Some("close")), (true, 1, None)] {
            let server = Server::answering(case.healthy.clone()).await;
            let gateway = if keeps { case.keeping(&server.url()) } else { case.at(&server.url()) };
            for _ in 0..5 {
                assert_eq!(gateway.send(&case.order).await.outcome, case.outcome);
            }
            let requests = server.received();
            assert_eq!((requests.len(), server.connections()), (5, expected), "{}", case.name);
            assert_eq!(requests[0].header("connection").as_deref(), connection, "{}", case.name);
        }
    }
}

/// A gateway or a balancer that answers one request twice: on a kept connection the next request is given the second answer.
#[tokio::test]
async fn an_answer_too_many_reaches_no_other_send() {
    for case in cases() {
        let healthy = case.healthy.clone();
        let server = Server::start(move |number, _| match number % 2 {
            0 => Act::AnswerTwice(healthy.clone(), "another job's".into()),
            _ => Act::Outcome(healthy.clone()),
        })
        .await;
        let answers = async |gateway: &dyn Gateway| {
            [gateway.send(&case.order).await.outcome, gateway.send(&case.order).await.outcome]
        };
        assert_eq!(answers(&*case.at(&server.url())).await, [case.outcome; 2], "{}", case.name);
        let kept = answers(&*case.keeping(&server.url())).await;
        assert_eq!(kept, [case.outcome, Outcome::NoResponse], "{}: that is why none is kept by itself", case.name);
    }
}

#[tokio::test]
async fn a_request_says_what_it_is_and_nothing_of_this_machine() {
    for case in cases() {
        let server = Server::answering(case.healthy.clone()).await;
        case.at(&server.url()).send(&case.order).await;
        let requests = server.received();
        assert!(requests[0].head.starts_with("POST "), "{}", requests[0].head);
        assert!(requests[0].head.contains(" HTTP/1.1"));
        assert_eq!(requests[0].header("user-agent").unwrap(), format!("bursar/{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(requests[0].header("content-length").unwrap(), requests[0].body.len().to_string());
        for unwanted in ["accept-encoding", "cookie", "authorization", "referer", "transfer-encoding"] {
            assert_eq!(requests[0].header(unwanted), None, "{unwanted}");
        }
    }
}

#[tokio::test]
async fn every_send_of_an_order_carries_the_same_content() {
    for case in cases() {
        let server = Server::answering(case.healthy.clone()).await;
        let gateway = case.at(&server.url());
        gateway.send(&case.order).await;
        gateway.send(&accounts::again(case.order.clone())).await;
        let renewed = ["timestamp", "sign", "reqTime"];
        let contents: Vec<_> = server
            .received()
            .iter()
            .map(|request| {
                let mut params = request.params();
                params.retain(|name, _| !renewed.contains(&name.as_str()));
                params
            })
            .collect();
        assert_eq!(contents[0], contents[1], "{}", case.name);
    }
}

/// A misconfigured environment must not lead payments elsewhere. The environment is read when a process starts, so
/// this test runs itself again in one.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    const INNER: &str = "BURSAR_TEST_GATEWAY_URL";
    if let Ok(url) = std::env::var(INNER) {
        for case in cases() {
            assert_eq!(case.at(&url).send(&case.order).await.http, Some(200), "{}", case.name);
        }
        return;
    }
    let proxy = Server::answering("caught").await;
    let server = Server::answering("{}").await;
    let mut inner = std::process::Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "conformance::proxies_of_the_environment_are_ignored"]).env(INNER, server.url());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        inner.env(name, proxy.url());
    }
    inner.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = tokio::task::spawn_blocking(move || inner.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((server.count(), proxy.count()), (cases().len(), 0));
}
