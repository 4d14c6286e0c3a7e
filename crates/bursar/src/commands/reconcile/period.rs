//! Queries the gateway for each job of a period and compares. No job is changed.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{AccountName, ContentSummary, Fen, JobView, Millis, ParsedResponse, Queue, State, csv_line};
use bursar_gateways::{Gateway, GatewayRequest, SharedParts};
use bursar_store::{JobRecord, Reconciled, ScanCursor, Store, StoredAs};
use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Arguments;
use super::position::{Keeper, Position};
use super::summary::{Counts, Looked, Summary};
use super::verdict::{Verdict, What, compare};
use crate::commands::show::unreadable;
use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, one_line};
use crate::query_rate::QueryRate;
use crate::role_worker::paced_gateway;

/// The default length of the period.
const LAST_DAY: Duration = Duration::from_secs(24 * 3_600);

/// Jobs between two positions. At most this many are queried twice after an interruption.
const STEP: usize = 20;

/// Queries in flight: enough for any courteous rate at a gateway that answers in 140 ms.
const AT_ONCE: usize = 8;

/// Without a terminal, a line about the progress after so many jobs.
const JOBS_A_LINE: u64 = 1_000;

/// One compared job.
struct Compared {
    record: JobRecord,
    amount: Option<Fen>,
    looked: Looked,
    difference: Option<(What, ParsedResponse)>,
}

/// One queue, and the way to query its jobs.
struct Asker<'a> {
    store: &'a Store,
    queue: &'a Queue,
    gateway: Arc<dyn Gateway>,
    query_rate: QueryRate,
    arguments: &'a Arguments,
}

pub(super) async fn run(context: &CommandContext, arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let keeper = Keeper(arguments.resume.clone());
    let mut position = match keeper.found()? {
        Some(found) => resumed(found, arguments)?,
        None => begun(context, arguments).await?,
    };
    let progress = Progress::start(global);
    let output = Output { arguments, global };
    output.begin()?;
    let parts = SharedParts::default();
    while let Some(name) = position.queues.first().cloned() {
        let queue: Queue = name.parse().map_err(|error| UsageError(format!("{name}: {error}")))?;
        let Some(account) = context.config.accounts.get(&queue.account) else {
            return Err(UsageError(format!("the configuration has no account {}", queue.account)).into());
        };
        let ours = account.identity();
        if let Some(theirs) = context.store.gateway(&queue).await?.filter(|theirs| *theirs != ours) {
            return Err(
                UsageError(format!("the jobs of {queue} are for {theirs}, and the configuration says {ours}")).into()
            );
        }
        let asker = Asker {
            store: &context.store,
            queue: &queue,
            gateway: paced_gateway(&queue.account, account, &context.store, &parts)?,
            query_rate: QueryRate::of(account.keys.rate_per_second),
            arguments,
        };
        loop {
            let step = context.store.scan(&queue, None, &position.mark, STEP).await?;
            let jobs = asker.readable(step.jobs, &mut position);
            for compared in asker.compare_all(jobs, &position).await? {
                position.summary.add(compared.record.state, compared.amount, compared.looked);
                let by_account = position.accounts.entry(queue.account.to_string()).or_default();
                by_account.add(compared.record.state, compared.amount, compared.looked);
                asker.report(&compared, &output).await?;
            }
            progress.at(&position.summary);
            let Some(mark) = step.next else { break };
            position.mark = mark;
            keeper.keep(&position)?;
        }
        position.queues.remove(0);
        position.mark = ScanCursor::ended_from(position.from);
        keeper.keep(&position)?;
    }
    progress.end();
    output.end(&position)?;
    record(context, arguments, &position).await?;
    keeper.done();
    let total = position.summary.total();
    Ok(match (total.differ + total.unreadable, total.unanswered) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Unreachable,
        (_, _) => Exit::No,
    })
}

/// Records the result of each account, for the reports of the days that it covers. A run for one kind says nothing about the others.
async fn record(context: &CommandContext, arguments: &Arguments, position: &Position) -> Result<(), Failure> {
    if arguments.place.kind.is_some() {
        return Ok(());
    }
    for (account, summary) in &position.accounts {
        let Ok(account) = account.parse::<AccountName>() else { continue };
        let Counts { jobs, differ, unanswered, not_queryable, unreadable, .. } = summary.total();
        let (from, until) = (position.from, position.to);
        let run = Reconciled { at: Millis(0), from, until, jobs, differ, unanswered, not_queryable, unreadable };
        context.store.record_reconciled(&account, run).await?;
    }
    Ok(())
}

