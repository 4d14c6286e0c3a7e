//! Signing in by an OpenID Connect provider: authorization code with PKCE. The attempt is bound to the browser by a signed cookie with `state`
//! and `nonce`, and the ID token is believed by its signature, issuer, audience, nonce and time. A role is what a claim says.
//!
//! The provider is asked when a person signs in, and not at the start: a provider that is away keeps no server from starting.

mod claims;
mod http;
mod people;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Millis;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreJwsSigningAlgorithm,
    CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    Scope, SignatureVerificationError, TokenResponse,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub(crate) use self::people::{People, Person};

/// A person has this time at the provider.
pub(crate) const ATTEMPT_LASTS: Duration = Duration::from_secs(600);

/// The provider's description and keys are read again after this time.
const DESCRIPTION_LASTS: Duration = Duration::from_secs(3_600);

/// A key that is not known has the description read again, once in this time.
const NEWER_KEYS: Duration = Duration::from_secs(60);

/// A provider that did not answer is tried again after this time.
const AWAY: Duration = Duration::from_secs(5);

/// The longest address to return to that is kept, in bytes: it is in a cookie.
const MAX_TO_BYTES: usize = 512;

/// The signatures of ID tokens that are believed. A symmetric one would make the client's secret a key to every role, and `none` is no signature.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The provider, this server's name there, and the meaning of its claims.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// The provider's issuer identifier.
    pub issuer: String,
    /// This server's name at the provider.
    pub client_id: String,
    /// The file with this server's secret at the provider.
    pub client_secret_file: PathBuf,
    /// The address of this dashboard's `/sign-in/return`, as browsers reach it.
    pub redirect_url: String,
    /// Scopes besides `openid`.
    pub scopes: Vec<String>,
    /// The claim with the operator's name.
    pub name_claim: String,
    /// The claim with the roles: a text or a list of texts. Dots lead into objects.
    pub roles_claim: String,
    /// Values of the roles' claim that make an operator.
    pub operator_values: Vec<String>,
    /// Values of the roles' claim that make a reader.
    pub reader_values: Vec<String>,
    /// A certificate authority (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why no one could sign in by the provider. The operator acts next.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// A file cannot be read.
    #[error("server.oidc.{key}: cannot read {}", path.display())]
    Unreadable {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A value is wrong.
    #[error("server.oidc.{key}: {problem}")]
    Wrong {
        /// The key.
        key: &'static str,
        /// The broken rule; never a secret.
        problem: String,
    },
}

/// Why a person is not signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSignedIn {
    /// The provider does not answer, or not as a provider does.
    #[error("the provider does not answer as it should: {0}")]
    ProviderAway(String),
    /// The browser did not begin this attempt, or too long ago.
    #[error("this browser did not begin the attempt, or more than ten minutes ago")]
    NotBegun,
    /// The provider or the check of its ID token says no.
    #[error("refused: {0}")]
    Refused(String),
    /// The claims have no usable name.
    #[error("the claim {0} is no usable name")]
    NoName(String),
    /// No value of the claim makes a role.
    #[error("{0} has no role here")]
    NoRole(String),
}

/// An attempt to sign in, which the browser keeps in a cookie.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
    /// The address to return to; the reader checks it.
    pub(crate) to: String,
    until: Millis,
}

/// The query with which the provider sends the browser back.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Returned {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    error: Option<String>,
    iss: Option<String>,
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// The provider's description as it was read last.
type Described = Option<(Instant, Result<Arc<CoreProviderMetadata>, NotSignedIn>)>;

/// The sign-in by a provider.
pub(crate) struct Oidc {
    settings: OidcSettings,
    issuer: IssuerUrl,
    redirect_url: RedirectUrl,
    secret: ClientSecret,
    http: http::Http,
    described: Mutex<Described>,
    pub(crate) people: People,
}

impl Oidc {
    /// Reads the files. Nothing is connected.
    pub(crate) fn open(settings: OidcSettings) -> Result<Self, OidcError> {
        let text = |key, path: &PathBuf| {
            let failed = |source| OidcError::Unreadable { key, path: path.clone(), source };
            std::fs::read_to_string(path).map_err(failed)
        };
        let secret = text("client_secret_file", &settings.client_secret_file)?.trim().to_owned();
        if secret.is_empty() {
            return Err(OidcError::Wrong { key: "client_secret_file", problem: "the file is empty".into() });
        }
        let ca_pem = settings.ca_file.as_ref().map(|path| text("ca_file", path)).transpose()?;
        let wrong =
            |key| move |error: openidconnect::url::ParseError| OidcError::Wrong { key, problem: error.to_string() };
        Ok(Self {
            issuer: IssuerUrl::new(settings.issuer.clone()).map_err(wrong("issuer"))?,
            redirect_url: RedirectUrl::new(settings.redirect_url.clone()).map_err(wrong("redirect_url"))?,
            secret: ClientSecret::new(secret),
            http: http::Http::new(ca_pem.as_deref())?,
            described: Mutex::default(),
            people: People::new(&settings),
            settings,
        })
    }

