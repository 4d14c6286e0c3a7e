//! `bursar token NAME --role ROLE [--account ACCOUNT]…` creates a token for the HTTP API.

use bursar_domain::AccountName;
use bursar_server::{Role, new_token};
use clap::Args;
use serde_json::json;

use crate::exit::{Exit, Failure, Global};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar token shop --role producer >> tokens.toml\n  bursar token shop --role producer --account main >> tokens.toml\n\nThe lines for the file go to standard output, the token to standard error. It is shown only once and is not stored. A running server reads the file again on SIGHUP."
)]
pub(crate) struct Arguments {
    /// The token's owner. Actions are recorded under this name.
    #[arg(value_parser = name)]
    name: String,
    /// A producer submits and reads, an operator acts and reads, a reader reads.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// The only account that the token can see and use. Repeat it for several. Left out, all.
    #[arg(long = "account", value_name = "ACCOUNT")]
    accounts: Vec<AccountName>,
}

/// A name that needs no quoting in the tokens file.
fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 64 letters, digits, - _ . or @".into()) }
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let (token, sha256) = new_token()?;
    let Arguments { name, role, accounts } = arguments;
    let role = role.as_str();
    if global.json {
        let accounts = (!accounts.is_empty()).then_some(accounts);
        line(json!({"name": name, "role": role, "accounts": accounts, "sha256": sha256, "token": token}))?;
    } else {
        eprintln!("the token of {name}, shown only once: {token}");
        let accounts = if accounts.is_empty() { String::new() } else { format!("accounts = {}\n", json!(accounts)) };
        line(format_args!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\n{accounts}sha256 = \"{sha256}\"\n"))?;
    }
    Ok(Exit::Done)
}
