//! `[server.oidc]`: the provider by which people sign in to the dashboard.

use std::path::PathBuf;

use bursar_server::OidcSettings;

use super::rules::flag;
use super::section::Section;
use super::table::{Keys, section};
use super::texts::{https_url, text, texts};

section! {
    /// Sign in to the dashboard by an OpenID Connect provider, besides tokens. Set `issuer`, `client_id`, `client_secret_file`, `redirect_url` and
    /// `roles_claim`, and at least one of `operator_values` and `reader_values`. A person is an operator or a reader by a claim of the ID token,
    /// for all accounts or those of another claim; producers have tokens. A server starts without its provider, which it reads when a person signs in.
    pub(crate) struct OidcKeys {
        /// The provider's issuer identifier, exactly as the provider writes it. `/.well-known/openid-configuration` is added. https, unless the
        /// provider is on this machine.
        issuer: Option<String> = https_url(), optional("https://login.example.com/realms/shop");
        /// This server's name at the provider.
        client_id: Option<String> = text(), optional("bursar");
        /// The file with this server's secret at the provider.
        client_secret_file: Option<PathBuf> = super::texts::file(), optional("oidc.secret");
        /// The dashboard's address as browsers reach it, followed by `/sign-in/return`. Register it at the provider.
        redirect_url: Option<String> = https_url(), optional("https://bursar.example.com/sign-in/return");
        /// Scopes to ask for besides `openid`.
        scopes: Vec<String> = texts(), default(vec!["profile".to_owned()]);
        /// The claim with the operator's name, which is recorded with each action. Choose one that people cannot change themselves. `email` counts
        /// only while the provider says `email_verified`.
        name_claim: String = text(), default("preferred_username".to_owned());
        /// The claim with a person's groups or roles: a text, or a list of texts. Dots lead into objects: `realm_access.roles`.
        roles_claim: Option<String> = text(), optional("groups");
        /// Values of that claim that make an operator.
        operator_values: Option<Vec<String>> = texts(), optional(vec!["payments-operators"]);
        /// Values of that claim that make a reader.
        reader_values: Option<Vec<String>> = texts(), optional(vec!["payments-readers"]);
        /// The claim with the names of the accounts that a person may see and act on: a text, or a list of texts. Names of other accounts are
        /// passed over, and a person without an account is refused. Without this key, a person has all accounts.
        accounts_claim: Option<String> = text(), optional("bursar_accounts");
        /// Values of that claim that stand for all accounts.
        all_accounts_values: Option<Vec<String>> = texts(), optional(vec!["payments-all-accounts"]);
        /// Signing out of the dashboard leads to the provider's own sign-out (its `end_session_endpoint`), where it has one.
        provider_sign_out: bool = flag(true, false), default(true);
        /// The address to which the provider sends people who have signed out there. Register it at the provider. Without it, they stay there.
        post_logout_redirect_url: Option<String> = https_url(), optional("https://bursar.example.com/sign-in");
        /// Trust this certificate authority (PEM) besides the system's.
        ca_file: Option<PathBuf> = super::texts::file(), optional("ca.pem");
    }
}

/// The keys that a provider needs.
const NEEDED: [&str; 5] = ["issuer", "client_id", "client_secret_file", "redirect_url", "roles_claim"];

/// The keys that have no default besides.
const FURTHER: [&str; 6] = [
    "operator_values",
    "reader_values",
    "accounts_claim",
    "all_accounts_values",
    "post_logout_redirect_url",
    "ca_file",
];

/// The provider, unless no key without a default is given. What is missing is noted.
pub(super) fn read(mut section: Section<'_>) -> Option<OidcKeys> {
    let keys = OidcKeys::read(&mut section);
    let is_given = NEEDED.iter().chain(&FURTHER).any(|name| section.has(name));
    if is_given {
        for needed in NEEDED {
            if !section.has(needed) {
                section.wrong(needed, "is required for a sign-in by a provider");
            }
        }
        let values = keys.operator_values.iter().chain(&keys.reader_values).flatten();
        if values.count() == 0 {
            section.wrong("operator_values", "or reader_values must name a value: no one would have a role");
        }
        if keys.all_accounts_values.is_some() && keys.accounts_claim.is_none() {
            section.wrong("all_accounts_values", "has no meaning without accounts_claim");
        }
    }
    section.finish();
    is_given.then_some(keys)
}

impl OidcKeys {
    /// The settings of the server. What is required was checked.
    pub(crate) fn settings(&self) -> OidcSettings {
        let Self { issuer, client_id, client_secret_file, redirect_url, scopes, .. } = self.clone();
        OidcSettings {
            issuer: issuer.unwrap_or_default(),
            client_id: client_id.unwrap_or_default(),
            client_secret_file: client_secret_file.unwrap_or_default(),
            redirect_url: redirect_url.unwrap_or_default(),
            scopes,
            name_claim: self.name_claim.clone(),
            roles_claim: self.roles_claim.clone().unwrap_or_default(),
            operator_values: self.operator_values.clone().unwrap_or_default(),
            reader_values: self.reader_values.clone().unwrap_or_default(),
            accounts_claim: self.accounts_claim.clone(),
            all_accounts_values: self.all_accounts_values.clone().unwrap_or_default(),
            provider_sign_out: self.provider_sign_out,
            post_logout_redirect_url: self.post_logout_redirect_url.clone(),
            ca_file: self.ca_file.clone(),
        }
    }
}
