//! `bursar verify DIR` checks an archive: every hash, every signature, every gap. It needs no Redis and no configuration.

use std::fs;
use std::path::{Path, PathBuf};

use bursar_archive::{Archive, PublicKey, Report, Seal, Trust, verify};
use clap::Args;
use serde_json::{Value, json};

use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar verify archive --key archive.pub.pem\n  bursar verify archive --key archive.pub.pem --heads heads.jsonl\n\nExit 0 if nothing speaks against the archive, 1 if something does, 2 if DIR is no archive.\n\nWithout --key, the signatures are checked by the key that the first seal names: that proves that one writer wrote all, and not who. An end that was removed with all its traces shows only by comparison with seals that were noted elsewhere: --heads, --redis."
)]
pub(crate) struct Arguments {
    /// The archive's folder.
    dir: PathBuf,
    /// A key that may sign: a file in PEM, or 64 hexadecimal digits. Repeat it for every key that was used.
    #[arg(long = "key", value_name = "FILE|HEX")]
    keys: Vec<String>,
    /// Seals that were noted elsewhere, one JSON object a line: those that were posted to `archive.heads_url`, or the report of an earlier
    /// run with --json. Each must still be in the archive.
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    /// Compare with the newest seals that the configured Redis has.
    #[arg(long)]
    redis: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let archive = Archive::open(&arguments.dir)?;
    let keys = arguments.keys.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, UsageError>>()?;
    let mut heads = arguments.heads.as_deref().map(noted).transpose()?.unwrap_or_default();
    if arguments.redis {
        let context = CommandContext::open(global.config.as_deref()).await?;
        for text in context.store.archive_heads().await? {
            heads.push(Seal::read(text.as_bytes()).map_err(|why| Failure::no(format!("a head in Redis: {why}")))?);
        }
    }
    let trust = Trust { keys, heads };
    let (report, archive) = tokio::task::spawn_blocking(move || (verify(&archive, &trust), archive)).await?;
    let report = report?;
    if global.json {
        line(object(&archive, &report))?;
    } else {
        show(&arguments.dir, &report)?;
    }
    if arguments.keys.is_empty() {
        eprintln!("bursar: no --key was given: the signatures were checked by the key that the archive itself names");
    }
    Ok(if report.is_sound() { Exit::Done } else { Exit::No })
}

fn public_key(text: &str) -> Result<PublicKey, UsageError> {
    let read = if text.len() == 64 && !Path::new(text).exists() {
        text.to_owned()
    } else {
        fs::read_to_string(text).map_err(|error| UsageError(format!("--key {text}: {error}")))?
    };
    read.parse().map_err(|error| UsageError(format!("--key {text} {error}")))
}

/// The seals of a file.
fn noted(path: &Path) -> Result<Vec<Seal>, UsageError> {
    let wrong = |why: &dyn std::fmt::Display| UsageError(format!("--heads {}: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let mut seals = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |error: serde_json::Error| wrong(&format!("line {}: {error}", at + 1));
        let mut read: Value = serde_json::from_str(line).map_err(wrong)?;
        // A report of an earlier run has all of them.
        match read.get_mut("heads").map(Value::take) {
            Some(heads) => seals.extend(serde_json::from_value::<Vec<Seal>>(heads).map_err(wrong)?),
            None => seals.push(serde_json::from_value(read).map_err(wrong)?),
        }
    }
    Ok(seals)
}

fn object(archive: &Archive, report: &Report) -> Value {
    json!({
        "archive": archive.id(),
        "sound": report.is_sound(),
        "chains": report.chains,
        "segments": report.segments,
        "lines": report.lines,
        "keys": report.keys,
        "heads": report.heads,
        "findings": report.findings.iter().map(bursar_archive::Finding::json).collect::<Vec<_>>(),
        "more_findings": report.more,
    })
}

fn show(dir: &Path, report: &Report) -> std::io::Result<()> {
    for finding in &report.findings {
        let word = if finding.fault.is_fault() { "FAULT" } else { "note" };
        line(format_args!("{word}  {}", one_line(&finding.to_string())))?;
    }
    if report.more > 0 {
        line(format_args!("FAULT  {} more findings are not shown", report.more))?;
    }
    let Report { chains, segments, lines, .. } = report;
    let verdict = if report.is_sound() { "sound" } else { "NOT SOUND" };
    line(format_args!("{}: {verdict}: {chains} chains, {segments} segments, {lines} lines", dir.display()))?;
    for key in &report.keys {
        line(format_args!("  key {key}"))?;
    }
    Ok(())
}
