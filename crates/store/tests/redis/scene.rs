//! One queue of one store, jobs to put there, and a look behind the store's back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bursar_domain::{
    AccountRules, ActionKind, Call, Due, FairBy, FairOrder, GatewayKind, HistoryEvent, Job, Key, Millis, OnAmbiguous,
    Operation, Outcome, Queue, Reason, Response, ResponseEvidence, State, Transition,
};
use bursar_store::{
    Claim, Claimed, ClaimedJob, Commit, Committed, Evidence, JobRecord, Known, LeasedClaim, Operated, Operator, Resend,
    ResponseKnownBy, Sends, Settings, Store, StoredAs, Submission,
};
use bursar_test_support::{redis, unique_prefix};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// Short enough to be waited for, long enough for a few calls.
pub(crate) const SHORT_LEASE: Duration = Duration::from_millis(150);

/// Far beyond every test.
pub(crate) const LATER: Millis = Millis(9_999_999_999_999);

/// Long against anything that a test waits for.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) const OPERATOR: Operator<'_> = Operator { who: "li", why: "because", identity: Some("li's token") };

pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) prefix: String,
    pub(crate) raw: MultiplexedConnection,
    pub(crate) number: AtomicU64,
}

impl Scene {
    /// On the Redis that all tests share, under a separate prefix.
    pub(crate) async fn new() -> Self {
        Self::of("main/transfer").await
    }

    pub(crate) async fn of(queue: &str) -> Self {
        let scene = Self::at(&redis().await.url).await;
        Self { queue: queue.parse().unwrap(), ..scene }
    }

    /// On that Redis.
    pub(crate) async fn at(url: &str) -> Self {
        Self::between(url, url, &unique_prefix()).await
    }

    /// The store connects to `store_url` (a proxy, say), the looks behind its back to `url`. Its jobs are in no fair order, so that a
    /// key is all that is named of a job.
    pub(crate) async fn between(store_url: &str, url: &str, prefix: &str) -> Self {
        let raw = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let settings = Settings { url: store_url.to_owned(), prefix: prefix.to_owned() };
        let store = Store::connect(&settings).await.unwrap().with_fair_orders(unfair());
        Self {
            store,
            queue: "main/transfer".parse().unwrap(),
            prefix: prefix.to_owned(),
            raw,
            number: AtomicU64::new(1),
        }
    }

    /// The same with another queue of the same store.
    pub(crate) fn on(&self, queue: &str) -> Self {
        let number = self.number.load(Ordering::Relaxed) + 1_000_000;
        Self {
            store: self.store.clone(),
            queue: queue.parse().unwrap(),
            prefix: self.prefix.clone(),
            raw: self.raw(),
            number: number.into(),
        }
    }

    /// The base of every key of the queue's partition.
    pub(crate) fn base(&self) -> String {
        self.store.base_of(&self.queue)
    }

    /// One of the queue's own keys.
    pub(crate) fn name(&self, set: &str) -> String {
        format!("{}{set}:{}", self.base(), self.queue)
    }

    pub(crate) fn job_name(&self, key: &str) -> String {
        format!("{}:{key}", self.name("job"))
    }

    /// A connection behind the store's back.
    pub(crate) fn raw(&self) -> MultiplexedConnection {
        self.raw.clone()
    }

