//! Submit payment jobs to Bursar from a Rust service, and follow them.
//!
//! A job is named by account, kind and `platform_no`. The caller chooses the `platform_no` and keeps it: submitting the
//! same job again is always safe, and the reply has the state of the first submission. After any error, query or submit
//! again.
//!
//! ```no_run
//! use std::time::Duration;
//! use bursar_producer::{AccountRules, Arrival, Fen, GatewayKind, Outcome, Party, Producer, Settings, Transfer};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings { url: "redis://127.0.0.1:6379/0".into(), prefix: "bursar".into() };
//! let producer = Producer::connect(&settings).await?.account("main", AccountRules::new(GatewayKind::Yzt));
//!
//! let ten_fen = Fen::new(10).ok_or("an amount is positive")?;
//! let (from, to) = ((Party::Store("amy99a"), "1"), (Party::Store("amy99b"), "2"));
//! let job = Transfer::new("00061967", ten_fen, from, to, Arrival::T0).job("main", "1001XP2025010110000001");
//! loop {
//!     match producer.submit(&job).await {
//!         Ok(Outcome::New | Outcome::Existing(_)) => break,
//!         Ok(Outcome::Conflict { first, .. }) => return Err(format!("{first} is there already").into()),
//!         Ok(Outcome::Invalid(invalid)) => return Err(invalid.into()),
//!         Ok(Outcome::Unreadable(why)) => return Err(why.into()),
//!         Err(unavailable) if unavailable.is_repeatable() => tokio::time::sleep(Duration::from_millis(200)).await,
//!         Err(unavailable) => return Err(unavailable.into()),
//!     }
//! }
//! let queue = "main/transfer".parse()?;
//! let job = producer.wait(&queue, &job.platform_no.parse()?, Duration::from_secs(30)).await?;
//! println!("{}", job.map_or("unknown", |job| job.state.as_str()));
//! # Ok(())
//! # }
//! ```

mod bodies;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::Job;
use bursar_store::{Store, Submission};

pub use bursar_domain::{
    AccountRules, Fen, FieldError, GatewayKind, Invalid, JobView, Key, Kind, KindSet, NewJob, Queue, State, TraceParent,
};
pub use bursar_store::{Durability, Settings, StoreError, Unreadable};

pub use bodies::{Arrival, BillUpload, Card, Goods, Order, Party, Receiver, Split, TradeType, Transfer, Withdrawal};

/// The crate's README, whose examples are compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The first and the longest pause between reads of a job that is waited for.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// The outcome of one submission. Do not repeat any of these; repeat after errors only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted.
    New,
    /// Accepted earlier; its current state.
    Existing(State),
    /// Refused: the key belongs to a job with other content, or another key to the same business key.
    Conflict {
        /// The key of the job that was there first.
        first: String,
        /// The names of the content's fields that differ; empty where another key has the business key, or where only a hash is left of the
        /// first job.
        fields: Vec<String>,
    },
    /// Refused: it breaks these rules. Nothing was stored.
    Invalid(Invalid),
    /// A job with this key is stored, but this build cannot read it, so it may or may not be the same job. Nothing was
    /// stored. A newer build can read it, or an operator must look at the record (`bursar quarantine`).
    Unreadable(Unreadable),
}

/// Redis could not store the jobs, or did not answer: it may or may not have stored them. Submit again: that is safe,
/// and the reply says which jobs were stored.
#[derive(Debug, thiserror::Error)]
#[error("the jobs may or may not have been accepted; submit them again")]
pub struct Unavailable(#[from] pub StoreError);

impl Unavailable {
    /// True if the same call may succeed later by itself: Redis is away, restarting or full. If `false`, an operator
    /// must fix something first: a password, a certificate, a permission. Repeating is safe either way.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.0.is_repeatable()
    }

    /// True if Redis has every valid one of the jobs, but not as durably as [`Producer::with_durability`] requires:
    /// they will run, unless Redis loses them. If false, any of them may be missing.
    #[must_use]
    pub fn all_taken(&self) -> bool {
        matches!(self.0, StoreError::NotDurable { .. })
    }
}

