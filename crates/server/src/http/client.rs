//! The client of a request: its address, and its bearer once that is known. A request that is answered with 403 is an event of the audit
//! trail, whichever handler refuses it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use bursar_domain::AuditAction;
use ipnet::IpNet;

use crate::state::tokens::Bearer;
use crate::state::{ProxyHeader, Shared};

/// The client of one request.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The address by the connection, or by a trusted proxy.
    pub(crate) address: IpAddr,
    bearer: Arc<OnceLock<Arc<Bearer>>>,
}

impl Client {
    /// The client of this request.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::at(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// Remembers the bearer for the audit trail.
    pub(crate) fn is(&self, bearer: &Arc<Bearer>) {
        self.bearer.get_or_init(|| Arc::clone(bearer));
    }

    fn at(address: IpAddr) -> Self {
        Self { address, bearer: Arc::default() }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The extension of a refusal that its handler has put on record, with its own action and reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnRecord;

/// Finds out the client, answers, and counts an answer of 403.
pub(crate) async fn known(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let (header, trusted) = (app.settings.proxy_header, &app.settings.trusted_proxies);
    let client = Client::at(address(request.headers(), peer, header, trusted));
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(client.clone());
    let response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN && response.extensions().get::<OnRecord>().is_none() {
        let bearer = client.bearer.get().map(AsRef::as_ref);
        app.refused(bearer, client.address, AuditAction::Forbidden, (&path, None));
    }
    response
}

/// The rightmost address that no trusted proxy has. A client can write anything to the left of what the first trusted proxy adds.
fn address(headers: &HeaderMap, peer: IpAddr, header: ProxyHeader, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let lines = match header {
        ProxyHeader::XForwardedFor => headers.get_all("x-forwarded-for"),
        ProxyHeader::Forwarded => headers.get_all(header::FORWARDED),
    };
    let lines: Vec<&str> = lines.iter().map(|line| line.to_str().unwrap_or_default()).collect();
    let mut nearest = peer;
    for element in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let node = match header {
            ProxyHeader::XForwardedFor => Some(element),
            ProxyHeader::Forwarded => forwarded_for(element),
        };
        // A proxy that hides its client has its own address in the trail.
        let Some(address) = node.and_then(node_address) else { return nearest };
        nearest = address;
        if !is_trusted(&address) {
            return address;
        }
    }
    nearest
}

/// The `for` of one element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, node)| node).next_back()
}

/// An address with or without a port, an IPv6 address with or without brackets.
fn node_address(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    let address = node.parse::<SocketAddr>().map(|address| address.ip());
    let address = address.or_else(|_| node.trim_start_matches('[').trim_end_matches(']').parse());
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, header: ProxyHeader, lines: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, line.parse().unwrap());
        }
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|network| network.parse().unwrap()).collect();
        address(&headers, peer.parse().unwrap(), header, &trusted).to_string()
    }

    #[test]
    fn a_client_cannot_choose_its_address() {
        use ProxyHeader::{Forwarded, XForwardedFor};
        let x = "x-forwarded-for";
        for (peer, header, lines, expected) in [
            ("192.0.2.1", XForwardedFor, &[][..], "192.0.2.1"),
            ("192.0.2.1", XForwardedFor, &[(x, "198.51.100.7")], "192.0.2.1"),
            ("::ffff:192.0.2.1", XForwardedFor, &[(x, "198.51.100.7")], "192.0.2.1"),
            ("10.0.0.1", XForwardedFor, &[], "10.0.0.1"),
            ("10.0.0.1", XForwardedFor, &[(x, "198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", XForwardedFor, &[(x, "1.1.1.1, 198.51.100.7, 10.2.3.4")], "198.51.100.7"),
            ("10.0.0.1", XForwardedFor, &[(x, "1.1.1.1"), (x, "198.51.100.7:4711")], "198.51.100.7"),
            ("10.0.0.1", XForwardedFor, &[(x, "10.9.9.9, 10.2.3.4")], "10.9.9.9"),
            ("10.0.0.1", XForwardedFor, &[(x, "1.1.1.1, unknown, 10.2.3.4")], "10.2.3.4"),
            ("10.0.0.1", XForwardedFor, &[(x, "")], "10.0.0.1"),
            ("10.0.0.1", XForwardedFor, &[("forwarded", "for=198.51.100.7")], "10.0.0.1"),
            ("fd00::1", XForwardedFor, &[(x, "2001:db8::7")], "2001:db8::7"),
            ("10.0.0.1", Forwarded, &[(x, "198.51.100.7")], "10.0.0.1"),
            ("10.0.0.1", Forwarded, &[("forwarded", "for=1.1.1.1, For=198.51.100.7;proto=https")], "198.51.100.7"),
            ("10.0.0.1", Forwarded, &[("forwarded", "proto=https;for=\"[2001:db8::7]:4711\"")], "2001:db8::7"),
            ("10.0.0.1", Forwarded, &[("forwarded", "for=198.51.100.7, for=_hidden")], "10.0.0.1"),
        ] {
            assert_eq!(found(peer, header, lines), expected, "{peer} {header:?} {lines:?}");
        }
    }
}
