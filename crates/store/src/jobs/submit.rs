//! Accepting jobs.

use std::collections::BTreeSet;

use bursar_domain::{Job, Millis, Queue, State};
use redis::Value;
use serde_json::Value as Json;

use super::apply::member_end;
use super::overlay::{ClaimEntry, Era};
use super::record::{StoredJob, Unreadable};
use super::record_version;
use crate::Store;
use crate::reply::from_reply;
use crate::scripts::Call;
use crate::{StoreError, crash_point};

/// The result of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submission {
    /// Accepted: it is durable as far as this Redis is.
    New,
    /// The same job was accepted before; nothing changed.
    Existing(State),
    /// Refused: the key belongs to other content, or another key to the same business key. Names the first job's key.
    Conflict {
        /// The key of the job that was there first.
        first: String,
        /// The names of the content's fields that differ, in order; none where the keys differ, and where only a hash is left of the first
        /// job. Values are left out: a client that reuses a key need not see them.
        fields: Vec<String>,
    },
    /// A job with this key exists that this build cannot read: it may or may not be the same.
    Unreadable(Unreadable),
}

/// A job to be accepted, with its place in the fair order.
#[derive(Clone, Copy, Debug)]
pub struct NewRecord<'a> {
    /// The job.
    pub job: &'a Job,
    /// The group that shares the queue fairly with others; empty for the queue's own.
    pub group: &'a str,
    /// The rank of one unit of its work: 1 divided by its group's weight.
    pub step: f64,
}

/// Jobs in one call of the submit script: a bound on the time that it blocks Redis.
pub const MAX_BATCH: usize = 1_000;

impl Store {
    /// Submits validated jobs of any queues, in their fair orders; one answer per job, in order. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError`]: any part of the jobs may have been accepted; repeat to find out. [`StoreError::NotDurable`] if
    /// all were answered but are not as durable as required; repeating waits again.
    pub async fn submit(&self, jobs: &[Job]) -> Result<Vec<Submission>, StoreError> {
        crash_point("before_submit");
        let since = self.since();
        let queues: BTreeSet<&Queue> = jobs.iter().map(|job| &job.queue).collect();
        let queues: Vec<&Queue> = queues.into_iter().collect();
        self.introduce(&queues).await?;
        let mut answers = vec![None; jobs.len()];
        for queue in queues {
            let order = self.fair_order(queue);
            let of_queue = jobs.iter().enumerate().filter(|(_, job)| &job.queue == queue);
            let (places, of_queue): (Vec<usize>, Vec<&Job>) = of_queue.unzip();
            let groups: Vec<String> = of_queue.iter().map(|job| order.group(queue.kind, job.content.text())).collect();
            let new =
                of_queue.into_iter().zip(&groups).map(|(job, group)| NewRecord { job, group, step: order.step(group) });
            let new: Vec<NewRecord<'_>> = new.collect();
            for (place, answer) in places.into_iter().zip(self.submit_to(queue, &new).await?) {
                if let Some(at) = answers.get_mut(place) {
                    *at = Some(answer);
                }
            }
        }
        crash_point("after_submit");
        self.kept(since).await?;
        answers.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| unreadable("it has fewer replies than jobs"))
    }

    /// Submits jobs of one queue, each with its place in the fair order.
    ///
    /// # Errors
    /// [`StoreError`]: any part of the jobs may have been accepted; repeat to find out.
    pub async fn submit_to(&self, queue: &Queue, new: &[NewRecord<'_>]) -> Result<Vec<Submission>, StoreError> {
        let mut answers = Vec::with_capacity(new.len());
        for batch in new.chunks(MAX_BATCH) {
            let queue_keys = self.queues.of(queue);
            let mut call = self.scripts.submit.on_jobs(&queue_keys.base, &queue_keys.queue_hash(), &queue_keys.queue);
            let (created_at, era) = self.expected.of(queue);
            let further = Further::of(batch);
            call.push(self.queues.wake_channel())
                .push(if queue.kind.is_named_by_key() { "1" } else { "" })
                .push(beginning())
                .push(created_at.0)
                .push(era)
                .push(further.letters());
            let beginning = beginning_of(created_at, era);
            for new in batch {
                call.push(queue_keys.job(&new.job.key))
                    .push(format!("{}{}", new.job.key, member_end(new.group)))
                    .push(beginning.clone() + &rest_of_record(new)?);
                further.push(&mut call, new);
            }
            let replies: Vec<Value> = call.run(self).await?;
            let (now, era) = (from_reply("submit", replies.first())?, from_reply("submit", replies.get(1))?);
            self.expected.saw(queue, Millis(now), era);
            let era = Era { number: era, ..Era::default() };
            let mut answered = vec![Submission::New; batch.len()];
            for pair in replies.get(2..).unwrap_or_default().chunks(2) {
                let number: usize = from_reply("submit", pair.first())?;
                let place = number.wrapping_sub(1);
                if let (Some(answer), Some(new), Some(what)) = (answered.get_mut(place), batch.get(place), pair.get(1))
                {
                    *answer = submission(new.job, what, era)?;
                }
            }
            answers.extend(answered);
        }
        Ok(answers)
    }
}

