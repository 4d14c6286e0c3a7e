//! Signing in by an OpenID Connect provider: authorization code with PKCE. The attempt is bound to the browser by a signed cookie with `state`
//! and `nonce`, and the ID token is believed by its signature, issuer, audience, nonce and time. A role is what a claim says.
//!
//! The provider is asked when a person signs in, and not at the start: a provider that is away keeps no server from starting.

mod claims;
mod description;
mod http;
mod people;
mod probe;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use bursar_domain::{AccountName, Millis};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use self::description::{Description, Metadata};
pub(crate) use self::people::{People, Person};
pub use self::probe::{ProviderFindings, probe_provider};

/// A person has this time at the provider.
pub(crate) const ATTEMPT_LASTS: Duration = Duration::from_secs(600);

/// A sign-out waits for the provider's description no longer than this.
const SIGN_OUT_WAITS: Duration = Duration::from_secs(3);

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
    /// The claim with the names of a person's accounts: a text or a list of texts. Without it, a person has all accounts.
    pub accounts_claim: Option<String>,
    /// Values of the accounts' claim that stand for all accounts.
    pub all_accounts_values: Vec<String>,
    /// True if signing out here leads to the provider's own sign-out, where it has one.
    pub provider_sign_out: bool,
    /// The address to which the provider sends a person who has signed out there.
    pub post_logout_redirect_url: Option<String>,
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
    /// No value of the claim is an account of the configuration.
    #[error("{0} has no account here")]
    NoAccount(String),
    /// The names of the accounts do not fit into a session.
    #[error("{0} has too many accounts for a session")]
    TooManyAccounts(String),
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

/// The sign-in by a provider.
pub(crate) struct Oidc {
    settings: OidcSettings,
    issuer: IssuerUrl,
    redirect_url: RedirectUrl,
    secret: ClientSecret,
    http: http::Http,
    description: Description,
    /// The accounts of the configuration.
    configured: BTreeSet<AccountName>,
    post_logout_redirect_url: Option<PostLogoutRedirectUrl>,
    pub(crate) people: People,
}

impl Oidc {
    /// Reads the files. Nothing is connected. `configured` are the accounts that a person may have.
    pub(crate) fn open(settings: OidcSettings, configured: BTreeSet<AccountName>) -> Result<Self, OidcError> {
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
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(wrong("issuer"))?;
        let signed_out = settings.post_logout_redirect_url.clone().map(PostLogoutRedirectUrl::new).transpose();
        Ok(Self {
            description: Description::new(issuer.clone()),
            issuer,
            post_logout_redirect_url: signed_out.map_err(wrong("post_logout_redirect_url"))?,
            configured,
            redirect_url: RedirectUrl::new(settings.redirect_url.clone()).map_err(wrong("redirect_url"))?,
            secret: ClientSecret::new(secret),
            http: http::Http::new(ca_pem.as_deref())?,
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
        let client = self.client(&self.description.get(&self.http).await?);
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
        let metadata = self.description.get(&self.http).await?;
        let client = self.client(&metadata);
        let token = self.token(&client, attempt, &back.code).await?;
        let nonce = Nonce::new(attempt.nonce.clone());
        let checked = check(&client, &token, &nonce);
        let checked = match checked {
            Err(error) if may_be_of_a_newer_key(&error) => {
                check(&self.client(&self.description.newer_than(&metadata, &self.http).await?), &token, &nonce)
            }
            Ok(_) | Err(_) => checked,
        };
        let subject = checked.map_err(|error| NotSignedIn::Refused(chain(&error)))?;
        claims::person(&self.settings, &self.configured, &token, subject)
    }

    /// The address at which a person ends the session at the provider; `None` where there is none, or the provider does not say in time.
    /// Without the ID token, which is not kept, the provider may ask the person to confirm.
    pub(crate) async fn sign_out(&self) -> Option<String> {
        if !self.settings.provider_sign_out {
            return None;
        }
        let metadata = tokio::time::timeout(SIGN_OUT_WAITS, self.description.get(&self.http)).await.ok()?.ok()?;
        let end = metadata.additional_metadata().end_session_endpoint.clone()?;
        let request = LogoutRequest::from(end).set_client_id(ClientId::new(self.settings.client_id.clone()));
        let request = match self.post_logout_redirect_url.clone() {
            Some(url) => request.set_post_logout_redirect_uri(url),
            None => request,
        };
        Some(request.http_get_url().into())
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

    /// A client by the provider's description.
    fn client(&self, metadata: &Metadata) -> Client {
        let methods = metadata.token_endpoint_auth_methods_supported().cloned().unwrap_or_default();
        let by_post = methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic);
        let id = ClientId::new(self.settings.client_id.clone());
        let client = CoreClient::from_provider_metadata((**metadata).clone(), id, Some(self.secret.clone()));
        let by = if by_post { AuthType::RequestBody } else { AuthType::BasicAuth };
        client.set_redirect_uri(self.redirect_url.clone()).set_auth_type(by)
    }
}

/// True for a signature that no known key fits: the provider may have renewed its keys since they were read, under another name or the same.
fn may_be_of_a_newer_key(error: &ClaimsVerificationError) -> bool {
    use SignatureVerificationError::{CryptoError, NoMatchingKey};
    matches!(error, ClaimsVerificationError::SignatureVerification(NoMatchingKey | CryptoError(_)))
}

/// The subject of an ID token, once all of it has been checked.
fn check(client: &Client, token: &CoreIdToken, nonce: &Nonce) -> Result<String, ClaimsVerificationError> {
    let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
    token.claims(&verifier, nonce).map(|claims| claims.subject().as_str().to_owned())
}

fn chain(error: &dyn std::error::Error) -> String {
    bursar_store::chain(error)
}
