//! The store's steps one by one, each measured inside Redis: the cost of a script for each of its jobs.

use std::time::Duration;

use bursar_domain::{
    AccountRules, Call, Due, GatewayKind, HistoryEvent, Job, Millis, Outcome, ParsedResponse, Queue, Response,
    ResponseEvidence, State, Transition,
};
use bursar_store::{Claim, ClaimedJob, Commit, Evidence, LeasedClaim, MAX_CLAIM, Renewal, ResponseKnownBy, Store};

use crate::jobs;
use crate::observed::Observed;
use crate::report::median;

/// Jobs in one call of a measured step: the size of a busy worker's claims and commits.
pub(crate) const BATCH: u32 = 100;

/// Long enough that no lease ends during a measurement.
const LEASE: Duration = Duration::from_secs(3_600);

/// Calls of one step.
#[derive(Default)]
pub(crate) struct Cost {
    /// Microseconds in Redis for each job, a value for each call.
    micros: Vec<f64>,
    /// Commands for each job, those of the script included.
    commands: Vec<f64>,
}

impl Cost {
    pub(crate) fn micros(&self) -> f64 {
        median(self.micros.clone())
    }

    pub(crate) fn commands(&self) -> f64 {
        median(self.commands.clone())
    }

    /// The longest call, in milliseconds, of `jobs` jobs each.
    pub(crate) fn longest_millis(&self, jobs: u32) -> f64 {
        self.micros.iter().copied().fold(0.0, f64::max) * f64::from(jobs) / 1e3
    }
}

/// A store whose calls are measured one by one. No other client may use its Redis meanwhile.
pub(crate) struct Steps<'a> {
    pub(crate) store: Store,
    redis: &'a mut Observed,
    queue: Queue,
    claims: u64,
}

impl<'a> Steps<'a> {
    pub(crate) async fn on(redis: &'a mut Observed) -> anyhow::Result<Self> {
        let store = redis.fresh_store().await?;
        Ok(Self { store, redis, queue: jobs::queue()?, claims: 0 })
    }

    /// See [`Observed::settles`].
    pub(crate) async fn settled(&mut self) -> anyhow::Result<bool> {
        self.redis.settles().await
    }

    /// From now on in the queue of this account.
    pub(crate) fn turn_to(&mut self, account: &str) -> anyhow::Result<()> {
        self.queue.account = account.parse()?;
        Ok(())
    }

    async fn measured<T>(
        &mut self,
        cost: &mut Cost,
        jobs: u32,
        step: impl AsyncFnOnce(&Store, &Queue) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let before = self.redis.info().await?;
        let done = step(&self.store, &self.queue).await?;
        let after = self.redis.info().await?;
        let calls = |info: &crate::observed::Info| info.commands().values().sum::<u64>();
        cost.micros.push((after.script_micros() - before.script_micros()) as f64 / f64::from(jobs));
        cost.commands.push((calls(&after) - calls(&before)) as f64 / f64::from(jobs));
        Ok(done)
    }

    pub(crate) async fn submit(&mut self, cost: &mut Cost, from: u32) -> anyhow::Result<()> {
        let jobs = made(&self.queue, from, from + BATCH)?;
        self.measured(cost, BATCH, async |store, _| Ok(store.submit(&jobs).await.map(drop)?)).await
    }

    pub(crate) async fn claim(&mut self, cost: &mut Cost) -> anyhow::Result<Vec<ClaimedJob>> {
        self.claims += 1;
        let claim = Claim::new("bench-steps", self.claims, LEASE, BATCH as usize);
        let claims = self.measured(cost, BATCH, async |store, queue| Ok(store.claim(queue, &claim).await?)).await?;
        anyhow::ensure!(claims.jobs.len() == BATCH as usize, "{} jobs claimed", claims.jobs.len());
        Ok(claims.jobs)
    }

    pub(crate) async fn commit(&mut self, cost: &mut Cost, claimed: &[ClaimedJob], end: End) -> anyhow::Result<()> {
        let commits: Vec<Commit> = claimed.iter().map(|job| commit(job, end)).collect();
        self.measured(cost, BATCH, async |store, queue| Ok(store.commit(queue, &commits).await.map(drop)?)).await
    }

    pub(crate) async fn release(&mut self, cost: &mut Cost, claimed: &[ClaimedJob]) -> anyhow::Result<()> {
        let claims: Vec<&ClaimedJob> = claimed.iter().collect();
        self.measured(cost, BATCH, async |store, queue| Ok(store.release(queue, &claims).await.map(drop)?)).await
    }

