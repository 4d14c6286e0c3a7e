//! The state of the queues in the reference and in Redis, in the same words. Times are in ticks from now.

use std::collections::{BTreeMap, BTreeSet};

use bursar_domain::{HistoryEvent, Millis, Reason};
use bursar_store::{JobRecord, StoredAs};

use super::reference::{Job, Model, Queue, Sends};
use super::story::{KEYS, QUEUES, TICK_MINUTES};
use crate::scene::Scene;

const TICK_MS: i64 = (TICK_MINUTES * 60_000).cast_signed();

/// All queues, by name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Picture(BTreeMap<&'static str, QueuePicture>);

/// A whole queue.
#[derive(Debug, Default, PartialEq)]
struct QueuePicture {
    jobs: BTreeMap<String, JobPicture>,
    paused: bool,
    fence: u64,
    era: Option<u64>,
    quarantined: u64,
    virtual_time: f64,
    ranks: BTreeMap<String, f64>,
    events: Vec<String>,
    /// The counts of ended jobs: jobs and fen, by their final state.
    ended: BTreeMap<String, (i64, i64)>,
    /// Work is due, and no worker would look for it.
    is_overlooked: bool,
}

/// One job as readers see it, its sets, and its history.
#[derive(Debug, Default, PartialEq)]
struct JobPicture {
    state: String,
    /// Fence, sends, resends, queries, lost claims.
    numbers: [u64; 5],
    worker: Option<String>,
    /// First sent, last sent, ordered.
    times: [Option<i64>; 3],
    sets: BTreeMap<&'static str, String>,
    trade_nos: Vec<String>,
    reason: Option<Reason>,
    history: Vec<String>,
    late: BTreeSet<String>,
}

/// Milliseconds as whole ticks, to the nearest.
pub(crate) fn ticks(millis: i64) -> i64 {
    (millis + TICK_MS / 2).div_euclid(TICK_MS)
}

impl Picture {
    pub(crate) fn of_model(model: &Model) -> Self {
        Self(
            QUEUES
                .into_iter()
                .zip(&model.queues)
                .map(|(name, at_queue)| (name, QueuePicture::of_model(at_queue)))
                .collect(),
        )
    }

    pub(crate) async fn of_redis(scenes: &[Scene]) -> Self {
        let mut queues = BTreeMap::new();
        for (name, scene) in QUEUES.into_iter().zip(scenes) {
            queues.insert(name, QueuePicture::of_redis(scene).await);
        }
        Self(queues)
    }
}

impl QueuePicture {
    fn of_model(at_queue: &Queue) -> Self {
        let jobs = at_queue.jobs.iter().map(|(key, job)| ((*key).to_owned(), JobPicture::of_model(job, at_queue)));
        Self {
            jobs: jobs.collect(),
            paused: at_queue.paused,
            fence: at_queue.fence,
            virtual_time: at_queue.virtual_time,
            ranks: at_queue.ranks.iter().map(|(group, rank)| (format!(" {group}"), *rank)).collect(),
            events: at_queue.events.clone(),
            ended: ended_jobs(at_queue),
            ..Self::default()
        }
    }

    async fn of_redis(scene: &Scene) -> Self {
        let now = scene.now().await;
        let rows = rows(scene, now.cast_signed()).await;
        let mut jobs = BTreeMap::new();
        let read = scene.store.jobs(&scene.queue, &KEYS.map(|name| name.parse().unwrap())).await.unwrap();
        for job in read {
            let StoredAs::Job(job) = job else { panic!("{job:?}") };
            let sets = rows.get(job.key.as_str()).cloned().unwrap_or_default();
            jobs.insert(job.key.to_string(), JobPicture::of_redis(scene, *job, sets, now.cast_signed()).await);
        }
        let status = scene.store.status(&scene.queue).await.unwrap();
        let field = async |name: &str| scene.command::<Option<f64>>(&["HGET", &scene.name("queue"), name]).await;
        let bucket_us = field("rate_arrival").await.unwrap_or_default();
        let due = [status.next_send, status.next_query].into_iter().flatten().min();
        let ready: Option<f64> =
            scene.command(&["ZSCORE", &format!("{}ready", scene.base()), &scene.queue.to_string()]).await;
        Self {
            jobs,
            paused: status.paused.is_some(),
            fence: field("fence").await.unwrap_or_default() as u64,
            era: scene.era().await,
            quarantined: status.quarantined,
            virtual_time: field("virtual_time").await.unwrap_or_default(),
            ranks: scene.command(&["ZRANGE", &scene.name("last_ranks"), "0", "-1", "WITHSCORES"]).await,
            events: scene.events_of_queue().await,
            ended: counts(scene).await,
            is_overlooked: due.is_some_and(|due| {
                // Sends in a paused queue are checked each minute, and a rate postpones the next check.
                let latest = (due.max(status.now).0 as f64).max(bucket_us / 1e3) + 61_000.0;
                ready.is_none_or(|ready| ready > latest)
            }),
        }
    }
}