async fn begun(context: &CommandContext, arguments: &Arguments) -> Result<Position, Failure> {
    let to = match arguments.to {
        Some(to) => to,
        None => context.store.now().await?,
    };
    let day_before = || Millis(to.since(Millis(0)).saturating_sub(LAST_DAY).as_millis().try_into().unwrap_or_default());
    let from = arguments.from.unwrap_or_else(day_before);
    if from >= to {
        return Err(UsageError("the period ends before it begins".into()).into());
    }
    let queues = context.queues(arguments.place.account.as_deref(), arguments.place.kind)?;
    let accounts = queues.iter().map(|queue| (queue.account.to_string(), Summary::default())).collect();
    let queues = queues.iter().map(ToString::to_string).collect();
    Ok(Position { from, to, queues, mark: ScanCursor::ended_from(from), summary: Summary::default(), accounts })
}

/// A run that was interrupted continues with its own period.
fn resumed(found: Position, arguments: &Arguments) -> Result<Position, Failure> {
    let differs = |given: Option<Millis>, kept| given.is_some_and(|given| given != kept);
    if differs(arguments.from, found.from) || differs(arguments.to, found.to) {
        return Err(UsageError(
            "the file of --resume is of another period: remove it to start from the beginning".into(),
        )
        .into());
    }
    Ok(found)
}

impl Asker<'_> {
    /// The jobs that can be compared. Unreadable jobs are counted, and named on standard error.
    fn readable(&self, jobs: Vec<StoredAs>, position: &mut Position) -> Vec<JobRecord> {
        let mut readable = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                StoredAs::Job(record) => readable.push(*record),
                StoredAs::Unreadable { key, why } => {
                    eprintln!("bursar: {}", unreadable(self.queue, &key, &why));
                    position.summary.add_unreadable();
                    position.accounts.entry(self.queue.account.to_string()).or_default().add_unreadable();
                }
            }
        }
        readable
    }

    async fn compare_all(&self, jobs: Vec<JobRecord>, period: &Position) -> Result<Vec<Compared>, Failure> {
        let of_period =
            |record: &JobRecord| record.created.is_some_and(|created| (period.from..period.to).contains(&created));
        let jobs = jobs.into_iter().filter(of_period);
        stream::iter(jobs).map(|record| self.compare(record)).buffered(AT_ONCE).try_collect().await
    }

    /// Queries one job. A job that changes meanwhile is compared in its new state.
    async fn compare(&self, record: JobRecord) -> Result<Compared, Failure> {
        let content = record.content.clone().unwrap_or_default();
        let amount = ContentSummary::of(self.queue.kind, &content).amount;
        let request = GatewayRequest {
            kind: self.queue.kind,
            key: record.key.to_string(),
            content: content.into(),
            trade_nos: record.trade_nos.clone(),
            sent_before: true,
            send_by: None,
        };
        let Some(query) = self.gateway.query().filter(|query| query.covers(&request)) else {
            return Ok(Compared { record, amount, looked: Looked::NotQueryable, difference: None });
        };
        self.query_rate.acquire(self.store, self.queue).await?;
        let parsed = query.status(&request).await;
        let mut record = record;
        let mut verdict = compare(record.state, amount, &parsed);
        if verdict == Verdict::Differs(What::State)
            && let Some(StoredAs::Job(now)) = self.store.job(self.queue, &record.key).await?
        {
            verdict = compare(now.state, amount, &parsed);
            record = *now;
        }
        let (looked, difference) = match verdict {
            Verdict::Agrees => (Looked::Agrees, None),
            Verdict::Unanswered => (Looked::Unanswered, None),
            Verdict::Differs(what) => (Looked::Differs, Some((what, parsed))),
        };
        Ok(Compared { record, amount, looked, difference })
    }

    /// Prints a difference, and makes the job due if the operator asked for it.
    async fn report(&self, compared: &Compared, output: &Output<'_>) -> Result<(), Failure> {
        let Some((what, parsed)) = &compared.difference else { return Ok(()) };
        let woken = match compared.record.state {
            State::InDoubt | State::Pending if self.arguments.wake => {
                self.store.wake(self.queue, &compared.record.key).await?
            }
            State::InDoubt
            | State::Pending
            | State::Queued
            | State::NeedsReview
            | State::Succeeded
            | State::Failed
            | State::Refunded
            | State::Cancelled => false,
        };
        output.difference(compared, *what, parsed, woken)
    }
}

