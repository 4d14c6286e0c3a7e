//! Claiming due jobs, and giving them back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bursar_domain::{Answer, Call, Facts, Key, Lane, Millis, Names, OnAmbiguous, Reason, Received, State, TraceParent};
use redis::{Pipeline, Value};

use crate::held::call_of;
use crate::link::{Connection, Link};
use crate::scripts::{EVENTS_KEPT, LOG_QUIET_AFTER};
use crate::sentinel::switched_over;
use crate::submit::word_of;
use crate::{Committed, Store, StoreError};

/// Jobs in one claim: a bound on how long the script holds Redis.
pub const MAX_CLAIM: usize = 256;

/// How long a worker can still learn what a claim gave it whose reply was lost: longer than networks deliver late.
pub const RECEIPT_KEPT: Duration = Duration::from_secs(3600);

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
    /// Rises with each claim of this worker in this lane, so that one whose reply was lost can be told from the one
    /// before. A claim whose number does not rise takes nothing: it is one that was delivered late or twice.
    pub number: u64,
    /// What this worker remembers of the lane.
    pub known: Known,
    /// What the account does about unanswered sends: where it holds, lost writes pause the lane.
    pub on_ambiguous: OnAmbiguous,
    /// Whether sends may be claimed.
    pub sends: Sends,
    /// Whether jobs may be taken over whose lease has ended.
    pub lapsed: Lapsed,
    /// This worker's idea of Redis's time, once it has one: receipts say nothing after a clock was set forward.
    pub clock: Option<Millis>,
    /// The worker's gateway; the first that claims in a lane makes it the lane's. Empty for whichever it is.
    pub gateway: &'a str,
    /// The only connection over which the claim may be made; `None` for any.
    pub over: Option<Link>,
}

impl<'a> Claim<'a> {
    /// A claim without a rate limit by a worker that remembers nothing, for an account that resends.
    #[must_use]
    pub fn new(worker: &'a str, number: u64, lease: Duration, slots: usize) -> Self {
        let (known, on_ambiguous, sends) = (Known::default(), OnAmbiguous::Resend, Sends::Allowed);
        let (lapsed, clock, gateway, over) = (Lapsed::TakenOver, None, "", None);
        let rate_per_second = 0.0;
        Self { worker, lease, slots, rate_per_second, number, known, on_ambiguous, sends, lapsed, clock, gateway, over }
    }
}

/// What a worker remembers of a lane from one claim to the next. Should Redis know less, it has lost writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The number of the worker's last claim that gave it jobs; 0 when it does not remember one.
    pub receipt: u64,
    /// The highest epoch that it saw.
    pub epoch: u64,
    /// The era that it saw last: how often losses had been noticed by then.
    pub era: u64,
}

/// Whether a claim may take jobs to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// Sends and asks.
    Allowed,
    /// One job, and if that is a send, of a job that was never sent as long as one is found: it is to show how the gateway is,
    /// which a job does not whose own answers cannot be understood.
    Probe,
    /// Asks only.
    NotYet,
}

/// What a claim does about jobs whose lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapsed {
    /// Takes them over.
    TakenOver,
    /// Leaves them for a moment: after an outage their worker may hold the response, and its commit comes first.
    Left,
}

/// A claim's identity. Fences are repeated once Redis has lost writes; a token never is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId {
    /// The job's key.
    pub key: String,
    /// The claim's place among the job's claims.
    pub fence: u64,
    /// Whose claim it is: the worker's name and the number of its claim call.
    pub token: String,
}

impl ClaimId {
    /// The token of what a worker's claim call took.
    #[must_use]
    pub fn token(worker: &str, number: u64) -> String {
        format!("{worker}/{number}")
    }
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
    /// Whose claim it is; see [`ClaimId`].
    pub token: String,
    /// The lane's era in which it was claimed.
    pub era: u64,
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
    /// The last one, this one included.
    pub last_sent: Option<Millis>,
    /// The last one before this claim.
    pub sent_before: Option<Millis>,
    /// When an operator last ordered a call.
    pub ordered: Option<Millis>,
    /// Since when it was due.
    pub due: Option<Millis>,
    /// When it was accepted.
    pub created: Option<Millis>,
    /// What a response said that came after its claim was gone.
    pub late_response: Option<Answer>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
    /// Why it stood where it stood before the claim.
    pub reason: Option<Reason>,
    /// SHA-256 of the content that was accepted; empty where the record has none.
    pub hash: Vec<u8>,
}

