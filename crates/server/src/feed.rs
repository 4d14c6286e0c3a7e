//! News of jobs, once per process: one watch over the events wakes whoever waits for a job, and whoever follows the
//! events. News are a hint only; everybody reads for themselves, and looks now and then without any.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bursar_domain::{Key, Lane};
use bursar_store::{Event, Origin, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between tries to reach a Redis that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Who waits for what.
#[derive(Debug)]
pub(crate) struct Feed {
    jobs: Mutex<HashMap<(Lane, Key), watch::Sender<()>>>,
    anything: watch::Sender<()>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { jobs: Mutex::default(), anything: watch::Sender::new(()) }
    }
}

/// A wait for news of one job. Whoever has gone costs nothing.
pub(crate) struct Waiting<'a> {
    feed: &'a Feed,
    name: (Lane, Key),
    news: watch::Receiver<()>,
}

impl Feed {
    /// Waits for news of this job from now on.
    pub(crate) fn of_job(&self, lane: &Lane, key: &Key) -> Waiting<'_> {
        let name = (lane.clone(), key.clone());
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let news = jobs.entry(name.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Waiting { feed: self, name, news }
    }

    /// Tells when anything has happened.
    pub(crate) fn of_anything(&self) -> watch::Receiver<()> {
        self.anything.subscribe()
    }

    fn tell(&self, events: &[Event]) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let Origin::Jobs(lane) = &event.origin else { continue };
            let waiting = event.key().and_then(|key| jobs.get(&(lane.clone(), key)));
            if let Some(waiting) = waiting {
                waiting.send_replace(());
            }
        }
        drop(jobs);
        self.anything.send_replace(());
    }

    /// Everybody looks: some news may have been missed.
    fn tell_all(&self) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.values().for_each(|waiting| {
            waiting.send_replace(());
        });
        drop(jobs);
        self.anything.send_replace(());
    }

    /// Brings the news of these streams until `ended`.
    pub(crate) async fn follow(&self, store: &Store, origins: &[Origin], ended: CancellationToken) {
        if origins.is_empty() {
            return; // nothing can happen
        }
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.follow_on(store, origins) => {}
        }
    }

    async fn follow_on(&self, store: &Store, origins: &[Origin]) {
        loop {
            match store.watch_events(origins).await {
                Ok(mut watch) => {
                    self.tell_all();
                    loop {
                        match watch.next().await {
                            Ok(events) if events.is_empty() => {}
                            Ok(events) => self.tell(&events),
                            Err(error) => {
                                tracing::debug!(error = %error.chain(), "the events cannot be watched");
                                break;
                            }
                        }
                    }
                }
                Err(error) => tracing::debug!(error = %error.chain(), "the events cannot be watched"),
            }
            tokio::time::sleep(PAUSE).await;
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
        let mut jobs = self.feed.jobs.lock().unwrap_or_else(PoisonError::into_inner);
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

    fn finished(lane: &Lane, key: &str) -> Event {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = vec![field("key", key), field("state", "succeeded")];
        Event { id: EventId::default(), origin: lane.clone().into(), fields }
    }

    #[tokio::test]
    async fn news_wake_those_who_wait_for_the_job_and_nobody_is_kept_after_they_go() {
        let feed = Feed::default();
        let lane: Lane = "main/transfer".parse().unwrap();
        let mut first = feed.of_job(&lane, &"A".parse().unwrap());
        let mut second = feed.of_job(&lane, &"A".parse().unwrap());
        let mut other = feed.of_job(&lane, &"B".parse().unwrap());
        feed.tell(&[finished(&lane, "A"), finished(&lane, "C")]);
        first.news().await;
        second.news().await;
        let nothing = tokio::time::timeout(Duration::from_millis(20), other.news()).await;
        assert!(nothing.is_err());
        drop(first);
        feed.tell(&[finished(&lane, "A")]);
        second.news().await;
        drop((second, other));
        assert!(feed.jobs.lock().unwrap().is_empty());
    }
}
