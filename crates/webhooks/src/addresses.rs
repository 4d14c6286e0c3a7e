//! The addresses that webhooks may go to. A callback URL comes from a producer and must not reach this machine or its
//! network. The connected address is checked, not the name, because a name may resolve to another address a moment
//! later. A resolver does not see the URL's scheme and port, so each route that differs in its addresses has its own client.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bursar_domain::DeliveryError;
use bursar_http_client::dns::{Addrs, Name, Resolve, Resolving};
use ipnet::IpNet;
use url::{Host, Url};

use crate::networks::AllowedNetwork;

/// IPv4 networks that are not on the public internet (IANA's special-purpose registry, read 2026-11-25), and clouds' metadata
/// addresses.
const NOT_PUBLIC_V4: [&str; 16] = [
    "0.0.0.0/8",        // this host
    "10.0.0.0/8",       // private
    "100.64.0.0/10",    // between carriers and customers; a cloud's metadata (100.100.100.200)
    "127.0.0.0/8",      // loopback
    "168.63.129.16/32", // a cloud's own agent
    "169.254.0.0/16",   // link-local; most clouds' metadata (169.254.169.254)
    "172.16.0.0/12",    // private
    "192.0.0.0/24",     // protocol assignments
    "192.0.2.0/24",     // documentation
    "192.88.99.0/24",   // relays of 6to4
    "192.168.0.0/16",   // private
    "198.18.0.0/15",    // benchmarks
    "198.51.100.0/24",  // documentation
    "203.0.113.0/24",   // documentation
    "224.0.0.0/4",      // multicast
    "240.0.0.0/4",      // reserved, broadcast
];

/// The only part of IPv6 that is given out for the public internet (IANA's address space registry, read 2026-11-25). All else is
/// refused unseen: loopback, private, link-local and multicast addresses, and IPv4 behind a prefix (compatible, SIIT, NAT64).
const GLOBAL_UNICAST: &str = "2000::/3";

/// The networks in it that are not public.
const NOT_PUBLIC_V6: [&str; 4] = [
    "2001::/23",     // protocol assignments, Teredo
    "2001:db8::/32", // documentation
    "2002::/16",     // 6to4: IPv4 in disguise
    "3fff::/20",     // documentation
];

/// The way to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    scheme: Scheme,
    /// [`OTHER_PORT`] where no entry of `webhooks.allow` names the port.
    port: u16,
}

/// The port of a route whose port no entry names. Nothing listens at port 0.
const OTHER_PORT: u16 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    /// Anyone on the way can read and change the message, so it stays in the networks that the operator named.
    Http,
    Https,
}

/// The networks that webhooks may go to besides the public ones.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Arc<Vec<AllowedNetwork>>);

impl Allowed {
    /// Allows these networks in addition to the public ones.
    #[must_use]
    pub fn new(allowed: Vec<AllowedNetwork>) -> Self {
        Self(Arc::new(allowed))
    }

    /// The rule that a `callback_url` breaks by what is written in it; a host's name is checked when it is resolved.
    #[must_use]
    pub fn broken_by(&self, url: &str) -> Option<String> {
        let refused = url.parse::<Url>().is_ok_and(|url| self.route(&url).is_err());
        refused.then(|| {
            "must be an https URL of a public address, or have a network and port that webhooks.allow names".to_owned()
        })
    }

    /// The routes that differ in the addresses that they may reach, each once.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let ports: BTreeSet<u16> = self.named_ports().chain([OTHER_PORT]).collect();
        let route = |port: u16| [Scheme::Http, Scheme::Https].map(|scheme| Route { scheme, port });
        ports.into_iter().flat_map(route).collect()
    }

    fn named_ports(&self) -> impl Iterator<Item = u16> {
        self.0.iter().flat_map(AllowedNetwork::named_ports)
    }

    /// The route to the receiver. An address that is written in the URL is checked here; a name is checked when it is resolved.
    pub(crate) fn route(&self, url: &Url) -> Result<Route, NotAllowed> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(NotAllowed),
        };
        let port = url.port_or_known_default().ok_or(NotAllowed)?;
        let port = if self.named_ports().any(|named| named == port) { port } else { OTHER_PORT };
        let route = Route { scheme, port };
        // Not even a look-up of a foreign name.
        if scheme == Scheme::Http && !self.0.iter().any(|network| network.has_port(port)) {
            return Err(NotAllowed);
        }
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(route),
            None => return Err(NotAllowed),
        };
        if self.permits(address, route) { Ok(route) } else { Err(NotAllowed) }
    }

    fn permits(&self, address: IpAddr, route: Route) -> bool {
        let address = address.to_canonical(); // an IPv4 address written as IPv6 is the IPv4 address
        let is_named = self.0.iter().any(|network| network.contains(address, route.port));
        match route.scheme {
            Scheme::Http => is_named,
            Scheme::Https => is_named || is_public(address),
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    let is_in = |network: &str| network.parse::<IpNet>().is_ok_and(|network| network.contains(&address));
    match address {
        IpAddr::V4(_) => !NOT_PUBLIC_V4.into_iter().any(is_in),
        IpAddr::V6(_) => is_in(GLOBAL_UNICAST) && !NOT_PUBLIC_V6.into_iter().any(is_in),
    }
}

/// The receiver's address is not allowed. The message does not name the address, because producers read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAllowed;

impl fmt::Display for NotAllowed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&DeliveryError::AddressNotAllowed, out)
    }
}

impl Error for NotAllowed {}

