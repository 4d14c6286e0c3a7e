//! The result of a reconciliation by state: jobs, fen, and the number of jobs that were compared.

use std::collections::BTreeMap;

use bursar_domain::{Fen, State};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The counts of one state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) jobs: u64,
    /// The sum of the amounts that contents name.
    pub(super) fen: u64,
    pub(super) agree: u64,
    pub(super) differ: u64,
    /// The gateway gave no response that could be compared.
    pub(super) unanswered: u64,
    /// The gateway cannot be queried about the job: it has no query for its kind, or has named no number to ask by.
    pub(super) not_queryable: u64,
    /// This build cannot read the job.
    #[serde(default)]
    pub(super) unreadable: u64,
}

/// The result of one job's comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    Agrees,
    Differs,
    Unanswered,
    NotQueryable,
}

/// Counts by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    by_state: BTreeMap<String, Counts>,
}

impl Summary {
    pub(super) fn add(&mut self, state: State, amount: Option<Fen>, looked: Looked) {
        let counts = self.by_state.entry(state.to_string()).or_default();
        counts.jobs += 1;
        let fen = amount.and_then(|amount| u64::try_from(amount.get()).ok()).unwrap_or_default();
        counts.fen = counts.fen.saturating_add(fen);
        *match looked {
            Looked::Agrees => &mut counts.agree,
            Looked::Differs => &mut counts.differ,
            Looked::Unanswered => &mut counts.unanswered,
            Looked::NotQueryable => &mut counts.not_queryable,
        } += 1;
    }

    /// Counts a job that cannot be read: its state is not known, nor if it was accepted in the period.
    pub(super) fn add_unreadable(&mut self) {
        let counts = self.by_state.entry("unreadable".into()).or_default();
        counts.jobs += 1;
        counts.unreadable += 1;
    }

    pub(super) fn total(&self) -> Counts {
        self.by_state.values().fold(Counts::default(), |sum, counts| Counts {
            jobs: sum.jobs + counts.jobs,
            fen: sum.fen.saturating_add(counts.fen),
            agree: sum.agree + counts.agree,
            differ: sum.differ + counts.differ,
            unanswered: sum.unanswered + counts.unanswered,
            not_queryable: sum.not_queryable + counts.not_queryable,
            unreadable: sum.unreadable + counts.unreadable,
        })
    }

    pub(super) fn json(&self) -> Value {
        json!({"summary": {"by_state": self.by_state, "total": self.total()}})
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(["state", "jobs", "fen", "agree", "differ", "no response", "no query", "unreadable"]);
        let row = |name: &str, counts: &Counts| {
            let Counts { jobs, fen, agree, differ, unanswered, not_queryable, unreadable } = counts;
            let numbers = [jobs, fen, agree, differ, unanswered, not_queryable, unreadable];
            std::iter::once(name.to_owned()).chain(numbers.map(|number| number.to_string())).collect::<Vec<_>>()
        };
        for (state, counts) in &self.by_state {
            table.add_row(row(state, counts));
        }
        table.add_row(row("all", &self.total()));
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}
