//! `bursar doctor` checks Redis, clock, keys and gateways.

use std::time::Duration;

use bursar_domain::{OnAmbiguous, WorkerStatus};
use bursar_gateways::SharedParts;
use bursar_server::ProviderFindings;
use bursar_store::{Finding, ImportStatus, Severity, Store, StoreError, Workers};
use clap::Args;
use tokio::net::TcpStream;
use url::Url;

use crate::config::{Account, Advice, Config};
use crate::context;
use crate::exit::{Exit, Failure, Global};
use crate::output::{line, mark};
use crate::private_files::{self, Part};
use crate::{approvals, journals, preflight, role_webhooks, role_worker, tokens, unlisted};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar doctor --config bursar.toml\n\nExit 1 if any check refuses: no money would be sent. Exit 3 if Redis cannot be reached."
)]
pub(crate) struct Arguments {}

pub(crate) async fn run(_: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let store = context::connect(&config).await?;
    let mut findings = store.preflight(&preflight::wanted(&config)).await?;
    match journals::findings(&config, &store).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(finding(Severity::Refuse, "redis.expect", format!("cannot be read: {error:#}"))),
    }
    let open = private_files::advice(&config, &[Part::Worker, Part::Server]);
    findings.extend(config.advice().iter().chain(&open).map(advised));
    if let Some(error) = role_webhooks::faults(&config) {
        let text = format!("serve and up do not start: {}", bursar_store::chain(&error));
        findings.push(finding(Severity::Warn, "webhooks", text));
    }
    let approvals = approvals::faults(&config).into_iter();
    findings.extend(approvals.map(|text| finding(Severity::Refuse, "server.approvals", text)));
    if config.accounts.is_empty() {
        findings.push(finding(Severity::Warn, "accounts", "no account is configured: there is nothing to do".into()));
    }
    findings.extend(provider(&config).await);
    let parts = SharedParts::default();
    for (name, account) in &config.accounts {
        findings.push(doubts(name.as_str(), account));
        findings.push(keys(name.as_str(), account, &parts));
        findings.push(reach(name.as_str(), account).await);
    }
    // A user without the right to read is reported by the preflight above.
    match found_in_queues(&config, &store).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(finding(Severity::Refuse, "queues", format!("cannot be read: {}", error.chain()))),
    }
    findings.extend(tokens::findings(&config, &store).await?);
    for queue in &config.import.queues {
        findings.push(import_finding(queue, store.import_status(queue).await?));
    }
    let mut exit = Exit::Done;
    for finding in findings {
        if finding.severity == Severity::Refuse {
            exit = Exit::No;
        }
        print(&finding, global)?;
    }
    Ok(exit)
}

fn print(finding: &Finding, global: &Global) -> Result<(), Failure> {
    if global.json {
        return Ok(line(serde_json::to_string(finding)?)?);
    }
    Ok(line(format_args!("{}  {:<24} {}", mark(finding.severity), finding.check, finding.text))?)
}

fn finding(severity: Severity, check: &'static str, text: String) -> Finding {
    Finding { severity, check, text }
}

/// A setting that is allowed and needs a reason.
fn advised(advice: &Advice) -> Finding {
    finding(Severity::Warn, "configuration", format!("{} {}", advice.key, advice.text))
}

/// The content of a queue of apalis-redis. Dead letters need an operator.
fn import_finding(queue: &str, status: ImportStatus) -> Finding {
    let ImportStatus { waiting, dead_letters } = status;
    let text = format!("{queue}: {waiting} tasks wait, {dead_letters} are dead letters");
    if dead_letters == 0 {
        return finding(Severity::Fine, "import", text);
    }
    finding(Severity::Warn, "import", format!("{text}: `bursar import list` says why"))
}

/// The account's policy for a send with an unknown outcome, and how to change it.
fn doubts(name: &str, account: &Account) -> Finding {
    let trial = account.gateway.trial();
    let text = match account.policy.on_ambiguous {
        OnAmbiguous::Hold => format!(
            "{name}: a send with an unknown outcome is queried, else it needs review (on_ambiguous = \"hold\"). To resend instead, {trial} (RUNBOOK, \
             \"Does the gateway honour repeated keys?\") and set on_ambiguous = \"resend\" only if it was executed once"
        ),
        OnAmbiguous::Resend => format!(
            "{name}: a send with an unknown outcome is sent again (on_ambiguous = \"resend\"), and pays twice at a gateway that does not recognise \
             its key. If you have not tried it ({trial}), set on_ambiguous = \"hold\""
        ),
    };
    finding(Severity::Fine, "account.on_ambiguous", text)
}

