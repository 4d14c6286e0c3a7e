//! Archiving: every job that has ended goes to the archive, once for each of its versions, before its details leave Redis.
//!
//! Workers share the duty: a partition is archived by one worker at a time, under a lease, into its own chain. A batch of jobs
//! becomes one segment, and is marked after the segment is sealed. A worker that dies in between leaves a seal that Redis has not noted:
//! the next one marks its jobs first. The lease only avoids double work. Two writers cannot both publish the segment after the one that
//! they began at, and that decides.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bursar_archive::{Archive, ArchivedJob, Chain, JobLine, Seal, SegmentWriter, Signer};
use bursar_domain::{Key, Millis, Queue};
use bursar_store::{
    ArchiveCursor, ArchiveLease, ArchiveMark, ArchiveProgress, ArchiveSet, Store, UnarchivedJob, crash_point,
};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::failed::Failed;
use crate::queues::Queues;

/// The lease of a partition. The same for all workers. Another one waits for so long when a worker dies.
const LEASE: Duration = Duration::from_secs(10);

/// A lease is renewed when so much of it has passed.
const RENEW_AFTER: Duration = Duration::from_secs(3);

/// Jobs that are read at once: a bound on memory, with the longest content 20 MB.
const STEP: usize = 100;

/// The lines of a segment at most, give or take a step: a bound on the marks in memory, and on what is marked again after a crash.
const SEGMENT_LINES: u64 = 10_000;

/// Its bytes at most, likewise.
const SEGMENT_BYTES: u64 = 64 << 20;

/// The pause after a round that failed.
const RETRY: Duration = Duration::from_secs(10);

/// The archive of a worker.
#[derive(Clone, Debug)]
pub struct Archiving {
    /// The archive.
    pub archive: Archive,
    /// The signer of its segments.
    pub signer: Arc<Signer>,
    /// The time from a job's end until it is archived.
    pub after: Duration,
    /// The time between rounds.
    pub every: Duration,
    /// Gets each seal that this worker publishes. One that is not taken in time is dropped: Redis has the newest.
    pub heads: Option<mpsc::Sender<Seal>>,
}

