//! One lane of one store, jobs to put there, and a look behind the store's back.

use std::collections::HashMap;
use std::time::Duration;

use bursar_domain::{
    AccountRules, Due, GatewayKind, GatewayText, Job, Key, Lane, Millis, Next, Reason, RestoredFromJournal, State,
};
use bursar_store::{
    Asked, Claim, ClaimId, Claimed, Claims, Commit, Evidence, Renewal, Resend, Settings, Store, Submission,
};
use bursar_test_support::{redis, unique_prefix};
use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// Short enough to be waited for, long enough for a few calls.
pub(crate) const SHORT_LEASE: Duration = Duration::from_millis(150);

/// Long against anything that a test waits for.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) lane: Lane,
    pub(crate) prefix: String,
    pub(crate) raw: MultiplexedConnection,
    pub(crate) claims: std::sync::atomic::AtomicU64,
}

impl Scene {
    /// On the Redis that all tests share, under a prefix of its own.
    pub(crate) async fn new() -> Self {
        Self::at(&redis().await.url).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        Self::between(url, url, &unique_prefix()).await
    }

    /// The store connects to `store_url` (a proxy, say), the looks behind its back to `url`.
    pub(crate) async fn between(store_url: &str, url: &str, prefix: &str) -> Self {
        let raw = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let settings = Settings { url: store_url.to_owned(), prefix: prefix.to_owned() };
        let store = Store::connect(&settings).await.unwrap();
        let claims = std::sync::atomic::AtomicU64::new(1);
        Self { store, lane: "main/transfer".parse().unwrap(), prefix: prefix.to_owned(), raw, claims }
    }

