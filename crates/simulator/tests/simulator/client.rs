//! A merchant that signs as the pages say, with nothing of the simulator's own code in it.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bursar_simulator::{KeyRecord, Ledger, Options, Simulator};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Key files that all tests of one binary share: making RSA keys is slow.
static KEY_DIR: OnceLock<TempDir> = OnceLock::new();

pub(crate) fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The default options, with the vectors' keys.
pub(crate) fn options() -> Options {
    let dir = KEY_DIR.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let keys = &vectors()["keys"];
        for (file, key) in [("app.pem", "app_private_pkcs8"), ("platform.pem", "platform_private_pkcs8")] {
            std::fs::write(dir.path().join(file), keys[key].as_str().unwrap()).unwrap();
        }
        std::fs::write(dir.path().join("beingfi.secret"), "TESTKEY-9f1c0000-not-real").unwrap();
        dir
    });
    Options { dir: Some(dir.path().to_owned()), ..Options::default() }
}

pub(crate) struct Merchant {
    pub(crate) simulator: Simulator,
    pub(crate) http: reqwest::Client,
    key: RsaKeyPair,
    platform: Vec<u8>,
    secret: String,
}

impl Merchant {
    pub(crate) async fn with(options: Options) -> Self {
        Self::of(Simulator::start(options).await.unwrap())
    }

    pub(crate) fn of(simulator: Simulator) -> Self {
        let ready = simulator.ready().clone();
        let key = RsaKeyPair::from_pkcs8(&der(&ready.app_private_key_file)).unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        Self {
            simulator,
            http,
            key,
            platform: der(&ready.platform_public_key_file),
            secret: std::fs::read_to_string(&ready.beingfi_secret_file).unwrap(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator.ready().listen)
    }

    pub(crate) fn sign(&self, content: &str) -> String {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content.as_bytes(), &mut signature).unwrap();
        STANDARD.encode(signature)
    }

