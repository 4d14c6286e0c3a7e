//! The names of the keys of jobs. A queue (account and kind) belongs to one of [`PARTITIONS`] partitions, by its name; the partition is
//! the keys' hash tag, so every script touches one slot, and partitions spread over a cluster.
//!
//! `PREFIX:{P}:` followed by
//!
//! | key | type | holds |
//! |---|---|---|
//! | `job:QUEUE:KEY` | string | the record: see `record.rs` |
//! | `history:QUEUE:KEY` | list | events that are too many for the record, and those that others than its claimant add |
//! | `business:QUEUE:BUSINESS_KEY` | string | the key of the job with this business key, where that is not the key itself |
//! | `due_sends:QUEUE` | sorted set | key, and its group behind a space, by when it is due to be sent (ms) |
//! | `sends:QUEUE` | sorted set | the same, due and in fair order: by rank |
//! | `last_ranks:QUEUE` | sorted set | the groups with a job in `sends`, by their last rank |
//! | `due_queries:QUEUE` | sorted set | keys by the time at which they are due to be queried (ms); a claimed job has its lease's end |
//! | `review:QUEUE`, `done:QUEUE` | sorted sets | keys by the time they got there |
//! | `ended:QUEUE:HOUR` | hash | jobs that ended in this hour (UTC), by minute and final state: how many, and their fen; expires: see `ended.rs` |
//! | `claims:QUEUE` | hash | the claims in force, by key: see `overlay.rs` |
//! | `released:QUEUE` | hash | claims that were released, by key and the beginning of the claim's text → when (ms); expires |
//! | `responses:QUEUE` | hash | response ids → the key of the job that the response was for |
//! | `circuits:QUEUE` | hash | workers whose circuit breaker is open → until when (ms); expires |
//! | `quarantine:QUEUE` | hash | keys whose records no build here can read → since when, and why |
//! | `proposal:QUEUE:KEY` | string | the open proposal about a job or a key in quarantine, without KEY about the queue: see `proposals.rs`; expires |
//! | `queue:QUEUE` | hash | `paused` (the reason), `fence`, `era`, `resumed`, `resumed_at`, `gateway`, `incarnation` (of the Redis that was checked before its first send), `rate_arrival` (µs), `turn`, `virtual_time` |
//! | `receipt:QUEUE:WORKER` | string | the number of the worker's last claim that gave it jobs or was given up, and the jobs; expires |
//! | `outbox:QUEUE:KEY` | list | webhook events of a job that wait, oldest first |
//! | `due_deliveries:QUEUE` | sorted set | keys with a waiting event, by the time of the next attempt (ms); a claimed one has its lease's end |
//! | `delivery:QUEUE:KEY` | string | the attempts at the next event: see `deliveries/record.rs` |
//! | `failed:QUEUE:KEY` | list | webhook events that were not delivered and are kept for a resend, oldest first |
//! | `failed_deliveries:QUEUE` | sorted set | keys with such an event, by the time of its failure (ms) |
//! | `delivery_claims:QUEUE` | hash | the dispatchers' claims, by key |
//! | `delivery_quarantine:QUEUE` | hash | keys whose events cannot be delivered → since when, and why |
//! | `archived:QUEUE:KEY` | string | the version of an ended job that the archive has, and its fingerprint: see `archive.rs` |
//! | `unarchived:QUEUE` | sorted set | ended jobs to look at again for the archive, by when (ms) |
//! | `archive` | hash | the partition's archiving: the lease (`holder`, `until`), `marked` and `head` (the newest segment), `cursor:QUEUE` (the last ended job that was looked at) |
//! | `ready` | sorted set | the partition's queues in which something waits, by when it is due (ms) |
//! | `ready_deliveries` | sorted set | the same of webhooks: queues with a waiting event, by when to try |
//! | `proposals` | sorted set | the partition's open proposals: a queue, a space and a key, by when each expires (ms) |
//! | `events` | stream | changes in the partition's queues, bounded |
//!
//! An account's notifications have a separate queue name, with `history`, `outbox` and the keys of deliveries as above,
//! by number, and
//!
//! | key | type | holds |
//! |---|---|---|
//! | `notification:QUEUE:NUMBER` | string | the record: see `notifications/record.rs` |
//! | `notifications:QUEUE`, `held_notifications:QUEUE` | sorted sets | the numbers of those that could be read, and of those that need review |
//! | `record:QUEUE:METHOD:RECORD` | string | the gateway's record: its versions by their content, and whether it is final; expires long after their details |
//! | `held_record:QUEUE:METHOD:SHA256` | string | the same for a held notification |
//! | `last_notification:QUEUE` | string | the last number |

