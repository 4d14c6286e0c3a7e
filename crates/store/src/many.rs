//! Reads many queues at once, in round trips of so many commands: neither the way to Redis nor Redis itself is held up by how many
//! queues there are.

use bursar_domain::{AccountName, Lane, Millis, Reason, State};
use redis::{Cmd, Pipeline, Value};

use crate::balance::{BalanceStatus, balance_of};
use crate::circuits::counts;
use crate::commit::sets_of;
use crate::intake::QueueStatus;
use crate::keys::Keys;
use crate::read::{LOOKED_AT, SETS, from_reply, is_in_doubt, parted, score};
use crate::{CallbackStatus, LaneStatus, Origin, Store, StoreError};

/// Commands in one round trip: a millisecond of Redis at most, between which it serves others.
const COMMANDS: usize = 1_000;

/// Commands, or jobs, that are held in memory at once.
const AT_ONCE: usize = 10_000;

/// Jobs that are looked at in all queues together, as long as [`LEAST_LOOKED_AT`] are in each: a tenth of a second of Redis.
const LOOKED_AT_IN_ALL: usize = 40_000;

/// Jobs that are looked at in each set, however many queues have any.
const LEAST_LOOKED_AT: usize = 25;

/// Commands for one [`LaneStatus`].
const STATUS_COMMANDS: usize = 10;

/// Jobs of each set that are looked at where so many queues have any: [`LOOKED_AT`] as long as they are few.
fn looked_at(queues: usize) -> usize {
    (LOOKED_AT_IN_ALL / 2 / queues.max(1)).clamp(LEAST_LOOKED_AT, LOOKED_AT)
}