    pub(crate) async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query_async(&mut self.raw.clone()).await.unwrap()
    }

    pub(crate) async fn now(&self) -> u64 {
        let (seconds, micros): (u64, u64) = self.command(&["TIME"]).await;
        seconds * 1000 + micros / 1000
    }

    /// Returns when Redis's clock has moved on.
    pub(crate) async fn next_millisecond(&self) -> u64 {
        let before = self.now().await;
        loop {
            let now = self.now().await;
            if now > before {
                return now;
            }
        }
    }

    pub(crate) async fn accept(&self, jobs: &[Job]) -> Vec<Submission> {
        self.store.submit(jobs).await.unwrap()
    }

    pub(crate) async fn submit(&self, keys: &[&str]) {
        let jobs: Vec<Job> = keys.iter().map(|key| transfer(key)).collect();
        let submitted = self.accept(&jobs).await;
        assert!(submitted.iter().all(|answer| *answer == Submission::New), "{submitted:?}");
    }

    /// Many jobs, `PREFIX000000` and so on.
    pub(crate) async fn submit_many(&self, prefix: &str, count: usize) {
        let jobs: Vec<Job> = (0..count).map(|number| transfer(&format!("{prefix}{number:06}"))).collect();
        for jobs in jobs.chunks(500) {
            assert!(self.accept(jobs).await.iter().all(|answer| *answer == Submission::New));
        }
    }

    /// Submits a job and brings it to this state, with nothing due for a long time.
    pub(crate) async fn bring(&self, key: &str, state: State) {
        self.submit(&[key]).await;
        self.take_to(key, state).await;
    }

    /// The same for a job that was submitted, the only one that is due.
    pub(crate) async fn take_to(&self, key: &str, state: State) {
        if state == State::Cancelled {
            let operated = self.operate(key, Operation::Cancel).await;
            assert!(matches!(operated, Operated::Done(_)), "{operated:?}");
            return;
        }
        let job = self.claim_one("w").await;
        self.commit(&then(&job, state, due_of(state))).await;
    }

    pub(crate) async fn operate(&self, key: &str, operation: Operation) -> Operated {
        self.store.operate(&self.queue, &key.parse().unwrap(), operation, OPERATOR).await.unwrap()
    }

    pub(crate) fn wish<'a>(&self, worker: &'a str, slots: usize) -> Claim<'a> {
        Claim::new(worker, self.number.fetch_add(1, Ordering::Relaxed), LEASE, slots)
    }

    pub(crate) async fn claim_as(&self, wish: Claim<'_>) -> Claimed {
        self.store.claim(&self.queue, &wish).await.unwrap()
    }

    pub(crate) async fn claim(&self, worker: &str, slots: usize) -> Claimed {
        self.claim_as(self.wish(worker, slots)).await
    }

    pub(crate) async fn claim_one(&self, worker: &str) -> ClaimedJob {
        let mut claimed = self.claim(worker, 1).await;
        assert_eq!(claimed.jobs.len(), 1, "{claimed:?}");
        claimed.jobs.remove(0)
    }

    /// A claim that is lost: its worker is never heard of again, and its lease has ended.
    pub(crate) async fn lose(&self, worker: &str) -> ClaimedJob {
        let mut claimed = self.claim_as(Claim { lease: SHORT_LEASE, ..self.wish(worker, 1) }).await;
        let job = claimed.jobs.remove(0);
        self.set_due("due_queries", job.key.as_str(), 1).await;
        job
    }

    pub(crate) async fn set_due(&self, set: &str, member: &str, due: u64) {
        let _: u64 = self.command(&["ZADD", &self.name(set), "XX", &due.to_string(), member]).await;
    }

    /// Lets a lease, or the time of a query, end now.
    pub(crate) async fn let_come_due(&self, key: &str) {
        self.set_due("due_queries", key, 1).await;
    }

    pub(crate) async fn due(&self, set: &str, member: &str) -> Option<u64> {
        let due: Option<f64> = self.command(&["ZSCORE", &self.name(set), member]).await;
        due.map(|due| due as u64)
    }

    /// Webhook events that wait.
    pub(crate) async fn outbox(&self, key: &str) -> Vec<Value> {
        let events: Vec<String> = self.command(&["LRANGE", &format!("{}:{key}", self.name("outbox")), "0", "-1"]).await;
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    pub(crate) async fn text(&self, key: &str) -> Option<String> {
        self.command(&["GET", &self.job_name(key)]).await
    }

    /// A record as `GET` returns it.
    pub(crate) async fn record(&self, key: &str) -> Value {
        serde_json::from_str(&self.text(key).await.unwrap()).unwrap()
    }

    pub(crate) async fn find(&self, key: &str) -> Option<JobRecord> {
        match self.store.job(&self.queue, &key.parse().unwrap()).await.unwrap()? {
            StoredAs::Job(job) => Some(*job),
            StoredAs::Unreadable { why, .. } => panic!("{key}: {why}"),
        }
    }

    pub(crate) async fn job(&self, key: &str) -> JobRecord {
        self.find(key).await.unwrap()
    }

    pub(crate) async fn state(&self, key: &str) -> State {
        self.job(key).await.state
    }

    /// The names of the events of a job's history.
    pub(crate) async fn story(&self, key: &str) -> Vec<String> {
        let job = self.job(key).await;
        let history = self.store.history(&job).await.unwrap();
        history.iter().map(|event| event.name().to_owned()).collect()
    }

    /// The sets in which a job is.
    pub(crate) async fn sets(&self, key: &str) -> Vec<&'static str> {
        let mut sets = Vec::new();
        for set in ["due_sends", "sends", "due_queries", "review", "done"] {
            let members: Vec<String> = self.command(&["ZRANGE", &self.name(set), "0", "-1"]).await;
            if members.iter().any(|member| member.split(' ').next() == Some(key)) {
                sets.push(set);
            }
        }
        sets
    }

    pub(crate) async fn claims(&self) -> Vec<String> {
        self.command(&["HKEYS", &self.name("claims")]).await
    }

    /// The published events of the partition's queues: `KEY STATE`, or a queue's event.
    pub(crate) async fn events(&self) -> Vec<String> {
        let stream = format!("{}events", self.base());
        let entries: Vec<(String, Vec<String>)> = self.command(&["XRANGE", &stream, "-", "+"]).await;
        entries.into_iter().flat_map(|(_, words)| reported(&words)).collect()
    }

    /// The same of this queue alone.
    pub(crate) async fn events_of_queue(&self) -> Vec<String> {
        let stream = format!("{}events", self.base());
        let entries: Vec<(String, Vec<String>)> = self.command(&["XRANGE", &stream, "-", "+"]).await;
        let ours = entries.into_iter().filter(|(_, words)| words[1] == self.queue.to_string());
        ours.flat_map(|(_, words)| reported(&words)).collect()
    }

    pub(crate) async fn commit(&self, commit: &Commit) -> Committed {
        self.store.commit(&self.queue, std::slice::from_ref(commit)).await.unwrap()[0]
    }

    pub(crate) async fn era(&self) -> Option<u64> {
        self.command(&["HGET", &self.name("queue"), "era"]).await
    }
}

