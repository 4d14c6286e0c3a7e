//! `bursar config check|show`: is the configuration right, and what does it come to?

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::{Exit, Global};
use crate::config::{Config, ConfigError};
use crate::output::line;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Read the configuration and every file that it names; say everything that is wrong.
    #[command(after_help = "Example:\n  bursar config check --config bursar.toml")]
    Check,
    /// Show what the file, the environment and the defaults come to. Secrets are never shown.
    #[command(after_help = "Example:\n  BURSAR_WORKER__CONCURRENCY=8 bursar config show --config bursar.toml")]
    Show,
}

pub(crate) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    match arguments.action {
        Action::Check => check(global),
        Action::Show => show(global),
    }
}

fn show(global: &Global) -> anyhow::Result<Exit> {
    let shown = Config::load(global.config.as_deref())?.shown();
    if global.json {
        line(serde_json::to_string(&shown)?)?
    } else {
        line(toml::to_string(&shown)?.trim_end())?
    }
    Ok(Exit::Done)
}

fn check(global: &Global) -> anyhow::Result<Exit> {
    let config = match Config::load(global.config.as_deref()) {
        Ok(config) => config,
        Err(ConfigError::Invalid(faults)) if global.json => {
            for fault in faults {
                line(json!({"level": "error", "key": fault.key(), "text": fault.rule(), "place": fault.place()}))?;
            }
            return Ok(Exit::Misused);
        }
        Err(error) => return Err(error.into()),
    };
    let unusable: Vec<_> = config
        .accounts
        .iter()
        .flat_map(|(name, account)| account.unusable_files(name.as_str()))
        .map(|error| format!("{:#}", anyhow::Error::from(error)))
        .collect();
    for text in &unusable {
        if global.json { line(json!({"level": "error", "text": text}))? } else { line(format_args!("error: {text}"))? }
    }
    for advice in config.advice() {
        let (key, text) = (&advice.key, &advice.text);
        if global.json {
            line(json!({"level": "warning", "key": key, "text": text}))?;
        } else {
            line(format_args!("warning: {key} {text}"))?;
        }
    }
    if !unusable.is_empty() {
        return Ok(Exit::Misused);
    }
    let lanes: Vec<String> = config.lanes().iter().map(ToString::to_string).collect();
    if global.json {
        line(json!({"level": "ok", "lanes": lanes}))?;
    } else {
        line(format_args!("the configuration is right; lanes: {}", listed(&lanes)))?;
    }
    Ok(Exit::Done)
}

fn listed(lanes: &[String]) -> String {
    if lanes.is_empty() { "none, for there are no accounts".to_owned() } else { lanes.join(", ") }
}
