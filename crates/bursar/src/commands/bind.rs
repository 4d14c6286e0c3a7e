//! `bursar bind` calls `/api/division/receiver/bind` once. The call is not idempotent at the gateway, so Bursar never repeats it.

use std::io::Read;
use std::path::PathBuf;

use bursar_domain::{AuditAction, AuditTarget};
use bursar_gateways::{Bound, Capability, Receiver, SharedParts};
use clap::Args;
use serde_json::{Value, json};

use crate::attribution::{Did, Identification};
use crate::commands::balance::{lacks, only_account, report_failure};
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::line;

/// A receiver's file is a dozen short fields.
const MAX_RECEIVER_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar bind receiver.json --account shop\n\nThe file has the fields of the gateway's page: ifCode, receiverAlias, receiverGroupId, accType, accNo, accName, relationType, relationTypeName, channelExtInfo, divisionProfit. Each success creates a new receiver, even for the same account."
)]
pub(crate) struct Arguments {
    /// One receiver as JSON; - for standard input.
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// The account. Not needed when only one binds receivers.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(flatten)]
    identification: Identification,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    let (name, account) = only_account(&context.config, arguments.account.as_deref(), Capability::Bind)?;
    let gateway = account.gateway_settings(name)?.gateway(&SharedParts::default(), None)?;
    account.check_key(name)?;
    let Some(binding) = gateway.bind() else {
        return Err(lacks(name, account, Capability::Bind).into());
    };
    let receiver = read(arguments)?;
    let acting = arguments.identification.acting(&context, None).await?;
    let act = async { bound(binding.bind_receiver(&receiver).await, global) };
    acting.record(AuditAction::Bind, AuditTarget::account(&name), act).await
}

fn bound(outcome: Bound, global: &Global) -> Result<Did, Failure> {
    match outcome {
        Bound::Done { receiver_id, .. } => {
            if global.json {
                line(json!({"receiver_id": receiver_id}))?
            } else {
                line(format_args!("bound as receiver {receiver_id}"))?
            }
            Ok(Did::new(Exit::Done, format!("receiver {receiver_id}")))
        }
        Bound::Rejected(parsed) => Ok(Did::quietly(report_failure(&parsed))),
        Bound::Unknown(parsed) => {
            report_failure(&parsed);
            eprintln!(
                "bursar: the outcome is unknown: the receiver may be bound. Look into the gateway's console before you try again; a second receiver would be paid a second time"
            );
            Ok(Did::new(Exit::Unreachable, "the outcome is unknown"))
        }
    }
}

fn read(arguments: &Arguments) -> Result<Receiver, Failure> {
    let mut text = String::new();
    let read = if arguments.file.as_os_str() == "-" {
        std::io::stdin().take(MAX_RECEIVER_BYTES).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(&arguments.file);
        file.and_then(|file| file.take(MAX_RECEIVER_BYTES).read_to_string(&mut text))
    };
    read.map_err(|error| UsageError(format!("cannot read {}: {error}", arguments.file.display())))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Receiver::read(fields).map_err(|errors| invalid(&errors.join("; "))),
        Ok(_) => Err(invalid(&"it must be a JSON object")),
        Err(error) => Err(invalid(&error)),
    }
}

fn invalid(why: &dyn std::fmt::Display) -> Failure {
    Failure::no(format_args!("invalid receiver: {why}"))
}
