//! The claims of an ID token that was checked: a name, a role and accounts.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar_domain::AccountName;
use openidconnect::core::CoreIdToken;
use serde_json::Value;

use super::{NotSignedIn, OidcSettings, Person};
use crate::state::tokens::{MAX_NAME_CHARS, Role};

/// The longest word of a provider that is repeated, in characters.
const MAX_WORD_CHARS: usize = 64;

/// The accounts of a person, in bytes at most: they are in the session's cookie.
const MAX_ACCOUNTS_BYTES: usize = 1_024;

/// The person of a token whose signature was checked, and whose subject is this.
pub(super) fn person(
    settings: &OidcSettings,
    configured: &BTreeSet<AccountName>,
    token: &CoreIdToken,
    subject: String,
) -> Result<Person, NotSignedIn> {
    let payload = token.to_string().split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims: Value = payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
    let name = name(settings, &claims).ok_or_else(|| NotSignedIn::NoName(settings.name_claim.clone()))?;
    let Some(role) = role(settings, &claims) else { return Err(NotSignedIn::NoRole(name)) };
    let accounts = accounts(settings, configured, &claims);
    let bytes: usize = accounts.iter().flatten().map(|name| name.len() + 3).sum();
    match accounts {
        Some(accounts) if accounts.is_empty() => Err(NotSignedIn::NoAccount(name)),
        Some(_) if bytes > MAX_ACCOUNTS_BYTES => Err(NotSignedIn::TooManyAccounts(name)),
        accounts => Ok(Person { name, role, accounts, subject }),
    }
}

/// The operator's name. An address that the provider has not verified is the person's own word.
fn name(settings: &OidcSettings, claims: &Value) -> Option<String> {
    if settings.name_claim == "email" && claims["email_verified"] != Value::Bool(true) {
        return None;
    }
    let name = claim(claims, &settings.name_claim)?.as_str()?;
    let is_plain = !name.chars().any(char::is_control) && bursar_domain::invisible_character(name).is_none();
    let fits = is_plain && name.trim() == name && (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    fits.then(|| name.to_owned())
}

/// The role. An operator may do all that a reader may.
fn role(settings: &OidcSettings, claims: &Value) -> Option<Role> {
    let values = values(claims, &settings.roles_claim);
    let has = |wanted: &[String]| wanted.iter().any(|wanted| values.contains(&wanted.as_str()));
    if has(&settings.operator_values) {
        return Some(Role::Operator);
    }
    has(&settings.reader_values).then_some(Role::Reader)
}

/// The accounts that the claim names and the configuration has; `None` for all.
fn accounts(settings: &OidcSettings, configured: &BTreeSet<AccountName>, claims: &Value) -> Option<BTreeSet<String>> {
    let values = values(claims, settings.accounts_claim.as_ref()?);
    if settings.all_accounts_values.iter().any(|all| values.contains(&all.as_str())) {
        return None;
    }
    let names = configured.iter().map(AccountName::as_str);
    Some(names.filter(|name| values.contains(name)).map(str::to_owned).collect())
}

/// The texts of a claim: one text, or a list. Anything else says nothing.
fn values<'a>(claims: &'a Value, name: &str) -> Vec<&'a str> {
    match claim(claims, name) {
        Some(Value::String(value)) => vec![value],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        None | Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Vec::new(),
    }
}

/// A claim by its name, else by the way through objects that its dots name.
fn claim<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| name.split('.').try_fold(claims, |value, part| value.get(part)))
}

