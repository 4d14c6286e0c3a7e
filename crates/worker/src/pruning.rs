//! Makes room in the journals' folder by removing the oldest files, but never one with a job that Redis has not
//! settled: that file may be the only proof of its payment if Redis is lost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{Key, Queue, State};
use bursar_journal::{Closed, Journal, closed, jobs_in, remove, remove_empty, surplus};
use bursar_store::{JobRecord, Store, StoredAs};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::failed::Failed;
use crate::journal_check::JournalCheck;

/// The pause between rounds; the first one begins at once.
const ROUND: Duration = Duration::from_secs(10);

/// Records that are read at once.
const BATCH: usize = 500;

/// The reason why a removable file stays.
enum Stays {
    /// This job, with the highest fence that the file has of it, is not settled. It is checked first the next time.
    For(Queue, Key, u64),
    /// It has lines that cannot be read, or names jobs that cannot be read: an operator must decide.
    Damaged,
}

/// Makes room until `stopped`.
pub(crate) async fn prune(
    store: Store,
    journal: Option<Journal>,
    journal_check: Arc<JournalCheck>,
    stopped: CancellationToken,
) {
    let Some(journal) = journal else { return };
    let mut staying = HashMap::new();
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopped.run_until_cancelled(rounds.tick()).await.is_some() {
        // A Redis that has lost writes settles nothing.
        if !journal_check.allows() {
            rounds.reset_after(Duration::from_secs(1));
            continue;
        }
        if let Err(error) = round(&store, &journal, &mut staying).await {
            let folder = journal.folder().display();
            tracing::warn!(error = format!("{error:#}"), %folder, "old journals cannot be removed; trying again soon");
        }
    }
}

async fn round(store: &Store, journal: &Journal, staying: &mut HashMap<PathBuf, Stays>) -> Result<(), Failed> {
    let folder = journal.folder().to_path_buf();
    let look = move || {
        remove_empty(&folder)?;
        closed(&folder)
    };
    let closed = spawn_blocking(look).await.map_err(Failed::of)?.map_err(Failed::of)?;
    staying.retain(|path, _| closed.iter().any(|file| file.path == *path));
    for Closed { path, .. } in surplus(&closed, journal.room()) {
        match staying.get(path) {
            Some(Stays::Damaged) => continue,
            Some(Stays::For(queue, key, fence)) if !is_settled(store, queue, key, *fence).await? => continue,
            Some(Stays::For(..)) | None => {}
        }
        match open_job(store, path).await? {
            Some(why) => {
                if let Stays::Damaged = why {
                    tracing::warn!(file = %path.display(), "an old journal is kept: not all of its lines can be read");
                }
                staying.insert(path.clone(), why);
            }
            None => remove(path).map_err(Failed::of)?,
        }
    }
    Ok(())
}

/// A job of this file that is not settled, if there is one.
async fn open_job(store: &Store, path: &Path) -> Result<Option<Stays>, Failed> {
    let file = path.to_path_buf();
    let jobs = spawn_blocking(move || jobs_in(&file)).await.map_err(Failed::of)?.map_err(Failed::of)?;
    if jobs.damaged > 0 {
        return Ok(Some(Stays::Damaged));
    }
    let mut by_queue: HashMap<Queue, Vec<(Key, u64)>> = HashMap::new();
    for ((queue, key), fence) in jobs.named {
        let (Ok(queue), Ok(key)) = (queue.parse(), key.parse()) else { return Ok(Some(Stays::Damaged)) };
        by_queue.entry(queue).or_default().push((key, fence));
    }
    for (queue, jobs) in by_queue {
        for batch in jobs.chunks(BATCH) {
            let keys: Vec<Key> = batch.iter().map(|(key, _)| key.clone()).collect();
            let jobs = store.jobs(&queue, &keys).await.map_err(Failed::of)?;
            let records: HashMap<&Key, &JobRecord> = jobs.iter().filter_map(readable).collect();
            let is_open =
                |(key, fence): &&(Key, u64)| !records.get(key).is_some_and(|record| has_settled(record, *fence));
            let open = batch.iter().find(is_open);
            if let Some((key, fence)) = open {
                return Ok(Some(Stays::For(queue, key.clone(), *fence)));
            }
        }
    }
    Ok(None)
}

async fn is_settled(store: &Store, queue: &Queue, key: &Key, fence: u64) -> Result<bool, Failed> {
    let job = store.job(queue, key).await.map_err(Failed::of)?;
    Ok(job.as_ref().and_then(readable).is_some_and(|(_, record)| has_settled(record, fence)))
}

/// A record that cannot be read settles nothing: it may or may not have the journal's send.
fn readable(job: &StoredAs) -> Option<(&Key, &JobRecord)> {
    match job {
        StoredAs::Job(record) => Some((&record.key, record)),
        StoredAs::Unreadable { .. } => None,
    }
}

/// True if a job has ended and its end counts the sends up to this fence. A job that ended as never executed without
/// these sends has not settled them.
fn has_settled(record: &JobRecord, fence: u64) -> bool {
    match record.state {
        State::Succeeded | State::Refunded => true,
        State::Failed | State::Cancelled => record.created.is_none() || record.fence >= fence,
        State::Queued | State::InDoubt | State::Pending | State::NeedsReview => false,
    }
}