impl Claimed {
    /// The claim's identity.
    #[must_use]
    pub fn id(&self) -> ClaimId {
        ClaimId { key: self.key.to_string(), fence: self.fence, token: self.token.clone() }
    }

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
            sent_before: self.sent_before,
            ordered: self.ordered,
            late_response: self.late_response,
            can_ask,
            names: Names::Nothing,
            received: if matches!(self.reason, Some(Reason::UndecidedResponse(_))) {
                Received::Response
            } else {
                Received::Nothing
            },
            not_ready: matches!(self.reason, Some(Reason::OrderNotReady(_))),
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
    /// The lane's epoch.
    pub epoch: u64,
    /// The lane's era.
    pub era: u64,
    /// Whether this claim found that Redis has lost writes; it then took nothing.
    pub lost_writes: bool,
    /// Whether the lane's jobs are another gateway's than the worker's; it then took nothing.
    pub other_gateway: bool,
}

/// What a worker says when it renews leases.
#[derive(Clone, Copy, Debug)]
pub struct Renewal<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// How long the jobs stay its own from now.
    pub lease: Duration,
    /// What it remembers of the lane.
    pub known: Known,
    /// What the account does about unanswered sends: where it holds, lost writes pause the lane.
    pub on_ambiguous: OnAmbiguous,
    /// Its idea of Redis's time.
    pub clock: Option<Millis>,
}

impl<'a> Renewal<'a> {
    /// By a worker that remembers nothing, for an account that resends.
    #[must_use]
    pub fn new(worker: &'a str, lease: Duration) -> Self {
        Self { worker, lease, known: Known::default(), on_ambiguous: OnAmbiguous::Resend, clock: None }
    }
}

/// What a renewal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// When, in Redis time.
    pub now: Millis,
    /// The lane's epoch.
    pub epoch: u64,
    /// The lane's era.
    pub era: u64,
    /// Whether it found that Redis has lost writes.
    pub lost_writes: bool,
    /// The keys that are no longer this worker's.
    pub gone: Vec<String>,
}

/// Numbers without which a claimed job cannot be worked on.
const NUMBERS: usize = 10;

impl Store {
    /// Claims due jobs of one lane.
    ///
    /// # Errors
    /// [`StoreError`]: jobs may have been claimed all the same; [`Store::unclaim`] finds and returns them.
    pub async fn claim(&self, lane: &Lane, claim: &Claim<'_>) -> Result<Claims, StoreError> {
        let mut call = self.scripts.claim.on(&self.keys.base(lane));
        call.push(claim.worker)
            .push(whole_millis(claim.lease))
            .push(match claim.sends {
                Sends::Probe => claim.slots.min(1),
                Sends::Allowed | Sends::NotYet => claim.slots.min(MAX_CLAIM),
            })
            .push(claim.rate_per_second)
            .push(claim.number)
            .push(EVENTS_KEPT)
            .push(whole_millis(RECEIPT_KEPT))
            .push(claim.known.receipt)
            .push(claim.known.epoch)
            .push(pause_after_losses(claim.on_ambiguous))
            .push(match claim.sends {
                Sends::Allowed => "sends",
                Sends::Probe => "probe",
                Sends::NotYet => "asks",
            })
            .push(claim.clock.unwrap_or_default().0)
            .push(u8::from(claim.lapsed == Lapsed::Left))
            .push(claim.gateway);
        type Reply = (u64, i64, Vec<Value>, Vec<String>, u64, u8, u64);
        let since = self.since();
        let (now, next_due, rows, mut orphans, epoch, lost, era): Reply =
            call.run_on(self.to_claim_on(claim.over)?).await?;
        let token = ClaimId::token(claim.worker, claim.number);
        let mut jobs = Vec::with_capacity(rows.len() / ROW);
        let mut unreadable = Vec::new();
        for row in rows.chunks_exact(ROW) {
            match claimed(row) {
                Ok(job) => jobs.push(Claimed { token: token.clone(), era, ..job }),
                Err(key) => unreadable.push(key),
            }
        }
        if !unreadable.is_empty() {
            self.put_aside(lane, &unreadable).await?;
            orphans.extend(unreadable);
        }
        // No send leaves before its intent is kept as the operator asked for.
        if jobs.iter().any(|job| job.call == Call::Send) {
            self.kept(since).await?;
        }
        let next_due = u64::try_from(next_due).ok().map(Millis);
        let (lost_writes, other_gateway) = (lost == 1, lost == 2);
        Ok(Claims { now: Millis(now), next_due, jobs, orphans, epoch, era, lost_writes, other_gateway })
    }