/// Further words of each job of a batch: those that at least one of them needs.
struct Further {
    step: bool,
    due: bool,
    business_key: bool,
}

impl Further {
    fn of(batch: &[NewRecord<'_>]) -> Self {
        #[expect(clippy::float_cmp, reason = "one is exact")]
        let is_other_step = |new: &NewRecord<'_>| new.step != 1.0;
        Self {
            step: batch.iter().any(is_other_step),
            due: batch.iter().any(|new| new.job.run_at.is_some()),
            business_key: batch.iter().any(|new| !business_key(new.job).is_empty()),
        }
    }

    /// Its text in the script's form.
    fn letters(&self) -> String {
        let has = [('s', self.step), ('d', self.due), ('b', self.business_key)];
        has.into_iter().filter_map(|(letter, has)| has.then_some(letter)).collect()
    }

    fn push(&self, call: &mut Call<'_>, new: &NewRecord<'_>) {
        if self.step {
            call.push(new.step);
        }
        if self.due {
            call.push(new.job.run_at.unwrap_or_default().0);
        }
        if self.business_key {
            call.push(business_key(new.job));
        }
    }
}

/// The job's business key; empty if that is its key.
fn business_key(job: &Job) -> &str {
    let business_key = job.content.business_key();
    if business_key == job.key.as_str() { "" } else { business_key }
}

/// The beginning of an accepted job's record.
fn beginning() -> String {
    format!("{{\"v\":{},\"state\":\"queued\"", record_version())
}

/// The same with the time and the era, which the script compares with its own, and replaces if they are wrong.
fn beginning_of(created_at: Millis, era: u64) -> String {
    let era = if era == 0 { String::new() } else { format!(",\"era\":{era}") };
    format!("{},\"created_at\":{}{era}", beginning(), created_at.0)
}

/// The part of the record after its beginning, with a comma before it.
fn rest_of_record(new: &NewRecord<'_>) -> Result<String, StoreError> {
    let text = StoredJob::accepted(new.job, new.group)?.text();
    Ok(text.strip_prefix(&beginning()).unwrap_or_default().to_owned())
}

fn submission(job: &Job, reply: &Value, era: Era) -> Result<Submission, StoreError> {
    if let Ok(word) = redis::from_redis_value_ref::<String>(reply) {
        return Ok(Submission::Conflict { first: word, fields: Vec::new() });
    }
    let (record, claim): (Vec<u8>, Vec<u8>) =
        redis::from_redis_value_ref(reply).map_err(|error| unreadable(&error.to_string()))?;
    let (record, claim) = (String::from_utf8_lossy(&record), String::from_utf8_lossy(&claim));
    Ok(match (StoredJob::read(&record), ClaimEntry::of(&claim)) {
        (Ok(record), _) if !record.has_hash(&job.content.hash()) => {
            let first = record.content.as_ref().map_or("", |content| content.text());
            Submission::Conflict { first: job.key.to_string(), fields: job.content.fields_that_differ(first) }
        }
        (Ok(record), Ok(claim)) => {
            let claim = record.current_claim(claim);
            Submission::Existing(record.seen_under(claim.as_ref(), era).state)
        }
        (Err(why), _) | (Ok(_), Err(why)) => Submission::Unreadable(why),
    })
}

fn unreadable(detail: &str) -> StoreError {
    StoreError::Unreadable { what: "the reply of submit".into(), detail: Json::from(detail).to_string() }
}

#[cfg(test)]
mod tests {
    use bursar_domain::{AccountRules, GatewayKind, NewJob};
    use bursar_test_support::{redis, unique_prefix};
    use serde_json::json;

