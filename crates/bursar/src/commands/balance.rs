//! `bursar balance` prints the gateway's response to `merchant.balanceQuery`. It never moves money.

use bursar_domain::{Outcome, ParsedResponse};
use bursar_gateways::{Balance, BalanceQuery, Capability, SharedParts};
use clap::Args;
use serde_json::json;

use crate::config::{Account, Config};
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar balance --account main --node-id 00061783 --merchant-id 1000000000926\n\nAmounts are in fen as the gateway gives them; its page names no unit."
)]
pub(crate) struct Arguments {
    /// The account. Not needed when only one has balances.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// The institution (`sso_node_id`).
    #[arg(long, value_name = "ID")]
    node_id: Option<String>,
    /// 翼码's number of the merchant.
    #[arg(long, value_name = "ID")]
    merchant_id: Option<i64>,
    /// The merchant's own number of a store.
    #[arg(long, value_name = "NO")]
    store_no: Option<String>,
    /// The type of account: 0 collecting, 1 paying.
    #[arg(long = "type", value_name = "TYPE", default_value = "0")]
    account_sub_type: String,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let (name, account) = only_account(&config, arguments.account.as_deref(), Capability::Balance)?;
    let gateway = account.gateway_settings(name)?.gateway(&SharedParts::default(), None)?;
    account.check_key(name)?;
    let Some(inquiry) = gateway.balance() else {
        return Err(lacks(name, account, Capability::Balance).into());
    };
    let query = BalanceQuery {
        account_sub_type: Some(arguments.account_sub_type.clone()),
        merchant_id: arguments.merchant_id,
        sso_node_id: arguments.node_id.clone(),
        store_no: arguments.store_no.clone(),
    };
    match inquiry.balance_of(&query).await {
        Ok(balance) => show(&balance, global),
        Err(parsed) => Ok(report_failure(&parsed)),
    }
}

/// The account by its name, or the only one whose gateway has the capability.
pub(crate) fn only_account<'a>(
    config: &'a Config,
    name: Option<&str>,
    capability: Capability,
) -> Result<(&'a str, &'a Account), Failure> {
    let able = capable_of(capability);
    let mut fitting = config.accounts.iter().filter(|(account, settings)| match name {
        Some(name) => account.as_str() == name,
        None => settings.gateway.has(capability),
    });
    let usage_error = match (fitting.next(), fitting.next(), name) {
        (Some((name, account)), None, _) if account.gateway.has(capability) => return Ok((name.as_str(), account)),
        (Some((name, account)), None, _) => lacks(name.as_str(), account, capability),
        (None, _, Some(name)) => UsageError(format!("the configuration has no account {name}")),
        (None, _, None) => UsageError(format!("the configuration has no account whose gateway {able}")),
        (Some(_), Some(_), _) => {
            UsageError(format!("several accounts have a gateway that {able}: name one with --account"))
        }
    };
    Err(usage_error.into())
}

pub(crate) fn lacks(name: &str, account: &Account, capability: Capability) -> UsageError {
    let gateway = account.gateway.kind().as_str();
    let lacks = match capability {
        Capability::Balance => "has no balances",
        Capability::Bind => "binds no receivers",
    };
    UsageError(format!("account {name} is at {gateway}, which {lacks}"))
}

const fn capable_of(capability: Capability) -> &'static str {
    match capability {
        Capability::Balance => "has balances",
        Capability::Bind => "binds receivers",
    }
}

/// Prints the outcome of a call that brought no result, and returns its exit code.
pub(crate) fn report_failure(parsed: &ParsedResponse) -> Exit {
    let code = parsed.code.as_deref().unwrap_or("no code");
    eprintln!("bursar: {}: {}", code, parsed.message.as_deref().unwrap_or(parsed.outcome.as_str()));
    match parsed.outcome {
        Outcome::NotExecuted | Outcome::NoResponse => Exit::Unreachable,
        Outcome::NotReady
        | Outcome::Misconfigured
        | Outcome::Rejected
        | Outcome::Accepted
        | Outcome::Succeeded
        | Outcome::Failed
        | Outcome::Refunded
        | Outcome::NotFound
        | Outcome::Mismatch => Exit::No,
    }
}

fn show(balance: &Balance, global: &Global) -> Result<Exit, Failure> {
    let amounts = [
        ("available_balance", balance.available_balance),
        ("frozen_balance", balance.frozen_balance),
        ("amount_retained", balance.amount_retained),
        ("total_balance", balance.total_balance),
    ];
    if global.json {
        let mut object = json!({"request_id": balance.request_id});
        for (name, amount) in amounts {
            object[name] = json!(amount);
        }
        line(object)?;
    } else {
        for (name, amount) in amounts {
            line(format_args!("{name:<18} {}", amount.map_or_else(|| "-".into(), |fen| fen.to_string())))?;
        }
    }
    Ok(Exit::Done)
}