    /// The first claim at another primary is an error, whatever that primary would answer: it may have lost writes, and the
    /// worker must give everybody who knows of one the time to say so.
    pub(crate) fn to_claim_on(&self, over: Option<Link>) -> Result<Connection, StoreError> {
        let connection = self.connection();
        let primary = connection.primary();
        if self.claims_at.swap(primary, Ordering::SeqCst) != primary {
            return Err(StoreError::of("claim", switched_over()));
        }
        let connection = connection.only(primary);
        Ok(over.map_or(connection.clone(), |link| connection.over(link)))
    }

    /// One record that this build cannot read must not stop its lane.
    async fn put_aside(&self, lane: &Lane, keys: &[String]) -> Result<(), StoreError> {
        let mut transaction = Pipeline::new();
        transaction.atomic().zrem(self.keys.set(lane, "to_ask"), keys).sadd(self.keys.set(lane, "orphans"), keys);
        transaction.query_async(&mut self.connection()).await.map_err(|source| StoreError::of("SADD", source))
    }

    /// After a claim whose reply was lost: gives back, unsent, whatever that claim had taken, and tells how many jobs that
    /// were. A claim that has not arrived yet will take nothing. To be called before the worker's next claim in the lane.
    ///
    /// # Errors
    /// [`StoreError`]: try again; what is not given back comes due when its lease ends.
    pub async fn unclaim(&self, lane: &Lane, worker: &str, number: u64) -> Result<usize, StoreError> {
        let mut call = self.scripts.unclaim.on(&self.keys.base(lane));
        call.push(worker).push(number).push(whole_millis(RECEIPT_KEPT));
        let receipt: Option<String> = call.run(self).await?;
        let receipt = receipt.unwrap_or_default();
        let token = ClaimId::token(worker, number);
        let held: Vec<ClaimId> = receipt
            .lines()
            .skip(1)
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(key, fence)| {
                Some(ClaimId { key: key.to_owned(), fence: fence.parse().ok()?, token: token.clone() })
            })
            .collect();
        let released = self.release(lane, &held).await?;
        Ok(released.iter().filter(|released| **released == Committed::Ok).count())
    }

    /// Gives back jobs about which certainly no call was made.
    ///
    /// # Errors
    /// [`StoreError`]: repeat; it is idempotent under each claim.
    pub async fn release(&self, lane: &Lane, held: &[ClaimId]) -> Result<Vec<Committed>, StoreError> {
        let mut answers = Vec::with_capacity(held.len());
        for batch in held.chunks(MAX_CLAIM) {
            let mut call = self.scripts.release.on(&self.keys.base(lane));
            call.push(self.keys.wake_channel()).push(lane.to_string()).push(LOG_QUIET_AFTER);
            call.push(Reason::OtherContentSent.recorded()).push(EVENTS_KEPT);
            for claim in batch {
                call.push(&claim.key).push(claim.fence).push(&claim.token);
            }
            let replies: Vec<Value> = call.run(self).await?;
            for reply in &replies {
                answers.push(word_of("release", reply, Committed::WORDS)?);
            }
        }
        Ok(answers)
    }

    /// Moves the leases of held jobs, and says what the worker knows of the lane, also where it holds none.
    ///
    /// # Errors
    /// [`StoreError`]: try again before the leases end.
    pub async fn renew(&self, lane: &Lane, renewal: &Renewal<'_>, held: &[ClaimId]) -> Result<Renewed, StoreError> {
        let (first, others) = held.split_at(held.len().min(MAX_CLAIM));
        let mut renewed = self.renew_batch(lane, renewal, first).await?;
        for batch in others.chunks(MAX_CLAIM) {
            let further = self.renew_batch(lane, renewal, batch).await?;
            renewed.gone.extend(further.gone);
            let lost_writes = renewed.lost_writes || further.lost_writes;
            renewed = Renewed { gone: renewed.gone, lost_writes, ..further };
        }
        Ok(renewed)
    }

    async fn renew_batch(&self, lane: &Lane, renewal: &Renewal<'_>, batch: &[ClaimId]) -> Result<Renewed, StoreError> {
        let mut call = self.scripts.renew.on(&self.keys.base(lane));
        call.push(renewal.worker)
            .push(whole_millis(renewal.lease))
            .push(EVENTS_KEPT)
            .push(renewal.known.receipt)
            .push(renewal.known.epoch)
            .push(renewal.known.era)
            .push(pause_after_losses(renewal.on_ambiguous))
            .push(renewal.clock.unwrap_or_default().0);
        for claim in batch {
            call.push(&claim.key).push(claim.fence).push(&claim.token);
        }
        let (now, epoch, era, lost, gone): (u64, u64, u64, u8, Vec<String>) = call.run(self).await?;
        Ok(Renewed { now: Millis(now), epoch, era, lost_writes: lost == 1, gone })
    }
}

