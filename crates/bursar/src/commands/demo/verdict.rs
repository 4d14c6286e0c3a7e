//! The demo's result: Bursar's jobs compared with the gateway's own ledger.

use std::collections::HashMap;
use std::time::Duration;

use bursar_domain::{Kind, State};
use bursar_simulator::{KeyRecord, Ledger};
use bursar_store::{Cursor, Store, StoredAs};
use comfy_table::{Table, presets};
use serde_json::json;

use super::jobs::{Mix, ledger_key};
use crate::exit::{Failure, Global};
use crate::output::line;

/// The result of one kind's jobs.
struct Row {
    kind: Kind,
    states: HashMap<State, u64>,
    done: u64,
    failed: u64,
    refunded: u64,
    not_executed: u64,
    twice: u64,
}

/// The demo's result.
pub(super) struct Verdict {
    rows: Vec<Row>,
    jobs: u64,
    requests: u64,
    killed: u32,
    took: Duration,
    /// Jobs that did not end, disagree with the ledger, or were paid twice; and the gateway's complaints.
    complaints: Vec<String>,
}

/// Jobs read in one step.
const PAGE: usize = 1_000;

/// Compares every job with the ledger.
pub(super) async fn reach(
    store: &Store,
    mix: &Mix,
    ledger: &Ledger,
    killed: u32,
    took: Duration,
) -> Result<Verdict, Failure> {
    let (mut states, mut complaints) = (HashMap::new(), Vec::new());
    for queue in mix.queues() {
        let mut next = Some(Cursor::default());
        while let Some(from) = next {
            let page = store.list(queue, None, &from, PAGE).await?;
            for job in page.jobs {
                match job {
                    StoredAs::Job(job) => drop(states.insert(job.key.to_string(), job.state)),
                    StoredAs::Unreadable { key, why } => complaints.push(format!("{key} cannot be read: {why}")),
                }
            }
            next = page.next;
        }
    }
    let mut rows: Vec<Row> = Kind::ALL.into_iter().map(Row::new).collect();
    complaints.extend(ledger.violations.iter().map(|violation| format!("the gateway complains: {}", violation.text)));
    for job in mix.jobs() {
        let Some(row) = rows.iter_mut().find(|row| row.kind.as_str() == job.kind) else { continue };
        let Some(state) = states.get(&job.platform_no) else {
            complaints.push(format!("{} is lost", job.platform_no));
            continue;
        };
        complaints.extend(row.count(&job.platform_no, *state, ledger.keys.get(&ledger_key(job))));
    }
    let jobs = mix.jobs().len().try_into()?;
    Ok(Verdict { rows, jobs, requests: ledger.requests, killed, took, complaints })
}

impl Row {
    fn new(kind: Kind) -> Self {
        Self { kind, states: HashMap::new(), done: 0, failed: 0, refunded: 0, not_executed: 0, twice: 0 }
    }

    /// Counts one job on both sides. Adds a complaint when they disagree.
    fn count(&mut self, key: &str, state: State, record: Option<&KeyRecord>) -> Option<String> {
        *self.states.entry(state).or_default() += 1;
        let executions = record.map_or(0, |record| record.executions);
        let status = record.and_then(|record| record.status.as_deref()).filter(|_| executions > 0);
        let truth = match (self.kind, status) {
            (_, None) => None,
            (Kind::Transfer, Some("0")) | (Kind::Split, Some("2")) => Some(State::Failed),
            (Kind::Transfer, Some("2")) => Some(State::Refunded),
            (Kind::BillUpload | Kind::Transfer | Kind::Split | Kind::Withdrawal, Some(_)) => Some(State::Succeeded),
        };
        match truth {
            Some(State::Failed) => self.failed += 1,
            Some(State::Refunded) => self.refunded += 1,
            Some(_) => self.done += 1,
            None => self.not_executed += 1,
        }
        if executions > 1 {
            self.twice += 1;
            return Some(format!("{key} was paid {executions} times"));
        }
        let agrees = match state {
            State::NeedsReview => true, // that is what a person is asked for
            State::Failed => truth.is_none_or(|truth| truth == State::Failed),
            State::Succeeded | State::Refunded => truth == Some(state),
            State::Queued | State::InDoubt | State::Pending | State::Cancelled => false,
        };
        (!agrees).then(|| {
            format!("{key} is {state} here and {} at the gateway", truth.map_or("not executed", State::as_str))
        })
    }