    pub(crate) async fn renew(&mut self, cost: &mut Cost, claimed: &[ClaimedJob]) -> anyhow::Result<()> {
        let claims = claimed.iter().map(|job| LeasedClaim {
            key: job.key.to_string(),
            fence: job.fence,
            token: job.token.clone(),
        });
        let claims: Vec<LeasedClaim> = claims.collect();
        let step = async |store: &Store, queue: &Queue| {
            Ok(store.renew(queue, &Renewal::new("bench-steps", LEASE), &claims).await?)
        };
        self.measured(cost, BATCH, step).await.map(drop)
    }

    /// A claim that finds nothing: as for one job.
    pub(crate) async fn claim_nothing(&mut self, cost: &mut Cost) -> anyhow::Result<()> {
        self.claims += 1;
        let claim = Claim::new("bench-steps", self.claims, LEASE, BATCH as usize);
        self.measured(cost, 1, async |store, queue| Ok(store.claim(queue, &claim).await.map(drop)?)).await
    }

    /// Reduces up to `most` ended jobs; returns their number.
    pub(crate) async fn purge(&mut self, cost: &mut Cost, most: u32) -> anyhow::Result<u32> {
        let step = async |store: &Store, queue: &Queue| Ok(store.purge(queue, Duration::ZERO, most as usize).await?);
        Ok(u32::try_from(self.measured(cost, most, step).await?)?)
    }

    /// `count` jobs that have been sent and wait to be queried, much later.
    pub(crate) async fn fill_queries(&mut self, count: u32) -> anyhow::Result<()> {
        jobs::fill_from(&self.store, 0, count).await?;
        let mut left = count as usize;
        while left > 0 {
            self.claims += 1;
            let claim = Claim::new("bench-steps", self.claims, LEASE, MAX_CLAIM);
            let claims = self.store.claim(&self.queue, &claim).await?;
            let pending: Vec<Commit> = claims.jobs.iter().map(|job| commit(job, End::Pending)).collect();
            self.store.commit(&self.queue, &pending).await?;
            left -= claims.jobs.len();
        }
        Ok(())
    }
}

/// The outcome in a measured commit.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Succeeded,
    /// Accepted, to be queried in a day.
    Pending,
    /// Accepted, to be queried at once.
    PendingDueNow,
    /// Queried without a change, to be queried at once.
    UnchangedDueNow,
    /// Queried, and succeeded.
    QuerySucceeded,
}

/// The time of the measured responses.
const ANSWERED: Millis = Millis(1_764_000_000_000);

fn commit(job: &ClaimedJob, end: End) -> Commit {
    let (state, due, queried) = match end {
        End::Succeeded => (State::Succeeded, Due::Never, false),
        End::Pending => {
            let sent = job.last_sent.unwrap_or(Millis(1));
            (State::Pending, Due::Query(sent.plus(Duration::from_secs(24 * 3600))), false)
        }
        End::PendingDueNow => (State::Pending, Due::Query(Millis(1)), false),
        End::UnchangedDueNow => (State::Pending, Due::Query(Millis(1)), true),
        End::QuerySucceeded => (State::Succeeded, Due::Never, true),
    };
    let number = format!("20250101{}", job.key); // no two jobs have one number
    let outcome = if state == State::Succeeded { Outcome::Succeeded } else { Outcome::Accepted };
    let evidence = ResponseEvidence {
        code: Some("10000".into()),
        http: Some(200),
        trade_no: Some(number.clone()),
        status: Some("1".into()),
        ..ResponseEvidence::from(&ParsedResponse::of(outcome, ""))
    };
    let call = if queried { Call::Query } else { Call::Send };
    let worker = job.token.0.rsplit_once('/').map_or("", |(worker, _)| worker).to_owned();
    let (fence, at) = (job.fence, ANSWERED);
    let response =
        Response { fence, call, worker, at, ms: 23, read: evidence, late: false, more: serde_json::Map::new() };
    let is_new = job.trade_nos.is_empty();
    let mut commit = Commit::new(
        job,
        job.last_sent.unwrap_or_default(),
        Transition { state, due, reason: None, pause_queue: false },
    );
    commit.evidence = Evidence::MaybeExecuted;
    commit.queried = queried;
    commit.trade_nos = is_new.then(|| number.clone()).into_iter().collect();
    commit.gateway_status = Some("1".into());
    commit.response = is_new.then_some(ResponseKnownBy::TradeNo(number));
    commit.event = Some(HistoryEvent::Response(response));
    commit
}

/// Validated jobs of a queue's account.
fn made(queue: &Queue, from: u32, to: u32) -> anyhow::Result<Vec<Job>> {
    let account = queue.account.to_string();
    let validated = (from..to).map(|number| {
        let mut new = jobs::job(number);
        new.account.clone_from(&account);
        Ok(Job::validate(&new, |_| Some(AccountRules::new(GatewayKind::Yzt)))?)
    });
    validated.collect()
}