    use super::*;
    use crate::Settings;

    fn job(key: &str) -> Job {
        let body = json!({"node_id": "1", "total_amount": 10, "payer_store_no": "a", "payer_type": "1", "payee_store_no": "b",
            "payee_type": "2", "arrive_time": "T0"});
        Job::validate(&NewJob::new("main", "transfer", key, body), |_| Some(AccountRules::new(GatewayKind::Yzt)))
            .unwrap()
    }

    async fn record(store: &Store, job: &Job) -> Json {
        let name = store.queues.of(&job.queue).job(&job.key);
        let text: String = redis::cmd("GET").arg(name).query_async(&mut store.connection()).await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[tokio::test]
    async fn expected_time_is_the_record_s_unless_redis_knows_better() {
        let settings = Settings { url: redis().await.url.clone(), prefix: unique_prefix() };
        let store = Store::connect(&settings).await.unwrap();
        let queue = job("k").queue;
        store.submit(&[job("first")]).await.unwrap();
        for (key, ahead_ms, is_believed) in
            [("right", -900, true), ("ahead", 60_000, false), ("behind", -60_000, false)]
        {
            let now = store.now().await.unwrap();
            let expected = Millis(now.0.saturating_add_signed(ahead_ms));
            store.expected.saw(&queue, expected, 0);
            store.submit(&[job(key)]).await.unwrap();
            let created = record(&store, &job(key)).await["created_at"].as_u64().unwrap();
            let after = store.now().await.unwrap();
            assert_eq!((now.0..=after.0).contains(&created), !is_believed, "{key}: {created} at {now:?}");
            assert!((now.0 - 900..=after.0).contains(&created), "{key}: {created} at {now:?}");
        }
    }

    #[tokio::test]
    async fn expected_era_that_is_wrong_is_written_over() {
        let settings = Settings { url: redis().await.url.clone(), prefix: unique_prefix() };
        let store = Store::connect(&settings).await.unwrap();
        let queue = job("k").queue;
        for (key, expected, era, written) in
            [("none", 3, 0, None), ("new", 0, 2, Some(2)), ("known", 2, 2, Some(2)), ("another", 2, 15, Some(15))]
        {
            let mut set = redis::cmd("HSET");
            set.arg(store.queues.of(&queue).queue_hash()).arg("era").arg(era);
            set.query_async::<()>(&mut store.connection()).await.unwrap();
            store.expected.saw(&queue, store.now().await.unwrap(), expected);
            let job = Job { run_at: Some(Millis(5)), ..job(key) };
            assert_eq!(store.submit(std::slice::from_ref(&job)).await.unwrap(), [Submission::New]);
            let record = record(&store, &job).await;
            assert_eq!(record.get("era").and_then(Json::as_u64), written, "{key}: {record}");
            assert_eq!((&record["run_at"], &record["content"]["total_amount"]), (&json!(5), &json!(10)), "{record}");
            assert_eq!(store.expected.of(&queue).1, era, "the reply says it");
        }
    }
}