/// The provider by which people sign in. A server starts without it, and does not start where one of its files is wrong.
async fn provider(config: &Config) -> Vec<Finding> {
    const CHECK: &str = "server.oidc";
    let Some(oidc) = &config.oidc else { return Vec::new() };
    match bursar_server::probe_provider(oidc.settings(), config.accounts.keys().cloned()).await {
        Err(error) => vec![finding(Severity::Refuse, CHECK, bursar_store::chain(&error))],
        Ok(ProviderFindings { host, fine, problems }) => {
            let fine = fine.map(|text| finding(Severity::Fine, CHECK, format!("{host} answers: {text}")));
            let warn = |text: String| finding(Severity::Warn, CHECK, format!("{host}: {text}"));
            fine.into_iter().chain(problems.into_iter().map(warn)).collect()
        }
    }
}

/// A code that no list has, and what to do about it.
fn unlisted_code(found: &unlisted::Unlisted) -> Finding {
    let unlisted::Unlisted { queue, code, jobs } = found;
    let text = format!(
        "{queue}: {jobs} jobs need review because the gateway answered {code}, whose meaning is unknown. If it means that the gateway \
         has the job already, add its sub-code to the account's duplicate_sub_codes (RUNBOOK, \"answered by a code\")"
    );
    finding(Severity::Warn, "account.sub_codes", text)
}

/// The findings about unlisted codes, queues of another gateway, and open jobs without a worker.
async fn found_in_queues(config: &Config, store: &Store) -> Result<Vec<Finding>, StoreError> {
    let mut findings: Vec<Finding> = unlisted::codes(config, store).await?.iter().map(unlisted_code).collect();
    let queues = config.queues();
    for (queue, status) in queues.iter().zip(store.statuses(&queues).await?) {
        if status.all_quarantined() > 0 {
            let text = format!(
                "{queue}: {} keys are in quarantine: `bursar quarantine list` says why",
                status.all_quarantined()
            );
            findings.push(finding(Severity::Warn, "quarantine", text));
        }
    }
    for (queue, gateway) in queues.iter().zip(store.gateways(&queues).await?) {
        let ours = config.accounts.get(&queue.account).map(Account::identity);
        if let Some(theirs) = gateway.filter(|theirs| Some(theirs) != ours.as_ref()) {
            let text = format!(
                "{queue}: its jobs are for {theirs}, and the configuration names {}: no worker claims them. If the gateway has changed, run `bursar confirm-gateway {queue}`",
                ours.unwrap_or_default()
            );
            findings.push(finding(Severity::Refuse, "account.same_gateway", text));
        }
    }
    findings.push(workers(&store.workers().await?));
    for (queue, status) in store.unserved_queues(&queues).await? {
        let text = format!(
            "{queue}: {} open jobs and {} open deliveries, but the configuration has no such account: no worker follows them. If the account was renamed, run `bursar adopt {} NEW`",
            status.open_jobs() + status.all_quarantined(),
            status.counts.undelivered,
            queue.account
        );
        findings.push(finding(Severity::Refuse, "account.unserved", text));
    }
    Ok(findings)
}

/// The workers that are alive. Without a worker nothing is sent, which is no fault of this Redis.
fn workers(workers: &Workers) -> Finding {
    let [alive, draining, gone] = WorkerStatus::ALL.map(|status| workers.count(status));
    let text = format!("{alive} alive, {draining} draining, {gone} gone in the last ten minutes");
    match alive {
        0 => finding(
            Severity::Warn,
            "workers",
            format!("{text}: jobs are accepted and wait. Start `bursar worker`; `bursar workers` shows the last ones"),
        ),
        _ => finding(Severity::Fine, "workers", text),
    }
}

fn keys(name: &str, account: &Account, parts: &SharedParts) -> Finding {
    match role_worker::gateway(name, account, parts) {
        Ok(_) => finding(Severity::Fine, "account.keys", format!("{name}: the key files can be read and fit together")),
        Err(error) => finding(Severity::Refuse, "account.keys", format!("{error:#}")),
    }
}

/// Connects to the gateway's address. No request is made.
async fn reach(name: &str, account: &Account) -> Finding {
    let url = Url::parse(&account.keys.base_url).ok();
    let place = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port_or_known_default()?)));
    let Some((host, port)) = place else {
        return finding(
            Severity::Refuse,
            "account.gateway",
            format!("{name}: {} names no host", account.keys.base_url),
        );
    };
    match within(account.keys.connect_timeout, TcpStream::connect((host.as_str(), port))).await {
        Ok(()) => finding(Severity::Fine, "account.gateway", format!("{name}: {host}:{port} accepts connections")),
        Err(why) => finding(
            Severity::Warn,
            "account.gateway",
            format!("{name}: {host}:{port} does not accept connections: {why}"),
        ),
    }
}

async fn within(limit: Duration, connect: impl Future<Output = std::io::Result<TcpStream>>) -> Result<(), String> {
    match tokio::time::timeout(limit, connect).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {}", humantime::format_duration(limit))),
    }
}