/// A word of the provider, such as `access_denied`, without anything else.
pub(super) fn word(text: &str) -> String {
    let plain = |character: &char| character.is_ascii_alphanumeric() || "_-. ".contains(*character);
    text.chars().filter(plain).take(MAX_WORD_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(name_claim: &str, roles_claim: &str) -> OidcSettings {
        OidcSettings {
            issuer: String::new(),
            client_id: String::new(),
            client_secret_file: "x".into(),
            redirect_url: String::new(),
            scopes: Vec::new(),
            name_claim: name_claim.to_owned(),
            roles_claim: roles_claim.to_owned(),
            operator_values: vec!["pay-ops".to_owned()],
            reader_values: vec!["pay-read".to_owned(), "auditors".to_owned()],
            accounts_claim: None,
            all_accounts_values: vec!["pay-all".to_owned()],
            provider_sign_out: true,
            post_logout_redirect_url: None,
            ca_file: None,
        }
    }

    #[test]
    fn a_role_is_what_the_claim_says_and_nothing_else_is_one() {
        for (claim, claims, expected) in [
            ("groups", json!({"groups": ["x", "pay-ops"]}), Some(Role::Operator)),
            ("groups", json!({"groups": "pay-read"}), Some(Role::Reader)),
            ("groups", json!({"groups": ["auditors", "pay-ops"]}), Some(Role::Operator)),
            ("groups", json!({"groups": ["Pay-Ops", "pay-ops ", "pay-op"]}), None),
            ("groups", json!({"groups": [["pay-ops"], {"pay-ops": 1}, 7]}), None),
            ("groups", json!({"groups": {"pay-ops": true}}), None),
            ("groups", json!({"groups": null}), None),
            ("groups", json!({"roles": ["pay-ops"]}), None),
            ("groups", json!({}), None),
            ("realm.roles", json!({"realm": {"roles": ["pay-ops"]}}), Some(Role::Operator)),
            ("realm.roles", json!({"realm.roles": ["pay-read"], "realm": {"roles": ["pay-ops"]}}), Some(Role::Reader)),
            ("https://x.example/roles", json!({"https://x.example/roles": ["auditors"]}), Some(Role::Reader)),
        ] {
            assert_eq!(role(&settings("name", claim), &claims), expected, "{claim} {claims}");
        }
    }

    #[test]
    fn accounts_are_those_of_the_claim_that_are_configured() {
        let configured = ["main", "shop"].map(|name| name.parse().unwrap()).into();
        let found = |accounts_claim: Option<&str>, claims: Value| {
            let accounts_claim = accounts_claim.map(str::to_owned);
            let settings = OidcSettings { accounts_claim, ..settings("name", "groups") };
            let found = accounts(&settings, &configured, &claims);
            found.map(|accounts| accounts.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(found(None, json!({"accounts": ["main"]})), None, "no claim is asked for: all accounts");
        for (claims, expected) in [
            (json!({"accounts": ["main", "other"]}), Some(vec!["main"])),
            (json!({"accounts": "shop"}), Some(vec!["shop"])),
            (json!({"accounts": ["shop", "main"]}), Some(vec!["main", "shop"])),
            (json!({"accounts": ["shop", "pay-all"]}), None),
            (json!({"accounts": ["Main", "main ", "*", ""]}), Some(vec![])),
            (json!({"accounts": "*"}), Some(vec![])),
            (json!({"accounts": [["main"], {"main": 1}]}), Some(vec![])),
            (json!({"accounts": true}), Some(vec![])),
            (json!({}), Some(vec![])),
        ] {
            let expected = expected.map(|names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found(Some("accounts"), claims.clone()), expected, "{claims}");
        }
    }

    #[test]
    fn a_name_is_a_short_visible_text_that_the_provider_vouches_for() {
        let long = "x".repeat(MAX_NAME_CHARS + 1);
        for (claim, claims, expected) in [
            ("name", json!({"name": "Li Lei"}), Some("Li Lei")),
            ("name", json!({"name": "李雷"}), Some("李雷")),
            ("name", json!({"name": ""}), None),
            ("name", json!({"name": " li"}), None),
            ("name", json!({"name": "li\u{202e}"}), None),
            ("name", json!({"name": "li\n"}), None),
            ("name", json!({"name": long}), None),
            ("name", json!({"name": ["li"]}), None),
            ("name", json!({}), None),
            ("email", json!({"email": "li@x.example", "email_verified": true}), Some("li@x.example")),
            ("email", json!({"email": "li@x.example", "email_verified": false}), None),
            ("email", json!({"email": "li@x.example", "email_verified": "true"}), None),
            ("email", json!({"email": "li@x.example"}), None),
        ] {
            assert_eq!(name(&settings(claim, "groups"), &claims).as_deref(), expected, "{claim} {claims}");
        }
    }

    #[test]
    fn a_word_of_the_provider_has_no_markup() {
        assert_eq!(word("access_denied"), "access_denied");
        assert_eq!(word("<script>alert(1)</script>\r\nx"), "scriptalert1scriptx");
        assert_eq!(word(&"x".repeat(1_000)).len(), MAX_WORD_CHARS);
    }
}