    /// The public parameters and `sign` of a request stamped now.
    pub(crate) fn params(&self, method: &str, biz_content: &str) -> Vec<(String, String)> {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8)));
        self.params_at(method, biz_content, &now.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    pub(crate) fn params_at(&self, method: &str, biz_content: &str, timestamp: &str) -> Vec<(String, String)> {
        let params = [
            ("app_id", self.simulator.ready().app_id.as_str()),
            ("biz_content", biz_content),
            ("charset", "utf-8"),
            ("format", "json"),
            ("method", method),
            ("sign_type", "RSA2"),
            ("timestamp", timestamp),
            ("version", "1.0"),
        ];
        self.signed(params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The same with a sign over them; they must be in order.
    pub(crate) fn signed(&self, mut params: Vec<(String, String)>) -> Vec<(String, String)> {
        let content: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let sign = self.sign(&content.join("&"));
        params.push(("sign".to_owned(), sign));
        params
    }

    /// Posts a form and reads the reply, even an invalid one.
    pub(crate) async fn post(&self, path: &str, form: String) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(self.url(path));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await?;
        Ok(Answer { status: response.status().as_u16(), text: response.text().await? })
    }

    pub(crate) async fn call(&self, method: &str, biz_content: &str) -> Result<Answer, reqwest::Error> {
        self.post("/", form(&self.params(method, biz_content))).await
    }

    pub(crate) async fn apply(&self, key: &str) -> Result<Answer, reqwest::Error> {
        self.call(APPLY, &transfer(key, 10)).await
    }

    pub(crate) async fn query(&self, trade_no: &str) -> Result<Answer, reqwest::Error> {
        self.call(QUERY, &json!({ "node_id": "00061967", "trade_no": trade_no }).to_string()).await
    }

    /// The node of a successful answer with a valid signature.
    pub(crate) fn node(&self, answer: &Answer) -> Value {
        self.verified(answer).expect("a signed answer")
    }

    /// The node, if the platform's signature over its text is valid.
    pub(crate) fn verified(&self, answer: &Answer) -> Option<Value> {
        let whole: std::collections::BTreeMap<&str, &RawValue> = serde_json::from_str(&answer.text).ok()?;
        let sign: String = serde_json::from_str(whole.get("sign")?.get()).ok()?;
        let node = whole.iter().find(|(name, _)| name.ends_with("_response"))?.1.get();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.platform);
        key.verify(node.as_bytes(), &STANDARD.decode(sign).ok()?).ok()?;
        serde_json::from_str(node).ok()
    }

    /// The form of a request to BeingFi with these parameters in addition to the common ones.
    pub(crate) fn beingfi_form(&self, params: &[(&str, &str)]) -> String {
        let ready = self.simulator.ready();
        let now = jiff::Timestamp::now().as_millisecond().to_string();
        let mut all: Vec<(String, String)> = [
            ("mchNo", ready.mch_no.as_str()),
            ("appId", ready.beingfi_app_id.as_str()),
            ("reqTime", now.as_str()),
            ("version", "1.0"),
            ("signType", "MD5"),
        ]
        .iter()
        .chain(params)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let sign = md5_sign(&all, &self.secret);
        all.push(("sign".to_owned(), sign));
        form(&all)
    }

    pub(crate) async fn exec(&self, pay_order: &str) -> Result<Answer, reqwest::Error> {
        let form = self.beingfi_form(&[
            ("payOrderId", pay_order),
            ("useSysAutoDivisionReceivers", "0"),
            ("receivers", r#"[{"receiverId":"800029","divisionProfit":"0.1"}]"#),
        ]);
        self.post("/api/division/exec", form).await
    }

    /// BeingFi's `data` if its signature holds.
    pub(crate) fn beingfi_data(&self, answer: &Answer) -> Option<Value> {
        let whole: Value = serde_json::from_str(&answer.text).ok()?;
        let pairs: Vec<(String, String)> = whole["data"]
            .as_object()?
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        (whole["sign"] == md5_sign(&pairs, &self.secret)).then(|| whole["data"].clone())
    }

    /// PUTs to one of the simulator's own routes.
    pub(crate) async fn put(&self, path: &str, body: Value) -> u16 {
        let response = self.http.put(self.url(path)).body(body.to_string()).send().await.unwrap();
        response.status().as_u16()
    }

    /// One request for `key` goes wrong in this way.
    pub(crate) async fn force(&self, key: &str, fault: &str) {
        assert_eq!(self.put("/_faults", json!({ "key": key, "fault": fault })).await, 200, "{fault}");
    }

    pub(crate) async fn give_life(&self, key: &str, life: &str) {
        assert_eq!(self.put("/_lives", json!({ "key": key, "life": life })).await, 204, "{life}");
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        let text = self.http.get(self.url("/_ledger")).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn record(&self, key: &str) -> KeyRecord {
        self.ledger().await.keys.remove(key).unwrap_or_else(|| panic!("no {key} in the ledger"))
    }

    /// Posts a form over a separate connection and reads until that ends.
    pub(crate) async fn raw(&self, path: &str, form: &str) -> std::io::Result<Vec<u8>> {
        exchange(self.simulator.ready().listen.clone(), request_text(path, form)).await
    }
}

/// Sends the bytes as they are and reads until the connection ends.
pub(crate) async fn exchange(address: String, request: String) -> std::io::Result<Vec<u8>> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    let all = tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut read));
    all.await.expect("the connection ends")?;
    Ok(read)
}

pub(crate) const APPLY: &str = "bkfunds.balance.pay.apply";
pub(crate) const QUERY: &str = "bkfunds.balance.pay.query";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

pub(crate) fn transfer(key: &str, fen: i64) -> String {
    json!({
        "node_id": "00061967", "platform_no": key, "total_amount": fen, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0",
    })
    .to_string()
}

pub(crate) fn bill(order_id: &str) -> String {
    json!({
        "trade_type": "1", "node_id": "100001", "order_amount": 199, "order_id": order_id,
        "order_time": "20240301131800", "store_id": "20008221",
        "goods_detail": r#"[{"goods_id":"apple-01","goods_name":"ipad","quantity":1,"price":2,"real_price":1}]"#,
    })
    .to_string()
}

pub(crate) fn form(params: &[(String, String)]) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    // The names of parameters hold underscores, which need no escape and are easier to read without.
    pairs.join("&").replace("%5F", "_")
}

pub(crate) fn request_text(path: &str, form: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn der(path: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(path).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).unwrap()
}

fn md5_sign(pairs: &[(String, String)], secret: &str) -> String {
    use md5::Digest as _;

    let mut texts: Vec<String> =
        pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}&")).collect();
    texts.sort_by_key(|text| text.to_lowercase());
    hex::encode_upper(md5::Md5::digest(format!("{}key={secret}", texts.concat())))
}
