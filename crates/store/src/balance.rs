//! The accounts' balances as the gateways reported them, for operators to read. One process at a time queries them and
//! stores them for all. Nothing is decided by them.

use std::time::Duration;

use bursar_domain::{AccountName, Millis};
use redis::Cmd;

use crate::jobs::whole_millis;
use crate::reply::only;
use crate::{Store, StoreError};

/// The parts of a balance, in fen; `None` where the gateway left one out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceParts {
    /// Can be withdrawn.
    pub available: Option<i64>,
    /// Frozen.
    pub frozen: Option<i64>,
    /// Kept back.
    pub retained: Option<i64>,
    /// Everything.
    pub total: Option<i64>,
}

impl BalanceParts {
    /// Each with its name.
    #[must_use]
    pub const fn named(self) -> [(&'static str, Option<i64>); 4] {
        [("available", self.available), ("frozen", self.frozen), ("retained", self.retained), ("total", self.total)]
    }
}

/// A balance as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceStatus {
    /// Its parts at the last response.
    pub parts: BalanceParts,
    /// The time of that response; `None` before the first.
    pub answered_at: Option<Millis>,
    /// The time of the first query; `None` before it.
    pub since: Option<Millis>,
    /// The time of this reading, in Redis time.
    pub now: Millis,
}

impl Store {
    /// Takes the lock for querying an account's balance, which one process gets once in `every`. `None` if this process
    /// got it; else the time until the next try.
    ///
    /// # Errors
    /// [`StoreError`]: the lock may have been taken; then nothing is queried until the next turn.
    pub async fn balance_lock(&self, account: &AccountName, every: Duration) -> Result<Option<Duration>, StoreError> {
        let mut call = self.scripts.balance_lock.on(&self.keys.balance(account));
        call.push(whole_millis(every));
        let wait_ms: u64 = call.run(self).await?;
        Ok((wait_ms > 0).then(|| Duration::from_millis(wait_ms)))
    }

    /// Stores the gateway's response for the balance `sub_type`; `None` for a query without a usable response.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been kept. Safe to repeat.
    pub async fn store_balance(
        &self,
        account: &AccountName,
        sub_type: &str,
        parts: Option<BalanceParts>,
    ) -> Result<(), StoreError> {
        let mut call = self.scripts.balance_store.on(&self.keys.balance(account));
        call.push(sub_type);
        for (name, fen) in parts.into_iter().flat_map(BalanceParts::named) {
            if let Some(fen) = fen {
                call.push(name).push(fen);
            }
        }
        call.run(self).await
    }

    /// A balance as it is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn balance(&self, account: &AccountName, sub_type: &str) -> Result<BalanceStatus, StoreError> {
        only(self.balances(&[(account, sub_type)]).await?)
    }

    /// Reads one, for [`balance_of`].
    pub(crate) fn balance_command(&self, account: &AccountName, sub_type: &str) -> Cmd {
        let [available, frozen, retained, total] = BalanceParts::default().named().map(|(name, _)| name);
        let key = format!("{}amounts:{sub_type}", self.keys.balance(account));
        let mut command = redis::cmd("HMGET");
        command.arg(key).arg(&[available, frozen, retained, total, "at", "since"]);
        command
    }
}

/// A balance from the fields that [`Store::balance_command`] reads. A value that is no number was not written by
/// Bursar, and counts as missing.
pub(crate) fn balance_of(fields: &[Option<String>], now: Millis) -> BalanceStatus {
    let text = |at: usize| fields.get(at).and_then(Option::as_deref);
    let amount = |at| text(at).and_then(|text| text.parse().ok());
    let moment = |at| text(at).and_then(|text| text.parse().ok()).map(Millis);
    BalanceStatus {
        parts: BalanceParts { available: amount(0), frozen: amount(1), retained: amount(2), total: amount(3) },
        answered_at: moment(4),
        since: moment(5),
        now,
    }
}
