//! `bursar report` prints the report of an account's day.

use bursar_domain::{Day, DayReport, REPORT_COLUMNS, ReportRow, csv_line, yuan};
use bursar_store::NoReport;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::context::CommandContext;
use crate::exit::{Exit, Failure, Global, UsageError};
use crate::output::{line, print};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar report --day 2026-01-31\n  bursar report --day 2026-01-31 --account main --csv > main.csv\n\nA day is a day in the account's `time_zone`. A job is counted on the day on which it reached its present final state; sums are exact, in fen. The numbers are kept for `redis.counts_keep`."
)]
pub(crate) struct Arguments {
    /// The day, YYYY-MM-DD. Today if left out.
    #[arg(long, value_name = "DAY", value_parser = day)]
    day: Option<Day>,
    /// Only this account.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Print comma-separated values.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

fn day(text: &str) -> Result<Day, &'static str> {
    Day::read(text).ok_or("must be a day, YYYY-MM-DD")
}

pub(crate) async fn run(arguments: &Arguments, global: &Global) -> Result<Exit, Failure> {
    let context = CommandContext::open(global.config.as_deref()).await?;
    context.queues(arguments.account.as_deref(), None)?; // an unknown account is an error
    if arguments.csv {
        print(csv_line(&REPORT_COLUMNS))?;
    }
    let now = context.store.now().await?;
    for (name, account) in &context.config.accounts {
        if arguments.account.as_ref().is_some_and(|wanted| wanted != name.as_str()) {
            continue;
        }
        let queues = context.queues(Some(name.as_str()), None)?;
        let zone = &account.keys.time_zone;
        let day = arguments.day.unwrap_or_else(|| zone.day_of(now));
        let report = context.store.day_report(name, &queues, zone, day).await;
        let report = report.map_err(refused)?;
        if global.json {
            line(serde_json::to_string(&report)?)?;
        } else if arguments.csv {
            print(report.csv())?;
        } else {
            show(&report)?;
        }
    }
    Ok(Exit::Done)
}

fn refused(why: NoReport) -> Failure {
    match why {
        NoReport::Store(error) => error.into(),
        NoReport::Inexact { .. } => Failure::no(why),
        NoReport::TooOld(_) | NoReport::NotBegun(_) | NoReport::NoSuchDay => UsageError(format!("--day: {why}")).into(),
    }
}

fn show(report: &DayReport) -> Result<(), Failure> {
    let DayReport { day, account, time_zone, from, until, is_over, .. } = report;
    let open = if *is_over { "" } else { "; the day is not over" };
    line(format_args!("{account}, {day} in {time_zone} ({from} to {until}){open}"))?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["", "kind", "state", "jobs", "yuan"]);
    for row in &report.ended {
        table.add_row(cells("ended", row, row.state.as_str()));
    }
    for row in &report.open {
        table.add_row(cells("open now", row, row.state.as_str()));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    if report.ended.is_empty() && report.open.is_empty() {
        line("no job has ended on this day, and none is open")?;
    } else {
        line(table)?;
    }
    Ok(line(reconciled(report))?)
}

fn cells<S>(what: &str, row: &ReportRow<S>, state: &str) -> [String; 5] {
    let amount = row.amount_fen.as_deref().and_then(|fen| fen.parse().ok()).map_or_else(|| "-".to_owned(), yuan);
    [what.to_owned(), row.kind.clone(), state.to_owned(), row.count.to_string(), amount]
}

fn reconciled(report: &DayReport) -> String {
    match &report.reconciled {
        None => "not reconciled: run `bursar reconcile` for this day".to_owned(),
        Some(run) => format!(
            "reconciled at {}, jobs accepted from {} to {}: {} jobs, {} differ, {} without a response, {} cannot be queried, {} unreadable",
            run.at, run.from, run.until, run.jobs, run.differ, run.unanswered, run.not_queryable, run.unreadable
        ),
    }
}
