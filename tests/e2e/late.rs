//! A connection that is made after the last moment of a send: nothing of it leaves, and the job goes back as never sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bursar_test_support::eventually;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::SOON;

/// Longer than a third of the lease, shorter than a connection may take.
const HANDSHAKE: Duration = Duration::from_millis(1_200);

/// TLS in front of a gateway that speaks none, on a separate port. While it is slow, handshakes wait.
async fn tls_before(gateway: String, is_slow: Arc<AtomicBool>) -> (String, u16) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, gateway, is_slow) = (acceptor.clone(), gateway.clone(), Arc::clone(&is_slow));
            tokio::spawn(async move {
                if is_slow.load(Ordering::SeqCst) {
                    tokio::time::sleep(HANDSHAKE).await;
                }
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(gateway).await.unwrap();
                // An error is either side's end, which the other one sees.
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    (authority.pem(), port)
}

#[tokio::test]
async fn a_connection_past_the_last_moment_sends_nothing() {
    let plan = Plan::new().set("accounts.main.call_timeout", "6s").set("accounts.main.connect_timeout", "3s");
    let world = plan.set("accounts.main.on_ambiguous", "hold").start().await;
    let is_slow = Arc::new(AtomicBool::new(true));
    let (authority, port) = tls_before(world.gateway.clone(), Arc::clone(&is_slow)).await;
    world.set("accounts.main.base_url", toml::Value::from(format!("https://localhost:{port}")));
    world.set("accounts.main.ca_file", toml::Value::from(world.file(authority).display().to_string()));
    let _worker = world.worker().await;
    world.submit_new(&[transfer("LATE")]).await;
    let given_up = |job: &serde_json::Value| {
        let log = job["history"].as_array().cloned().unwrap_or_default();
        log.iter().filter(|line| line["outcome"] == "not_executed").count()
    };
    // Each of these handshakes is over in time for a connection, and too late for its send.
    eventually(SOON, "two sends to be given up", async || {
        let job = world.job("LATE").await;
        assert!(job["state"] == "queued" || job["state"] == "in_doubt", "{job}"); // the latter while it is out
        if given_up(&job) >= 2 { Ok(()) } else { Err(job) }
    })
    .await;
    assert!(world.at_gateway("LATE").await.is_none(), "nothing of it has arrived");
    is_slow.store(false, Ordering::SeqCst);
    world.until("LATE", "succeeded").await;
    assert_eq!(world.books_agree().await.keys["LATE"].requests, 1);
}