    /// The provider's host, for people.
    pub(crate) fn host(&self) -> &str {
        self.issuer.url().host_str().unwrap_or_default()
    }

    /// Begins an attempt; the address at the provider that the browser goes to.
    ///
    /// # Errors
    /// [`NotSignedIn::ProviderAway`].
    pub(crate) async fn begin(&self, to: &str, now: Millis) -> Result<(String, Attempt), NotSignedIn> {
        let client = self.client(DESCRIPTION_LASTS).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let code = CoreAuthenticationFlow::AuthorizationCode;
        let request =
            client.authorize_url(code, CsrfToken::new_random, Nonce::new_random).set_pkce_challenge(challenge);
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let (address, state, nonce) = request.add_scopes(scopes).url();
        let attempt = Attempt {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            to: if to.len() > MAX_TO_BYTES { "/".to_owned() } else { to.to_owned() },
            until: now.plus(ATTEMPT_LASTS),
        };
        Ok((address.into(), attempt))
    }

    /// The person who comes back from the provider.
    ///
    /// # Errors
    /// [`NotSignedIn`].
    pub(crate) async fn finish(&self, attempt: &Attempt, back: &Returned, now: Millis) -> Result<Person, NotSignedIn> {
        if now >= attempt.until || !bool::from(attempt.state.as_bytes().ct_eq(back.state.as_bytes())) {
            return Err(NotSignedIn::NotBegun);
        }
        if back.iss.as_ref().is_some_and(|iss| *iss != self.settings.issuer) {
            return Err(NotSignedIn::Refused("the answer is another provider's".to_owned()));
        }
        if let Some(error) = &back.error {
            return Err(NotSignedIn::Refused(claims::word(error)));
        }
        let client = self.client(DESCRIPTION_LASTS).await?;
        let token = self.token(&client, attempt, &back.code).await?;
        let nonce = Nonce::new(attempt.nonce.clone());
        let checked = check(&client, &token, &nonce);
        let checked = match checked {
            // The provider may have changed its keys since they were read.
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                check(&self.client(NEWER_KEYS).await?, &token, &nonce)
            }
            Ok(_) | Err(_) => checked,
        };
        let subject = checked.map_err(|error| NotSignedIn::Refused(chain(&error)))?;
        claims::person(&self.settings, &token, subject)
    }

    /// The ID token of a code.
    async fn token(&self, client: &Client, attempt: &Attempt, code: &str) -> Result<CoreIdToken, NotSignedIn> {
        let away = |error: &dyn std::error::Error| NotSignedIn::ProviderAway(chain(error));
        let request = client.exchange_code(AuthorizationCode::new(code.to_owned())).map_err(|error| away(&error))?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()));
        let http = self.http.calls();
        let response = request.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => NotSignedIn::Refused(claims::word(refusal.error().as_ref())),
            RequestTokenError::Parse(..) => NotSignedIn::Refused("the provider's ID token cannot be read".to_owned()),
            RequestTokenError::Request(error) => away(&error),
            RequestTokenError::Other(problem) => NotSignedIn::ProviderAway(problem),
        })?;
        let none = || NotSignedIn::Refused("the provider gave no ID token".to_owned());
        response.id_token().cloned().ok_or_else(none)
    }

    /// A client by the provider's description, which is not older than this.
    async fn client(&self, age: Duration) -> Result<Client, NotSignedIn> {
        let metadata = self.described(age).await?;
        let methods = metadata.token_endpoint_auth_methods_supported().cloned().unwrap_or_default();
        let by_post = methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata((*metadata).clone(), id, Some(self.secret.clone()));
        let by = if by_post { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_redirect_uri(self.redirect_url.clone()).set_auth_type(by))
    }

    /// The provider's description. Concurrent attempts wait for one reading.
    async fn described(&self, age: Duration) -> Result<Arc<CoreProviderMetadata>, NotSignedIn> {
        let mut described = self.described.lock().await;
        if let Some((at, outcome)) = described.as_ref() {
            let lasts = if outcome.is_ok() { age } else { AWAY };
            if at.elapsed() < lasts {
                return outcome.clone();
            }
        }
        let http = self.http.calls();
        let outcome = CoreProviderMetadata::discover_async(self.issuer.clone(), &http).await;
        let outcome = outcome.map(Arc::new).map_err(|error| NotSignedIn::ProviderAway(chain(&error)));
        *described = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

/// The subject of an ID token, once all of it has been checked.
fn check(client: &Client, token: &CoreIdToken, nonce: &Nonce) -> Result<String, ClaimsVerificationError> {
    let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
    token.claims(&verifier, nonce).map(|claims| claims.subject().as_str().to_owned())
}

fn chain(error: &dyn std::error::Error) -> String {
    bursar_store::chain(error)
}
