//! News of jobs, once per process: one watch over the partitions' events wakes the requests that wait for a job and the streams of events.
//! News are a hint only: each reader reads Redis itself, and reads it now and then without any. Without readers, nothing is watched.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bursar_domain::{Key, Queue};
use bursar_store::{Event, EventWatch, Store};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The time between two attempts to reach a Redis that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// The pause after news: it bounds how often Redis is read while much happens.
const PACE: Duration = Duration::from_millis(20);

/// The time for which the watch continues without readers: the next one often comes soon.
const LINGER: Duration = Duration::from_secs(10);

/// The readers that wait for news.
#[derive(Debug)]
pub(crate) struct JobWatch {
    jobs: Mutex<HashMap<(Queue, Key), watch::Sender<()>>>,
    anything: watch::Sender<()>,
    /// Notified when a reader begins to wait.
    wanted: Notify,
}

impl Default for JobWatch {
    fn default() -> Self {
        Self { jobs: Mutex::default(), anything: watch::Sender::new(()), wanted: Notify::new() }
    }
}

/// A wait for news of one job. It costs nothing once it is dropped.
pub(crate) struct Waiting<'a> {
    job_watch: &'a JobWatch,
    name: (Queue, Key),
    news: watch::Receiver<()>,
}

impl JobWatch {
    /// Waits for news of this job from now on.
    pub(crate) fn of_job(&self, queue: &Queue, key: &Key) -> Waiting<'_> {
        let name = (queue.clone(), key.clone());
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let news = jobs.entry(name.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        drop(jobs);
        self.wanted.notify_one();
        Waiting { job_watch: self, name, news }
    }

    /// Changes whenever anything has happened.
    pub(crate) fn of_anything(&self) -> watch::Receiver<()> {
        let news = self.anything.subscribe();
        self.wanted.notify_one();
        news
    }

    fn is_wanted(&self) -> bool {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        !jobs.is_empty() || self.anything.receiver_count() > 0
    }

    fn notify(&self, events: &[Event]) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events.iter().filter(|_| !jobs.is_empty()) {
            let name = event.queue().zip(event.key());
            if let Some(waiting) = name.and_then(|name| jobs.get(&name)) {
                waiting.send_replace(());
            }
        }
        drop(jobs);
        self.anything.send_replace(());
    }

    /// Everybody looks: some news may have been missed.
    fn notify_all(&self) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.values().for_each(|waiting| {
            waiting.send_replace(());
        });
        drop(jobs);
        self.anything.send_replace(());
    }

    /// Brings the news until `ended`.
    pub(crate) async fn follow(&self, store: &Store, ended: CancellationToken) {
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.follow_on(store) => {}
        }
    }

    async fn follow_on(&self, store: &Store) {
        loop {
            while !self.is_wanted() {
                self.wanted.notified().await;
            }
            match store.watch_events().await {
                Ok(mut watch) => {
                    self.notify_all();
                    self.watch(&mut watch).await;
                }
                Err(error) => {
                    tracing::debug!(error = %error.chain(), "the events cannot be watched");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Brings the news until there has been no reader for a while, or Redis fails.
    async fn watch(&self, watch: &mut EventWatch) {
        let mut wanted = Instant::now();
        while self.is_wanted() || wanted.elapsed() < LINGER {
            if self.is_wanted() {
                wanted = Instant::now();
            }
            match watch.next().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    self.notify(&events);
                    sleep(PACE).await;
                }
                Err(error) => {
                    tracing::debug!(error = %error.chain(), "the events cannot be watched");
                    return sleep(PAUSE).await;
                }
            }
        }
    }
}

impl Waiting<'_> {
    /// Returns when there is news.
    pub(crate) async fn news(&mut self) {
        // The sender stays in the map for as long as this wait does.
        self.news.changed().await.ok();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut jobs = self.job_watch.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let only_we = jobs.get(&self.name).is_some_and(|sender| sender.receiver_count() <= 1);
        if only_we {
            jobs.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use bursar_store::EventId;

    use super::*;

    fn finished(queue: &Queue, key: &str) -> Event {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = vec![field("key", key), field("state", "succeeded")];
        Event { id: EventId::default(), partition: 0, queue: queue.to_string(), fields }
    }

    #[tokio::test]
    async fn news_wake_waiting_requests_and_no_entry_is_left_behind() {
        let job_watch = JobWatch::default();
        let queue: Queue = "main/transfer".parse().unwrap();
        let mut first = job_watch.of_job(&queue, &"A".parse().unwrap());
        let mut second = job_watch.of_job(&queue, &"A".parse().unwrap());
        let mut other = job_watch.of_job(&queue, &"B".parse().unwrap());
        job_watch.notify(&[finished(&queue, "A"), finished(&queue, "C")]);
        first.news().await;
        second.news().await;
        let nothing = tokio::time::timeout(Duration::from_millis(20), other.news()).await;
        assert!(nothing.is_err());
        drop(first);
        job_watch.notify(&[finished(&queue, "A")]);
        second.news().await;
        drop((second, other));
        assert!(job_watch.jobs.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_watched_without_a_waiting_request() {
        let job_watch = JobWatch::default();
        assert!(!job_watch.is_wanted());
        let waiting = job_watch.of_job(&"main/transfer".parse().unwrap(), &"A".parse().unwrap());
        assert!(job_watch.is_wanted());
        job_watch.wanted.notified().await;
        drop(waiting);
        assert!(!job_watch.is_wanted());
        let news = job_watch.of_anything();
        assert!(job_watch.is_wanted());
        drop(news);
        assert!(!job_watch.is_wanted());
    }
}
