//! The results of `bursar reconcile`, for the reports of the days that they cover.

use bursar_domain::{AccountName, Millis, ReconcileView};
use redis::Pipeline;
use serde::{Deserialize, Serialize};

use crate::jobs::whole_millis;
use crate::{Store, StoreError};

/// The newest results of an account that a report looks through.
const LOOKED_THROUGH: usize = 1_000;

/// The result of a run for one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// When it ended.
    pub at: Millis,
    /// The beginning of its period.
    pub from: Millis,
    /// The end of its period.
    pub until: Millis,
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

impl Reconciled {
    /// The result as outsiders read it.
    #[must_use]
    pub fn view(&self) -> ReconcileView {
        ReconcileView {
            at: self.at.rfc3339(),
            from: self.from.rfc3339(),
            until: self.until.rfc3339(),
            jobs: self.jobs,
            differ: self.differ,
            unanswered: self.unanswered,
            not_queryable: self.not_queryable,
            unreadable: self.unreadable,
        }
    }
}

impl Store {
    /// Records the result of a run; `at` is set here. Results are kept as long as the counts of ended jobs.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been recorded.
    pub async fn record_reconciled(&self, account: &AccountName, run: Reconciled) -> Result<(), StoreError> {
        let at = self.now().await?;
        let text = serde_json::to_string(&Reconciled { at, ..run }).unwrap_or_default(); // numbers: writing them cannot fail
        let (name, keep_ms) = (self.keys.reconciled(account), whole_millis(self.counts_keep));
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZADD").arg(&name).arg(at.0).arg(text).ignore();
        pipeline.cmd("ZREMRANGEBYSCORE").arg(&name).arg("-inf").arg(at.0.saturating_sub(keep_ms)).ignore();
        pipeline.cmd("PEXPIRE").arg(&name).arg(keep_ms).ignore();
        self.query("ZADD", &pipeline).await
    }

    /// The last recorded run whose period has a part of this time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_reconciled(
        &self,
        account: &AccountName,
        (from, until): (Millis, Millis),
    ) -> Result<Option<Reconciled>, StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("ZRANGE").arg(self.keys.reconciled(account)).arg("+inf").arg(from.0).arg("BYSCORE").arg("REV");
        pipeline.arg("LIMIT").arg(0).arg(LOOKED_THROUGH);
        let (texts,): (Vec<String>,) = self.query("ZRANGE", &pipeline).await?;
        let runs = texts.iter().filter_map(|text| serde_json::from_str::<Reconciled>(text).ok());
        Ok(runs.into_iter().find(|run| run.from < until && run.until > from))
    }
}
