//! An operator's action on many jobs: a preview of its effect on each, a confirmation, and a result per job.

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use bursar_domain::{
    AuditAction, AuditResult, AuditTarget, BatchOutcome, BatchResult, EffectSum, Fen, Key, MAX_ACTIONS, Operation,
    PlannedAction, PlannedEffect, PlannedSum, Queue, State, yuan,
};
use bursar_store::{Cursor, NeedsSecond, Operated, Planned, StoredAs};
use clap::Args;
use futures_util::StreamExt;

use crate::attribution::{Acting, Did};
use crate::commands::show::unreadable;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};

/// Jobs that are acted on at the same time: they share the waits for the disk or the replicas.
const AT_ONCE: usize = 32;

/// The longest file of keys, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The options that choose many jobs.
#[derive(Debug, Args)]
pub(crate) struct Many {
    /// Act on the jobs whose keys are in this file, one a line; `-` reads standard input.
    #[arg(long = "keys", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Act on the jobs in this state, of --account and --kind where they are given.
    #[arg(long = "in-state", value_name = "STATE", conflicts_with = "file", conflicts_with = "keys")]
    state: Option<State>,
    /// Show the effect on each job, and change nothing.
    #[arg(long)]
    preview: bool,
    /// Act without the question that follows the preview.
    #[arg(long, conflicts_with = "preview")]
    yes: bool,
}

impl Many {
    /// True if an option of these is given: one job is then treated as many are.
    pub(crate) const fn is_given(&self) -> bool {
        self.file.is_some() || self.state.is_some() || self.preview || self.yes
    }
}

/// Previews the action, asks, and acts on each job that is still as the preview showed it.
pub(crate) async fn operate_many(
    context: &CommandContext,
    acting: &Acting<'_>,
    (keys, many, queues): (&[Key], &Many, &[Queue]),
    operation: Operation,
    global: &Global,
) -> Result<Exit, Failure> {
    let chosen = chosen(context, keys, many, queues).await?;
    if chosen.is_empty() {
        return Err(Failure::no("no job is chosen"));
    }
    let planned = context.store.preview(&chosen, operation).await?;
    let views: Vec<PlannedAction> = planned.iter().map(Planned::view).collect();
    let sum = PlannedSum::of(&views);
    if many.preview {
        show_preview(&views, global)?;
        show_sum(operation, sum);
        return Ok(if sum.refused.jobs == 0 { Exit::Done } else { Exit::No });
    }
    if !many.yes {
        if !io::stdin().is_terminal() || many.file.as_deref() == Some(Path::new("-")) {
            return Err(UsageError(format!(
                "nothing was done to {} jobs: see the effect with --preview, then confirm with --yes",
                views.len()
            ))
            .into());
        }
        show_preview(&views, global)?;
        show_sum(operation, sum);
        if !confirmed(operation, sum)? {
            return Err(Failure::no("nothing was done"));
        }
    }
    act_on_all(context, acting, &planned, operation, global).await
}

/// The jobs that the arguments choose, each once.
async fn chosen(
    context: &CommandContext,
    keys: &[Key],
    many: &Many,
    queues: &[Queue],
) -> Result<Vec<(Queue, Key)>, Failure> {
    if let Some(state) = many.state {
        return in_state(context, queues, state).await;
    }
    let mut wanted: Vec<Key> = keys.to_vec();
    if let Some(file) = &many.file {
        wanted.extend(keys_of(file)?);
    }
    let mut seen = BTreeSet::new();
    wanted.retain(|key| seen.insert(key.clone()));
    check_number(wanted.len())?;
    let mut chosen = Vec::new();
    for queue in queues {
        let found = context.store.jobs(queue, &wanted).await?;
        chosen.extend(found.iter().map(|job| (queue.clone(), job.key().clone())));
    }
    let mut missing = Vec::new();
    for key in &wanted {
        match chosen.iter().filter(|(_, known)| known == key).count() {
            0 => missing.push(format!("there is no job {key}")),
            1 => {}
            several => missing.push(format!("{key} is the key of {several} jobs: choose with --account and --kind")),
        }
    }
    if missing.is_empty() { Ok(chosen) } else { Err(Failure::no(format!("nothing was done: {}", missing.join("; ")))) }
}