impl JobPicture {
    fn of_model(job: &Job, at_queue: &Queue) -> Self {
        if job.expired {
            return Self::expired(job.state.as_str());
        }
        let from = |at: super::reference::Moment| at.from(at_queue.now).to_string();
        let sends = job.to_send.map(|sends| match sends {
            Sends::At(at) => ("due_sends", from(at)),
            Sends::Ranked(rank) => ("sends", rank.to_string()),
        });
        let queries = job.to_query.map(|at| ("due_queries", from(at)));
        let (review, done) = (job.in_review.map(|at| ("review", from(at))), job.done.map(|at| ("done", from(at))));
        let seen = job.seen();
        let mut history = seen.history;
        history.sort();
        Self {
            state: seen.state.to_string(),
            numbers: [seen.fence, seen.sends.into(), seen.resends.into(), seen.queries.into(), seen.claims_lost.into()],
            worker: job.claims.last().map(|claim| claim.worker.to_owned()),
            times: [seen.first_sent, seen.last_sent, seen.ordered].map(|at| Some(at?.from(at_queue.now))),
            sets: [sends, queries, review, done].into_iter().flatten().collect(),
            trade_nos: seen.trade_nos,
            reason: seen.reason,
            history,
            late: seen.late,
        }
    }

    async fn of_redis(scene: &Scene, job: JobRecord, sets: BTreeMap<&'static str, String>, now: i64) -> Self {
        if job.created.is_none() {
            return Self { sets, ..Self::expired(job.state.as_str()) };
        }
        let events = scene.store.history(&job).await.unwrap();
        let (late, mut history): (Vec<String>, Vec<String>) =
            events.iter().map(in_words).partition(|words| words.ends_with("too late"));
        history.sort();
        let at = |at: Option<Millis>| Some(ticks(at?.0.cast_signed() - now));
        Self {
            state: job.state.to_string(),
            numbers: [job.fence, job.sends.into(), job.resends.into(), job.queries.into(), job.claims_lost.into()],
            worker: job.worker,
            times: [at(job.first_sent), at(job.last_sent), at(job.ordered)],
            sets,
            trade_nos: job.trade_nos,
            reason: job.reason,
            history,
            late: late.into_iter().collect(),
        }
    }

    fn expired(ended: &str) -> Self {
        Self { state: format!("{ended}, expired"), ..Self::default() }
    }
}

/// The sum over the jobs that have ended.
fn ended_jobs(at_queue: &Queue) -> BTreeMap<String, (i64, i64)> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for job in at_queue.jobs.values().filter(|job| job.state.is_terminal()) {
        let (count, fen) = sums.entry(job.state.to_string()).or_default();
        (*count, *fen) = (*count + 1, *fen + job.order.fen.cast_signed());
    }
    sums
}

/// The sum over all hours of the counts.
async fn counts(scene: &Scene) -> BTreeMap<String, (i64, i64)> {
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    let hours: Vec<String> = scene.command(&["KEYS", &format!("{}:*", scene.name("ended"))]).await;
    for hour in hours {
        let fields: Vec<(String, i64)> = scene.command(&["HGETALL", &hour]).await;
        for (field, value) in fields {
            let words: Vec<&str> = field.split(' ').collect();
            let (count, fen) = sums.entry(words[1].to_owned()).or_default();
            if words.len() > 2 { *fen += value } else { *count += value }
        }
    }
    sums.retain(|_, sum| *sum != (0, 0));
    sums
}

/// The sets of each job, with its time or rank in them.
async fn rows(scene: &Scene, now: i64) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    const SETS: [&str; 5] = ["due_sends", "sends", "due_queries", "review", "done"];
    let mut look = redis::Pipeline::new();
    for set in SETS {
        look.zrange_withscores(scene.name(set), 0, -1);
    }
    let replies: Vec<Vec<(String, f64)>> = look.query_async(&mut scene.raw()).await.unwrap();
    let mut rows: BTreeMap<String, BTreeMap<&'static str, String>> = BTreeMap::new();
    for (set, (member, score)) in
        SETS.iter().zip(replies).flat_map(|(set, rows)| rows.into_iter().map(move |row| (*set, row)))
    {
        let key = member.split(' ').next().unwrap().to_owned();
        let text = if set == "sends" { score.to_string() } else { ticks(score as i64 - now).to_string() };
        rows.entry(key).or_default().insert(set, text);
    }
    rows
}

/// An event of a job's history, shortened: `send_intent #1`, `response #1 too late`.
fn in_words(event: &HistoryEvent) -> String {
    match event {
        HistoryEvent::Response(response) if response.late => format!("response #{} too late", response.fence),
        HistoryEvent::Response(response) => format!("response #{}", response.fence),
        HistoryEvent::OperatorAction(action) => format!("operator_action {}", action.action.as_str()),
        other => format!("{} #{}", other.name(), other.claim().map_or(0, |(fence, _)| fence)),
    }
}
