//! The driver's roles that submit, over any queue.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::driver::{done, finish, ready};
use crate::job::Job;
use crate::role::{Enqueue, Mode, Produce};

/// Where jobs are submitted to.
pub(crate) trait Queue: Clone + Send + Sync + 'static {
    /// Submits them together, as far as the queue can.
    fn submit(&self, jobs: Vec<Job>) -> impl Future<Output = Result<()>> + Send;
}

pub(crate) async fn enqueue(queue: &impl Queue, arguments: &Enqueue) -> Result<()> {
    let count = arguments.n;
    ready()?;
    let began = Instant::now();
    match arguments.mode {
        Mode::Seq => {
            for number in 0..count {
                queue.submit(vec![Job::new(number)]).await?;
            }
        }
        Mode::Par => {
            let tasks = (0..arguments.inflight).map(|first| {
                let (queue, step) = (queue.clone(), arguments.inflight as usize);
                tokio::spawn(async move {
                    for number in (first..count).step_by(step) {
                        queue.submit(vec![Job::new(number)]).await?;
                    }
                    Ok(())
                })
            });
            try_join_all(tasks).await?.into_iter().collect::<Result<()>>()?;
        }
        Mode::Bulk => {
            for from in (0..count).step_by(arguments.batch as usize) {
                queue.submit((from..(from + arguments.batch).min(count)).map(Job::new).collect()).await?;
            }
        }
    }
    end(count, began)
}

pub(crate) async fn produce(queue: &impl Queue, arguments: &Produce) -> Result<()> {
    ready()?;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..arguments.n {
        sleep_until(began + Duration::from_secs_f64(f64::from(number) / f64::from(arguments.rate))).await;
        let queue = queue.clone();
        tasks.push(tokio::spawn(async move { queue.submit(vec![Job::new(number)]).await }));
    }
    try_join_all(tasks).await?.into_iter().collect::<Result<()>>()?;
    end(arguments.n, began)
}

fn end(count: u32, began: Instant) -> Result<()> {
    done(&json!({"jobs": count, "secs": began.elapsed().as_secs_f64()}))?;
    finish()
}
