//! `bursar token NAME --role ROLE [--account ACCOUNT]… [--expires TIME]` creates a token for the HTTP API. `bursar token list` shows those of
//! the tokens file.

use bursar_domain::{AccountName, Millis};
use bursar_server::{Role, new_token};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global};
use crate::output::line;
use crate::tokens::{self, Token};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  bursar token shop --role producer >> tokens.toml\n  bursar token shop --role producer --account main --expires 90d >> tokens.toml\n  bursar token list\n\nThe lines for the file go to standard output, the token to standard error. It is shown only once and is not stored. A running server reads the file again on SIGHUP."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    new: New,
}

/// A new token.
#[derive(Debug, Args)]
struct New {
    /// The token's owner. Actions are recorded under this name.
    #[arg(value_parser = name, required = true)]
    name: Option<String>,
    /// A producer submits and reads, an operator acts and reads, a reader reads.
    #[arg(long, value_name = "ROLE", required = true)]
    role: Option<Role>,
    /// The only account that the token can see and use. Repeat it for several. Left out, all.
    #[arg(long = "account", value_name = "ACCOUNT")]
    accounts: Vec<AccountName>,
    /// The token is refused from this time on: an RFC 3339 time, or a duration from now, for example 90d. Left out, it does not expire.
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    expires: Option<Millis>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the tokens of the tokens file with their expiry and last use.
    List,
}

/// A name that needs no quoting in the tokens file.
fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
    if fits { Ok(text.to_owned()) } else { Err("must be 1 to 64 letters, digits, - _ . or @".into()) }
}

/// A time that is not over.
fn expiry(text: &str) -> Result<Millis, String> {
    let now = Millis(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default());
    let from_now = || humantime::parse_duration(text).ok().map(|duration| now.plus(duration));
    let expires = Millis::parse_rfc3339(text).or_else(from_now);
    let expires = expires.ok_or("must be a time, for example 2027-01-31T00:00:00Z, or a duration, for example 90d")?;
    if expires > now { Ok(expires) } else { Err("must be in the future".into()) }
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    match &arguments.act {
        Some(Act::List) => list(global).await,
        None => create(&arguments.new, global),
    }
}

fn create(new: &New, global: &Global) -> Result<Exit, Failure> {
    let New { name: Some(name), role: Some(role), accounts, expires } = new else {
        return Err(Failure::no("a new token needs a name and a role")); // clap requires both
    };
    let (token, sha256) = new_token()?;
    let role = role.as_str();
    let expires = expires.map(Millis::rfc3339);
    if global.json {
        let accounts = (!accounts.is_empty()).then_some(accounts);
        line(
            json!({"name": name, "role": role, "accounts": accounts, "expires": expires, "sha256": sha256, "token": token}),
        )?;
    } else {
        eprintln!("the token of {name}, shown only once: {token}");
        let accounts = if accounts.is_empty() { String::new() } else { format!("accounts = {}\n", json!(accounts)) };
        let expires = expires.map(|expires| format!("expires = \"{expires}\"\n")).unwrap_or_default();
        line(format_args!(
            "[[token]]\nname = \"{name}\"\nrole = \"{role}\"\n{accounts}{expires}sha256 = \"{sha256}\"\n"
        ))?;
    }
    Ok(Exit::Done)
}

async fn list(global: &Global) -> Result<Exit, Failure> {
    let CommandContext { config, store } = CommandContext::open(global.config.as_deref()).await?;
    let tokens = tokens::of_file(&config, &store).await?;
    if !global.json {
        line(format_args!("{:<24} {:<9} {:<24}  {:<24}  accounts", "name", "role", "expires", "last used"))?;
    }
    let now = store.now().await?;
    for Token { known, used } in tokens {
        let [expires, used_at] = [known.expires, used.used_at].map(|at| at.map(Millis::rfc3339));
        let (name, role) = (&known.name, known.role.as_str());
        let is_expired = known.expires.is_some_and(|expires| expires <= now);
        if global.json {
            let accounts = &known.accounts;
            line(
                json!({"name": name, "role": role, "accounts": accounts, "expires": expires, "expired": is_expired, "last_used": used_at}),
            )?;
            continue;
        }
        let accounts = known.accounts.as_ref().map_or_else(
            || "all".to_owned(),
            |accounts| accounts.iter().map(AccountName::as_str).collect::<Vec<_>>().join(", "),
        );
        let [expires, used_at] = [expires, used_at].map(|at| at.unwrap_or_else(|| "-".to_owned()));
        let expired = if is_expired { "  EXPIRED" } else { "" };
        line(format_args!("{name:<24} {role:<9} {expires:<24}  {used_at:<24}  {accounts}{expired}"))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_time_or_a_duration_in_the_future() {
        let now = jiff::Timestamp::now();
        let in_two_days = (now + jiff::SignedDuration::from_hours(48)).to_string();
        assert_eq!(expiry(&in_two_days), Ok(Millis::parse_rfc3339(&in_two_days).unwrap()));
        let from_now = expiry("2d").unwrap();
        assert!(from_now >= Millis::parse_rfc3339(&in_two_days).unwrap(), "{from_now:?}");
        for (wrong, says) in [
            ("tomorrow", "must be a time"),
            ("2020-01-01T00:00:00Z", "in the future"),
            ("0s", "in the future"),
            ("", "must be a time"),
        ] {
            assert!(expiry(wrong).unwrap_err().contains(says), "{wrong}");
        }
    }
}