/// A short form of a stream's entry.
fn reported(words: &[String]) -> Vec<String> {
    match words[2].parse::<State>() {
        Ok(_) => words[2..]
            .chunks(2)
            .flat_map(|words| words[1].split(' ').map(|key| format!("{key} {}", words[0])))
            .collect(),
        Err(_) => vec![words[3].clone()],
    }
}

/// The due time of a job in this state, far beyond every test.
pub(crate) fn due_of(state: State) -> Due {
    match state {
        State::Queued => Due::Send(LATER),
        State::InDoubt | State::Pending => Due::Query(LATER),
        State::NeedsReview | State::Succeeded | State::Failed | State::Refunded | State::Cancelled => Due::Never,
    }
}

/// The keys of jobs that can be read, and of those that cannot, in their order.
pub(crate) fn names(jobs: &[StoredAs]) -> Vec<&str> {
    jobs.iter().map(name).collect()
}

fn name(job: &StoredAs) -> &str {
    match job {
        StoredAs::Job(job) => job.key.as_str(),
        StoredAs::Unreadable { key, .. } => key.as_str(),
    }
}

/// The queues of these tests, none of them in fair order.
fn unfair() -> HashMap<Queue, FairOrder> {
    let order = FairOrder { by: FairBy::Nothing, ..FairOrder::default() };
    let queues = ["main/transfer", "main/bill_upload", "pay/transfer", "pay/bill_upload"];
    queues.into_iter().map(|queue| (queue.parse().unwrap(), order.clone())).collect()
}