/// Prints differences when they are found, and the summary at the end.
struct Output<'a> {
    arguments: &'a Arguments,
    global: &'a Global,
}

/// The columns of a difference.
const COLUMNS: [&str; 11] = [
    "account",
    "kind",
    "platform_no",
    "differs_in",
    "state",
    "gateway",
    "fen",
    "gateway_fen",
    "trade_no",
    "message",
    "woken",
];

impl Output<'_> {
    fn begin(&self) -> Result<(), Failure> {
        if self.arguments.csv {
            line(COLUMNS.join(","))?;
        }
        Ok(())
    }

    fn difference(&self, compared: &Compared, what: What, parsed: &ParsedResponse, woken: bool) -> Result<(), Failure> {
        let record = &compared.record;
        let gateway_fen = parsed.amount.map(Fen::get);
        let fen = compared.amount.map(Fen::get);
        let trade_no = parsed.trade_no.as_ref().or(record.trade_nos.last());
        let message = parsed.message.as_deref().unwrap_or_default();
        if self.global.json {
            return Ok(line(json!({
                "account": record.queue.account, "kind": record.queue.kind, "platform_no": record.key,
                "differs_in": what.as_str(), "state": record.state, "gateway": parsed.outcome,
                "gateway_status": parsed.status, "fen": fen, "gateway_fen": gateway_fen, "trade_no": trade_no,
                "message": message, "woken": woken,
            }))?);
        }
        let number = |fen: Option<i64>| fen.map(|fen| fen.to_string()).unwrap_or_default();
        let cells = [
            record.queue.account.to_string(),
            record.queue.kind.to_string(),
            record.key.to_string(),
            what.as_str().to_owned(),
            record.state.to_string(),
            parsed.outcome.as_str().to_owned(),
            number(fen),
            number(gateway_fen),
            trade_no.cloned().unwrap_or_default(),
            message.to_owned(),
            woken.to_string(),
        ];
        if self.arguments.csv {
            return Ok(line(csv_line(&cells).trim_end())?);
        }
        let [account, kind, key, what, state, gateway, fen, gateway_fen, trade_no, message, _] = cells;
        let queue = format!("{account}/{kind}");
        let fen = if fen == gateway_fen || gateway_fen.is_empty() { fen } else { format!("{fen}≠{gateway_fen}") };
        let woken = if woken { " (query is due)" } else { "" };
        let row = format!(
            "{queue:<24} {:<24} {what:<6} {state:<12} gateway: {gateway:<10} {fen:>10} {trade_no} {}{woken}",
            one_line(&key),
            one_line(&message)
        );
        Ok(line(row.trim_end())?)
    }

    fn end(&self, position: &Position) -> Result<(), Failure> {
        let summary = &position.summary;
        if self.global.json {
            return Ok(line(summary.json())?);
        }
        let show = |at| JobView::time(Some(at)).unwrap_or_default();
        let period = format!("jobs accepted from {} to {}", show(position.from), show(position.to));
        if self.arguments.csv {
            eprintln!("{period}\n{}", summary.table());
        } else {
            line(format_args!("{period}\n{}", summary.table()))?;
        }
        Ok(())
    }
}

/// A bar on a terminal and plain lines elsewhere, on standard error. Nothing with --json.
struct Progress {
    bar: ProgressBar,
    plain: bool,
    reported: std::cell::Cell<u64>,
}

impl Progress {
    fn start(global: &Global) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal && !global.json { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} jobs compared, {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, plain: !terminal && !global.json, reported: 0.into() }
    }

    fn at(&self, summary: &Summary) {
        let total = summary.total();
        self.bar.set_position(total.jobs);
        self.bar.set_message(format!("{} differ", total.differ));
        let lines = total.jobs / JOBS_A_LINE;
        if self.plain && lines > self.reported.replace(lines) {
            eprintln!("bursar: {} jobs compared, {} differ", total.jobs, total.differ);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
