//! The faults of a configuration that needs two operators.

use std::collections::BTreeSet;

use bursar_domain::AccountName;
use bursar_server::{KnownToken, Role, known_tokens};

use crate::config::Config;

fn accounts(config: &Config) -> BTreeSet<AccountName> {
    config.accounts.keys().cloned().collect()
}

/// Why no one could approve anything where two operators are needed, for each account. Where a provider vouches for operators, their number is
/// not known here.
pub(crate) fn faults(config: &Config) -> Vec<String> {
    let are_people_known = config.oidc.as_ref().is_some_and(|oidc| !oidc.settings().operator_values.is_empty());
    if config.server.approvals < 2 || are_people_known {
        return Vec::new();
    }
    let path = config.server.tokens_file.display();
    let tokens = match known_tokens(&config.server.tokens_file, &accounts(config)) {
        Ok(tokens) => tokens,
        Err(error) => return vec![format!("server.approvals is 2, and {}", bursar_store::chain(&error))],
    };
    let operators: Vec<&KnownToken> =
        tokens.iter().filter(|token| token.role == Role::Operator && !token.is_expired()).collect();
    let few = |of: &str, operators: &[&KnownToken]| {
        let names: Vec<&str> = operators.iter().map(|token| token.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!(
            "server.approvals is 2, and {path} has fewer than two operators{of}: {names}. No one could approve what one proposes"
        )
    };
    if config.accounts.is_empty() && operators.len() < 2 {
        return vec![few("", &operators)];
    }
    let of_account = |account: &AccountName| {
        let operators: Vec<&KnownToken> = operators.iter().copied().filter(|token| token.is_for(account)).collect();
        (operators.len() < 2).then(|| few(&format!(" for account {account}"), &operators))
    };
    config.accounts.keys().filter_map(of_account).collect()
}