/// Archives the jobs of every queue until `stopped`; the first time at once.
pub(crate) async fn archive(store: Store, settings: Arc<Settings>, queues: Arc<Queues>, stopped: CancellationToken) {
    let Some(archiving) = settings.archiving.clone() else { return };
    let archiver = Archiver { store, archiving, worker: settings.name.clone(), stopped };
    loop {
        let wait = match archiver.round(&queues).await {
            Ok(()) => archiver.archiving.every,
            Err(error) => {
                let folder = archiver.archiving.archive.folder().display();
                tracing::warn!(%error, %folder, "ended jobs cannot be archived, and stay in Redis; trying again soon");
                RETRY.min(archiver.archiving.every)
            }
        };
        // Not all workers at the same moment.
        let wait = wait * fastrand::u32(75..125) / 100;
        if archiver.stopped.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

struct Archiver {
    store: Store,
    archiving: Archiving,
    worker: String,
    stopped: CancellationToken,
}

/// Jobs on their way into one segment.
struct Batch {
    writer: SegmentWriter,
    marks: Vec<ArchiveMark>,
    /// The jobs of the batch, which Redis does not know as archived yet.
    jobs: HashSet<(Queue, Key)>,
    progress: BTreeMap<Queue, ArchiveCursor>,
}

impl Archiver {
    async fn round(&self, queues: &Queues) -> Result<(), Failed> {
        let id = self.archiving.archive.id();
        let current = self.store.begin_archive(id).await.map_err(Failed::of)?;
        if current != id {
            let why = format!(
                "Redis is archived in {current}, and this folder is {id}: all workers must reach the same archive"
            );
            return Err(Failed(why));
        }
        let mut partitions: BTreeMap<u16, Vec<Queue>> = BTreeMap::new();
        let served = queues.served().into_iter().map(|number| queues.get(number));
        for served in served.filter(|served| !served.is_foreign()) {
            partitions.entry(self.store.partition_of(&served.queue)).or_default().push(served.queue.clone());
        }
        let mut partitions: Vec<(u16, Vec<Queue>)> = partitions.into_iter().collect();
        fastrand::shuffle(&mut partitions); // each worker begins elsewhere
        let mut failed = Ok(());
        for (partition, queues) in partitions {
            if self.stopped.is_cancelled() {
                return Ok(());
            }
            // A chain that cannot be written does not keep the others from theirs.
            if let Err(error) = self.partition(partition, &queues).await {
                failed = Err(Failed(format!("partition {partition}: {error}")));
            }
        }
        failed
    }

    async fn partition(&self, partition: u16, queues: &[Queue]) -> Result<(), Failed> {
        let until = |now: Millis| Millis(now.0.saturating_sub(millis(self.archiving.after)));
        let now = self.store.now().await.map_err(Failed::of)?;
        let cursors = self.store.archive_cursors(queues, until(now)).await.map_err(Failed::of)?;
        if cursors.iter().all(Option::is_none) {
            return Ok(());
        }
        let lease = self.store.archive_lease(partition, &self.worker, LEASE).await.map_err(Failed::of)?;
        let Some(lease) = lease else { return Ok(()) };
        // Again, under the lease: another worker may have been here.
        let cursors = self.store.archive_cursors(queues, until(lease.now)).await.map_err(Failed::of)?;
        let work: Vec<(&Queue, ArchiveCursor)> =
            queues.iter().zip(cursors).filter_map(|(queue, cursor)| Some((queue, cursor?))).collect();
        let done = self.under(&lease, &work, until(lease.now)).await;
        self.store.end_archive_lease(&lease).await.ok(); // it ends by itself
        done
    }

    async fn under(&self, lease: &ArchiveLease, work: &[(&Queue, ArchiveCursor)], until: Millis) -> Result<(), Failed> {
        let chain = self.archiving.archive.chain(&format!("{:04}", lease.partition));
        let newest = self.catch_up(lease, &chain).await?;
        let mut batch = Batch::begin(&chain, newest).await?;
        let mut renewed = Instant::now();
        for (queue, cursor) in work {
            for (set, from, until) in
                [(ArchiveSet::Noted, ArchiveCursor::default(), lease.now), (ArchiveSet::Ended, cursor.clone(), until)]
            {
                let mut at = from;
                loop {
                    if self.stopped.is_cancelled() {
                        return Ok(()); // what was not published was never there
                    }
                    let step = self.store.to_archive(queue, set, &at, until, STEP).await.map_err(Failed::of)?;
                    let ended_at = (set == ArchiveSet::Ended).then(|| step.cursor.clone());
                    batch = batch.add(queue, step.jobs, ended_at, lease.now).await?;
                    at = step.cursor;
                    if batch.writer.lines() >= SEGMENT_LINES || batch.writer.bytes() >= SEGMENT_BYTES {
                        let newest = self.publish(lease, batch).await?;
                        batch = Batch::begin(&chain, newest).await?;
                        renewed = Instant::now();
                    } else if renewed.elapsed() > RENEW_AFTER {
                        self.mark(lease, &[], &ArchiveProgress::default()).await?;
                        renewed = Instant::now();
                    }
                    if step.is_end {
                        break;
                    }
                }
            }
        }
        self.publish(lease, batch).await.map(drop)
    }

    /// Marks the jobs of segments that were sealed by a worker that died before it marked them. Returns the newest segment.
    async fn catch_up(&self, lease: &ArchiveLease, chain: &Chain) -> Result<u64, Failed> {
        let of_chain = chain.clone();
        let newest = blocking(move || of_chain.newest()).await?.map_or(0, |seal| seal.segment);
        if newest < lease.marked {
            let name = chain.name();
            let why =
                format!("Redis knows segment {} of chain {name}, and the newest one there is {newest}", lease.marked);
            return Err(Failed(why));
        }
        for segment in lease.marked + 1..=newest {
            let chain = chain.clone();
            let (seal, marks) = blocking(move || {
                let Some(seal) = chain.seal(segment)? else { return Ok(None) };
                let mut marks = Vec::new();
                chain.read(&seal, |line| marks.extend(JobLine::read(line).ok().map(|line| mark_of(&line))))?;
                Ok(Some((seal, marks)))
            })
            .await?
            .ok_or_else(|| Failed(format!("segment {segment} is missing")))?;
            let progress = ArchiveProgress { head: Some((segment, seal.text())), cursors: Vec::new() };
            self.mark(lease, &marks, &progress).await?;
            tracing::info!(
                chain = seal.chain,
                segment,
                jobs = marks.len(),
                "jobs are marked that another worker archived"
            );
        }
        Ok(newest)
    }

    /// Publishes a batch and marks its jobs. Returns the newest segment.
    async fn publish(&self, lease: &ArchiveLease, batch: Batch) -> Result<u64, Failed> {
        let Batch { writer, marks, progress, .. } = batch;
        let cursors = progress.into_iter().collect();
        if marks.is_empty() {
            let newest = writer.begun_at().segment;
            self.mark(lease, &marks, &ArchiveProgress { head: None, cursors }).await?;
            return Ok(newest);
        }
        let signer = Arc::clone(&self.archiving.signer);
        let now = self.store.now().await.map_err(Failed::of)?;
        let seal = blocking(move || writer.publish(&signer, now.0, crash_point)).await?;
        self.mark(lease, &marks, &ArchiveProgress { head: Some((seal.segment, seal.text())), cursors }).await?;
        crash_point("archive_marked");
        tracing::debug!(chain = seal.chain, segment = seal.segment, jobs = marks.len(), "archived");
        let segment = seal.segment;
        if let Some(heads) = &self.archiving.heads {
            heads.try_send(seal).ok();
        }
        Ok(segment)
    }

    async fn mark(
        &self,
        lease: &ArchiveLease,
        marks: &[ArchiveMark],
        progress: &ArchiveProgress,
    ) -> Result<(), Failed> {
        match self.store.mark_archived(lease, marks, progress).await.map_err(Failed::of)? {
            true => Ok(()),
            false => Err(Failed("another worker has taken over the partition".into())),
        }
    }
}

impl Batch {
    /// Begins a segment after the newest one whose jobs are marked.
    async fn begin(chain: &Chain, newest: u64) -> Result<Self, Failed> {
        let chain = chain.clone();
        let writer = blocking(move || chain.begin()).await?;
        if writer.begun_at().segment != newest {
            return Err(Failed("another worker has published a segment meanwhile".into()));
        }
        Ok(Self { writer, marks: Vec::new(), jobs: HashSet::new(), progress: BTreeMap::new() })
    }

    /// Adds the jobs of one step, and the position after it.
    async fn add(
        mut self,
        queue: &Queue,
        jobs: Vec<UnarchivedJob>,
        cursor: Option<ArchiveCursor>,
        now: Millis,
    ) -> Result<Self, Failed> {
        self.progress.extend(cursor.map(|cursor| (queue.clone(), cursor)));
        // A job that is in both sets is found twice before it is marked.
        let jobs: Vec<UnarchivedJob> =
            jobs.into_iter().filter(|job| self.jobs.insert((queue.clone(), job.key.clone()))).collect();
        if jobs.is_empty() {
            return Ok(self);
        }
        let queue = queue.to_string();
        blocking(move || {
            for job in jobs {
                self.push(&queue, &job, now)?;
            }
            Ok(self)
        })
        .await
    }

    fn push(&mut self, queue: &str, job: &UnarchivedJob, now: Millis) -> Result<(), bursar_archive::ArchiveError> {
        let UnarchivedJob { key, version, record, history } = job;
        let line = ArchivedJob { at: now.0, queue, key: key.as_str(), version: *version, record, history };
        let fingerprint = ArchivedJob::fingerprint(record.as_bytes(), history);
        match self.writer.push(&line.body(&fingerprint)) {
            Err(error @ bursar_archive::ArchiveError::Line) => {
                tracing::error!(%error, queue, %key, "a job cannot be archived, and stays in Redis");
                return Ok(());
            }
            pushed => pushed?,
        }
        let (queue, key) = (queue.to_owned(), key.to_string());
        self.marks.push(ArchiveMark { queue, key, version: *version, fingerprint });
        Ok(())
    }
}

fn mark_of(line: &JobLine<'_>) -> ArchiveMark {
    ArchiveMark {
        queue: line.queue.to_string(),
        key: line.key.to_string(),
        version: line.version,
        fingerprint: line.fingerprint.to_string(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Work on files, apart from the threads of calls in flight.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, bursar_archive::ArchiveError> + Send + 'static,
) -> Result<T, Failed> {
    spawn_blocking(work).await.map_err(Failed::of)?.map_err(Failed::of)
}