pub(crate) fn rules(_: &str) -> Option<AccountRules> {
    Some(AccountRules::new(GatewayKind::Yzt))
}

pub(crate) fn parse(job: &Value) -> Job {
    Job::parse(job.to_string().as_bytes(), rules).unwrap()
}

pub(crate) fn transfer_json(key: &str) -> Value {
    json!({"account": "main", "kind": "transfer", "platform_no": key, "body": {
        "node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a", "payer_type": "1",
        "payee_store_no": "amy99b", "payee_type": "2", "arrive_time": "T0"}})
}

pub(crate) fn transfer(key: &str) -> Job {
    parse(&transfer_json(key))
}

pub(crate) fn bill_json(key: &str, order: &str) -> Value {
    json!({"account": "main", "kind": "bill_upload", "platform_no": key, "body": {
        "trade_type": "1", "node_id": "00061967", "order_amount": 100, "order_id": order,
        "order_time": "20260101120000", "store_id": "s1"}})
}

pub(crate) fn bill(key: &str, order: &str) -> Job {
    parse(&bill_json(key, order))
}

/// A transfer with a webhook.
pub(crate) fn transfer_with_webhook(key: &str) -> Job {
    let mut job = transfer_json(key);
    job["callback_url"] = json!("https://shop.example/bursar");
    parse(&job)
}

/// The commit of a claim: this state, due then.
pub(crate) fn then(job: &ClaimedJob, state: State, due: Due) -> Commit {
    let next = Transition { state, due, reason: None, pause_queue: false };
    Commit::new(job, job.last_sent.or(job.created).unwrap_or_default(), next)
}

/// The same after a response that was understood so.
pub(crate) fn answered(job: &ClaimedJob, outcome: Outcome, state: State, due: Due) -> Commit {
    let mut commit = then(job, state, due);
    commit.queried = job.call == Call::Query;
    commit.evidence = match outcome {
        Outcome::Accepted | Outcome::Succeeded | Outcome::Failed | Outcome::Refunded => Evidence::Said(outcome),
        Outcome::NoResponse | Outcome::NotFound | Outcome::Mismatch if job.call == Call::Send => {
            Evidence::MaybeExecuted
        }
        _ => Evidence::None,
    };
    commit.event = Some(HistoryEvent::Response(response(job, outcome)));
    commit
}

fn response(job: &ClaimedJob, outcome: Outcome) -> Response {
    Response {
        fence: job.fence,
        call: job.call,
        worker: String::new(),
        at: job.last_sent.or(job.created).unwrap_or_default().plus(LEASE),
        ms: 58,
        read: ResponseEvidence {
            outcome,
            trade_no: None,
            status: None,
            code: Some("10000".into()),
            message: None,
            request_id: None,
            http: Some(200),
            amount: None,
        },
        late: false,
        more: serde_json::Map::new(),
    }
}

pub(crate) fn leased_claim(job: &ClaimedJob) -> LeasedClaim {
    LeasedClaim { key: job.key.to_string(), fence: job.fence, token: job.token.clone() }
}

pub(crate) fn keys(claimed: &Claimed) -> Vec<&str> {
    claimed.jobs.iter().map(|job| job.key.as_str()).collect()
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A worker under `hold` that knows this fence, and claims.
pub(crate) fn holding(wish: Claim<'_>, fence: u64) -> Claim<'_> {
    let known = Known { fence, ..Known::default() };
    Claim { known, on_ambiguous: OnAmbiguous::Hold, sends: Sends::Allowed, ..wish }
}

pub(crate) fn known_by(trade_no: &str) -> Option<ResponseKnownBy> {
    Some(ResponseKnownBy::TradeNo(trade_no.to_owned()))
}

pub(crate) fn pause() -> Reason {
    OPERATOR.reason(ActionKind::Pause)
}

pub(crate) fn resume() -> Reason {
    OPERATOR.reason(ActionKind::Resume)
}

pub(crate) const SKIPPED: Resend = Resend::Skipped;
