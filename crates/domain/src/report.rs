//! The report of an account's day, as outsiders read it: the same object in the CLI, the API and the dashboard.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{AccountName, Kind, Millis, State};

/// An account's day: what ended in it, what is open now, and the last reconciliation that covers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DayReport {
    /// The day, `YYYY-MM-DD`.
    #[schemars(example = "2026-01-31")]
    pub day: String,
    /// The account's name.
    #[schemars(with = "AccountName")]
    pub account: String,
    /// The account's time zone, by its IANA name: the day is a day there.
    #[schemars(example = "Asia/Shanghai")]
    pub time_zone: String,
    /// The first moment of the day.
    #[schemars(with = "Millis")]
    pub from: String,
    /// The first moment after the day.
    #[schemars(with = "Millis")]
    pub until: String,
    /// When the numbers were read.
    #[schemars(with = "Millis")]
    pub read_at: String,
    /// False while the day lasts: its numbers still grow.
    pub is_over: bool,
    /// The jobs that reached their present final state on this day, by kind and state. A job that ends otherwise later, by a refund for
    /// example, is taken out here and counted on the day of its new end.
    pub ended: Vec<ReportRow<State>>,
    /// The jobs that are open now, whenever they were accepted, by kind and place.
    pub open: Vec<ReportRow<OpenPlace>>,
    /// The last run of `bursar reconcile` whose period has a part of this day; `null` where none has been recorded.
    pub reconciled: Option<ReconcileView>,
}

/// The number of jobs of a kind, and the sum of their amounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportRow<S> {
    /// The kind.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// The state, or the place of an open job.
    pub state: S,
    /// The number of jobs.
    pub count: u64,
    /// The exact sum of their amounts in fen, as a text, because it may exceed what JSON numbers hold in many languages. `null` where it is
    /// not known exactly.
    pub amount_fen: Option<String>,
}

/// Where an open job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenPlace {
    /// It waits to be sent.
    ToSend,
    /// It waits to be queried, or a worker has claimed it.
    ToQuery,
    /// It needs review.
    NeedsReview,
}

impl OpenPlace {
    /// Every place, in the order of a job's life.
    pub const ALL: [Self; 3] = [Self::ToSend, Self::ToQuery, Self::NeedsReview];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToSend => "to_send",
            Self::ToQuery => "to_query",
            Self::NeedsReview => "needs_review",
        }
    }
}

/// The result of a run of `bursar reconcile` for an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Reconciliation")]
pub struct ReconcileView {
    /// When it ended.
    #[schemars(with = "Millis")]
    pub at: String,
    /// It compared jobs that were accepted at this time or later,
    #[schemars(with = "Millis")]
    pub from: String,
    /// and before this time.
    #[schemars(with = "Millis")]
    pub until: String,
    /// The jobs of the period.
    pub jobs: u64,
    /// Those that differ from the gateway's.
    pub differ: u64,
    /// Those about which the gateway gave no response that could be compared.
    pub unanswered: u64,
    /// Those that the gateway cannot be queried about.
    pub not_queryable: u64,
    /// Those that the build could not read.
    pub unreadable: u64,
}

/// The columns of the report as comma-separated values.
pub const REPORT_COLUMNS: [&str; 8] = ["day", "account", "time_zone", "what", "kind", "state", "count", "amount_fen"];

impl DayReport {
    /// The rows of comma-separated values, in the order of [`REPORT_COLUMNS`].
    #[must_use]
    pub fn cells(&self) -> Vec<[String; 8]> {
        let row = |what: &str, kind: &str, state: &str, count: u64, fen: Option<&String>| {
            let [day, account, zone] = [&self.day, &self.account, &self.time_zone].map(Clone::clone);
            let fen = fen.cloned().unwrap_or_default();
            [day, account, zone, what.to_owned(), kind.to_owned(), state.to_owned(), count.to_string(), fen]
        };
        let ended = self.ended.iter();
        let ended = ended.map(|of| row("ended", &of.kind, of.state.as_str(), of.count, of.amount_fen.as_ref()));
        let open = self.open.iter();
        let open = open.map(|of| row("open_now", &of.kind, of.state.as_str(), of.count, of.amount_fen.as_ref()));
        let reconciled = self.reconciled.iter().flat_map(|run| {
            let numbers = [
                ("jobs", run.jobs),
                ("differ", run.differ),
                ("unanswered", run.unanswered),
                ("not_queryable", run.not_queryable),
                ("unreadable", run.unreadable),
            ];
            numbers.map(|(name, count)| row("reconciled", "", name, count, None))
        });
        ended.chain(open).chain(reconciled).collect()
    }

    /// The report as comma-separated values (RFC 4180), without the line of the columns.
    #[must_use]
    pub fn csv(&self) -> String {
        self.cells().iter().map(|cells| csv_line(cells)).collect()
    }
}

/// A line of comma-separated values (RFC 4180). A cell is in quotes where it must be.
#[must_use]
pub fn csv_line<S: AsRef<str>>(cells: &[S]) -> String {
    let quoted = |cell: &S| {
        let cell = cell.as_ref();
        let is_plain = !cell.contains(['"', ',', '\n', '\r']);
        if is_plain { cell.to_owned() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_quotes_where_it_must() {
        let line = csv_line(&["plain", "a,b", "say \"no\"", ""]);
        assert_eq!(line, "plain,\"a,b\",\"say \"\"no\"\"\",\r\n");
    }

    #[test]
    fn every_number_of_a_report_is_in_its_csv() {
        let row =
            |state| ReportRow { kind: "transfer".into(), state, count: 2, amount_fen: Some("9007199254740993".into()) };
        let open = ReportRow { kind: "split".into(), state: OpenPlace::NeedsReview, count: 1, amount_fen: None };
        let time = || "2026-01-01T00:00:00.000Z".to_owned();
        let run = ReconcileView {
            at: time(),
            from: time(),
            until: time(),
            jobs: 7,
            differ: 1,
            unanswered: 0,
            not_queryable: 3,
            unreadable: 0,
        };
        let report = DayReport {
            day: "2026-01-01".into(),
            account: "main".into(),
            time_zone: "Asia/Shanghai".into(),
            from: time(),
            until: time(),
            read_at: time(),
            is_over: true,
            ended: vec![row(State::Succeeded)],
            open: vec![open],
            reconciled: Some(run),
        };
        let csv = report.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "2026-01-01,main,Asia/Shanghai,ended,transfer,succeeded,2,9007199254740993");
        assert_eq!(lines[1], "2026-01-01,main,Asia/Shanghai,open_now,split,needs_review,1,");
        assert_eq!(lines[3], "2026-01-01,main,Asia/Shanghai,reconciled,,differ,1,");
        assert_eq!(lines.len(), 7);
    }
}
