//! The way to the benchmark's gateway stub: a POST of about 1 KB, with a signature for the signed workload. The client has
//! the settings of the real gateways' client.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url, retry};
use serde_json::Value;

use super::role::Workload;
use super::tally::wall_micros;

/// The part of the request besides the job, as in the other peers' requests.
const GOODS: &str = r#"[{"sku":"6901234500011","name":"mineral water 550ml","qty":2,"price":200},{"sku":"6901234500028","name":"instant noodles beef","qty":5,"price":450},{"sku":"6901234500035","name":"toothpaste mint 120g","qty":1,"price":1290},{"sku":"6901234500042","name":"paper towels 6 rolls","qty":1,"price":2590},{"sku":"6901234500059","name":"orange juice 1L","qty":3,"price":1180}]"#;

/// A way to the stub.
pub(super) struct Stub {
    client: Client,
    url: Url,
    keys: Option<Keys>,
}

/// The merchant's private key and the stub's public one, each parsed once.
struct Keys {
    own: RsaKeyPair,
    stub: ParsedPublicKey,
}

impl Stub {
    pub(super) fn new(workload: Workload, in_flight: usize) -> anyhow::Result<Self> {
        let stub = std::env::var("STUB_URL").unwrap_or_else(|_| "http://127.0.0.1:7180".into());
        let (path, keys) = match workload {
            Workload::W1 | Workload::W2 => ("/pay", None),
            Workload::W3 => ("/pays", Some(Keys::read(Path::new(&std::env::var("KEYS").context("KEYS")?))?)),
        };
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(in_flight)
            .build()?;
        Ok(Self { client, url: format!("{stub}{path}").parse()?, keys })
    }

    /// Writes, signs, posts, reads, verifies; returns the stub's number for the payment.
    pub(super) async fn pay(&self, key: &str, content: &str) -> anyhow::Result<String> {
        let body = body(key, content);
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(keys) = &self.keys {
            request = request.header("x-signature", keys.sign(body.as_bytes())?);
        }
        let response = request.body(body).send().await?;
        ensure!(response.status() == 200, "status {}", response.status());
        let signature = signature(&response);
        let answer = response.bytes().await?;
        if let Some(keys) = &self.keys {
            keys.verify(&answer, &signature)?;
        }
        let answer: Value = serde_json::from_slice(&answer)?;
        match (answer["code"].as_str(), answer["trade_no"].as_str()) {
            (Some("SUCCESS"), Some(trade_no)) => Ok(trade_no.to_owned()),
            _ => bail!("the stub did not say SUCCESS"),
        }
    }
}

impl Keys {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| std::fs::read(folder.join(name)).with_context(|| name.to_owned());
        Ok(Self {
            own: RsaKeyPair::from_pkcs8(&file("merchant.pk8.der")?)?,
            stub: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, file("gateway.pub.pkcs1.der")?)?,
        })
    }

    fn sign(&self, message: &[u8]) -> anyhow::Result<String> {
        let mut signature = vec![0; self.own.public_modulus_len()];
        self.own
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| anyhow::anyhow!("the request could not be signed"))?;
        Ok(STANDARD.encode(signature))
    }

    fn verify(&self, message: &[u8], signature: &str) -> anyhow::Result<()> {
        let signature = STANDARD.decode(signature)?;
        self.stub.verify_sig(message, &signature).map_err(|_| anyhow::anyhow!("bad response signature"))
    }
}

fn signature(response: &Response) -> String {
    let header = response.headers().get("x-signature").and_then(|signature| signature.to_str().ok());
    header.unwrap_or_default().to_owned()
}

fn body(key: &str, content: &str) -> String {
    format!(
        r#"{{"app_id":"A2026031400017","method":"pay.submit","version":"1.0","charset":"utf-8","sign_type":"RSA2","timestamp":{},"nonce":"5f2c8a9e1d7b4036","idempotency_key":"{key}","biz":{content},"goods":{GOODS},"terminal":{{"ip":"10.8.17.42","sn":"SN-9931-ABCD","os":"android-9"}}}}"#,
        wall_micros() / 1_000,
    )
}
