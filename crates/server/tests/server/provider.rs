//! A small OpenID Connect provider in the test's process: discovery, keys, authorization and tokens, with faults on request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, hmac, rand};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bursar_server::OidcSettings;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) const CLIENT: &str = "bursar";
const SECRET: &str = "the client's secret";
pub(crate) const SIGNED_OUT: &str = "https://bursar.example/sign-in";
pub(crate) const RETURN: &str = "https://bursar.example/sign-in/return";

/// The signature of an ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// By the key that `/jwks` shows.
    Rightly,
    /// By another key with the same name.
    ByAnotherKey,
    /// By a key that `/jwks` does not show.
    ByUnknownKey,
    /// By an HMAC with the client's secret.
    BySecret,
    /// `alg: none`.
    Not,
}

/// The provider's next ID token.
struct Plan {
    change: Box<dyn Fn(&mut Value) + Send>,
    signed: Signed,
    answers: bool,
}

/// A code that was given out.
struct Given {
    nonce: String,
    challenge: String,
}

/// The provider.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    keys: [RsaKeyPair; 3],
    /// The second key is shown in the first one's place.
    is_renewed: AtomicBool,
    /// The keys were read so often.
    pub(crate) readings: AtomicUsize,
    /// People can sign out here.
    pub(crate) signs_out: AtomicBool,
    plan: Mutex<Plan>,
    codes: Mutex<HashMap<String, Given>>,
    folder: TempDir,
}

type Fields = HashMap<String, String>;

impl Provider {
    /// A provider that answers until the test ends.
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap(); // any free port: many tests run at once
        let provider = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            keys: [(); 3].map(|()| RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            is_renewed: AtomicBool::new(false),
            readings: AtomicUsize::new(0),
            signs_out: AtomicBool::new(true),
            plan: Mutex::new(Plan { change: Box::new(|_| {}), signed: Signed::Rightly, answers: true }),
            codes: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(description))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// The settings of a server that people sign in to by this provider.
    pub(crate) fn settings(&self) -> OidcSettings {
        let client_secret_file = self.folder.path().join("secret");
        std::fs::write(&client_secret_file, format!("{SECRET}\n")).unwrap();
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        OidcSettings {
            issuer: self.issuer.clone(),
            client_id: CLIENT.to_owned(),
            client_secret_file,
            redirect_url: RETURN.to_owned(),
            scopes: texts(&["profile", "groups"]),
            name_claim: "preferred_username".to_owned(),
            roles_claim: "groups".to_owned(),
            operator_values: texts(&["payments-operators"]),
            reader_values: texts(&["payments-readers"]),
            accounts_claim: None,
            all_accounts_values: texts(&["payments-all"]),
            provider_sign_out: true,
            post_logout_redirect_url: Some(SIGNED_OUT.to_owned()),
            ca_file: None,
        }
    }

    /// Makes the next ID tokens with these changes.
    pub(crate) fn plan(&self, signed: Signed, change: impl Fn(&mut Value) + Send + 'static) {
        *self.plan.lock().unwrap() = Plan { change: Box::new(change), signed, answers: true };
    }

    /// Shows another key under another name, and signs by it what is signed rightly.
    pub(crate) fn renew_keys(&self) {
        self.is_renewed.store(true, Ordering::Relaxed);
    }

    /// The key that is shown, and its name.
    fn shown(&self) -> (&RsaKeyPair, &'static str) {
        if self.is_renewed.load(Ordering::Relaxed) { (&self.keys[1], "k3") } else { (&self.keys[0], "k1") }
    }

    /// Gives no more ID tokens.
    pub(crate) fn refuse_codes(&self) {
        self.plan.lock().unwrap().answers = false;
    }

    fn id_token(&self, nonce: &str) -> String {
        let plan = self.plan.lock().unwrap();
        let now = jiff::Timestamp::now().as_second();
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "u-1", "nonce": nonce, "iat": now, "exp": now + 300,
            "preferred_username": "li.lei", "groups": ["all", "payments-operators"],
        });
        (plan.change)(&mut claims);
        let head = match plan.signed {
            Signed::Rightly | Signed::ByAnotherKey => json!({"alg": "RS256", "kid": self.shown().1}),
            Signed::ByUnknownKey => json!({"alg": "RS256", "kid": "k2"}),
            Signed::BySecret => json!({"alg": "HS256"}),
            Signed::Not => json!({"alg": "none"}),
        };
        let text = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
        let by = |key: &RsaKeyPair| {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
            signature
        };
        let signature = match plan.signed {
            Signed::Rightly => by(self.shown().0),
            Signed::ByAnotherKey | Signed::ByUnknownKey => by(&self.keys[2]),
            Signed::BySecret => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), text.as_bytes()).as_ref().to_vec()
            }
            Signed::Not => Vec::new(),
        };
        format!("{text}.{}", encoded(signature))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn description(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = &provider.issuer;
    let mut description = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // A provider that offers what must not be believed.
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
    });
    if provider.signs_out.load(Ordering::Relaxed) {
        description["end_session_endpoint"] = json!(format!("{issuer}/end?tenant=shop"));
    }
    Json(description)
}

async fn jwks(State(provider): State<Arc<Provider>>) -> Json<Value> {
    provider.readings.fetch_add(1, Ordering::Relaxed);
    let (key, name) = provider.shown();
    let public = key.public_key();
    let (n, e) = (public.modulus(), public.exponent());
    let [n, e] = [n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero()].map(encoded);
    Json(json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "n": n, "e": e}]}))
}

/// A person who agrees at once.
async fn authorize(State(provider): State<Arc<Provider>>, Query(fields): Query<Fields>) -> Response {
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", RETURN),
        ("code_challenge_method", "S256"),
        ("scope", "openid profile groups"),
    ] {
        assert_eq!(fields[name], expected, "{name}");
    }
    let given = Given { nonce: fields["nonce"].clone(), challenge: fields["code_challenge"].clone() };
    let mut codes = provider.codes.lock().unwrap();
    let code = format!("code-{}", codes.len());
    let state: String = form_urlencoded::byte_serialize(fields["state"].as_bytes()).collect();
    let back = format!("{RETURN}?code={code}&state={state}");
    codes.insert(code, given);
    Redirect::to(&back).into_response()
}

/// A code is good once, for the client that proves that it has begun the attempt.
async fn token(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: String) -> Response {
    let refused = |status, error: &str| (status, Json(json!({"error": error}))).into_response();
    let fields: Fields = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let secret: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != expected.as_bytes()) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let given = provider.codes.lock().unwrap().get_mut(&fields["code"]).map(|given| {
        let challenge = std::mem::take(&mut given.challenge);
        (given.nonce.clone(), challenge)
    });
    let proof = encoded(digest::digest(&digest::SHA256, fields["code_verifier"].as_bytes()));
    let answers = provider.plan.lock().unwrap().answers;
    match given {
        Some((nonce, challenge)) if answers && challenge == proof && fields["redirect_uri"] == RETURN => {
            let id_token = provider.id_token(&nonce);
            Json(json!({"access_token": "a", "token_type": "Bearer", "id_token": id_token})).into_response()
        }
        Some(_) | None => refused(StatusCode::BAD_REQUEST, "invalid_grant"),
    }
}
