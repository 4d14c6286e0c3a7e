//! `rediss://` against a real server with certificates of a private authority.

use std::path::Path;
use std::time::Duration;

use bursar_domain::{AccountRules, GatewayKind, Job, Queue};
use bursar_store::{Settings, Store, StoreError, Submission, Wake};
use bursar_test_support::{OwnRedis, eventually, free_port, private_redis};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// A certificate's life that is over.
const LONG_AGO: (i32, i32) = (2001, 2002);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes a server's certificate and key to `folder`.
    fn certify(&self, folder: &Path, names: &[&str], years: Option<(i32, i32)>) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if let Some((from, to)) = years {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join("server.crt"), certificate.pem()).unwrap();
        std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    }
}

/// A server that speaks TLS, its address, and the folder of its certificate.
struct Server {
    _redis: OwnRedis,
    _folder: TempDir,
    url: String,
}

impl Server {
    fn start(authority: &Authority, names: &[&str], years: Option<(i32, i32)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        authority.certify(folder.path(), names, years);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let port = free_port().unwrap();
        eprintln!(
            "starting redis-server with tls-port {port}: one that was built without TLS fails here by that setting's name"
        );
        let redis = private_redis(|options| {
            options
                .setting("bind", "127.0.0.1")
                .setting("tls-port", port.to_string())
                .setting("tls-cert-file", file("server.crt"))
                .setting("tls-key-file", file("server.key"))
                .setting("tls-ca-cert-file", file("server.crt"))
                .setting("tls-auth-clients", "no")
        });
        Self { _redis: redis, _folder: folder, url: format!("rediss://localhost:{port}/") }
    }

    async fn store(&self, ca_pem: Option<&str>) -> Result<Store, StoreError> {
        Store::connect_trusting(&Settings { url: self.url.clone(), prefix: "tls".into() }, ca_pem).await
    }
}

fn transfer() -> Job {
    let job = br#"{"account":"main","kind":"transfer","platform_no":"K1","body":{"node_id":"1","total_amount":10,
        "payer_store_no":"a","payer_type":"1","payee_store_no":"b","payee_type":"2","arrive_time":"T0"}}"#;
    Job::parse(job, |_| Some(AccountRules::new(GatewayKind::Yzt))).unwrap()
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_configured() {
    let authority = Authority::named("ours");
    let server = Server::start(&authority, &["localhost"], None);
    let store = server.store(Some(&authority.pem())).await.unwrap();
    let mut wakeups = store.wakeups().await.unwrap();
    let job = transfer();
    assert_eq!(store.submit(std::slice::from_ref(&job)).await.unwrap(), [Submission::New]);
    let queue: Queue = job.queue.clone();
    let woken =
        tokio::time::timeout(Duration::from_secs(10), wakeups.next()).await.expect("a second connection, by TLS too");
    assert_eq!(woken, Some(Wake::Due(queue.clone())));
    let stored =
        eventually(Duration::from_secs(10), "the job", async || store.job(&queue, &job.key).await.unwrap()).await;
    assert_eq!(*stored.key(), job.key);
}

#[tokio::test]
async fn a_redis_with_an_untrusted_certificate_gets_nothing() {
    let (authority, stranger) = (Authority::named("ours"), Authority::named("a stranger's"));
    let right = Server::start(&authority, &["localhost"], None);
    let elsewhere = Server::start(&authority, &["elsewhere.example"], None);
    let expired = Server::start(&authority, &["localhost"], Some(LONG_AGO));
    for (server, ca_pem, why) in [
        (&right, Some(stranger.pem()), "UnknownIssuer"),
        (&right, None, "UnknownIssuer"),
        (&elsewhere, Some(authority.pem()), "not valid for name"),
        (&expired, Some(authority.pem()), "expired"),
    ] {
        let error = server.store(ca_pem.as_deref()).await.unwrap_err();
        assert!(matches!(error, StoreError::Untrusted { .. }), "{error:?}");
        let reported = error.chain();
        assert!(reported.contains("redis.ca_file") && reported.contains(why), "{why}: {reported}");
    }
}

#[tokio::test]
async fn an_unreadable_authority_is_reported_before_connecting() {
    for pem in [
        "",
        "nonsense",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n",
    ] {
        let settings = Settings { url: "rediss://127.0.0.1:1/".into(), prefix: "tls".into() };
        let error = Store::connect_trusting(&settings, Some(pem)).await.unwrap_err();
        assert!(matches!(error, StoreError::Authority { .. }), "{pem:?}: {error:?}");
        assert!(error.chain().contains("redis.ca_file"), "{error}");
    }
}
