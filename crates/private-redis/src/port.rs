//! Free ports of the loopback address.

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The first and the last port that the system gives to outgoing connections.
const OUTGOING: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// The kernel's own default: `net.ipv4.ip_local_port_range` in Linux's `ip-sysctl`.
const FIRST_OUTGOING_DEFAULT: u16 = 32_768;

/// Services with a well-known port are mostly below.
const LOWEST: u16 = 10_000;

/// A smaller range would make it likely that two processes choose the same port.
const FEWEST: usize = 1_000;

/// The next port to try. Each process begins at a random place, so that two processes seldom choose the same port.
static NEXT: LazyLock<AtomicUsize> = LazyLock::new(|| {
    let random = RandomState::new().build_hasher().finish();
    AtomicUsize::new(usize::try_from(random % u64::from(u16::MAX)).unwrap_or_default())
});

/// A port of 127.0.0.1 without a listener, for a server that begins to listen later or that restarts.
///
/// It lies below the ports of outgoing connections, so that no connection takes it in between. Another server still may, so a
/// start that fails is tried again with another port. A process gets no port twice until it has had all.
///
/// # Errors
///
/// Fails if the system has no free port.
pub fn free_port() -> io::Result<u16> {
    let ports = ports_below(first_outgoing());
    for _ in 0..ports.len() {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % ports.len();
        let port = ports.clone().nth(offset).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    // The system's own choice: also where nearly all ports are for outgoing connections.
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn first_outgoing() -> u16 {
    let range = fs::read_to_string(OUTGOING).unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(FIRST_OUTGOING_DEFAULT)
}

fn ports_below(first_outgoing: u16) -> Range<u16> {
    let ports = LOWEST..first_outgoing;
    if ports.len() < FEWEST { 0..0 } else { ports }
}

#[cfg(test)]
mod tests {
    use super::{first_outgoing, free_port, ports_below};
    use std::{collections::HashSet, net::TcpListener};

    #[test]
    fn no_port_is_given_twice_or_used_by_outgoing_connections() {
        let ports: Vec<u16> = (0..100).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len(), "{ports:?}");
        for port in ports {
            assert!(ports_below(first_outgoing()).is_empty() || port < first_outgoing(), "{port}");
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }

    #[test]
    fn a_system_that_keeps_few_ports_free_chooses_itself() {
        assert_eq!(ports_below(32_768), 10_000..32_768);
        assert!(ports_below(10_500).is_empty());
        assert!(ports_below(1_024).is_empty());
    }
}