    pub(crate) fn name(&self, key: &str) -> String {
        format!("{}:{{{}}}:{key}", self.prefix, self.lane)
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

    pub(crate) async fn submit(&self, keys: &[&str]) {
        let jobs: Vec<Job> = keys.iter().map(|key| transfer(key)).collect();
        let submitted = self.store.submit(&jobs).await.unwrap();
        assert!(submitted.iter().all(|answer| *answer == Submission::New), "{submitted:?}");
    }

    pub(crate) async fn submit_many(&self, prefix: &str, count: usize) {
        let keys: Vec<String> = (0..count).map(|number| format!("{prefix}{number:06}")).collect();
        self.submit(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    pub(crate) fn number(&self) -> u64 {
        self.claims.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }

    pub(crate) fn wish<'a>(&self, worker: &'a str, slots: usize) -> Claim<'a> {
        Claim::new(worker, self.number(), LEASE, slots)
    }

    pub(crate) async fn claim(&self, worker: &str, slots: usize) -> Claims {
        self.store.claim(&self.lane, &self.wish(worker, slots)).await.unwrap()
    }

    /// Renews these leases as `worker` who remembers nothing else; returns the keys that are no longer its own.
    pub(crate) async fn renew(&self, worker: &str, held: &[ClaimId]) -> Vec<String> {
        self.store.renew(&self.lane, &Renewal::new(worker, LEASE), held).await.unwrap().gone
    }

    /// Claims exactly one job, for a lease that ends soon.
    pub(crate) async fn claim_briefly(&self, worker: &str) -> Claimed {
        let wish = Claim { lease: SHORT_LEASE, ..self.wish(worker, 1) };
        let claims = self.store.claim(&self.lane, &wish).await.unwrap();
        claims.jobs.into_iter().next().unwrap()
    }

    pub(crate) async fn claim_one(&self, worker: &str) -> Claimed {
        let claims = self.claim(worker, 1).await;
        claims.jobs.into_iter().next().unwrap()
    }

    pub(crate) async fn record(&self, key: &str) -> HashMap<String, String> {
        let held: Option<String> = self.command(&["HGET", &self.name("held"), key]).await;
        spelt_out(self.command(&["HGETALL", &self.name(&format!("job:{key}"))]).await, held.as_deref())
    }

    /// Makes a queued job one that was claimed so often.
    pub(crate) async fn set_fence(&self, key: &str, fence: u64) {
        let marks = format!("1700000000000 1700000000000 0 {fence} 0");
        let _: u64 = self.command(&["HSET", &self.name(&format!("job:{key}")), "m", &marks]).await;
    }

    pub(crate) async fn field(&self, key: &str, name: &str) -> Option<String> {
        self.record(key).await.remove(name)
    }

    pub(crate) async fn state(&self, key: &str) -> State {
        self.field(key, "s").await.unwrap().parse().unwrap()
    }

    /// A job's history, as it is recorded.
    pub(crate) async fn log(&self, key: &str) -> Vec<Value> {
        let history = self.store.history(&self.lane, &key.parse().unwrap()).await.unwrap();
        history.iter().map(|event| json!(event)).collect()
    }

    /// The names of what happened: `send_intent`, `claim_released`, …
    pub(crate) async fn story(&self, key: &str) -> Vec<String> {
        self.log(key).await.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn due(&self, set: &str, key: &str) -> Option<u64> {
        let due: Option<f64> = self.command(&["ZSCORE", &self.name(set), key]).await;
        due.map(|due| due as u64)
    }

    /// The sets that the job stands in.
    pub(crate) async fn sets(&self, key: &str) -> Vec<&'static str> {
        let mut sets = Vec::new();
        for set in ["to_send", "to_ask", "review", "done"] {
            if self.due(set, key).await.is_some() {
                sets.push(set);
            }
        }
        sets
    }

    /// The events so far: `key state`, `lane paused`.
    pub(crate) async fn events(&self) -> Vec<String> {
        let entries: Vec<(String, Vec<String>)> = self.command(&["XRANGE", &self.name("events"), "-", "+"]).await;
        let told = |(_, words): (String, Vec<String>)| match words[0].as_str() {
            "key" => words.chunks(4).map(|words| format!("{} {}", words[1], words[3])).collect(),
            _ => vec![words[1].clone()],
        };
        entries.into_iter().flat_map(told).collect()
    }

    /// Brings a job to a state by the store's own means.
    pub(crate) async fn bring(&self, key: &str, state: State) {
        self.submit(&[key]).await;
        self.take_to(key, state).await;
    }

    /// The same for a job that is queued, the only one that is due.
    pub(crate) async fn take_to(&self, key: &str, state: State) {
        if state == State::Queued {
            return;
        }
        if state == State::Cancelled {
            let operator = bursar_store::Operator { who: "li", why: "taken back" };
            let key: Key = key.parse().unwrap();
            self.store.operate(&self.lane, &key, bursar_domain::Operation::Cancel, operator).await.unwrap();
            return;
        }
        let claimed = self.claim_one("bringer").await;
        assert_eq!(claimed.key.as_str(), key);
        let due = match state {
            State::InDoubt | State::Pending => Due::Ask(Millis(self.now().await + 3_600_000)),
            _ => Due::Never,
        };
        self.commit(&sent(&claimed, state, due)).await;
    }

    pub(crate) async fn commit(&self, commit: &Commit) -> bursar_store::Committed {
        // No gateway answers within the millisecond of the claim, and a log is told by the time of its lines.
        let claimed = self.now().await;
        while self.now().await == claimed {}
        self.store.commit(&self.lane, std::slice::from_ref(commit)).await.unwrap()[0]
    }

    /// Lets every lease and every due time of `set` end now.
    pub(crate) async fn let_come_due(&self, set: &str, key: &str) {
        let _: u64 = self.command(&["ZADD", &self.name(set), "XX", "1", key]).await;
    }
}

pub(crate) fn rules(_: &str) -> Option<AccountRules> {
    Some(AccountRules::new(GatewayKind::Yzt))
}

pub(crate) fn parse(job: &Value) -> Job {
    Job::parse(job.to_string().as_bytes(), rules).unwrap()
}

/// A record's fields as text, with a field of its own for each of its marks: `c`reated, `u`pdated, last sen`t` (`ts`), `f`ence, se`n`ds;
/// while a claim stands, as that leaves it, with the `w`orker, and for a send the state `b`efore it. Each absent while it says nothing.
pub(crate) fn spelt_out(fields: HashMap<String, Vec<u8>>, held: Option<&str>) -> HashMap<String, String> {
    let texts = fields.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
    let mut record: HashMap<String, String> = texts.collect();
    let marks = record.remove("m").unwrap_or_default();
    let named = ["c", "u", "ts", "f", "n"].into_iter().zip(marks.split(' '));
    let said = |value: &str| !["", "0"].contains(&value);
    record.extend(named.filter(|(_, mark)| said(mark)).map(|(name, mark)| (name.into(), mark.into())));
    let words: Vec<&str> = held.unwrap_or_default().splitn(11, ' ').collect();
    if let &[call, before, fence, sends, resends, _, first, last, _, _, token] = words.as_slice() {
        let worker = token.rsplit_once('/').unwrap().0;
        let claim = match call {
            "send" => {
                let first = if first == last { "" } else { first };
                let sent = [("s", "in_doubt"), ("b", before), ("n", sends), ("rs", resends), ("t1", first)];
                [sent.as_slice(), &[("ts", last), ("u", last)]].concat()
            }
            _ => Vec::new(),
        };
        let claim = claim.into_iter().chain([("f", fence), ("w", worker)]).filter(|(_, value)| said(value));
        record.extend(claim.map(|(name, value)| (name.into(), value.into())));
    }
    record
}

/// A transfer with a content of about 300 bytes.
pub(crate) fn transfer(key: &str) -> Job {
    parse(&transfer_json(key))
}

pub(crate) fn transfer_json(key: &str) -> Value {
    json!({"account": "main", "kind": "transfer", "platform_no": key,
        "body": {"node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a-000000000000000000000000000000000000000000000000000000001",
            "payer_type": "1", "payee_store_no": "amy99b-000000000000000000000000000000000000000000000000000000002", "payee_type": "2", "arrive_time": "T0"}})
}

/// The same with somebody to be told about it.
pub(crate) fn told_transfer(key: &str) -> Job {
    let mut job = transfer_json(key);
    job["callback_url"] = json!("https://shop.example/bursar");
    parse(&job)
}

pub(crate) fn bill(key: &str, order: &str) -> Value {
    json!({"account": "main", "kind": "bill_upload", "platform_no": key,
        "body": {"trade_type": "1", "node_id": "00061967", "order_amount": 100, "order_id": order, "order_time": "20260101120000", "store_id": "s1"}})
}

/// The end of a send.
pub(crate) fn sent(claimed: &Claimed, state: State, due: Due) -> Commit {
    Commit {
        key: claimed.key.to_string(),
        fence: claimed.fence,
        token: claimed.token.clone(),
        era: claimed.era,
        decided: Millis(0),
        hash: claimed.hash.clone(),
        evidence: Evidence::MaybeExecuted,
        next: Next { state, due, reason: None, pause_lane: false },
        asked: Asked::No,
        resend: Resend::Counts,
        trade_nos: None,
        known_trade_nos: Vec::new(),
        gateway_status: None,
        response: None,
        line: Some(answer_line(claimed, r#""at":1,"outcome":"accepted""#)),
    }
}

/// What a journal restored a job by.
pub(crate) fn restored() -> RestoredFromJournal {
    RestoredFromJournal {
        at: Millis(0),
        operator: "li".into(),
        was: None,
        sends: 2,
        response: None,
        more: serde_json::Map::new(),
    }
}

/// A reason with these words of a gateway's.
pub(crate) fn said(words: &str) -> Reason {
    Reason::LastResponse(GatewayText::new(None, Some(words)))
}

/// What a gateway answered to a send, as a worker writes it: with what is always the same at its head.
pub(crate) fn answer_line(claimed: &Claimed, rest: &str) -> String {
    let (fence, worker) = (claimed.fence, json!(claimed.token.rsplit_once('/').unwrap().0));
    format!(r#"{{"event":"response","fence":{fence},"call":"send","worker":{worker},{rest}}}"#)
}

/// The end of an ask.
pub(crate) fn asked(claimed: &Claimed, state: State, due: Due) -> Commit {
    let line = json!({"event": "response", "at": 1, "fence": claimed.fence, "call": "query", "outcome": "accepted"});
    let line = line.to_string();
    Commit { asked: Asked::Yes, evidence: Evidence::None, line: Some(line), ..sent(claimed, state, due) }
}

pub(crate) fn held(claimed: &Claimed) -> ClaimId {
    claimed.id()
}

pub(crate) fn keys(claims: &Claims) -> Vec<&str> {
    claims.jobs.iter().map(|job| job.key.as_str()).collect()
}
