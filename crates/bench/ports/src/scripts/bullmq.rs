//! BullMQ's scripts, as its authors' Python package brings them: `addStandardJob`, `moveToActive`, and `moveToFinished`, which
//! also takes the next job. Options as in the program for Node's BullMQ: three attempts, completed jobs are removed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use redis::{Client, Cmd, Script, Value};
use serde_json::json;

use super::{Original, call};
use crate::job::Job;
use crate::tally::wall_micros;

/// Before each key of the queue.
const PREFIX: &str = "bull:bench:";
const TOKEN: &str = "0f8fad5b-d9cb-469f-a165-70867728950e:1";
const LOCK_MS: u32 = 30_000;

/// The scripts, loaded, and what does not change from call to call.
#[derive(Clone)]
pub(crate) struct BullMq(Arc<Loaded>);

struct Loaded {
    add: String,
    take: String,
    finish: String,
    add_keys: Vec<String>,
    take_keys: Vec<String>,
    /// `addStandardJob`'s options of a job.
    job_options: Vec<u8>,
    take_options: Vec<u8>,
    finish_options: Vec<u8>,
}

impl BullMq {
    pub(crate) async fn load(url: &str) -> Result<Self> {
        let folder = std::env::var("BULLMQ_SCRIPTS").context("BULLMQ_SCRIPTS, the folder with BullMQ's scripts")?;
        let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
        let mut load = async |name: &str| {
            let path = Path::new(&folder).join(name);
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            anyhow::Ok(Script::new(&text).load_async(&mut connection).await?)
        };
        let backoff = json!({"type": "exponential", "delay": 1_000});
        let job = json!({"attempts": 3, "backoff": backoff, "removeOnComplete": true, "removeOnFail": 1_000});
        let take = json!({"token": TOKEN, "lockDuration": LOCK_MS});
        let finish = json!({"token": TOKEN, "lockDuration": LOCK_MS, "keepJobs": {"count": 0}, "attempts": 3,
            "maxMetricsSize": "", "fpof": false, "cpof": false, "idof": false, "rdof": false});
        Ok(Self(Arc::new(Loaded {
            add: load("addStandardJob-9.lua").await?,
            take: load("moveToActive-11.lua").await?,
            finish: load("moveToFinished-14.lua").await?,
            add_keys: keys("wait paused meta id completed delayed active events marker"),
            take_keys: keys("wait active prioritized events stalled limiter delayed paused meta pc marker"),
            job_options: rmp_serde::to_vec_named(&job)?,
            take_options: rmp_serde::to_vec_named(&take)?,
            finish_options: rmp_serde::to_vec_named(&finish)?,
        })))
    }
}

impl Original for BullMq {
    fn submit(&self, job: &Job) -> Result<Cmd> {
        let described = json!([PREFIX, "", "pay", now_ms(), null, null, null, null, null]);
        let mut add = call(&self.0.add, &self.0.add_keys);
        add.arg(rmp_serde::to_vec(&described)?).arg(serde_json::to_string(job)?).arg(&self.0.job_options);
        Ok(add)
    }

    fn take(&self) -> Cmd {
        let mut take = call(&self.0.take, &self.0.take_keys);
        take.arg(PREFIX).arg(now_ms()).arg(&self.0.take_options);
        take
    }

    fn end_and_take(&self, id: &str) -> Vec<Cmd> {
        let mut keys = self.0.take_keys.clone();
        keys.truncate(10);
        keys.extend(["completed", id, "metrics:completed", "marker"].map(key));
        let mut finish = call(&self.0.finish, &keys);
        finish.arg(id).arg(now_ms()).arg("returnvalue").arg("null").arg("completed").arg("1").arg(PREFIX);
        finish.arg(&self.0.finish_options);
        vec![finish]
    }

    fn taken(&self, answer: &Value) -> Result<Option<String>> {
        Ok(match answer {
            // The job's fields, its id, and when to look again; instead of a job: 0, 0.
            Value::Array(parts) => match parts.get(1) {
                Some(Value::BulkString(id)) => Some(String::from_utf8(id.clone())?),
                _ => None,
            },
            Value::Int(code) if *code < 0 => anyhow::bail!("moveToFinished answered {code}"),
            _ => None,
        })
    }
}

fn keys(names: &str) -> Vec<String> {
    names.split(' ').map(key).collect()
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn now_ms() -> u64 {
    wall_micros() / 1_000
}
