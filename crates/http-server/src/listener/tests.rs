use std::net::Ipv4Addr;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const LIMITS: Limits =
    Limits { connections: 4, per_address: 4, client_timeout: Duration::from_secs(30), drain: Duration::from_secs(1) };

/// The bytes that the pipe of a test holds: what the server has not taken stays at the client.
const PIPE_BYTES: usize = 512;

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)), 4_711);

fn router() -> Router {
    let address = async |ConnectInfo(address): ConnectInfo<SocketAddr>| address.to_string();
    let echo = async |body: axum::body::Bytes| body;
    Router::new().route("/address", get(address)).route("/echo", axum::routing::post(echo))
}

fn seats(limits: Limits) -> Arc<Seats> {
    let metrics = ListenerMetrics::default().of("server.listen", limits.connections);
    let places = Mutex::new(Places::new(limits.connections, limits.per_address));
    Arc::new(Seats { name: "server.listen", limits, metrics, places })
}

#[test]
fn the_page_for_operators_names_the_bounds() {
    let bounds = format!("a whole head of at most {} KB within {} s", MAX_HEAD_BYTES / 1024, FIRST_HEAD.as_secs());
    let page = include_str!("../../../../docs/operations.md");
    assert!(page.contains(&bounds), "{bounds}");
}

/// A connection that is served.
fn connected(seats: &Arc<Seats>) -> (DuplexStream, tokio::task::JoinHandle<()>) {
    let (client, server) = duplex(PIPE_BYTES);
    let (seat, _) = seats.admit(CLIENT).expect("a free place");
    (client, tokio::spawn(answer_over(server, CLIENT, router(), seat, CancellationToken::new())))
}

fn idle(seats: &Seats) -> usize {
    seats.places().idle()
}

/// Everything that the server sends until it closes.
async fn to_end(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_handler_finds_the_address_of_its_client() {
    let seats = seats(LIMITS);
    let (mut client, _) = connected(&seats);
    client.write_all(b"GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(to_end(&mut client).await.ends_with("10.0.0.7:4711"));
}

/// The server takes no more of a head than its bound, however much the client has to send.
#[tokio::test]
async fn a_head_over_32_kib_is_refused_and_read_no_further() {
    let seats = seats(LIMITS);
    let (client, serving) = connected(&seats);
    let (mut answers, mut requests) = tokio::io::split(client);
    let sending = async {
        let mut sent = requests.write(b"GET /address HTTP/1.1\r\nHost: x\r\nX-Long: ").await.unwrap();
        while let Ok(bytes) = requests.write(&[b'a'; PIPE_BYTES]).await {
            sent += bytes;
        }
        sent
    };
    let mut answer = String::new();
    let (sent, read) = tokio::join!(sending, answers.read_to_string(&mut answer));
    read.unwrap();
    serving.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!((MAX_HEAD_BYTES..=MAX_HEAD_BYTES + 2 * PIPE_BYTES).contains(&sent), "{sent} bytes of a head were taken");
    // A head that just fits is answered.
    let seats = self::seats(LIMITS);
    let (mut client, _) = connected(&seats);
    let padding = "a".repeat(MAX_HEAD_BYTES - 200);
    let head = format!("GET /address HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: {padding}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    assert!(to_end(&mut client).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test(start_paused = true)]
async fn a_first_head_has_five_seconds_and_a_later_one_the_timeout() {
    let began = tokio::time::Instant::now();
    let seats = seats(LIMITS);
    let (mut silent, _) = connected(&seats);
    let (mut slow, _) = connected(&seats);
    slow.write_all(b"GET /address HTTP/1.1\r\nHost: ").await.unwrap();
    let (mut good, _) = connected(&seats);
    good.write_all(b"GET /address HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!((to_end(&mut silent).await, to_end(&mut slow).await), (String::new(), String::new()));
    assert_eq!(began.elapsed().as_secs(), FIRST_HEAD.as_secs());
    assert!(to_end(&mut good).await.starts_with("HTTP/1.1 200 "));
    assert!(began.elapsed() >= LIMITS.client_timeout, "{:?}", began.elapsed());
    assert_eq!(seats.places().open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_idle_while_it_waits_for_its_client() {
    let seats = seats(LIMITS);
    let (mut client, _) = connected(&seats);
    let settle = async || tokio::time::sleep(Duration::from_millis(1)).await; // paused: all tasks run until they wait
    settle().await;
    assert_eq!(idle(&seats), 1, "before the first head");
    client.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n").await.unwrap();
    settle().await;
    assert_eq!(idle(&seats), 1, "while the body does not come");
    client.write_all(b"body").await.unwrap();
    settle().await;
    assert_eq!(idle(&seats), 1, "after the answer");
    let mut answer = [0; 15];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_request_in_work_is_not_idle() {
    let seats = seats(LIMITS);
    let (mut client, server) = duplex(PIPE_BYTES);
    let (seat, _) = seats.admit(CLIENT).unwrap();
    let release = Arc::new(Notify::new());
    let waits = Arc::clone(&release);
    let router = Router::new().route(
        "/",
        get(async move || {
            waits.notified().await;
            "done"
        }),
    );
    tokio::spawn(answer_over(server, CLIENT, router, seat, CancellationToken::new()));
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(idle(&seats), 0);
    release.notify_one();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(idle(&seats), 1);
}
