//! How a lane looks, as the reference has it and as Redis has it, in the same words. Times are in ticks from now.

use std::collections::BTreeMap;

use bursar_domain::{Reason, State};
use redis::Value;
use serde_json::Value as Json;

use super::reference::{Job, Model, Waits};
use super::story::{KEYS, TICK_MINUTES};
use crate::scene::{Scene, spelt_out};

const TICK_MS: i64 = (TICK_MINUTES * 60_000).cast_signed();
const SETS: [&str; 4] = ["to_send", "to_ask", "review", "done"];
const NUMBERS: [&str; 5] = ["f", "n", "rs", "a", "l"];
const TIMES: [&str; 3] = ["t1", "ts", "o"];

/// A whole lane.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    jobs: BTreeMap<String, JobPicture>,
    paused: bool,
    epoch: u64,
    orphans: u64,
    events: Vec<String>,
}

/// One job: its fields by their names in the record, the sets that it stands in, and its story.
#[derive(Debug, Default, PartialEq, Eq)]
struct JobPicture {
    state: String,
    numbers: [u64; 5],
    worker: Option<String>,
    before: Option<String>,
    times: [Option<i64>; 3],
    sets: BTreeMap<&'static str, i64>,
    trade_nos: Option<String>,
    reason: Option<Reason>,
    log: Vec<String>,
}

/// Milliseconds as whole ticks, to the nearest.
pub(crate) fn ticks(millis: i64) -> i64 {
    (millis + TICK_MS / 2).div_euclid(TICK_MS)
}

impl Picture {
    pub(crate) fn of_model(model: &Model) -> Self {
        let jobs = model.jobs.iter().map(|(key, job)| ((*key).to_owned(), JobPicture::of_model(job, model)));
        let (paused, epoch, events) = (model.paused, model.epoch, model.events.clone());
        Self { jobs: jobs.collect(), paused, epoch, orphans: 0, events }
    }

    pub(crate) async fn of_redis(scene: &Scene) -> Self {
        let mut look = redis::Pipeline::new();
        for key in KEYS {
            look.hgetall(scene.name(&format!("job:{key}"))).hget(scene.name("held"), key).lrange(
                scene.name(&format!("log:{key}")),
                0,
                -1,
            );
            for set in SETS {
                look.zscore(scene.name(set), key);
            }
        }
        let replies: Vec<Value> = look.query_async(&mut scene.raw.clone()).await.unwrap();
        let now = scene.now().await.cast_signed();
        let jobs = KEYS.iter().zip(replies.chunks(3 + SETS.len()));
        let jobs = jobs.filter_map(|(key, replies)| Some(((*key).to_owned(), JobPicture::of_redis(replies, now)?)));
        let status = scene.store.lane_status(&scene.lane).await.unwrap();
        let epoch: Option<u64> = scene.command(&["HGET", &scene.name("lane"), "e"]).await;
        Self {
            jobs: jobs.collect(),
            paused: status.paused.is_some(),
            epoch: epoch.unwrap_or_default(),
            orphans: status.orphans,
            events: scene.events().await,
        }
    }
}

impl JobPicture {
    fn of_model(job: &Job, model: &Model) -> Self {
        if job.expired {
            return Self::expired(job.state.as_str());
        }
        let due = job.due.map(|(waits, at)| match waits {
            Waits::ToSend => ("to_send", at),
            Waits::ToAsk => ("to_ask", at),
        });
        let review = job.in_review.map(|at| ("review", at));
        let done = job.done.map(|at| ("done", at));
        let sets = [due, review, done].into_iter().flatten();
        let numbers = [job.sends, job.resends, job.asks, job.losses].map(u64::from);
        Self {
            state: job.state.to_string(),
            numbers: [job.fence, numbers[0], numbers[1], numbers[2], numbers[3]],
            worker: job.worker.map(str::to_owned),
            before: job.before.map(|state| state.to_string()),
            times: [job.first_sent, job.last_sent, job.ordered].map(|at| Some(at?.from(model.now))),
            sets: sets.map(|(set, at)| (set, at.from(model.now))).collect(),
            trade_nos: (!job.trade_nos.is_empty()).then(|| job.trade_nos.join(" ")),
            reason: job.reason.clone(),
            log: job.first.iter().chain(&job.log).cloned().collect(),
        }
    }

    fn of_redis(replies: &[Value], now: i64) -> Option<Self> {
        let mut record = {
            let held: Option<String> = redis::from_redis_value(replies[1].clone()).unwrap();
            spelt_out(redis::from_redis_value(replies[0].clone()).unwrap(), held.as_deref())
        };
        if let Some(tombstone) = record.get("z") {
            let ended = State::ALL.into_iter().find(|state| tombstone.starts_with(&state.as_str()[..1]));
            let sets = sets(&replies[3..], now);
            return Some(Self { sets, ..Self::expired(ended.unwrap().as_str()) });
        }
        let first: String = (1..).map_while(|piece| record.get(&format!("x{piece}"))).cloned().collect();
        let log: Vec<String> = redis::from_redis_value(replies[2].clone()).unwrap();
        let lines = (!first.is_empty()).then(|| format!("first {}", in_words(&first))).into_iter();
        let mut times = TIMES.map(|name| Some(ticks(record.get(name)?.parse::<i64>().unwrap() - now)));
        times[0] = times[0].or(times[1]); // kept of its own only from the second send on
        Some(Self {
            state: record.remove("s")?,
            numbers: NUMBERS.map(|name| record.get(name).map_or(0, |number| number.parse().unwrap())),
            worker: record.remove("w").filter(|worker| !worker.is_empty()),
            before: record.remove("b"),
            times,
            sets: sets(&replies[3..], now),
            trade_nos: record.remove("no"),
            reason: record.remove("r").as_deref().map(Reason::read),
            log: lines.chain(log.iter().map(|line| in_words(line))).collect(),
        })
    }

    fn expired(ended: &str) -> Self {
        Self { state: format!("{ended}, expired"), ..Self::default() }
    }
}

fn sets(scores: &[Value], now: i64) -> BTreeMap<&'static str, i64> {
    let score = |value: &Value| redis::from_redis_value::<Option<f64>>(value.clone()).unwrap();
    let found = SETS.into_iter().zip(scores).filter_map(|(set, value)| Some((set, score(value)?)));
    found.map(|(set, at)| (set, ticks(at as i64 - now))).collect()
}

/// A line of a job's log, shortened: `send_intent #1`, `response #1 too late`.
fn in_words(line: &str) -> String {
    let line: Json = serde_json::from_str(line).unwrap();
    let event = line["event"].as_str().unwrap();
    match (line["action"].as_str(), line["late"] == true) {
        (Some(operation), _) => format!("{event} {operation}"),
        (None, true) => format!("{event} #{} too late", line["fence"]),
        (None, false) => format!("{event} #{}", line["fence"]),
    }
}
