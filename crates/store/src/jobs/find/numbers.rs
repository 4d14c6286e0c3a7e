//! Jobs by the gateway's number or by their order: looked up in `responses` and `business`, which exist for other reasons and cost a search
//! nothing.

use bursar_domain::{JobFilter, Key, Millis, Queue, State};
use futures_util::future::try_join_all;
use redis::Cmd;

use super::{FoundJobs, fits};
use crate::Store;
use crate::StoreError;
use crate::jobs::StoredAs;
use crate::jobs::commit::ResponseKnownBy;
use crate::reply::from_reply;

impl Store {
    /// The jobs of the filter's transaction or order that pass the whole filter, newest first.
    pub(super) async fn find_by_number(&self, queues: &[Queue], filter: &JobFilter) -> Result<FoundJobs, StoreError> {
        let mut commands: Vec<(usize, Cmd)> = Vec::new();
        let mut keys: Vec<(usize, String)> = Vec::new();
        for (index, queue) in queues.iter().enumerate() {
            let queue_keys = self.queues.of(queue);
            if let Some(trade_no) = &filter.trade_no {
                let field = ResponseKnownBy::TradeNo(trade_no.clone()).field();
                commands.push((index, Cmd::hget(queue_keys.set("responses"), field)));
            } else if let Some(order_id) = &filter.order_id {
                for name in queue.kind.candidate_business_keys(order_id) {
                    commands.push((index, Cmd::get(queue_keys.of_key("business", &name))));
                    keys.push((index, name)); // its own key may be the business key
                }
            }
        }
        let (indices, commands): (Vec<usize>, Vec<Cmd>) = commands.into_iter().unzip();
        let (replies, _) = self.many("GET", commands).await?;
        for (index, reply) in indices.into_iter().zip(&replies) {
            let key: Option<String> = from_reply("GET", Some(reply))?;
            keys.extend(key.map(|key| (index, key)));
        }
        keys.sort_unstable();
        keys.dedup();
        let read = keys.iter().filter_map(|(index, key)| Some((queues.get(*index)?, key.parse::<Key>().ok()?)));
        let read = read.map(|(queue, key)| async move {
            Ok::<_, StoreError>(self.job(queue, &key).await?.map(|job| (queue.clone(), job)))
        });
        let jobs: Vec<(Queue, StoredAs)> = try_join_all(read).await?.into_iter().flatten().collect();
        let fits = |(_, job): &(Queue, StoredAs)| match job {
            StoredAs::Job(job) => fits(filter, job, time_of(job.state, job.created, job.updated)),
            StoredAs::Unreadable { key, .. } => filter.fits_key(key.as_str()),
        };
        let mut jobs: Vec<(Queue, StoredAs)> = jobs.into_iter().filter(fits).collect();
        jobs.sort_by_key(|(_, job)| {
            std::cmp::Reverse(match job {
                StoredAs::Job(job) => time_of(job.state, job.created, job.updated),
                StoredAs::Unreadable { .. } => Millis(u64::MAX),
            })
        });
        Ok(FoundJobs { jobs, ..FoundJobs::default() })
    }
}

/// A job's time in the list, by its record alone.
fn time_of(state: State, created: Option<Millis>, updated: Option<Millis>) -> Millis {
    if state.is_settled() { updated.or(created) } else { created }.unwrap_or_default()
}
