//! A network that fails on request: a TCP proxy whose fault can be changed while connections are open.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// Large enough that an ordinary request or reply is one chunk.
const CHUNK_BYTES: usize = 16 * 1024;

/// The fault of every connection, from the moment it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes pass.
    None,
    /// Each chunk is delayed for this long, both ways.
    Latency(Duration),
    /// A partition: nothing passes and nothing is lost. What was sent meanwhile arrives when the fault is lifted.
    Blackhole,
    /// Connections end with a reset, at once and as they come.
    Reset,
    /// Requests pass, replies do not: the server has done it and the client never learns. A connection that lost a reply is
    /// reset when the fault is lifted, so that no later reply is taken for an earlier one.
    DropReplies,
    /// This many bytes of replies pass on each connection, then it is reset: a reply cut in half.
    CutReplyAfter(u64),
    /// Replies pass one byte at a time, with this pause between.
    Trickle(Duration),
}

/// The proxy. Its connections are reset when it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// The state that all connections share.
#[derive(Clone, Copy, Debug)]
struct Weather {
    fault: Fault,
    /// Raised by [`FaultProxy::cut`]: older connections are reset.
    cuts: u64,
    /// Raised by [`FaultProxy::strand`]: over older connections nothing passes ever again.
    strands: u64,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicU64,
    request_bytes: AtomicU64,
    lost_reply_bytes: AtomicU64,
}

/// The end of one direction of a connection.
enum End {
    Closed,
    Reset,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and forwards to `upstream` (`host:port`, or a URL with them such as
    /// `redis://127.0.0.1:6379/`), without a fault.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(upstream: &str) -> Self {
        let upstream = host_and_port(upstream).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binding a port for the fault proxy");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (weather, forecast) = watch::channel(Weather { fault: Fault::None, cuts: 0, strands: 0 });
        let seen = Arc::new(Seen::default());
        let accepting = tokio::spawn(accept(listener, upstream, forecast, Arc::clone(&seen)));
        Self { address, weather, seen, accepting }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://` URL of the proxy.
    pub fn redis_url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// `http://` URL of the proxy, without a slash at its end.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the fault for open and coming connections.
    pub fn set(&self, fault: Fault) {
        self.weather.send_modify(|weather| weather.fault = fault);
    }

    /// Resets the connections that are open now; the fault stays as it is.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Nothing passes any more over the connections that are open now, and neither side is informed: a device in between has forgotten
    /// them. New ones are not concerned.
    pub fn strand(&self) {
        self.weather.send_modify(|weather| weather.strands += 1);
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Request bytes handed to the upstream so far.
    pub fn request_bytes(&self) -> u64 {
        self.seen.request_bytes.load(Ordering::SeqCst)
    }

    /// Reply bytes swallowed so far: above zero, the upstream has answered something that the client will never learn.
    pub fn lost_reply_bytes(&self) -> u64 {
        self.seen.lost_reply_bytes.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn host_and_port(upstream: &str) -> &str {
    let after_scheme = upstream.split_once("://").map_or(upstream, |(_, rest)| rest);
    after_scheme.split('/').next().unwrap_or(after_scheme)
}

async fn accept(listener: TcpListener, upstream: String, forecast: watch::Receiver<Weather>, seen: Arc<Seen>) {
    while let Ok((client, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (upstream, forecast, seen) = (upstream.clone(), forecast.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            // An error here is the connection's own end, which its client sees.
            let _ = carry(client, &upstream, forecast, &seen).await;
        });
    }
}

async fn carry(
    mut client: TcpStream,
    upstream: &str,
    forecast: watch::Receiver<Weather>,
    seen: &Seen,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let Weather { cuts, strands, .. } = *forecast.borrow();
    let end = tokio::select! {
        () = cut_off(forecast.clone(), cuts) => Ok(End::Reset),
        end = exchange(&mut client, upstream, (forecast.clone(), strands), seen) => end,
    };
    if !matches!(end, Ok(End::Closed)) {
        client.set_zero_linger()?;
    }
    Ok(())
}

/// Returns when a connection that began at `cuts` has to be reset.
async fn cut_off(mut forecast: watch::Receiver<Weather>, cuts: u64) {
    // An error means that the proxy is gone.
    let _ = forecast.wait_for(|weather| weather.fault == Fault::Reset || weather.cuts != cuts).await;
}

/// Returns when over a connection that began at `strands` nothing is to pass any more.
async fn stranded(mut forecast: watch::Receiver<Weather>, strands: u64) {
    let _ = forecast.wait_for(|weather| weather.strands != strands).await;
}

async fn exchange(
    client: &mut TcpStream,
    upstream: &str,
    (forecast, strands): (watch::Receiver<Weather>, u64),
    seen: &Seen,
) -> io::Result<End> {
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = stranded(forecast.clone(), strands) => pending().await,
        end = requests(from_client, to_server, forecast.clone(), seen) => end,
        end = replies(from_server, to_client, forecast, seen) => end,
    }
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut forecast: watch::Receiver<Weather>,
    seen: &Seen,
) -> io::Result<End> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).await?;
        pass_of(&mut forecast).await;
        if length == 0 {
            // The client has said all it will; the server may still be answering.
            to.shutdown().await?;
            return pending().await;
        }
        to.write_all(&chunk[..length]).await?;
        seen.request_bytes.fetch_add(length as u64, Ordering::SeqCst);
    }
}