use bursar_domain::Key;
use sha2::{Digest, Sha256};

/// Partitions of a new Redis.
pub const PARTITIONS: u16 = 32;

/// Names keys and channels under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct JobKeys {
    prefix: String,
    partitions: u16,
}

/// The names of one queue's keys.
#[derive(Clone, Debug)]
pub(crate) struct QueueKeys {
    /// The base of every key of the partition.
    pub(crate) base: String,
    /// The queue's name.
    pub(crate) queue: String,
}

impl JobKeys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), partitions: PARTITIONS }
    }

    /// The same with another number of partitions.
    pub(crate) fn with_partitions(self, partitions: u16) -> Self {
        Self { partitions, ..self }
    }

    /// The number of partitions.
    pub(crate) const fn count(&self) -> u16 {
        self.partitions
    }

    /// The keys of a queue, or of an account's notifications.
    pub(crate) fn of(&self, queue: &impl std::fmt::Display) -> QueueKeys {
        let queue = queue.to_string();
        QueueKeys { base: self.base(partition(&queue, self.partitions)), queue }
    }

    pub(crate) fn partition_of(&self, queue: &impl std::fmt::Display) -> u16 {
        partition(&queue.to_string(), self.partitions)
    }

    pub(crate) fn base(&self, partition: u16) -> String {
        format!("{}:{{{partition}}}:", self.prefix)
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.partitions
    }

    /// One of a partition's own sets.
    pub(crate) fn partition_set(&self, partition: u16, name: &str) -> String {
        format!("{}{name}", self.base(partition))
    }

    pub(crate) fn events(&self, partition: u16) -> String {
        format!("{}events", self.base(partition))
    }

    /// The pub/sub channel of wake messages: a queue's name means that work is due there.
    pub(crate) fn wake_channel(&self) -> String {
        format!("{}:wake", self.prefix)
    }

    /// The same for webhook events.
    pub(crate) fn delivery_channel(&self) -> String {
        format!("{}:deliver", self.prefix)
    }
}

impl QueueKeys {
    pub(crate) fn job(&self, key: &Key) -> String {
        self.of_key("job", key.as_str())
    }

    pub(crate) fn history(&self, key: &Key) -> String {
        self.of_key("history", key.as_str())
    }

    pub(crate) fn archived(&self, key: &Key) -> String {
        self.of_key("archived", key.as_str())
    }

    /// The key of one job's or notification's data with this name.
    pub(crate) fn of_key(&self, name: &str, key: &str) -> String {
        format!("{}{name}:{}:{key}", self.base, self.queue)
    }

    /// A key of the partition, from the part after its base.
    pub(crate) fn below_base(&self, name: &str) -> String {
        format!("{}{name}", self.base)
    }

    /// One of the queue's own sets or hashes.
    pub(crate) fn set(&self, name: &str) -> String {
        format!("{}{name}:{}", self.base, self.queue)
    }

    pub(crate) fn queue_hash(&self) -> String {
        self.set("queue")
    }
}

/// The partition that a queue belongs to: the first eight bytes of its name's SHA-256, modulo their number.
fn partition(queue: &str, partitions: u16) -> u16 {
    let digest = Sha256::digest(queue.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    u16::try_from(number % u64::from(partitions.max(1))).unwrap_or_default() // smaller than a u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_s_keys_share_its_partition_s_hash_tag() {
        let keys = JobKeys::new("bursar");
        let queue_keys = keys.of(&"main/transfer");
        let tag = partition("main/transfer", PARTITIONS);
        assert_eq!(queue_keys.base, format!("bursar:{{{tag}}}:"));
        assert_eq!(
            queue_keys.job(&"K 1".parse::<Key>().unwrap_or_else(|_| "K1".parse().unwrap())),
            format!("bursar:{{{tag}}}:job:main/transfer:K1")
        );
        assert_eq!(queue_keys.set("sends"), format!("bursar:{{{tag}}}:sends:main/transfer"));
        assert_eq!(keys.partition_set(tag, "ready"), format!("bursar:{{{tag}}}:ready"));
    }

    #[test]
    fn queues_spread_over_all_partitions_and_stay_where_they_are() {
        let mut counts = [0; PARTITIONS as usize];
        for number in 0..3_200 {
            counts[usize::from(partition(&format!("a{number}/transfer"), PARTITIONS))] += 1;
        }
        assert!(counts.iter().all(|count| (50..200).contains(count)), "{counts:?}");
        assert_eq!((partition("main/transfer", 1), partition("main/transfer", 0)), (0, 0));
        // Written down: another function would lose every job.
        assert_eq!(partition("main/transfer", PARTITIONS), partition("main/transfer", 32));
    }
}
