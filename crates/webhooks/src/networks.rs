//! The networks that webhooks may go to although they are not public, each with its ports.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

/// The ports of an entry that names none: those of `http://` and `https://`.
const USUAL_PORTS: [u16; 2] = [80, 443];

/// The ports of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    /// 80 and 443.
    Usual,
    /// This one.
    One(u16),
    /// All.
    Every,
}

/// An entry of `webhooks.allow`: `10.20.0.0/16`, `10.20.0.0/16:8443`, `[fd00::/8]:443`, `127.0.0.1:*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedNetwork {
    network: IpNet,
    ports: Ports,
}

impl AllowedNetwork {
    pub(crate) fn contains(&self, address: IpAddr, port: u16) -> bool {
        self.has_port(port) && self.network.contains(&address)
    }

    pub(crate) fn has_port(&self, port: u16) -> bool {
        match self.ports {
            Ports::Usual => USUAL_PORTS.contains(&port),
            Ports::One(one) => one == port,
            Ports::Every => true,
        }
    }

    /// The ports that this entry names, or has for want of a name; none if it has all.
    #[must_use]
    pub fn named_ports(&self) -> Vec<u16> {
        match self.ports {
            Ports::Usual => USUAL_PORTS.to_vec(),
            Ports::One(port) => vec![port],
            Ports::Every => Vec::new(),
        }
    }
}

/// A text that is no entry of `webhooks.allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a network with or without a port, for example \"10.20.0.0/16\" or \"10.20.0.0/16:8443\"")]
pub struct NotNetwork;

impl FromStr for AllowedNetwork {
    type Err = NotNetwork;

    fn from_str(text: &str) -> Result<Self, NotNetwork> {
        if let Ok(network) = network(text) {
            return Ok(Self { network, ports: Ports::Usual });
        }
        let (place, port) = text.rsplit_once(':').ok_or(NotNetwork)?;
        let place = match place.strip_prefix('[').map(|place| place.strip_suffix(']')) {
            Some(Some(place)) if place.contains(':') => place,
            None if !place.contains(':') => place,
            Some(_) | None => return Err(NotNetwork),
        };
        let ports = match port {
            "*" => Ports::Every,
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ports::One(number.parse().ok().filter(|port| *port != 0).ok_or(NotNetwork)?)
            }
            _ => return Err(NotNetwork),
        };
        Ok(Self { network: network(place)?, ports })
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, NotNetwork> {
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| NotNetwork)
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.network {
            IpNet::V4(network) => network.to_string(),
            IpNet::V6(network) => format!("[{network}]"),
        };
        match self.ports {
            Ports::Usual => write!(out, "{}", self.network),
            Ports::One(port) => write!(out, "{place}:{port}"),
            Ports::Every => write!(out, "{place}:*"),
        }
    }
}

/// An address with one port.
impl From<SocketAddr> for AllowedNetwork {
    fn from(address: SocketAddr) -> Self {
        Self { network: address.ip().into(), ports: Ports::One(address.port()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_shown_as_it_is_written() {
        for text in ["10.20.0.0/16", "10.20.0.0/16:8443", "127.0.0.1/32:*", "fd00::/8", "[fd00::/8]:443", "[::1/128]:*"]
        {
            assert_eq!(text.parse::<AllowedNetwork>().map(|entry| entry.to_string()), Ok(text.to_owned()));
        }
        for (text, shown) in [("127.0.0.1:9000", "127.0.0.1/32:9000"), ("::1", "::1/128"), ("[::1]:9", "[::1/128]:9")] {
            assert_eq!(text.parse::<AllowedNetwork>().map(|entry| entry.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "shop",
            "10.20.0.0/33",
            "10.20.0.0/16:",
            "10.20.0.0/16:0",
            "10.20.0.0/16:65536",
            "10.20.0.0/16:+80",
            "10.20.0.0/16:80,443",
            "10.20.0.0/16:80-90",
            "10.20.0.0:80/16",
            "fd00::/8:443",
            "[fd00::/8]",
            "[fd00::/8:443",
            "fd00::/8]:443",
            "[10.0.0.0/8]:443",
            "[]:443",
            ":443",
            "*",
            "*:443",
            "::1]:9",
            "http://10.0.0.1",
        ] {
            assert_eq!(text.parse::<AllowedNetwork>(), Err(NotNetwork), "{text}");
        }
    }

    #[test]
    fn an_entry_has_the_ports_that_it_names() {
        let address: IpAddr = "10.20.1.1".parse().unwrap();
        for (text, ports) in [
            ("10.20.0.0/16", [true, true, false]),
            ("10.20.0.0/16:8443", [false, false, true]),
            ("10.20.0.0/16:443", [false, true, false]),
            ("10.20.0.0/16:*", [true, true, true]),
            ("10.21.0.0/16:*", [false, false, false]),
        ] {
            let entry: AllowedNetwork = text.parse().unwrap();
            assert_eq!([80, 443, 8443].map(|port| entry.contains(address, port)), ports, "{text}");
        }
    }
}
