//! asynq's scripts, as its port loads them into Redis; they are Go's, word for word. A job is taken by one call and ended by
//! another. Leases are extended for jobs that take longer than these.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use asynq::backend::{RedisBroker, RedisConnectionType};
use asynq::base::keys;
use asynq::proto::TaskMessage;
use prost::Message;
use redis::{Cmd, Value};

use super::{Original, call};
use crate::job::Job;
use crate::tally::wall_micros;

const QUEUE: &str = "default";
/// The scripts by their SHA-1. The broker does not give them out; with another text Redis would answer NOSCRIPT.
const ENQUEUE: &str = "642064d64c196b17a73454f93f9353c4c34aa69b";
const DEQUEUE: &str = "fab4a5acd9255c378fad624ed845b3f47abe1744";
const DONE: &str = "938539321a98eb6f337c0cff3e726cd5e3fb24de";
const LEASE_S: u64 = 30;
const KEEP_STATISTICS_S: u64 = 90 * 24 * 60 * 60;

/// What does not change from call to call.
#[derive(Clone)]
pub(crate) struct Asynq(Arc<Keys>);

struct Keys {
    take: Vec<String>,
    /// Of a task's end, without the task's own.
    end: [String; 4],
    task_prefix: String,
}

impl Asynq {
    pub(crate) async fn load(url: &str) -> Result<Self> {
        RedisBroker::new(RedisConnectionType::single(url)?).await?;
        let (active, lease, total) =
            (keys::active_key(QUEUE), keys::lease_key(QUEUE), keys::processed_total_key(QUEUE));
        let take = vec![keys::pending_key(QUEUE), keys::paused_key(QUEUE), active.clone(), lease.clone()];
        let began = UNIX_EPOCH + Duration::from_micros(wall_micros());
        let end = [active, lease, keys::processed_key(QUEUE, &began.into()), total];
        Ok(Self(Arc::new(Keys { take, end, task_prefix: keys::task_key_prefix(QUEUE) })))
    }

    fn end(&self, id: &str) -> Cmd {
        let [active, lease, day, total] = self.0.end.clone();
        let mut done = call(DONE, &[active, lease, format!("{}{id}", self.0.task_prefix), day, total]);
        done.arg(id).arg(now_s() + KEEP_STATISTICS_S).arg(i64::MAX);
        done
    }
}

impl Original for Asynq {
    fn submit(&self, job: &Job) -> Result<Cmd> {
        let id = format!("{:032x}", fastrand::u128(..));
        let message = TaskMessage {
            r#type: "pay".into(),
            payload: serde_json::to_vec(job)?,
            id: id.clone(),
            queue: QUEUE.into(),
            retry: 3,
            timeout: 30,
            ..TaskMessage::default()
        };
        let mut enqueue = call(ENQUEUE, &[format!("{}{id}", self.0.task_prefix), keys::pending_key(QUEUE)]);
        enqueue.arg(message.encode_to_vec()).arg(id).arg(wall_micros() * 1_000);
        Ok(enqueue)
    }

    fn take(&self) -> Cmd {
        let mut dequeue = call(DEQUEUE, &self.0.take);
        dequeue.arg(now_s() + LEASE_S).arg(&self.0.task_prefix);
        dequeue
    }

    fn end_and_take(&self, id: &str) -> Vec<Cmd> {
        vec![self.end(id), self.take()]
    }

    fn taken(&self, answer: &Value) -> Result<Option<String>> {
        match answer {
            Value::BulkString(message) => Ok(Some(TaskMessage::decode(message.as_slice())?.id)),
            _ => Ok(None),
        }
    }
}

fn now_s() -> u64 {
    wall_micros() / 1_000_000
}
