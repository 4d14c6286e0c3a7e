//! Compares Redis with journals: if a journal has a send that Redis lacks, a job that Redis calls new may have been
//! paid.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use bursar_domain::{Key, Queue, State};
use bursar_journal::{FileRecall, Recall, Send};
use bursar_store::{Incarnations, JobRecord, Store, StoreError, StoredAs, Unreadable};

/// A reason to send nothing on this Redis until an operator has acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendBlock {
    /// It has no id, but the configuration expects an existing one.
    Empty,
    /// It had another id when this process began, but the configuration expects an existing one.
    Replaced,
    /// The journals cannot be read: their sends are unknown.
    Unreadable(String),
    /// The journal of this worker cannot be written.
    Unwritable,
    /// A file with sends of this queue was written on another Redis.
    OtherRedis {
        /// The queue.
        queue: Queue,
        /// The file, or the folder for this process's own.
        file: PathBuf,
    },
    /// Redis has seen fewer claims of this queue than a journal.
    LostWrites {
        /// The queue.
        queue: Queue,
        /// The journals' highest fence.
        journal: u64,
        /// Redis's.
        redis: u64,
    },
    /// Redis does not know of this send.
    LostSend {
        /// The queue.
        queue: Queue,
        /// The job's key.
        key: String,
    },
}

impl SendBlock {
    /// Its name in the preflight, metrics and `bursar doctor`.
    #[must_use]
    pub const fn check(&self) -> &'static str {
        match self {
            Self::Empty | Self::Replaced => "redis.expect",
            Self::Unwritable => "journal",
            Self::Unreadable(_) | Self::OtherRedis { .. } | Self::LostWrites { .. } | Self::LostSend { .. } => {
                "journal.ahead"
            }
        }
    }

    /// The queue that it is about, if it is about one.
    #[must_use]
    pub const fn queue(&self) -> Option<&Queue> {
        match self {
            Self::Empty | Self::Replaced | Self::Unreadable(_) | Self::Unwritable => None,
            Self::OtherRedis { queue, .. } | Self::LostWrites { queue, .. } | Self::LostSend { queue, .. } => {
                Some(queue)
            }
        }
    }
}

impl fmt::Display for SendBlock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RECONCILE: &str = "run `bursar reconcile --journal` with the journals of all workers";
        match self {
            Self::Empty => out.write_str(
                "this Redis is empty (nothing below redis.prefix says that Bursar was here), and redis.expect is \"existing\": find \
                 the one that holds your jobs, or restore it; for a first start set redis.expect = \"any\" once",
            ),
            Self::Replaced => out.write_str(
                "this Redis was emptied or replaced by another while this process ran, and redis.expect is \"existing\": find out \
                 what it has lost before you start the workers again",
            ),
            Self::Unreadable(why) => write!(out, "the journals cannot be read: {why}"),
            Self::Unwritable => out.write_str("the journal cannot be written: check the disk and the permissions of journal.dir"),
            Self::OtherRedis { queue, file } => write!(
                out,
                "{} holds sends of {queue} that were made on another Redis, or on this one before it was emptied: {RECONCILE}; \
                 if it is the journal of another installation, give each its own journal.dir",
                file.display()
            ),
            Self::LostWrites { queue, journal, redis } => write!(
                out,
                "Redis has lost writes of {queue} that a journal has (fence {redis} and {journal}): {RECONCILE}"
            ),
            Self::LostSend { queue, key } => {
                write!(out, "a journal has a send of {key} in {queue} that Redis has lost: {RECONCILE}")
            }
        }
    }
}

/// A job in a journal whose record this build cannot read. Redis has not lost it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    queue: Queue,
    key: Key,
    why: Unreadable,
}

impl Unread {
    /// Says so in the log.
    pub(crate) fn log(&self) {
        let Self { queue, key, why } = self;
        tracing::warn!(%queue, %key, %why, "a journal has a send of this job, but its record cannot be read: it is not compared");
    }
}

/// Compares the journals' sends of these queues with Redis; at most one reason for each queue and type.
///
/// # Errors
/// [`StoreError`] if Redis does not answer: nothing is known then.
pub async fn send_blocks(store: &Store, queues: &[Queue], recall: &Recall) -> Result<Vec<SendBlock>, StoreError> {
    let (reasons, unread) = compare(store, queues, recall).await?;
    unread.iter().for_each(Unread::log);
    Ok(reasons)
}