async fn replies(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut forecast: watch::Receiver<Weather>,
    seen: &Seen,
) -> io::Result<End> {
    let mut chunk = vec![0; CHUNK_BYTES];
    // Since the present fault began.
    let mut passed_bytes = 0;
    let mut present = Fault::None;
    loop {
        let length = from.read(&mut chunk).await?;
        let fault = pass_of(&mut forecast).await;
        if fault != present {
            (present, passed_bytes) = (fault, 0);
        }
        if length == 0 {
            return Ok(End::Closed);
        }
        let reply = &chunk[..length];
        match fault {
            Fault::None | Fault::Latency(_) | Fault::Blackhole => to.write_all(reply).await?,
            Fault::Reset => return Ok(End::Reset),
            Fault::DropReplies => {
                seen.lost_reply_bytes.fetch_add(length as u64, Ordering::SeqCst);
                return swallow(from, forecast, seen).await;
            }
            Fault::CutReplyAfter(limit_bytes) => {
                let left_bytes = usize::try_from(limit_bytes - passed_bytes).unwrap_or(usize::MAX);
                let kept = &reply[..length.min(left_bytes)];
                to.write_all(kept).await?;
                passed_bytes += kept.len() as u64;
                if kept.len() < length {
                    seen.lost_reply_bytes.fetch_add((length - kept.len()) as u64, Ordering::SeqCst);
                    return Ok(End::Reset);
                }
            }
            Fault::Trickle(pause) => trickle(reply, pause, &mut to, &mut forecast).await?,
        }
    }
}

/// Holds a chunk as long as the fault wants, and returns the fault that it then meets.
async fn pass_of(forecast: &mut watch::Receiver<Weather>) -> Fault {
    loop {
        let fault = forecast.borrow_and_update().fault;
        match fault {
            Fault::Blackhole => {
                if forecast.changed().await.is_err() {
                    return Fault::Reset;
                }
            }
            Fault::Latency(delay) => {
                if timeout(delay, forecast.changed()).await.is_err() {
                    return fault;
                }
            }
            Fault::None | Fault::Reset | Fault::DropReplies | Fault::CutReplyAfter(_) | Fault::Trickle(_) => {
                return fault;
            }
        }
    }
}

/// Loses replies until the fault is lifted or the server closes. Either way the client sees a reset: it missed something.
async fn swallow(mut from: ReadHalf<'_>, mut forecast: watch::Receiver<Weather>, seen: &Seen) -> io::Result<End> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let lifted = async move {
        let _ = forecast.wait_for(|weather| weather.fault != Fault::DropReplies).await;
        Ok(End::Reset)
    };
    let lost = async {
        loop {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                // A server that closes is not heard either.
                return pending().await;
            }
            seen.lost_reply_bytes.fetch_add(length as u64, Ordering::SeqCst);
        }
    };
    tokio::select! { end = lifted => end, end = lost => end }
}

/// Byte by byte, until the fault changes; the rest follows at once.
async fn trickle(
    reply: &[u8],
    pause: Duration,
    to: &mut WriteHalf<'_>,
    forecast: &mut watch::Receiver<Weather>,
) -> io::Result<()> {
    for (sent, byte) in reply.iter().enumerate() {
        if timeout(pause, forecast.changed()).await.is_ok() {
            return to.write_all(&reply[sent..]).await;
        }
        to.write_all(std::slice::from_ref(byte)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