    fn in_state(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or_default()
    }

    fn cells(&self) -> [u64; 9] {
        let jobs = self.states.values().sum();
        let here =
            [State::Succeeded, State::Failed, State::Refunded, State::NeedsReview].map(|state| self.in_state(state));
        let [succeeded, failed, refunded, review] = here;
        [jobs, succeeded, failed, refunded, review, self.done, self.failed, self.refunded, self.twice]
    }
}

const COLUMNS: [&str; 9] = [
    "jobs",
    "succeeded",
    "failed",
    "refunded",
    "needs review",
    "gateway: done",
    "gateway: failed",
    "gateway: refunded",
    "paid twice",
];

impl Verdict {
    pub(super) fn is_good(&self) -> bool {
        self.complaints.is_empty()
    }

    pub(super) fn show(&self, global: &Global) -> Result<(), Failure> {
        if global.json {
            return Ok(line(self.as_json())?);
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["kind"].into_iter().chain(COLUMNS));
        let mut total = [0; 9];
        for row in &self.rows {
            let cells = row.cells();
            for (sum, cell) in total.iter_mut().zip(cells) {
                *sum += cell;
            }
            table.add_row([row.kind.to_string()].into_iter().chain(cells.map(|cell| cell.to_string())));
        }
        table.add_row(["all".to_owned()].into_iter().chain(total.map(|cell| cell.to_string())));
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        line(table)?;
        for complaint in self.complaints.iter().take(20) {
            line(format_args!("PROBLEM: {complaint}"))?;
        }
        line(self.sentence())?;
        Ok(())
    }

    fn review(&self) -> u64 {
        self.rows.iter().map(|row| row.in_state(State::NeedsReview)).sum()
    }

    fn twice(&self) -> u64 {
        self.rows.iter().map(|row| row.twice).sum()
    }

    /// The last line: the result in one sentence.
    fn sentence(&self) -> String {
        if !self.is_good() {
            return format!(
                "The books do NOT agree: {} problems. Paid twice: {}.",
                self.complaints.len(),
                self.twice()
            );
        }
        let killed = match self.killed {
            0 => String::new(),
            1 => ", although one worker was killed -9".to_owned(),
            many => format!(", although workers were killed -9 {many} times"),
        };
        let review = match self.review() {
            0 => String::new(),
            some => {
                format!(" {some} need review: their gateway cannot be queried, so Bursar does not guess their outcome.")
            }
        };
        let seconds = humantime::format_duration(Duration::from_millis(
            u64::try_from(self.took.as_millis() / 100 * 100).unwrap_or(u64::MAX),
        ));
        format!(
            "{} jobs in {seconds}: every payment was made once or not at all{killed}; Bursar's books agree with the gateway's. Paid twice: 0.{review}",
            self.jobs
        )
    }

    fn as_json(&self) -> serde_json::Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let mut object = json!({"kind": row.kind, "not_executed": row.not_executed});
                for (name, cell) in COLUMNS.iter().zip(row.cells()) {
                    object[name.replace(": ", "_").replace(' ', "_")] = json!(cell);
                }
                object
            })
            .collect();
        json!({
            "jobs": self.jobs, "kinds": rows, "agree": self.is_good(), "paid_twice": self.twice(), "workers_killed": self.killed,
            "requests": self.requests, "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX), "problems": self.complaints,
        })
    }
}
