//! Claiming due jobs, and giving them back.

use std::time::Duration;

use bursar_domain::{Call, Facts, Key, Lane, Millis, State};
use redis::Value;

use crate::scripts::Arguments;
use crate::submit::word_of;
use crate::{Committed, Store, StoreError};

/// Jobs in one claim: a bound on how long the script holds Redis.
pub const MAX_CLAIM: usize = 256;

/// One worker's wish for due jobs of one lane.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The worker's name, unique per process start.
    pub worker: &'a str,
    /// How long the jobs stay its own without renewal.
    pub lease: Duration,
    /// How many it can call about at once.
    pub slots: usize,
    /// Calls a second over all replicas; 0 for no limit.
    pub rate_per_second: f64,
    /// Counts this worker's claims, so that one whose reply was lost can be told from the one before.
    pub number: u64,
}

/// A claimed job: the worker's own until its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Its key.
    pub key: Key,
    /// What it was due for. For a send, the intent is on record already.
    pub call: Call,
    /// Every later write must carry it.
    pub fence: u64,
    /// The exact bytes to send.
    pub content: String,
    /// The gateway's numbers for it, newest last.
    pub trade_nos: Vec<String>,
    /// State before the claim.
    pub state: State,
    /// Sends, this one included.
    pub sends: u32,
    /// Sends while an earlier might have executed, this one included.
    pub resends: u32,
    /// Asks so far.
    pub asks: u32,
    /// Workers lost while they held it.
    pub losses: u32,
    /// The first intent to send.
    pub first_sent: Option<Millis>,
    /// The last one.
    pub last_sent: Option<Millis>,
}

impl Claimed {
    /// The facts for the state machine. What the gateway can do is the caller's knowledge.
    #[must_use]
    pub fn facts(&self, can_ask: bool, resend_tells: bool, next_day: bool) -> Facts {
        Facts {
            state: self.state,
            sends: self.sends,
            resends: self.resends,
            asks: self.asks,
            losses: self.losses,
            first_sent: self.first_sent,
            last_sent: self.last_sent,
            can_ask,
            resend_tells,
            next_day,
            seed: self.key.seed(),
        }
    }
}

/// What a claim gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// When, in Redis time.
    pub now: Millis,
    /// When to claim again at the latest; `None` when nothing waits in this lane.
    pub next_due: Option<Millis>,
    /// The jobs.
    pub jobs: Vec<Claimed>,
    /// Due keys without a readable record, put aside.
    pub orphans: Vec<String>,
}

type Row = (String, String, u64, String, String, u32, u32, u32, u32, u64, u64, String);

impl Store {
    /// Claims due jobs of one lane.
    ///
    /// # Errors
    /// [`StoreError`]: jobs may have been claimed all the same; [`Store::unclaim`] finds and returns them.
    pub async fn claim(&self, lane: &Lane, claim: &Claim<'_>) -> Result<Claims, StoreError> {
        let mut arguments = Arguments::default();
        arguments
            .push(claim.worker)
            .push(whole_millis(claim.lease))
            .push(claim.slots.min(MAX_CLAIM))
            .push(claim.rate_per_second)
            .push(claim.number);
        let (now, next_due, rows, orphans): (u64, i64, Vec<Row>, Vec<String>) =
            self.scripts.claim.run(self, self.keys.base(lane), &arguments).await?;
        Ok(Claims {
            now: Millis(now),
            next_due: u64::try_from(next_due).ok().map(Millis),
            jobs: rows.into_iter().map(claimed).collect::<Result<_, _>>()?,
            orphans,
        })
    }

    /// After a claim whose reply was lost: gives back, unsent, whatever that claim had taken.
    ///
    /// # Errors
    /// [`StoreError`]: try again; what is not given back comes due when its lease ends.
    pub async fn unclaim(&self, lane: &Lane, worker: &str, number: u64) -> Result<usize, StoreError> {
        let receipt: Option<String> = redis::cmd("GET")
            .arg(self.keys.receipt(lane, worker))
            .query_async(&mut self.connection())
            .await
            .map_err(|source| StoreError::of("GET", source))?;
        let Some(receipt) = receipt else { return Ok(0) };
        let mut lines = receipt.lines();
        if lines.next().and_then(|line| line.parse().ok()) != Some(number) {
            return Ok(0);
        }
        let held: Vec<(String, u64)> = lines
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(key, fence)| Some((key.to_owned(), fence.parse().ok()?)))
            .collect();
        self.release(lane, &held).await?;
        Ok(held.len())
    }

    /// Gives back jobs about which certainly no call was made.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; it is idempotent under each job's fence.
    pub async fn release(&self, lane: &Lane, held: &[(String, u64)]) -> Result<Vec<Committed>, StoreError> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let mut arguments = Arguments::default();
        arguments.push(self.keys.wake_channel()).push(lane.to_string());
        for (key, fence) in held {
            arguments.push(key).push(*fence);
        }
        let replies: Vec<Value> = self.scripts.release.run(self, self.keys.base(lane), &arguments).await?;
        replies.iter().map(|reply| word_of("release", reply, Committed::WORDS)).collect()
    }

    /// Moves the leases of held jobs; returns the keys that are no longer this worker's.
    ///
    /// # Errors
    /// [`StoreError`]: try again before the leases end.
    pub async fn renew(
        &self,
        lane: &Lane,
        worker: &str,
        lease: Duration,
        held: &[(String, u64)],
    ) -> Result<Vec<String>, StoreError> {
        let mut lost = Vec::new();
        for batch in held.chunks(MAX_CLAIM) {
            let mut arguments = Arguments::default();
            arguments.push(worker).push(whole_millis(lease));
            for (key, fence) in batch {
                arguments.push(key).push(*fence);
            }
            let of_batch: Vec<String> = self.scripts.renew.run(self, self.keys.base(lane), &arguments).await?;
            lost.extend(of_batch);
        }
        Ok(lost)
    }
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn claimed(row: Row) -> Result<Claimed, StoreError> {
    let (key, call, fence, state, content, sends, resends, asks, losses, first, last, trade_nos) = row;
    let unreadable =
        |detail: &str| StoreError::Unreadable { what: format!("the claim of job {key}"), detail: detail.to_owned() };
    let moment = |at: u64| (at > 0).then_some(Millis(at));
    Ok(Claimed {
        call: match call.as_str() {
            "send" => Call::Send,
            "ask" => Call::Ask,
            _ => return Err(unreadable("it is neither for a send nor for an ask")),
        },
        state: state.parse().map_err(|_| unreadable("its state has no meaning"))?,
        key: key.parse().map_err(|_| unreadable("its key breaks the rules for keys"))?,
        fence,
        content,
        trade_nos: trade_nos.split_whitespace().map(str::to_owned).collect(),
        sends,
        resends,
        asks,
        losses,
        first_sent: moment(first),
        last_sent: moment(last),
    })
}
