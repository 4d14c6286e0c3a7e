//! `bursar bind`: `/api/division/receiver/bind`, once. It is not idempotent at the gateway, so it is never tried again by itself.

use std::io::Read;
use std::path::PathBuf;

use anyhow::bail;
use bursar_gateways::{Beingfi, Bound, Receiver};
use clap::Args;
use serde_json::{Value, json};

use crate::accounts::GatewaySettings;
use crate::cli::{Exit, Global};
use crate::commands::balance::{only_account, report_failure};
use crate::config::Config;
use crate::output::line;

/// A receiver's file is a dozen short fields.
const MAX_RECEIVER_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar bind receiver.json --account shop\n\nThe file holds the page's own fields: ifCode, receiverAlias, receiverGroupId, accType, accNo, accName, relationType,\nrelationTypeName, channelExtInfo, divisionProfit. Each success makes a new receiver, even for the same account."
)]
pub(crate) struct Arguments {
    /// One receiver as JSON; - for standard input.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// Which account; not needed when only one is at BeingFi.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
}

/// A command that was used wrongly, beyond what the command line's own rules can tell.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let config = Config::load(global.config.as_deref())?;
    let (name, account) = only_account(&config, arguments.account.as_deref(), "beingfi")?;
    let GatewaySettings::Beingfi(settings) = account.gateway_settings(name)? else {
        bail!(UsageError(format!("account {name} is not at BeingFi, which alone binds receivers")));
    };
    let receiver = read(arguments)?;
    match Beingfi::new(settings)?.bind(&receiver).await {
        Bound::Done { receiver_id, .. } => {
            if global.json {
                line(json!({"receiver_id": receiver_id}))?
            } else {
                line(format_args!("bound as receiver {receiver_id}"))?
            }
            Ok(Exit::Done)
        }
        Bound::Rejected(parsed) => Ok(report_failure(&parsed)),
        Bound::Unknown(parsed) => {
            report_failure(&parsed);
            eprintln!(
                "bursar: it may have been bound all the same; look into the gateway's console before trying again, for a second receiver would be paid a second time"
            );
            Ok(Exit::Unreachable)
        }
    }
}

fn read(arguments: &Arguments) -> anyhow::Result<Receiver> {
    let mut text = String::new();
    let read = if arguments.file.as_os_str() == "-" {
        std::io::stdin().take(MAX_RECEIVER_BYTES).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(&arguments.file);
        file.and_then(|file| file.take(MAX_RECEIVER_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| UsageError(format!("cannot read {}: {error}", arguments.file.display())))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => {
            Receiver::read(fields).map_err(|errors| anyhow::anyhow!("invalid receiver: {}", errors.join("; ")))
        }
        Ok(_) => bail!("invalid receiver: it must be a JSON object"),
        Err(error) => bail!("invalid receiver: {error}"),
    }
}
