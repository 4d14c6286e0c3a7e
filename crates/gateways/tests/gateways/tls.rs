//! Certificates: what is not vouched for gets no byte of a request; a private authority is trusted where configured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{Server, accounts, sign};
use bursar_domain::Outcome;
use bursar_gateways::{
    Authorities, Gateway, GatewayRequest, SettingsError, SharedParts, Transport, Trust, Yzt, YztSettings,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Years of a certificate that is valid now, and of one whose time is over.
const VALID: (i32, i32) = (2001, 2999);
const OVER: (i32, i32) = (2001, 2002);

/// The authority of this name, and a server's certificate for `name` by it.
fn certificate_for(name: &str) -> (String, ServerConfig) {
    certificate_by("ours", name, VALID)
}

fn certificate_by(issuer: &str, name: &str, years: (i32, i32)) -> (String, ServerConfig) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, issuer);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (authority.pem(), config)
}

fn trusting(server: &Server, ca_pem: Option<String>) -> Result<Yzt, SettingsError> {
    trusting_among(server, Trust::of(ca_pem, Authorities::Also), &SharedParts::default())
}

fn trusting_among(server: &Server, trust: Trust, parts: &SharedParts) -> Result<Yzt, SettingsError> {
    let url = format!("https://localhost:{}", server.address.port());
    let transport = Transport { trust, ..accounts::transport(&url) };
    Yzt::sharing(YztSettings { transport, ..accounts::yzt_settings("http://x") }, parts)
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_configured() {
    let (authority, config) = certificate_for("localhost");
    let server = Server::start_tls(config, sign::applied(r#"{"status":"9"}"#)).await;
    let parsed = trusting(&server, Some(authority)).unwrap().send(&accounts::transfer()).await;
    assert_eq!((parsed.outcome, server.count()), (Outcome::Accepted, 1), "{parsed:?}");
}

#[tokio::test]
async fn an_untrusted_certificate_gets_no_byte_of_the_request() {
    let (_, by_ours) = certificate_by("ours", "localhost", VALID);
    let (stranger, _) = certificate_by("a stranger's", "localhost", VALID);
    let (namesake, _) = certificate_by("ours", "localhost", VALID);
    let (elsewhere, for_elsewhere) = certificate_by("ours", "elsewhere.example", VALID);
    let (over, out_of_date) = certificate_by("ours", "localhost", OVER);
    for (config, ca_pem, why) in [
        (by_ours.clone(), None, "UnknownIssuer"),
        (by_ours.clone(), Some(stranger), "UnknownIssuer"),
        (by_ours, Some(namesake), "BadSignature"),
        (for_elsewhere, Some(elsewhere), "not valid for name"),
        (out_of_date, Some(over), "expired"),
    ] {
        let server = Server::start_tls(config, sign::applied(r#"{"status":"1"}"#)).await;
        let parsed = trusting(&server, ca_pem).unwrap().send(&accounts::transfer()).await;
        assert_eq!((parsed.outcome, server.count()), (Outcome::NotExecuted, 0), "{why}: {parsed:?}");
        let message = parsed.message.unwrap();
        assert!(message.contains("certificate") && message.contains(why), "{why}: {message}");
    }
}

/// One of them after the other and at once, with everything that accounts have in common.
#[tokio::test]
async fn an_authority_that_one_account_trusts_vouches_for_no_other() {
    let (ours, by_ours) = certificate_by("ours", "localhost", VALID);
    let (theirs, by_theirs) = certificate_by("theirs", "localhost", VALID);
    let servers = [
        Server::start_tls(by_ours, sign::applied(r#"{"status":"9"}"#)).await,
        Server::start_tls(by_theirs, sign::applied(r#"{"status":"9"}"#)).await,
    ];
    let parts = SharedParts::default();
    let mut expected = [0, 0];
    for _ in 0..2 {
        for (trust, trusted) in [
            (Trust::Also(ours.clone()), Some(0)),
            (Trust::Only(ours.clone()), Some(0)),
            (Trust::Also(theirs.clone()), Some(1)),
            (Trust::System, None),
        ] {
            for (at, server) in servers.iter().enumerate() {
                let account = trusting_among(server, trust.clone(), &parts).unwrap();
                let outcome = account.send(&accounts::transfer()).await.outcome;
                let believed = trusted == Some(at);
                assert_eq!(
                    outcome,
                    if believed { Outcome::Accepted } else { Outcome::NotExecuted },
                    "{trusted:?} at {at}"
                );
                expected[at] += usize::from(believed);
            }
        }
    }
    assert_eq!(servers.map(|server| server.count()), expected);
}

#[tokio::test]
async fn an_unreadable_authority_is_refused_before_any_send() {
    let server = Server::answering("{}").await;
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = trusting(&server, Some(pem.to_owned())).err().unwrap();
        assert_eq!(error.setting, "ca_file", "{error}");
    }
}

/// The connection is there within its time and after the send's: what is looked at last of all is the moment of writing.
#[tokio::test]
async fn a_handshake_past_the_last_moment_gets_no_byte_of_the_send() {
    const HANDSHAKE: Duration = Duration::from_millis(700);
    let (authority, config) = certificate_for("localhost");
    let server = Server::start_tls_slowly(config, sign::applied(r#"{"status":"9"}"#), HANDSHAKE).await;
    let gateway = trusting(&server, Some(authority)).unwrap();
    let by = Instant::now() + Duration::from_millis(200);
    let parsed = gateway.send(&GatewayRequest { send_by: Some(by), ..accounts::transfer() }).await;
    assert_eq!(parsed.outcome, Outcome::NotExecuted, "{parsed:?}");
    assert!(by.elapsed() < HANDSHAKE / 2, "it waited {:?} for what cannot be sent any more", by.elapsed());

    let in_time = GatewayRequest { send_by: Some(Instant::now() + HANDSHAKE * 10), ..accounts::transfer() };
    assert_eq!(gateway.send(&in_time).await.outcome, Outcome::Accepted, "a slow handshake alone is none too late");
    assert_eq!(server.count(), 1, "the first one's connection, ready since, was given nothing");
}
