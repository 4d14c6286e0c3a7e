//! The way to reach a server; with `rediss://`, the trusted authorities and the cryptography.

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, RedisError, TlsCertificates};

use crate::StoreError;

/// The first line of every certificate in an authority's file.
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A client for one server. With `ca_pem` its certificate must be by that authority and no other; the usual ones are for
/// servers on the Internet, and a private Redis is not one.
pub(crate) fn open(server: ConnectionInfo, ca_pem: Option<&str>) -> Result<Client, StoreError> {
    // A command that follows another must not wait until that one is acknowledged.
    let server = server.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    if !matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
        return Client::open(server).map_err(StoreError::Url);
    }
    // The client library leaves the choice to the program, and panics if there is none. An earlier choice stays.
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Some(pem) = ca_pem else { return Client::open(server).map_err(StoreError::Url) };
    if !pem.contains(PEM_CERTIFICATE) {
        return Err(StoreError::Authority { detail: "it holds no PEM certificate".into() });
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.as_bytes().to_vec()) };
    Client::build_with_tls(server, certificates).map_err(|error| StoreError::Authority { detail: error.to_string() })
}

/// True if the traffic stays on this machine or is encrypted.
pub(crate) fn is_private(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, _) => ["127.0.0.1", "localhost", "::1", "[::1]"].contains(&host.as_str()),
        ConnectionAddr::TcpTls { .. } | ConnectionAddr::Unix(_) => true,
        _ => false,
    }
}

/// The error of a failed first connection.
pub(crate) fn refused(source: RedisError) -> StoreError {
    // The client library hands rustls's error on as text only.
    match source.to_string().contains("invalid peer certificate") {
        true => StoreError::Untrusted(source),
        false => StoreError::Unreachable { command: "CONNECT", source },
    }
}
