//! `bursar balance`: `merchant.balanceQuery`, as the gateway answers it. Never moves money.

use anyhow::bail;
use bursar_domain::{Outcome, ParsedResponse};
use bursar_gateways::{Balance, BalanceQuery, Yzt};
use clap::Args;
use serde_json::json;

use crate::accounts::GatewaySettings;
use crate::cli::{Exit, Global};
use crate::commands::bind::UsageError;
use crate::config::{Account, Config};
use crate::output::line;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar balance --account main --node-id 00061783 --merchant-id 1000000000926\n\nAmounts are in fen as the gateway gives them; its page names no unit."
)]
pub(crate) struct Arguments {
    /// Which account; not needed when only one is at YZT.
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
    /// 0 for the collecting account, 1 for the paying account.
    #[arg(long = "type", value_name = "TYPE", default_value = "0")]
    account_sub_type: String,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let config = Config::load(global.config.as_deref())?;
    let (name, account) = only_account(&config, arguments.account.as_deref(), "yzt")?;
    let GatewaySettings::Yzt(settings) = account.gateway_settings(name)? else {
        bail!(UsageError(format!("account {name} is not at YZT, which alone has balances")));
    };
    let query = BalanceQuery {
        account_sub_type: Some(arguments.account_sub_type.clone()),
        merchant_id: arguments.merchant_id,
        sso_node_id: arguments.node_id.clone(),
        store_no: arguments.store_no.clone(),
    };
    match Yzt::new(settings)?.balance(&query).await {
        Ok(balance) => show(&balance, global),
        Err(parsed) => Ok(report_failure(&parsed)),
    }
}

/// The account by its name, or the only one at that gateway.
pub(crate) fn only_account<'a>(
    config: &'a Config,
    name: Option<&str>,
    gateway: &str,
) -> anyhow::Result<(&'a str, &'a Account)> {
    let mut fitting = config.accounts.iter().filter(|(account, settings)| match name {
        Some(name) => account.as_str() == name,
        None => settings.gateway.kind().as_str() == gateway,
    });
    match (fitting.next(), fitting.next()) {
        (Some((name, account)), None) => Ok((name.as_str(), account)),
        (None, _) => bail!(UsageError(format!("the configuration has no account {}", name.unwrap_or(gateway)))),
        (Some(_), Some(_)) => bail!(UsageError(format!("several accounts are at {gateway}: name one with --account"))),
    }
}

/// Tells what came instead of an answer, and what that means for whoever called.
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

fn show(balance: &Balance, global: &Global) -> anyhow::Result<Exit> {
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
