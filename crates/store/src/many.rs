//! Reads many queues in bounded round trips: neither the connection nor Redis is blocked by the number of queues.

use bursar_domain::{AccountName, Millis, Queue};
use redis::{Cmd, Pipeline, Value};

use crate::balance::{BalanceStatus, balance_of};
use crate::import::ImportStatus;
use crate::keys::Keys;
use crate::reply::from_reply;
use crate::{Store, StoreError};

/// Commands in one round trip: a millisecond of Redis at most, between which it serves others.
const COMMANDS: usize = 1_000;

/// Commands, or jobs, that are in memory at the same time.
pub(crate) const AT_ONCE: usize = 10_000;

impl Store {
    /// The gateways of these queues' jobs, in order, as the first worker of each queue named its own; `None` before
    /// that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn gateways(&self, queues: &[Queue]) -> Result<Vec<Option<String>>, StoreError> {
        let mut gateways = Vec::with_capacity(queues.len());
        for queues in queues.chunks(AT_ONCE) {
            let requested =
                queues.iter().map(|queue| Cmd::hget(self.queues.of(queue).queue_hash(), "gateway")).collect();
            let (replies, _) = self.many("HGET", requested).await?;
            for reply in &replies {
                gateways.push(from_reply("HGET", Some(reply))?);
            }
        }
        Ok(gateways)
    }

    /// The number of waiting tasks in each of these queues of apalis-redis, and of their dead letters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn import_statuses(&self, queues: &[String]) -> Result<Vec<ImportStatus>, StoreError> {
        let requested = queues.iter().flat_map(|queue| {
            let (base, ours) = (Keys::queue(queue), self.keys.import(queue));
            [
                Cmd::zcard(format!("{base}scheduled")),
                Cmd::llen(format!("{base}active")),
                Cmd::zcard(format!("{ours}dead_letters")),
            ]
        });
        let (counts, _) = self.many("ZCARD", requested.collect()).await?;
        let status = |counts: &[Value]| {
            let (scheduled, active, dead_letters): (u64, u64, u64) =
                from_reply("ZCARD", Some(&Value::Array(counts.to_vec())))?;
            Ok(ImportStatus { waiting: scheduled + active, dead_letters })
        };
        counts.chunks(3).map(status).collect()
    }

    /// The known balances, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn balances(&self, balances: &[(&AccountName, &str)]) -> Result<Vec<BalanceStatus>, StoreError> {
        let mut statuses = Vec::with_capacity(balances.len());
        for balances in balances.chunks(AT_ONCE) {
            let commands = balances.iter().map(|(account, sub_type)| self.balance_command(account, sub_type)).collect();
            let (replies, now) = self.many("HMGET", commands).await?;
            for reply in &replies {
                let fields: Vec<Option<String>> = from_reply("HMGET", Some(reply))?;
                statuses.push(balance_of(&fields, now));
            }
        }
        Ok(statuses)
    }

    /// The replies to these commands, in their order, and Redis's time after the last.
    pub(crate) async fn many(
        &self,
        command: &'static str,
        commands: Vec<Cmd>,
    ) -> Result<(Vec<Value>, Millis), StoreError> {
        let mut replies = Vec::with_capacity(commands.len() + 1);
        let mut commands = commands.into_iter().chain([redis::cmd("TIME")]).peekable();
        while commands.peek().is_some() {
            let mut pipeline = Pipeline::new();
            for command in commands.by_ref().take(COMMANDS) {
                pipeline.add_command(command);
            }
            let mut answered: Vec<Value> = self.query(command, &pipeline).await?;
            replies.append(&mut answered);
        }
        let (seconds, micros): (u64, u64) = from_reply("TIME", replies.pop().as_ref())?;
        Ok((replies, Millis(seconds * 1_000 + micros / 1_000)))
    }
}
