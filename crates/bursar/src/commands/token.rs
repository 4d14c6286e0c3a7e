//! `bursar token NAME --role ROLE [--account ACCOUNT]…`: makes a token for the HTTP API.

use bursar_domain::AccountName;
use bursar_server::{Role, new_token};
use clap::Args;
use serde_json::json;

use crate::exit::{Exit, Failure, Global};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar token shop --role producer >> tokens.toml\n  bursar token shop --role producer --account main >> tokens.toml\n\nThe lines for the file go to standard output, the token to standard error: it is shown this once, and stands nowhere.\nA running server reads the file again on SIGHUP."
)]
pub(crate) struct Arguments {
    /// Whose it is; on record as who acted.
    #[arg(value_parser = name)]
    name: String,
    /// producer: submits and reads; operator: acts and reads; reader: reads.
    #[arg(long, value_name = "ROLE")]
    role: Role,
    /// The account that it is for, as often as there are several; left out, it is for all. Others do not exist for it.
    #[arg(long = "account", value_name = "ACCOUNT")]
    accounts: Vec<AccountName>,
}

/// A name that the tokens file can hold as it is.
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
        eprintln!("the token of {name}, shown this once: {token}");
        let accounts = if accounts.is_empty() { String::new() } else { format!("accounts = {}\n", json!(accounts)) };
        line(format_args!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\n{accounts}sha256 = \"{sha256}\"\n"))?;
    }
    Ok(Exit::Done)
}
