//! `bursar config check|show|example` checks the configuration, prints the effective one, or prints an example.

use bursar_gateways::SharedParts;
use bursar_store::Severity;
use clap::{Args, Subcommand};

use crate::accounts::{AccountError, read_file};
use crate::config::{self, Advice, Config, ConfigError, Fault};
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, mark};
use crate::private_files::{self, Part};
use crate::{approvals, role_webhooks};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar config check --config bursar.toml\n  bursar config show --config bursar.toml"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the configuration and every file that it names, and report every fault.
    #[command(after_help = "Example:\n  bursar config check --config bursar.toml")]
    Check,
    /// Print the effective configuration: file, environment and defaults. Secrets are never shown.
    #[command(after_help = "Example:\n  BURSAR_WORKER__CONCURRENCY=8 bursar config show --config bursar.toml")]
    Show,
    /// Print an example with every key, its rule and its default.
    #[command(after_help = "Example:\n  bursar config example > bursar.toml")]
    Example,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    match arguments.action {
        Action::Check => check(global),
        Action::Show => show(global),
        Action::Example => Ok(line(config::example().trim_end()).map(|()| Exit::Done)?),
    }
}

fn show(global: &Global) -> Result<Exit, Failure> {
    let shown = Config::load(global.config.as_deref())?.shown();
    if global.json {
        line(serde_json::to_string(&shown)?)?
    } else {
        line(toml::to_string(&shown)?.trim_end())?
    }
    Ok(Exit::Done)
}

fn check(global: &Global) -> Result<Exit, Failure> {
    let (findings, queues) = match Config::load(global.config.as_deref()) {
        Ok(config) => (findings(&config), config.queues()),
        Err(ConfigError::Invalid(faults)) => (faults.iter().map(of_fault).collect(), Vec::new()),
        Err(error @ ConfigError::Unreadable { .. }) => return Err(error.into()),
    };
    for finding in &findings {
        if global.json {
            line(serde_json::to_string(finding)?)?;
        } else {
            line(format_args!("{}  {}", mark(finding.severity), finding.text))?;
        }
    }
    if findings.iter().any(|finding| finding.severity == Severity::Refuse) {
        return Ok(Exit::Misused);
    }
    let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
    if global.json {
        line(serde_json::json!({"severity": Severity::Fine, "queues": queues}))?;
    } else if queues.is_empty() {
        line("the configuration is right; it has no accounts")?;
    } else {
        line(format_args!("the configuration is right; queues: {}", queues.join(", ")))?;
    }
    Ok(Exit::Done)
}

/// One finding about the configuration.
#[derive(serde::Serialize)]
struct Finding {
    severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    text: String,
}

fn of_fault(fault: &Fault) -> Finding {
    Finding { severity: Severity::Refuse, key: fault.key().map(str::to_owned), text: fault.to_string() }
}

/// The faults that the rules of keys do not find, and the advice.
fn findings(config: &Config) -> Vec<Finding> {
    let of_error = |error: AccountError| Finding {
        severity: Severity::Refuse,
        key: Some(error.key().to_owned()),
        text: bursar_store::chain(&error),
    };
    let of_advice = |advice: Advice| Finding {
        severity: Severity::Warn,
        text: format!("{} {}", advice.key, advice.text),
        key: Some(advice.key),
    };
    let redis = config.redis.ca_file.as_deref().and_then(|file| read_file("redis.ca_file".into(), file).err());
    let parts = SharedParts::default();
    let accounts = config.accounts.iter();
    let errors = accounts.flat_map(|(name, account)| account.faults(name.as_str(), &parts)).map(of_error);
    let of_approvals = |text| Finding { severity: Severity::Refuse, key: Some("server.approvals".to_owned()), text };
    let files = redis.into_iter().chain(role_webhooks::faults(config)).map(of_error);
    let approvals = approvals::faults(config).into_iter().map(of_approvals);
    let open = private_files::advice(config, &[Part::Worker, Part::Server]);
    files.chain(errors).chain(approvals).chain(config.advice().into_iter().chain(open).map(of_advice)).collect()
}