/// The same, with the records that could not be compared.
pub(crate) async fn compare(
    store: &Store,
    queues: &[Queue],
    recall: &Recall,
) -> Result<(Vec<SendBlock>, Vec<Unread>), StoreError> {
    let incarnations = store.incarnations().await?;
    let mut reasons: Vec<SendBlock> = unlisted(queues, recall, &incarnations).into_iter().collect();
    let mut unread = Vec::new();
    // Queues that no journal names need no comparison.
    let is_named =
        |name: &String| recall.fences.contains_key(name) || recall.files.iter().any(|file| file.queues.contains(name));
    let queues: Vec<Queue> = queues.iter().filter(|queue| is_named(&queue.to_string())).cloned().collect();
    for (queue, redis) in queues.iter().zip(store.fences(&queues).await?) {
        let name = queue.to_string();
        let of_queue = recall.files.iter().filter(|file| file.queues.contains(&name));
        reasons.extend(
            of_queue
                .clone()
                .find(|file| is_foreign(file, &incarnations))
                .map(|file| SendBlock::OtherRedis { queue: queue.clone(), file: file.path.clone() }),
        );
        let journal = recall.fences.get(&name).copied().unwrap_or_default();
        if journal > redis {
            reasons.push(SendBlock::LostWrites { queue: queue.clone(), journal, redis });
        }
        for file in of_queue {
            let sends: Vec<&Send> = file.newest.iter().filter(|send| send.queue == name).collect();
            if let Some(key) = forgotten(store, queue, &sends, &mut unread).await? {
                reasons.push(SendBlock::LostSend { queue: queue.clone(), key });
                break;
            }
        }
    }
    Ok((reasons, unread))
}

/// A file of another Redis with sends of a queue that is not served: its account may have been renamed, and its
/// producer may repeat the same jobs under the new name.
fn unlisted(queues: &[Queue], recall: &Recall, incarnations: &Incarnations) -> Option<SendBlock> {
    let foreign = recall.files.iter().filter(|file| is_foreign(file, incarnations));
    foreign.flat_map(|file| file.queues.iter().map(move |queue| (file, queue))).find_map(|(file, queue)| {
        let queue = queue.parse::<Queue>().ok().filter(|queue| !queues.contains(queue))?;
        Some(SendBlock::OtherRedis { queue, file: file.path.clone() })
    })
}

fn is_foreign(file: &FileRecall, incarnations: &Incarnations) -> bool {
    // A file of a build without incarnations is judged by its sends alone.
    !file.incarnation.is_empty() && !incarnations.knows(&file.incarnation)
}

/// The key of the newest of these sends that Redis lacks. Jobs that cannot be read are added to `unread`.
async fn forgotten(
    store: &Store,
    queue: &Queue,
    sends: &[&Send],
    unread: &mut Vec<Unread>,
) -> Result<Option<String>, StoreError> {
    let keys: BTreeSet<&str> = sends.iter().map(|send| send.key.as_str()).collect();
    // A key that no build accepts was sent by none.
    let keys: Vec<Key> = keys.into_iter().filter_map(|key| key.parse().ok()).collect();
    let jobs = store.jobs(queue, &keys).await?;
    let knows = |send: &Send| {
        jobs.iter().any(|job| match job {
            StoredAs::Job(record) => record.key.as_str() == send.key && knows(record, send.fence),
            StoredAs::Unreadable { key, .. } => key.as_str() == send.key,
        })
    };
    let known = |send: &&&Send| send.key.parse::<Key>().is_err() || knows(send);
    let forgotten = sends.iter().rev().find(|send| !known(send)).map(|send| send.key.clone());
    for job in jobs {
        if let StoredAs::Unreadable { key, why } = job {
            unread.push(Unread { queue: queue.clone(), key, why });
        }
    }
    Ok(forgotten)
}

/// True if a record has a claim of this fence, or no longer needs one. `bursar reconcile` reports a job that ended
/// without it: no send of it follows.
fn knows(record: &JobRecord, fence: u64) -> bool {
    match record.state {
        State::Succeeded | State::Failed | State::Refunded | State::Cancelled => true,
        State::Queued | State::InDoubt | State::Pending | State::NeedsReview => {
            record.created.is_none() || record.fence >= fence
        }
    }
}