/// The reason for which lost writes pause a queue; empty where its account resends, and they do not.
fn pause_after_losses(on_ambiguous: OnAmbiguous) -> String {
    match on_ambiguous {
        OnAmbiguous::Hold => Reason::QueueLostWrites.recorded(),
        OnAmbiguous::Resend => String::new(),
    }
}

pub(crate) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Values for each job in a claim's reply: key, facts, content, the content's hash.
pub(crate) const ROW: usize = 4;

/// A job as the script told it; its key, or what stands in its place, when that cannot be read.
pub(crate) fn claimed(row: &[Value]) -> Result<Claimed, String> {
    let text = |at: usize| row.get(at).and_then(|value| redis::from_redis_value_ref::<String>(value).ok());
    let name = text(0).unwrap_or_default();
    let hash = row.get(3).and_then(|value| redis::from_redis_value_ref::<Vec<u8>>(value).ok());
    read(&name, text(1).as_deref(), text(2), hash).ok_or(name)
}

fn read(key: &str, facts: Option<&str>, content: Option<String>, hash: Option<Vec<u8>>) -> Option<Claimed> {
    let mut lines = facts?.splitn(4, '\n');
    let (mut words, trace, trade_nos) = (lines.next()?.split(' '), lines.next()?, lines.next()?);
    let reason = lines.next().filter(|reason| !reason.is_empty()).map(Reason::read);
    let call = call_of(words.next()?)?;
    let state = words.next()?.parse().ok()?;
    let numbers: Vec<u64> = words.by_ref().take(NUMBERS).map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[fence, sends, resends, asks, first, last, created, losses, before, ordered] = numbers.as_slice() else {
        return None;
    };
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let moment = |at: u64| (at > 0).then_some(Millis(at));
    // What is only told of keeps no job from its work, should it not be readable.
    let due = words.next().and_then(|text| text.parse().ok()).and_then(moment);
    let late_response = words.next().and_then(Answer::named);
    Some(Claimed {
        key: key.parse().ok()?,
        call,
        fence,
        token: String::new(), // the same for all that one call took: the caller knows it
        era: 0,
        content: content?,
        trade_nos: trade_nos.split_whitespace().map(str::to_owned).collect(),
        state,
        sends: count(sends),
        resends: count(resends),
        asks: count(asks),
        losses: count(losses),
        first_sent: moment(first),
        last_sent: moment(last),
        sent_before: moment(before),
        ordered: moment(ordered),
        due,
        created: moment(created),
        late_response,
        trace: trace.parse().ok(),
        reason,
        hash: hash.unwrap_or_default(),
    })
}