impl Store {
    /// How many jobs of each of these lanes wait where, in the order of the lanes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lane_statuses(&self, lanes: &[Lane]) -> Result<Vec<LaneStatus>, StoreError> {
        let mut statuses = Vec::with_capacity(lanes.len());
        for lanes in lanes.chunks(AT_ONCE / STATUS_COMMANDS) {
            let commands = lanes.iter().flat_map(|lane| self.status_commands(lane)).collect();
            let (replies, now) = self.many("ZCARD", commands).await?;
            for replies in replies.chunks(STATUS_COMMANDS) {
                statuses.push(lane_status(replies, now)?);
            }
        }
        Ok(statuses)
    }

    fn status_commands(&self, lane: &Lane) -> [Cmd; STATUS_COMMANDS] {
        let set = |name| self.keys.set(lane, name);
        let [to_send, to_ask, review, done] = SETS.map(set);
        [
            Cmd::zrange_withscores(&to_send, 0, 0),
            Cmd::zrange_withscores(&to_ask, 0, 0),
            Cmd::zcard(to_send),
            Cmd::zcard(to_ask),
            Cmd::zcard(review),
            Cmd::zcard(done),
            Cmd::zcard(set("to_tell")),
            Cmd::scard(set("orphans")),
            Cmd::hget(set("lane"), "paused"),
            Cmd::hvals(set("circuits")),
        ]
    }

    /// How many jobs of each of these lanes are in doubt and held by no worker, in the order of the lanes, among those that are due
    /// first in each set: [`LOOKED_AT`] of them, or fewer where many lanes are asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn in_doubt_in(&self, lanes: &[&Lane]) -> Result<Vec<usize>, StoreError> {
        let looked_at = looked_at(lanes.len());
        let mut counts = Vec::with_capacity(lanes.len());
        for lanes in lanes.chunks((AT_ONCE / 2 / looked_at).max(1)) {
            let firsts = lanes.iter().flat_map(|lane| {
                sets_of(State::InDoubt).iter().map(|set| Cmd::zrange(self.keys.set(*lane, set), 0, last_of(looked_at)))
            });
            let (firsts, _) = self.many("ZRANGE", firsts.collect()).await?;
            let mut jobs = Vec::with_capacity(lanes.len());
            for firsts in firsts.chunks(sets_of(State::InDoubt).len()) {
                let mut keys = Vec::new();
                for first in firsts {
                    keys.extend(from_reply::<Vec<String>>("ZRANGE", Some(first))?);
                }
                jobs.push(keys);
            }
            let states = lanes.iter().zip(&jobs).filter(|(_, keys)| !keys.is_empty());
            let states = states.flat_map(|(lane, keys)| self.state_commands(lane, keys)).collect();
            let (states, _) = self.many("HMGET", states).await?;
            let mut states = states.into_iter();
            for keys in jobs.iter().map(Vec::len) {
                let of_lane = if keys == 0 { 0 } else { keys + 2 };
                let (held, era, states) = parted(states.by_ref().take(of_lane).collect())?;
                let unheld = states.iter().zip(held).filter(|(_, held)| held.is_none());
                counts.push(unheld.filter(|(state, _)| is_in_doubt(state, era)).count());
            }
        }
        Ok(counts)
    }

    /// The gateways that these lanes' jobs are for, in the order of the lanes, as the first worker that served each named its own;
    /// `None` before that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn gateways(&self, lanes: &[Lane]) -> Result<Vec<Option<String>>, StoreError> {
        let mut gateways = Vec::with_capacity(lanes.len());
        for lanes in lanes.chunks(AT_ONCE) {
            let asked = lanes.iter().map(|lane| Cmd::hget(self.keys.set(lane, "lane"), "gateway")).collect();
            let (replies, _) = self.many("HGET", asked).await?;
            for reply in &replies {
                gateways.push(from_reply("HGET", Some(reply))?);
            }
        }
        Ok(gateways)
    }

    /// How much each of these origins has to tell, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn callback_statuses(&self, origins: &[Origin]) -> Result<Vec<CallbackStatus>, StoreError> {
        let mut statuses = Vec::with_capacity(origins.len());
        for origins in origins.chunks(AT_ONCE) {
            let waiting = origins.iter().map(|origin| Cmd::zcard(self.keys.set(origin, "to_tell"))).collect();
            let (waiting, now) = self.many("ZCARD", waiting).await?;
            for waiting in &waiting {
                let waiting = from_reply("ZCARD", Some(waiting))?;
                statuses.push(CallbackStatus { waiting, next_due: None, first_tried: None, now });
            }
        }
        let mut telling: Vec<(&Origin, &mut CallbackStatus)> =
            origins.iter().zip(&mut statuses).filter(|(_, status)| status.waiting > 0).collect();
        let looked_at = looked_at(telling.len());
        for telling in telling.chunks_mut((AT_ONCE / looked_at).max(1)) {
            let firsts = telling
                .iter()
                .map(|(origin, _)| Cmd::zrange_withscores(self.keys.set(*origin, "to_tell"), 0, last_of(looked_at)));
            let (firsts, _) = self.many("ZRANGE", firsts.collect()).await?;
            let mut events: Vec<Vec<(String, f64)>> = Vec::with_capacity(firsts.len());
            for first in &firsts {
                events.push(from_reply("ZRANGE", Some(first))?);
            }
            let mut tried = Vec::new();
            for ((origin, _), events) in telling.iter().zip(&events) {
                let records = format!("{}{}", self.keys.base(*origin), origin.records());
                tried.extend(events.iter().map(|(key, _)| Cmd::hget(format!("{records}{key}"), "ct")));
            }
            let (tried, _) = self.many("HGET", tried).await?;
            let mut tried = tried.iter();
            for ((_, status), events) in telling.iter_mut().zip(events) {
                status.next_due = events.first().map(|(_, due)| score(*due));
                for tried in tried.by_ref().take(events.len()) {
                    let at = from_reply::<Option<u64>>("HGET", Some(tried))?.map(Millis);
                    status.first_tried = status.first_tried.into_iter().chain(at).min();
                }
            }
        }
        Ok(statuses)
    }

    /// How many tasks wait in each of these queues of apalis-redis, and how many were kept aside.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn queue_statuses(&self, queues: &[String]) -> Result<Vec<QueueStatus>, StoreError> {
        let asked = queues.iter().flat_map(|queue| {
            let (base, ours) = (Keys::queue(queue), self.keys.intake(queue));
            [
                Cmd::zcard(format!("{base}scheduled")),
                Cmd::llen(format!("{base}active")),
                Cmd::zcard(format!("{ours}aside")),
            ]
        });
        let (counts, _) = self.many("ZCARD", asked.collect()).await?;
        let status = |counts: &[Value]| {
            let (scheduled, active, kept_aside): (u64, u64, u64) =
                from_reply("ZCARD", Some(&Value::Array(counts.to_vec())))?;
            Ok(QueueStatus { waiting: scheduled + active, kept_aside })
        };
        counts.chunks(3).map(status).collect()
    }

    /// What is known of each of these balances, in their order.
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

    /// Reads the claims of these jobs, their lane's era and each one's state, for [`parted`] and [`is_in_doubt`].
    fn state_commands(&self, lane: &Lane, keys: &[String]) -> Vec<Cmd> {
        let mut commands =
            vec![self.held(lane, keys.iter().map(String::as_str)), Cmd::hget(self.keys.set(lane, "lane"), "era")];
        for key in keys {
            let mut command = redis::cmd("HMGET");
            command.arg(self.keys.job(lane, key)).arg("s").arg("e");
            commands.push(command);
        }
        commands
    }

    /// The replies to these commands, in their order, and Redis's time after the last.
    async fn many(&self, command: &'static str, commands: Vec<Cmd>) -> Result<(Vec<Value>, Millis), StoreError> {
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

/// The place of the last of the first `count`.
fn last_of(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX) - 1
}

fn lane_status(replies: &[Value], now: Millis) -> Result<LaneStatus, StoreError> {
    type Head = Vec<(String, f64)>;
    type Reply = (Head, Head, u64, u64, u64, u64, u64, u64, Option<String>, Vec<u64>);
    let reply: Reply = from_reply("ZCARD", Some(&Value::Array(replies.to_vec())))?;
    let (first_send, first_ask, to_send, to_ask, review, done, to_tell, orphans, paused, circuits) = reply;
    let due = |head: Head| head.first().map(|(_, at)| score(*at));
    let (next_send, next_ask) = (due(first_send), due(first_ask));
    let next_due = next_send.into_iter().chain(next_ask).min();
    let circuits_open = circuits.into_iter().map(Millis).filter(|until| counts(*until, now)).collect();
    Ok(LaneStatus {
        to_send,
        to_ask,
        review,
        done,
        to_tell,
        orphans,
        next_due,
        now,
        next_send,
        next_ask,
        paused: paused.as_deref().map(Reason::read),
        circuits_open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_jobs_of_a_queue_are_looked_at_where_many_queues_have_some() {
        for (queues, each) in [(0, 1_000), (1, 1_000), (20, 1_000), (40, 500), (200, 100), (800, 25), (20_000, 25)] {
            assert_eq!(looked_at(queues), each, "{queues}");
        }
    }
}
