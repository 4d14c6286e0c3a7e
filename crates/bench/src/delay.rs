//! A longer way to Redis: a TCP proxy that forwards each byte a fixed time after it came. It uses threads and no tasks, because the
//! runtime's timer counts whole milliseconds.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes forwarded at once: more than a claim's reply has.
const CHUNK_BYTES: usize = 64 * 1024;

/// The proxy. It serves until this process ends.
pub(crate) struct DelayLine {
    address: SocketAddr,
}

impl DelayLine {
    /// Listens on a free port of this machine, and makes each round trip to `upstream` longer by `round_trip`.
    pub(crate) fn start(upstream: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client whose connection goes no further sees it closed, as it would without a proxy.
                join(&client, upstream, round_trip / 2).ok();
            }
        });
        Ok(Self { address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn join(client: &TcpStream, upstream: SocketAddr, one_way: Duration) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    carry(client.try_clone()?, server.try_clone()?, one_way);
    carry(server, client.try_clone()?, one_way);
    Ok(())
}

/// Carries one direction to its end.
fn carry(mut from: TcpStream, mut to: TcpStream, one_way: Duration) {
    let (send, parts) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if send.send((Instant::now() + one_way, buffer[..length].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        sleep_precisely();
        for (at, part) in parts {
            #[expect(clippy::disallowed_methods, reason = "this thread does nothing but wait")]
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&part).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok(); // it may be closed already
    });
}

/// Makes this thread's sleeps end on time: by default the kernel adds up to 50 µs to merge timers.
#[cfg(target_os = "linux")]
fn sleep_precisely() {
    nix::sys::prctl::set_timerslack(1).ok();
}

#[cfg(not(target_os = "linux"))]
fn sleep_precisely() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_takes_the_time_and_keeps_the_order() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let upstream = server.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut copy = stream.try_clone().unwrap();
            io::copy(&mut stream, &mut copy).ok();
        });
        let round_trip = Duration::from_millis(20);
        let line = DelayLine::start(upstream, round_trip).unwrap();
        let mut client = TcpStream::connect(line.address()).unwrap();
        let said: Vec<u8> = (0..=255).cycle().take(3 * CHUNK_BYTES).collect();
        let began = Instant::now();
        let mut heard = vec![0; said.len()];
        thread::scope(|scope| {
            scope.spawn(|| (&client).write_all(&said).unwrap());
            (&client).read_exact(&mut heard).unwrap();
        });
        assert!(began.elapsed() >= round_trip);
        assert!(heard == said, "the bytes came back otherwise");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the end is forwarded, too");
    }
}
