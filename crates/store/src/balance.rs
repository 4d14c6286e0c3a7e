//! What gateways told of accounts' balances, for operators to see: asked for by one process at a time, kept for all.
//! Nothing is decided by it.

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

/// What is known of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceStatus {
    /// As it was told last.
    pub parts: BalanceParts,
    /// When that was; `None` when it never was.
    pub answered_at: Option<Millis>,
    /// When it was first asked for; `None` when it never was.
    pub since: Option<Millis>,
    /// When this was so, in Redis time.
    pub now: Millis,
}

impl Store {
    /// Takes the turn to ask for an account's balance, which is one process's once in `every`. `None` when it was taken;
    /// else how long to wait before the next try.
    ///
    /// # Errors
    /// [`StoreError`]: the turn may have been taken; then nobody asks until the next.
    pub async fn balance_lock(&self, account: &AccountName, every: Duration) -> Result<Option<Duration>, StoreError> {
        let mut call = self.scripts.balance_lock.on(&self.keys.balance(account));
        call.push(whole_millis(every));
        let wait_ms: u64 = call.run(self).await?;
        Ok((wait_ms > 0).then(|| Duration::from_millis(wait_ms)))
    }

    /// Keeps what the gateway told of the balance called `sub_type`; `None` when it was asked and told nothing.
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

    /// What is known of a balance.
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

/// A balance of the fields that [`Store::balance_command`] asked for. What is no number was not written by us, and is as good as
/// nothing.
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
