//! `bursar token NAME --role ROLE [--account ACCOUNT]… [--expires TIME]` creates a token for the HTTP API. `bursar token list` shows those of
//! the tokens file.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bursar_domain::{AccountName, Millis};
use bursar_server::{Role, new_token};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::CommandContext;
use crate::exit::{Context, Exit, Failure, Global};
use crate::output::line;
use crate::table::Listing;
use crate::tokens::{self, Token};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example:\n  bursar token shop --role producer --file tokens.toml\n  bursar token shop --role producer --account main --expires 90d >> tokens.toml\n  bursar token list\n\nWith --file, the token alone goes to standard output. Without, the lines for the file go there, and the token to standard error. The token is shown only once and is not stored. A running server reads the file again on SIGHUP."
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
    /// Append the lines to this tokens file, and print the token alone.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
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
    let New { name: Some(name), role: Some(role), accounts, expires, file } = new else {
        return Err(Failure::no("a new token needs a name and a role")); // clap requires both
    };
    let (token, sha256) = new_token()?;
    let role = role.as_str();
    let expires = expires.map(Millis::rfc3339);
    let entry = entry(name, role, accounts, expires.as_deref(), &sha256);
    if let Some(file) = file {
        append(file, &entry)?;
    }
    if global.json {
        let accounts = (!accounts.is_empty()).then_some(accounts);
        line(
            json!({"name": name, "role": role, "accounts": accounts, "expires": expires, "sha256": sha256, "token": token}),
        )?;
    } else if file.is_some() {
        line(token)?;
    } else {
        eprintln!("the token of {name}, shown only once: {token}");
        line(entry)?;
    }
    Ok(Exit::Done)
}

/// The lines of a tokens file.
fn entry(name: &str, role: &str, accounts: &[AccountName], expires: Option<&str>, sha256: &str) -> String {
    let accounts = if accounts.is_empty() { String::new() } else { format!("accounts = {}\n", json!(accounts)) };
    let expires = expires.map(|expires| format!("expires = \"{expires}\"\n")).unwrap_or_default();
    format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\n{accounts}{expires}sha256 = \"{sha256}\"\n")
}

/// Appends to a tokens file, which its owner alone reads if it is a new one. A file whose last line has no end stays as it was read.
fn append(file: &Path, entry: &str) -> Result<(), Failure> {
    let written =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(file).and_then(|mut opened| {
            let mut text = String::new();
            opened.read_to_string(&mut text)?;
            let separator = if text.is_empty() || text.ends_with("\n\n") {
                ""
            } else if text.ends_with('\n') {
                "\n"
            } else {
                "\n\n"
            };
            opened.write_all(format!("{separator}{entry}").as_bytes())
        });
    written.context(format_args!("cannot append to {}", file.display()))
}

async fn list(global: &Global) -> Result<Exit, Failure> {
    let CommandContext { config, store } = CommandContext::open(global.config.as_deref()).await?;
    let tokens = tokens::of_file(&config, &store).await?;
    let mut listing = Listing::new(["name", "role", "expires", "last used", "accounts"]);
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
        listing.row([name.clone(), role.to_owned(), expires, used_at, format!("{accounts}{expired}")]);
    }
    if !global.json {
        listing.print()?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_the_entry_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().unwrap();
        for before in [None, Some(""), Some("# ours"), Some("# ours\n"), Some("# ours\n\n")] {
            let file = folder.path().join("tokens.toml");
            std::fs::remove_file(&file).ok();
            before.into_iter().for_each(|text| std::fs::write(&file, text).unwrap());
            for name in ["shop", "li"] {
                append(&file, &entry(name, "producer", &["main".parse().unwrap()], None, "00")).unwrap();
            }
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(text.starts_with(before.unwrap_or_default()), "{text}");
            let read: toml::Table = text.parse().unwrap();
            let names: Vec<_> =
                read["token"].as_array().unwrap().iter().map(|token| token["name"].as_str().unwrap()).collect();
            assert_eq!(names, ["shop", "li"], "{text}");
        }
    }

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
