//! `[server.oidc]`: complete or not there.

use super::{faults, right};

/// The section with all that it needs.
const WHOLE: [&str; 6] = [
    "issuer = 'https://login.example/realms/shop'",
    "client_id = 'bursar'",
    "client_secret_file = 'oidc.secret'",
    "redirect_url = 'https://bursar.example/sign-in/return'",
    "roles_claim = 'groups'",
    "operator_values = ['pay-ops']",
];

fn section(lines: &[&str]) -> String {
    format!("[server]\nrate_per_second = 7\n[server.oidc]\n{}\n", lines.join("\n"))
}

#[test]
fn a_whole_section_is_taken_and_an_empty_one_is_none() {
    let config = right(&section(&WHOLE), &[]);
    let oidc = config.oidc.expect("it is configured").settings();
    assert_eq!(
        (oidc.issuer.as_str(), oidc.name_claim.as_str()),
        ("https://login.example/realms/shop", "preferred_username")
    );
    assert_eq!(oidc.client_secret_file.to_str(), Some("/etc/bursar/oidc.secret"));
    assert_eq!(config.server.rate_per_second, 7);
    for empty in ["", "[server.oidc]\n", "[server]\n", "[server.oidc]\nname_claim = 'email'\n"] {
        assert_eq!(right(empty, &[]).oidc, None, "{empty}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (at, name) in ["issuer", "client_id", "client_secret_file", "redirect_url", "roles_claim"].iter().enumerate() {
        let mut lines = WHOLE.to_vec();
        lines.remove(at);
        let faults = faults(&section(&lines), &[]);
        assert!(faults.len() == 1 && faults[0].contains(&format!(": server.oidc.{name} is required")), "{faults:?}");
    }
    let no_role = faults(&section(&WHOLE[..5]), &[]);
    assert!(no_role.len() == 1 && no_role[0].contains("no one would have a role"), "{no_role:?}");
    for url in
        ["http://login.example", "ftp://x", "login.example", "https://u:p@login.example", "https://login.example#x"]
    {
        let issuer = format!("issuer = '{url}'");
        let mut lines = WHOLE.to_vec();
        lines[0] = &issuer;
        let faults = faults(&section(&lines), &[]);
        assert!(
            faults.len() == 1 && faults[0].contains(": server.oidc.issuer must be an https URL"),
            "{url}: {faults:?}"
        );
    }
    let mistyped = faults(&section(&[&WHOLE[..], &["role_claim = 'x'"]].concat()), &[]);
    assert!(
        mistyped[0].ends_with("server.oidc.role_claim is not a known key; did you mean roles_claim?"),
        "{mistyped:?}"
    );
}

#[test]
fn the_environment_can_hold_the_whole_section() {
    let variables = [
        ("BURSAR_SERVER__OIDC__ISSUER", "http://127.0.0.1:8081"),
        ("BURSAR_SERVER__OIDC__CLIENT_ID", "bursar"),
        ("BURSAR_SERVER__OIDC__CLIENT_SECRET_FILE", "/run/secrets/oidc"),
        ("BURSAR_SERVER__OIDC__REDIRECT_URL", "http://localhost:8080/sign-in/return"),
        ("BURSAR_SERVER__OIDC__ROLES_CLAIM", "groups"),
        ("BURSAR_SERVER__OIDC__READER_VALUES", "auditors,finance"),
    ];
    let oidc = right("", &variables).oidc.expect("it is configured");
    let oidc = oidc.settings();
    assert_eq!(oidc.reader_values, ["auditors", "finance"]);
    assert_eq!(oidc.client_secret_file.to_str(), Some("/run/secrets/oidc"));
}
