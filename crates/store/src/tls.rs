//! `rediss://`: whom to trust, and with whose cryptography.

use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisError, TlsCertificates};

use crate::StoreError;

/// What every certificate of an authority's file begins with.
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// A client for `url`. With `ca_pem` the server's certificate must be by that authority and no other; the usual ones
/// are for servers on the Internet, and a private Redis is not one.
pub(crate) fn client(url: &str, ca_pem: Option<&str>) -> Result<Client, StoreError> {
    let server = url.into_connection_info().map_err(StoreError::Url)?;
    if !matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
        return Client::open(server).map_err(StoreError::Url);
    }
    // The client library leaves the choice to whoever links it, and panics where nobody made one. Whoever did keeps it.
    let _chosen_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Some(pem) = ca_pem else { return Client::open(server).map_err(StoreError::Url) };
    if !pem.contains(PEM_CERTIFICATE) {
        return Err(StoreError::Authority { detail: "it holds no PEM certificate".into() });
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.as_bytes().to_vec()) };
    Client::build_with_tls(server, certificates).map_err(|error| StoreError::Authority { detail: error.to_string() })
}

/// What a first connection failed on.
pub(crate) fn refused(source: RedisError) -> StoreError {
    // The client library hands rustls's error on as text only.
    match source.to_string().contains("invalid peer certificate") {
        true => StoreError::Untrusted(source),
        false => StoreError::Unreachable { command: "CONNECT", source },
    }
}
