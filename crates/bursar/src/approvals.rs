//! Four eyes on the command line: the token that vouches for an operator, and the faults of a configuration that needs two operators.

use std::collections::BTreeSet;

use bursar_domain::AccountName;
use bursar_server::{KnownToken, Role, known_token_of, known_tokens};

use crate::config::Config;
use crate::exit::{Failure, UsageError};

/// The variable with an operator's token: a token on the command line would be in the list of processes.
const TOKEN: &str = "BURSAR_TOKEN";

/// The name of the operator's token in the environment; `None` where there is none.
///
/// # Errors
/// [`UsageError`] for a token that is not known, is no operator's, or is not for this account.
pub(crate) fn token_name(config: &Config, account: &AccountName) -> Result<Option<String>, Failure> {
    let Some(token) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) else { return Ok(None) };
    let path = &config.server.tokens_file;
    let known = known_token_of(path, &accounts(config), token.trim())?;
    let known = known.ok_or_else(|| UsageError(format!("{TOKEN} is none of the tokens in {}", path.display())))?;
    if known.role != Role::Operator {
        let (name, role) = (&known.name, known.role.as_str());
        return Err(UsageError(format!("{TOKEN}: {name} has the role {role}; this is for operators")).into());
    }
    if !known.is_for(account) {
        return Err(UsageError(format!("{TOKEN}: the token of {} is not for account {account}", known.name)).into());
    }
    Ok(Some(known.name))
}

/// The name of the second operator, for whom a token must vouch.
///
/// # Errors
/// [`UsageError`] without a token, and as [`token_name`].
pub(crate) fn second_name(config: &Config, account: &AccountName) -> Result<String, Failure> {
    let missing = || UsageError(format!("an approval needs an operator's token: set the variable {TOKEN}"));
    Ok(token_name(config, account)?.ok_or_else(missing)?)
}

fn accounts(config: &Config) -> BTreeSet<AccountName> {
    config.accounts.keys().cloned().collect()
}

/// Why no one could approve anything where two operators are needed, for each account.
pub(crate) fn faults(config: &Config) -> Vec<String> {
    if config.server.approvals < 2 {
        return Vec::new();
    }
    let path = config.server.tokens_file.display();
    let tokens = match known_tokens(&config.server.tokens_file, &accounts(config)) {
        Ok(tokens) => tokens,
        Err(error) => return vec![format!("server.approvals is 2, and {}", bursar_store::chain(&error))],
    };
    let operators: Vec<&KnownToken> = tokens.iter().filter(|token| token.role == Role::Operator).collect();
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
