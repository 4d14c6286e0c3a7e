//! `rediss://` with a certificate authority of one's own, from the configuration to a payment.

use bursar_test_support::{free_port, private_redis};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::jobs::transfer;
use crate::plan::Plan;

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

#[tokio::test]
async fn payments_use_a_redis_of_a_private_authority_only() {
    let (ours, strangers) = (authority("ours"), authority("a stranger's"));
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ours).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        path
    };
    let port = free_port().unwrap();
    eprintln!(
        "starting redis-server with tls-port {port}: one that was built without TLS fails here by that setting's name"
    );
    let _redis = private_redis(|options| {
        options
            .setting("bind", "127.0.0.1")
            .setting("tls-port", port.to_string())
            .setting("tls-cert-file", file("server.crt", &certificate.pem()))
            .setting("tls-key-file", file("server.key", &key.serialize_pem()))
            .setting("tls-ca-cert-file", file("server-ca.crt", &ours.pem()))
            .setting("tls-auth-clients", "no")
    });
    let world = Plan::new().on_redis(&format!("rediss://localhost:{port}/")).start().await;
    let trust = |file: &str| world.set("redis.ca_file", toml::Value::from(file.to_owned()));

    for (trusted, code, message) in [
        (file("stranger.pem", &strangers.pem()), 3, "UnknownIssuer"),
        (file("nonsense.pem", "nonsense"), 2, "holds no PEM certificate"),
        (folder.path().join("nowhere.pem").display().to_string(), 2, "cannot read"),
    ] {
        trust(&trusted);
        for arguments in [["doctor"], ["list"], ["worker"]] {
            let finished = world.run(&arguments).await;
            assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
            let named = finished.stderr.contains("redis.ca_file") && finished.stderr.contains(message);
            assert!(named, "{arguments:?}: {finished:?}");
        }
    }
    world.set("redis.ca_file", None);
    let untrusted = world.run(&["list"]).await;
    assert_eq!(untrusted.code, Some(3), "{untrusted:?}");

    trust(&file("ours.pem", &ours.pem()));
    let doctor = world.run(&["doctor"]).await;
    assert!(doctor.stdout.lines().any(|line| line.starts_with("fine") && line.contains("redis.tls")), "{doctor:?}");
    world.submit_new(&[transfer("T")]).await;
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}