async fn in_state(context: &CommandContext, queues: &[Queue], state: State) -> Result<Vec<(Queue, Key)>, Failure> {
    let mut chosen = Vec::new();
    for queue in queues {
        let mut next = Some(Cursor::default());
        while let Some(from) = next {
            let page = context.store.list(queue, Some(state), &from, MAX_ACTIONS).await?;
            let readable = page.jobs.iter().filter(|job| matches!(job, StoredAs::Job(_)));
            chosen.extend(readable.map(|job| (queue.clone(), job.key().clone())));
            check_number(chosen.len())?;
            next = page.next;
        }
    }
    Ok(chosen)
}

fn check_number(number: usize) -> Result<(), UsageError> {
    if number <= MAX_ACTIONS {
        return Ok(());
    }
    Err(UsageError(format!(
        "more than {MAX_ACTIONS} jobs are chosen: nothing was done; choose fewer (--account, --kind, --keys)"
    )))
}

/// The keys in a file, one a line. Empty lines are passed over.
fn keys_of(file: &Path) -> Result<Vec<Key>, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::Read::read_to_string(&mut io::Read::take(io::stdin(), MAX_FILE_BYTES), &mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|file| io::Read::read_to_string(&mut io::Read::take(file, MAX_FILE_BYTES), &mut text))
    };
    read.map_err(|error| UsageError(format!("cannot read {}: {error}", file.display())))?;
    let lines = text.lines().enumerate().map(|(number, text)| (number + 1, text.trim()));
    let keys = lines.filter(|(_, text)| !text.is_empty()).map(|(number, text)| {
        let wrong = |error| UsageError(format!("{}, line {number}: a key {error}", file.display()));
        text.parse::<Key>().map_err(|error| wrong(error.to_string()).into())
    });
    keys.collect()
}

fn show_preview(views: &[PlannedAction], global: &Global) -> Result<(), Failure> {
    for view in views {
        if global.json {
            line(serde_json::to_string(view)?)?;
            continue;
        }
        let queue = format!("{}/{}", view.account, view.kind);
        let state = view.state.map_or("-", State::as_str);
        let amount = view.amount_fen.map_or_else(|| "-".to_owned(), Fen::yuan);
        let effect = match (view.effect, view.to) {
            (PlannedEffect::Done, Some(to)) => format!("-> {to}"),
            (PlannedEffect::Proposed, _) => "needs a second operator".to_owned(),
            (PlannedEffect::Refused | PlannedEffect::Done, _) => {
                format!("refused: {}", one_line(view.detail.as_deref().unwrap_or_default()))
            }
        };
        line(format_args!("{queue:<24} {:<24} {state:<12} {amount:>16} {effect}", view.platform_no.as_str()))?;
    }
    Ok(())
}

/// The sums, on standard error: standard output has one line per job.
fn show_sum(operation: Operation, sum: PlannedSum) {
    let part = |name: &str, EffectSum { jobs, amount_fen, without_amount }: EffectSum| {
        let unknown =
            if without_amount > 0 { format!(", {without_amount} without a known amount") } else { String::new() };
        format!("{jobs} {name} ({}{unknown})", yuan(amount_fen))
    };
    let parts =
        [part("would be done", sum.done), part("need a second operator", sum.proposed), part("refused", sum.refused)];
    eprintln!("bursar: {}: {}", operation.as_str(), parts.join(", "));
}