/// Observes the submission of each job that belongs to a trace.
pub trait Witness: fmt::Debug + Send + Sync {
    /// Called before a job is submitted within `trace`. Returns the trace parent for the job's record, so that later
    /// spans are below the submission, and the callback for the outcome.
    fn submits(&self, queue: &Queue, key: &Key, trace: &TraceParent) -> Option<(TraceParent, OnOutcome)>;
}

/// Called with the outcome of one submission; dropped without a call if the outcome is unknown.
pub type OnOutcome = Box<dyn FnOnce(&Outcome) + Send>;

/// Says the rule that a URL breaks, if it breaks one.
type BrokenRule = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The rule for the `callback_url` of a job: the rule in words, for a URL that breaks it.
#[derive(Clone)]
pub struct CallbackRule(Arc<BrokenRule>);

impl CallbackRule {
    /// A rule by a function that says it for a URL that breaks it.
    pub fn new(rule: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    fn broken_by(&self, url: &str) -> Option<String> {
        (self.0)(url)
    }
}

impl fmt::Debug for CallbackRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CallbackRule")
    }
}

/// A way into Bursar; cheap to clone and share.
#[derive(Clone, Debug)]
pub struct Producer {
    store: Store,
    accounts: HashMap<String, AccountRules>,
    environments: HashMap<String, String>,
    witness: Option<Arc<dyn Witness>>,
    within: Option<TraceParent>,
    callback_rule: Option<CallbackRule>,
}

