//! The authorities that vouch for a server: the system's, others besides, or others alone.

use std::process::Command;
use std::sync::Arc;

use bursar_http_client::{Trust, causes, hardened};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The variable that names the file of the system's authorities.
const SYSTEM: &str = "SSL_CERT_FILE";

/// The variable that names the same file, and says that it is this test's.
const OURS: &str = "BURSAR_TEST_SYSTEM_AUTHORITIES";

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate by this authority, which answers every request with 204; its port.
async fn server(authority: &CertifiedIssuer<'static, KeyPair>) -> u16 {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

async fn is_trusted(trust: &Trust, port: u16) -> bool {
    let client = trust.apply(hardened()).unwrap().build().unwrap();
    match client.get(format!("https://localhost:{port}/")).send().await {
        Ok(response) => response.status() == 204,
        Err(error) => {
            assert!(causes(&error).contains("UnknownIssuer"), "{}", causes(&error));
            false
        }
    }
}

/// Runs the next test in a process whose system trusts an authority that the test makes.
#[test]
fn the_systems_authorities_vouch_unless_others_do_alone() {
    let folder = tempfile::tempdir().unwrap();
    let system = folder.path().join("system.pem");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "trust::in_a_process_of_its_own", "--ignored", "--nocapture"]);
    let output = command.env(OURS, &system).env(SYSTEM, &system).env_remove("SSL_CERT_DIR").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
#[ignore = "the test above runs it, with the environment that it needs"]
async fn in_a_process_of_its_own() {
    let (public, private, stranger) = (authority("public"), authority("private"), authority("a stranger's"));
    std::fs::write(std::env::var_os(OURS).unwrap(), public.pem()).unwrap();
    let (by_public, by_private) = (server(&public).await, server(&private).await);
    for (trust, expected) in [
        (Trust::System, [true, false]),
        (Trust::Also(private.pem()), [true, true]),
        (Trust::Also(stranger.pem()), [true, false]),
        (Trust::Only(private.pem()), [false, true]),
        (Trust::Only(stranger.pem()), [false, false]),
        (Trust::Only(public.pem() + &private.pem()), [true, true]),
    ] {
        let found = [is_trusted(&trust, by_public).await, is_trusted(&trust, by_private).await];
        assert_eq!(found, expected, "{trust:?}");
    }
}
