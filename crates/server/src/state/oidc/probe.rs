//! A look at the provider for `bursar doctor`: what it says of itself, and what of it this server cannot use.

use bursar_domain::AccountName;
use openidconnect::core::{CoreGrantType, CoreResponseType};

use super::{Oidc, OidcError, OidcSettings, SIGNATURES};

/// The findings about a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderFindings {
    /// The provider's host.
    pub host: String,
    /// What is as it should be, in words for people; `None` if the provider does not answer.
    pub fine: Option<String>,
    /// What keeps people from signing in, or may.
    pub problems: Vec<String>,
}

/// Asks the provider for its description and keys.
///
/// # Errors
/// [`OidcError`]: a server with these settings does not start.
pub async fn probe_provider(
    settings: OidcSettings,
    configured: impl IntoIterator<Item = AccountName> + Send,
) -> Result<ProviderFindings, OidcError> {
    let oidc = Oidc::open(settings, configured.into_iter().collect())?;
    let mut found = ProviderFindings { host: oidc.host().to_owned(), ..ProviderFindings::default() };
    let metadata = match oidc.description.get(&oidc.http).await {
        Ok(metadata) => metadata,
        Err(problem) => {
            found.problems.push(format!("no one can sign in by it now: {problem}"));
            return Ok(found);
        }
    };
    let keys = metadata.jwks().keys().len();
    let signs_out = metadata.additional_metadata().end_session_endpoint.is_some();
    let sign_out = match (signs_out, oidc.settings.provider_sign_out) {
        (true, true) => "signing out ends the session there, too",
        (true, false) => "signing out ends the session here alone, as configured",
        (false, _) => "signing out ends the session here alone: it has no end_session_endpoint",
    };
    found.fine = Some(format!("it has {keys} keys; {sign_out}"));
    let lacks = |list: Option<&Vec<_>>, wanted| list.is_some_and(|list: &Vec<CoreGrantType>| !list.contains(wanted));
    let has_code = metadata.response_types_supported().iter().any(|types| types[..] == [CoreResponseType::Code]);
    let signatures = metadata.id_token_signing_alg_values_supported();
    let scopes = oidc.settings.scopes.iter().filter(|scope| {
        metadata.scopes_supported().is_some_and(|known| !known.iter().any(|known| known.as_str() == scope.as_str()))
    });
    let scopes: Vec<&str> = scopes.map(String::as_str).collect();
    for (is_wrong, problem) in [
        (keys == 0, "it shows no keys: no ID token can be checked".to_owned()),
        (metadata.token_endpoint().is_none(), "it names no token_endpoint".to_owned()),
        (!has_code, "it does not offer the response type code".to_owned()),
        (
            lacks(metadata.grant_types_supported(), &CoreGrantType::AuthorizationCode),
            "it does not offer the authorization code grant".to_owned(),
        ),
        (
            !signatures.iter().any(|signature| SIGNATURES.contains(signature)),
            "it signs ID tokens by no algorithm that is believed here (RSA, ECDSA or EdDSA)".to_owned(),
        ),
        (!scopes.is_empty(), format!("it does not know these of server.oidc.scopes: {}", scopes.join(", "))),
    ] {
        if is_wrong {
            found.problems.push(problem);
        }
    }
    Ok(found)
}