impl Producer {
    /// Connects to the Redis that the workers use. Jobs can be submitted once their accounts are known.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be reached.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        Ok(Self::on(Store::connect(settings).await?))
    }

    /// On a connection that is there already.
    #[must_use]
    pub fn on(store: Store) -> Self {
        Self {
            store,
            accounts: HashMap::new(),
            environments: HashMap::new(),
            witness: None,
            within: None,
            callback_rule: None,
        }
    }

    /// Acknowledges a submission only once it is durable as `durability` says; otherwise the result is [`Unavailable`].
    /// The default is [`Durability::Fast`].
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if this Redis cannot confirm that.
    pub async fn with_durability(self, durability: Durability) -> Result<Self, StoreError> {
        Ok(Self { store: self.store.with_durability(durability).await?, ..self })
    }

    /// The durability of this producer's acknowledgements, for new and existing jobs alike.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.store.durability()
    }

    /// Makes an account known by the name that the workers' configuration gives it.
    #[must_use]
    pub fn account(mut self, name: &str, rules: AccountRules) -> Self {
        self.accounts.insert(name.to_owned(), rules);
        self
    }

    /// Names the environment in which an account's jobs are submitted: their records have it.
    #[must_use]
    pub fn environment(mut self, account: &str, name: &str) -> Self {
        self.environments.insert(account.to_owned(), name.to_owned());
        self
    }

    /// Forgets every account but those that `keep` says: jobs for others are refused as those of an unknown account.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.accounts.retain(|name, _| keep(name));
        self
    }

    /// Sets the observer of traced submissions.
    #[must_use]
    pub fn witnessed_by(self, witness: Arc<dyn Witness>) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Refuses jobs whose `callback_url` breaks this rule.
    #[must_use]
    pub fn with_callback_rule(self, rule: CallbackRule) -> Self {
        Self { callback_rule: Some(rule), ..self }
    }

    /// Sets the trace of jobs that name none themselves.
    #[must_use]
    pub fn within(self, trace: TraceParent) -> Self {
        Self { within: Some(trace), ..self }
    }

    /// Submits one job.
    ///
    /// # Errors
    /// [`Unavailable`]: submit it again.
    pub async fn submit(&self, job: &NewJob) -> Result<Outcome, Unavailable> {
        let mut outcomes = self.submit_many(std::slice::from_ref(job)).await?;
        Ok(outcomes.remove(0)) // one outcome per job
    }

    /// Submits many jobs in few round trips; one outcome per job, in order. Invalid ones keep none of the others back.
    ///
    /// # Errors
    /// [`Unavailable`]: submit them all again.
    pub async fn submit_many(&self, jobs: &[NewJob]) -> Result<Vec<Outcome>, Unavailable> {
        self.accept(jobs.iter().map(|job| Job::validate(job, |name| self.rules(name))).collect()).await
    }

    /// Submits jobs as JSON texts, one job each, as they come from files, queues and HTTP bodies. See
    /// [`Producer::submit_many`].
    ///
    /// # Errors
    /// [`Unavailable`]: submit them all again.
    pub async fn submit_json(&self, jobs: &[impl AsRef<[u8]>]) -> Result<Vec<Outcome>, Unavailable> {
        self.accept(jobs.iter().map(|job| Job::parse(job.as_ref(), |name| self.rules(name))).collect()).await
    }

    fn rules(&self, account: &str) -> Option<AccountRules> {
        self.accounts.get(account).copied()
    }

    async fn accept(&self, read: Vec<Result<Job, Invalid>>) -> Result<Vec<Outcome>, Unavailable> {
        let mut jobs = Vec::with_capacity(read.len());
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(read.len());
        for result in read {
            match result.and_then(|job| self.permitted(job)) {
                Ok(mut job) => {
                    job.environment = self.environments.get(job.queue.account.as_str()).cloned();
                    jobs.push(job);
                    outcomes.push(None);
                }
                Err(invalid) => outcomes.push(Some(Outcome::Invalid(invalid))),
            }
        }
        let observers: Vec<Option<OnOutcome>> = jobs.iter_mut().map(|job| self.begin(job)).collect();
        let submitted: Vec<Outcome> = self.store.submit(&jobs).await?.into_iter().map(Outcome::from).collect();
        for (observe, outcome) in observers.into_iter().zip(&submitted) {
            if let Some(observe) = observe {
                observe(outcome);
            }
        }
        let mut submitted = submitted.into_iter();
        Ok(outcomes.into_iter().filter_map(|outcome| outcome.or_else(|| submitted.next())).collect())
    }

    fn permitted(&self, job: Job) -> Result<Job, Invalid> {
        let rule =
            self.callback_rule.as_ref().zip(job.callback_url.as_deref()).and_then(|(rule, url)| rule.broken_by(url));
        let Some(rule) = rule else { return Ok(job) };
        let errors = vec![FieldError { field: "callback_url".into(), rule }];
        Err(Invalid { key: Some(job.key.to_string()), errors, corrected_body: None })
    }

    /// Puts a traced job's record below its submission.
    fn begin(&self, job: &mut Job) -> Option<OnOutcome> {
        if job.trace.is_none() {
            job.trace.clone_from(&self.within);
        }
        let (below, observers) = self.witness.as_ref()?.submits(&job.queue, &job.key, job.trace.as_ref()?)?;
        job.trace = Some(below);
        Some(observers)
    }

    /// The state of a job; `None` if no job has that name.
    ///
    /// # Errors
    /// [`StoreError`]: try again. [`StoreError::Unreadable`] for a job that this build cannot read.
    pub async fn status(&self, queue: &Queue, key: &Key) -> Result<Option<JobView>, StoreError> {
        Ok(self.store.job(queue, key).await?.map(|job| job.readable(queue)).transpose()?.map(|job| job.view()))
    }

    /// Waits until a job has ended or needs review, at most for `limit`, and returns its state then. `None` if no
    /// job has that name.
    ///
    /// # Errors
    /// [`StoreError`]: try again.
    pub async fn wait(&self, queue: &Queue, key: &Key, limit: Duration) -> Result<Option<JobView>, StoreError> {
        let until = tokio::time::Instant::now() + limit;
        let (mut pause, longest) = LOOKS;
        loop {
            let job = self.status(queue, key).await?;
            let ended = job.as_ref().is_none_or(|job| job.state.is_settled());
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if ended || left.is_zero() {
                return Ok(job);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(longest);
        }
    }
}

impl From<Submission> for Outcome {
    fn from(submission: Submission) -> Self {
        match submission {
            Submission::New => Self::New,
            Submission::Existing(state) => Self::Existing(state),
            Submission::Conflict { first, fields } => Self::Conflict { first, fields },
            Submission::Unreadable(why) => Self::Unreadable(why),
        }
    }
}