/// Resolves names to the addresses that the route may reach.
pub(crate) struct Resolver {
    pub(crate) allowed: Allowed,
    pub(crate) route: Route,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, route) = (self.allowed.clone(), self.route);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<SocketAddr> =
                found.into_iter().filter(|address| allowed.permits(address.ip(), route)).collect();
            if permitted.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// True if the root cause of `error` is an address that is not allowed.
pub(crate) fn is_not_allowed(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<NotAllowed>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn allowing(entries: &[&str]) -> Allowed {
        Allowed::new(entries.iter().map(|entry| entry.parse().unwrap()).collect())
    }

    /// True if a message may go to this URL, whose host is an address.
    fn goes(allowed: &Allowed, url: &str) -> bool {
        allowed.route(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn a_callback_url_is_judged_by_its_address() {
        let refuses = |allowed: &Allowed, url: &str| allowed.broken_by(url).is_some();
        let (none, inside) = (allowing(&[]), allowing(&["10.0.0.0/8:*"]));
        for url in ["https://10.0.0.5/cb", "http://10.0.0.5/cb", "https://[fd00::1]/cb", "https://169.254.169.254/"] {
            assert!(refuses(&none, url), "{url}");
        }
        for url in ["https://shop.example/cb", "https://8.8.8.8/cb", "https://10.0.0.5/cb", "http://10.0.0.5:8080/cb"] {
            assert!(!refuses(&inside, url), "{url}");
        }
        assert!(refuses(&inside, "https://192.168.0.1/cb"));
    }

    #[test]
    fn every_network_of_the_tables_is_one() {
        let networks = NOT_PUBLIC_V4.into_iter().chain(NOT_PUBLIC_V6).chain([GLOBAL_UNICAST]);
        assert!(networks.map(str::parse::<IpNet>).all(|network| network.is_ok()));
    }

    #[test]
    fn a_receiver_off_the_public_internet_gets_nothing() {
        let inside = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "::ffff:0:a00:1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "100:0:0:1::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in inside {
            assert!(!is_public(address(text).to_canonical()), "{text}");
        }
        for text in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "2a00::1", "::ffff:1.1.1.1"]
        {
            assert!(is_public(address(text).to_canonical()), "{text}");
        }
    }

    #[test]
    fn only_what_the_operator_names_is_allowed() {
        let allowed = allowing(&["10.20.0.0/16", "10.30.0.1:8443", "[::1]:*"]);
        for url in [
            "http://10.20.3.4/",
            "https://10.20.3.4/",
            "https://10.20.3.4:80/",
            "https://[::ffff:10.20.3.4]/",
            "http://10.30.0.1:8443/",
            "https://10.30.0.1:8443/",
            "http://[::1]:6379/",
            "https://1.1.1.1/",
            "https://1.1.1.1:9000/",
        ] {
            assert!(goes(&allowed, url), "{url}");
        }
        for url in [
            "http://10.20.3.4:6379/",
            "https://10.20.3.4:8443/",
            "https://10.21.0.1/",
            "http://10.30.0.1/",
            "https://10.30.0.1:8444/",
            "https://10.30.0.2:8443/",
            "https://169.254.169.254/",
            "https://127.0.0.1/",
            "ftp://1.1.1.1/",
        ] {
            assert!(!goes(&allowed, url), "{url}");
        }
    }

    #[test]
    fn plain_http_stays_in_the_named_networks() {
        for allowed in [Allowed::default(), allowing(&["10.0.0.0/8:*"])] {
            for url in ["http://1.1.1.1/", "http://1.1.1.1:443/", "http://[2606:4700::1111]/"] {
                assert!(!goes(&allowed, url), "{url}");
                assert!(goes(&allowed, &url.replace("http:", "https:")), "{url}");
            }
        }
        assert!(goes(&allowing(&["1.1.1.1"]), "http://1.1.1.1/"));
    }

    #[test]
    fn each_route_of_a_url_has_its_client() {
        let routes_of = |entries: &[&str]| {
            let allowed = allowing(entries);
            let urls = ["http://a.example/", "https://a.example/", "http://a.example:9000", "https://a.example:1/"];
            urls.map(|url| allowed.route(&url.parse().unwrap()).is_ok_and(|route| allowed.routes().contains(&route)))
        };
        assert_eq!(routes_of(&[]), [false, true, false, true]);
        assert_eq!(routes_of(&["10.0.0.0/8"]), [true, true, false, true]);
        assert_eq!(routes_of(&["10.0.0.0/8:9000", "[::1]:9000"]), [false, true, true, true]);
        assert_eq!(routes_of(&["127.0.0.1:*"]), [true; 4]);
        assert_eq!(allowing(&["10.0.0.0/8:9000", "[::1]:9000"]).routes().len(), 4);
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing() {
        let resolved = async |allowed: Allowed, url: &str| {
            let url: Url = url.parse().unwrap();
            let route = allowed.route(&url)?;
            let name = url.host_str().unwrap().parse::<Name>().unwrap();
            Resolver { allowed, route }.resolve(name).await
        };
        for (entries, url) in [
            (&[][..], "https://localhost/"),
            (&[], "http://localhost/"),
            (&["10.0.0.0/8:*"], "https://localhost/"),
            (&["127.0.0.0/8"], "http://localhost:6379/"),
            (&["127.0.0.0/8:9000"], "https://localhost/"),
        ] {
            let refused = resolved(allowing(entries), url).await.err().unwrap();
            assert!(is_not_allowed(refused.as_ref()), "{entries:?} {url}");
        }
        let found: Vec<_> =
            resolved(allowing(&["127.0.0.0/8:9000"]), "http://localhost:9000/").await.unwrap().collect();
        assert!(found.iter().all(|found| found.ip() == address("127.0.0.1")) && !found.is_empty(), "{found:?}");
    }
}