fn confirmed(operation: Operation, sum: PlannedSum) -> io::Result<bool> {
    eprint!("bursar: {} {} jobs? Type yes: ", operation.as_str(), sum.effective());
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

async fn act_on_all(
    context: &CommandContext,
    acting: &Acting<'_>,
    planned: &[Planned],
    operation: Operation,
    global: &Global,
) -> Result<Exit, Failure> {
    let shows_progress = io::stderr().is_terminal();
    let count = planned.len();
    let all = futures_util::stream::iter(planned)
        .map(|planned| async move { act_on(context, acting, planned, operation).await });
    let mut all = std::pin::pin!(all.buffered(AT_ONCE));
    let mut counts = [0_usize; BatchOutcome::ALL.len()];
    let mut number = 0;
    while let Some(result) = all.next().await {
        number += 1;
        if let Some(place) = BatchOutcome::ALL.iter().position(|outcome| *outcome == result.outcome) {
            counts[place] += 1;
        }
        print(&result, global)?;
        if shows_progress {
            eprint!("\rbursar: {number} of {count}");
        }
    }
    if shows_progress {
        eprintln!();
    }
    let [done, proposed, refused, failed] = counts;
    eprintln!("bursar: {done} done, {proposed} proposed, {refused} refused, {failed} without an answer of Redis");
    Ok(match (failed, refused) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::No,
        _ => Exit::Unreachable,
    })
}

fn print(result: &BatchResult, global: &Global) -> Result<(), Failure> {
    if global.json {
        return Ok(line(serde_json::to_string(result)?)?);
    }
    let queue = format!("{}/{}", result.account, result.kind);
    let state = result.state.map_or("", State::as_str);
    let detail = one_line(result.detail.as_deref().unwrap_or_default());
    let row = format!("{queue:<24} {:<24} {:<9} {state}{detail}", result.platform_no.as_str(), result.outcome.as_str());
    Ok(line(row.trim_end())?)
}

async fn act_on(context: &CommandContext, acting: &Acting<'_>, planned: &Planned, operation: Operation) -> BatchResult {
    let Planned { queue, key, .. } = planned;
    let view = planned.view();
    let mut state = None;
    let act = async {
        let version = view.version.as_deref().unwrap_or_default();
        let operated = context.store.operate_on_version((queue, key), version, operation, acting.operator()).await?;
        Ok(match operated {
            Operated::Done(record) => {
                state = Some(record.state);
                Did::new(Exit::Done, record.state.as_str())
            }
            Operated::Unknown => Did::refused("there is no such job"),
            Operated::Unreadable(why) => Did::refused(unreadable(queue, key, &why)),
            Operated::Claimed(_) => Did::refused("a worker calls the gateway at this moment"),
            Operated::Changed => Did::refused("it has changed since the preview: nothing was done"),
            Operated::Refused(rule) => Did::refused(rule.to_string()),
            Operated::NeedsSecond(NeedsSecond::Proposed(open)) => Did::proposed(open.proposal.named()),
            Operated::NeedsSecond(NeedsSecond::OpenBefore(open)) => {
                Did::refused(format!("{} has proposed it already", open.proposal.proposed_by))
            }
            Operated::NeedsSecond(NeedsSecond::NoToken) => {
                Did::refused("server.approvals is 2: a proposal needs an operator's token (--token-file, BURSAR_TOKEN)")
            }
            Operated::NeedsSecond(NeedsSecond::TooMany) => Did::refused("too many proposals are open"),
        })
    };
    let recorded = acting.recorded(AuditAction::from(operation), AuditTarget::job(queue, key), act).await;
    let (outcome, detail) = match recorded.map(Did::into_result) {
        Ok((AuditResult::Done, _)) => (BatchOutcome::Done, None),
        Ok((AuditResult::Proposed, detail)) => (BatchOutcome::Proposed, Some(detail)),
        Ok((AuditResult::Refused, detail)) => (BatchOutcome::Refused, Some(detail)),
        Ok((AuditResult::Failed | AuditResult::Intended, detail)) => (BatchOutcome::Failed, Some(detail)),
        Err(failure) if failure.exit() == Exit::Unreachable => (BatchOutcome::Failed, Some(failure.to_string())),
        Err(failure) => (BatchOutcome::Refused, Some(failure.to_string())),
    };
    BatchResult { account: queue.account.clone(), kind: queue.kind, platform_no: key.clone(), outcome, state, detail }
}
