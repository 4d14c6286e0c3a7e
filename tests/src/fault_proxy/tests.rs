//! Each fault against a server that answers every line with the same line.

use super::*;
use crate::eventually;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, BufReader};

const SOON: Duration = Duration::from_secs(10);
/// Long enough for a line through the proxy and back many times over.
const SHORT: Duration = Duration::from_millis(100);

async fn echo_through_proxy() -> (FaultProxy, BufReader<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (from, mut to) = stream.split();
                tokio::io::copy(&mut BufReader::new(from), &mut to).await
            });
        }
    });
    let proxy = FaultProxy::start(&upstream).await;
    let client = connect(&proxy).await;
    (proxy, client)
}

async fn connect(proxy: &FaultProxy) -> BufReader<TcpStream> {
    BufReader::new(TcpStream::connect(proxy.address()).await.unwrap())
}

async fn say(client: &mut BufReader<TcpStream>, line: &str) -> io::Result<()> {
    client.get_mut().write_all(format!("{line}\n").as_bytes()).await
}

async fn hear(client: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    timeout(SOON, client.read_line(&mut line)).await.expect("no answer and no end")?;
    Ok(line)
}

async fn hears_nothing(client: &mut BufReader<TcpStream>) -> bool {
    timeout(SHORT, client.fill_buf()).await.is_err()
}

#[tokio::test]
async fn without_a_fault_bytes_pass_both_ways() {
    let (proxy, mut client) = echo_through_proxy().await;
    say(&mut client, "pay").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "pay\n");
    assert_eq!((proxy.connections(), proxy.request_bytes()), (1, 4));
}

#[tokio::test]
async fn a_stranded_connection_is_silent_and_a_new_one_works() {
    let (proxy, mut client) = echo_through_proxy().await;
    say(&mut client, "query").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "query\n");
    proxy.strand();
    say(&mut client, "pay").await.unwrap();
    assert!(hears_nothing(&mut client).await);
    let mut other = connect(&proxy).await;
    say(&mut other, "pay").await.unwrap();
    assert_eq!(hear(&mut other).await.unwrap(), "pay\n");
    assert!(hears_nothing(&mut client).await);
}

#[tokio::test]
async fn a_client_that_has_said_all_still_hears_the_answer() {
    let (_proxy, mut client) = echo_through_proxy().await;
    say(&mut client, "pay").await.unwrap();
    client.get_mut().shutdown().await.unwrap();
    let mut all = String::new();
    timeout(SOON, client.read_to_string(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, "pay\n");
}

#[tokio::test]
async fn latency_delays_both_ways_and_ends_when_it_is_lifted() {
    let (proxy, mut client) = echo_through_proxy().await;
    proxy.set(Fault::Latency(SHORT));
    let began = Instant::now();
    say(&mut client, "pay").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "pay\n");
    assert!(began.elapsed() >= SHORT * 2, "took {:?}", began.elapsed());

    proxy.set(Fault::Latency(SOON * 10));
    say(&mut client, "pay").await.unwrap();
    assert!(hears_nothing(&mut client).await);
    proxy.set(Fault::None);
    assert_eq!(hear(&mut client).await.unwrap(), "pay\n");
}

#[tokio::test]
async fn what_was_sent_into_a_blackhole_arrives_when_it_is_lifted() {
    let (proxy, mut client) = echo_through_proxy().await;
    proxy.set(Fault::Blackhole);
    say(&mut client, "pay").await.unwrap();
    assert!(hears_nothing(&mut client).await);
    assert_eq!(proxy.request_bytes(), 0);
    proxy.set(Fault::None);
    assert_eq!(hear(&mut client).await.unwrap(), "pay\n");
}

#[tokio::test]
async fn reset_ends_open_and_coming_connections() {
    let (proxy, mut client) = echo_through_proxy().await;
    say(&mut client, "pay").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "pay\n");
    proxy.set(Fault::Reset);
    assert_eq!(hear(&mut client).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(hear(&mut connect(&proxy).await).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_cut_ends_open_connections_and_no_others() {
    let (proxy, mut client) = echo_through_proxy().await;
    say(&mut client, "pay").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "pay\n");
    proxy.cut();
    assert_eq!(hear(&mut client).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let mut next = connect(&proxy).await;
    say(&mut next, "pay").await.unwrap();
    assert_eq!(hear(&mut next).await.unwrap(), "pay\n");
}

#[tokio::test]
async fn dropped_replies_are_gone_and_later_ones_are_in_order() {
    let (proxy, mut client) = echo_through_proxy().await;
    proxy.set(Fault::DropReplies);
    say(&mut client, "first").await.unwrap();
    eventually(SOON, "the server's answer to be lost", async || (proxy.lost_reply_bytes() == 6).then_some(())).await;
    assert!(hears_nothing(&mut client).await);
    proxy.set(Fault::None);
    assert_eq!(hear(&mut client).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reply_is_cut_after_the_wanted_bytes() {
    let (proxy, mut client) = echo_through_proxy().await;
    say(&mut client, "whole").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "whole\n");
    proxy.set(Fault::CutReplyAfter(3));
    say(&mut client, "halved").await.unwrap();
    let mut part = Vec::new();
    let end = timeout(SOON, client.read_to_end(&mut part)).await.unwrap().unwrap_err();
    assert_eq!((part.as_slice(), end.kind()), (b"hal".as_slice(), io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_trickle_is_slow_and_complete() {
    let (proxy, mut client) = echo_through_proxy().await;
    proxy.set(Fault::Trickle(Duration::from_millis(10)));
    let began = Instant::now();
    say(&mut client, "penny by penny").await.unwrap();
    assert_eq!(hear(&mut client).await.unwrap(), "penny by penny\n");
    assert!(began.elapsed() >= Duration::from_millis(150), "took {:?}", began.elapsed());
}

#[test]
fn an_upstream_may_be_a_url() {
    assert_eq!(host_and_port("redis://127.0.0.1:6379/0"), "127.0.0.1:6379");
    assert_eq!(host_and_port("http://localhost:80"), "localhost:80");
    assert_eq!(host_and_port("localhost:80"), "localhost:80");
}
