//! The addresses that webhooks may go to. A callback URL comes from a producer and must not reach this machine or its
//! network. The connected address is checked, not the name, because a name may resolve to another address a moment
//! later.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bursar_http_client::dns::{Addrs, Name, Resolve, Resolving};
use ipnet::IpNet;
use url::{Host, Url};

/// Networks that are not on the public internet (IANA's special-purpose registries, read 2026-11-25), and clouds'
/// metadata addresses.
const NOT_PUBLIC: [&str; 29] = [
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
    "::/96",            // unspecified, loopback, IPv4 in disguise
    "64:ff9b::/96",     // IPv4 behind a translator
    "64:ff9b:1::/48",   // the same, local
    "100::/64",         // discarded
    "2001::/23",        // protocol assignments, Teredo
    "2001:db8::/32",    // documentation
    "2002::/16",        // 6to4: IPv4 in disguise
    "3fff::/20",        // documentation
    "5f00::/16",        // segment routing
    "fc00::/7",         // private; a cloud's metadata (fd00:ec2::254)
    "fe80::/10",        // link-local
    "fec0::/10",        // formerly site-local
    "ff00::/8",         // multicast
];

/// The non-public networks that webhooks may go to.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Arc<Vec<IpNet>>);

impl Allowed {
    /// Allows these networks in addition to the public ones.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self(Arc::new(allowed))
    }

    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical(); // an IPv4 address written as IPv6 is the IPv4 address
        self.0.iter().any(|network| network.contains(&address)) || is_public(address)
    }

    /// Checks an address that is written in the URL; names are checked when they are resolved.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), NotAllowed> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.permits(address) { Ok(()) } else { Err(NotAllowed) }
    }
}

fn is_public(address: IpAddr) -> bool {
    let networks = NOT_PUBLIC.iter().filter_map(|network| network.parse::<IpNet>().ok());
    let mut of_its_kind = networks.filter(|network| match address {
        IpAddr::V4(_) => matches!(network, IpNet::V4(_)),
        IpAddr::V6(_) => matches!(network, IpNet::V6(_)),
    });
    !of_its_kind.any(|network| network.contains(&address))
}

/// The receiver's address is not allowed. The message does not name the address, because producers read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAllowed;

impl fmt::Display for NotAllowed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("the address is not public, and webhooks.allow does not name it")
    }
}

impl Error for NotAllowed {}

/// Resolves names to allowed addresses only.
pub(crate) struct Resolver(pub(crate) Allowed);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<SocketAddr> =
                found.into_iter().filter(|address| allowed.permits(address.ip())).collect();
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

    #[test]
    fn every_network_of_the_table_is_one() {
        assert!(NOT_PUBLIC.iter().all(|network| network.parse::<IpNet>().is_ok()));
    }

    #[test]
    fn a_receiver_off_the_public_internet_gets_nothing() {
        let inside = [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ];
        for text in inside {
            assert!(!Allowed::default().permits(address(text)), "{text}");
        }
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(Allowed::default().permits(address(text)), "{text}");
        }
    }

    #[test]
    fn only_the_addresses_that_the_operator_names_are_allowed() {
        let allowed = Allowed::new(vec!["10.20.0.0/16".parse().unwrap(), "::1/128".parse().unwrap()]);
        for text in ["10.20.3.4", "::ffff:10.20.3.4", "::1", "1.1.1.1"] {
            assert!(allowed.permits(address(text)), "{text}");
        }
        for text in ["10.21.0.1", "169.254.169.254", "127.0.0.1"] {
            assert!(!allowed.permits(address(text)), "{text}");
        }
    }

    #[test]
    fn an_address_in_the_url_is_known_however_it_is_written() {
        for text in
            ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://017700000001/", "http://[::1]/"]
        {
            assert_eq!(Allowed::default().check_url(&text.parse().unwrap()), Err(NotAllowed), "{text}");
        }
        assert_eq!(Allowed::default().check_url(&"https://shop.example/".parse().unwrap()), Ok(()));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Resolver(Allowed::default()).resolve(name()).await.err().unwrap();
        assert!(is_not_allowed(refused.as_ref()));
        let networks = vec!["127.0.0.0/8".parse().unwrap()];
        let found: Vec<_> = Resolver(Allowed::new(networks)).resolve(name()).await.unwrap().collect();
        assert!(found.iter().all(|found| found.ip() == address("127.0.0.1")) && !found.is_empty(), "{found:?}");
    }
}
