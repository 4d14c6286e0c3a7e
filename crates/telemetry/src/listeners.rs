//! The metrics and the pulse of a process's listeners.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::Unwell;
use crate::families::{Counters, Gauges, labels, register};
use crate::names;

/// A listener that has shown no life for this long does not take connections: it beats every second, whatever its clients do.
const STILL: Duration = Duration::from_secs(30);

/// A limit of a listener's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionLimit {
    /// Of all connections.
    Places,
    /// Of those from one address, or one /64 network of IPv6.
    Address,
}

impl ConnectionLimit {
    pub(crate) const ALL: [Self; 2] = [Self::Places, Self::Address];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Places => "places",
            Self::Address => "address",
        }
    }

    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Places => "of all connections",
            Self::Address => "of one address",
        }
    }
}

/// The metrics of all listeners of one process.
#[derive(Debug)]
pub struct ListenerMetrics {
    registry: Registry,
    families: Arc<Families>,
    pulses: Mutex<Vec<(&'static str, Arc<Pulse>)>>,
}

#[derive(Debug)]
struct Families {
    open: Gauges,
    most: Gauges,
    displaced: Counters,
    refused: Counters,
}

/// The time of a listener's last beat.
#[derive(Debug)]
struct Pulse {
    began: Instant,
    /// In ms since it began.
    beat: AtomicU64,
    serves: AtomicBool,
}

impl Default for ListenerMetrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let to = &mut registry;
        let families = Families {
            open: register(to, names::CONNECTIONS, Gauges::default()),
            most: register(to, names::CONNECTIONS_MAX, Gauges::default()),
            displaced: register(to, names::CONNECTIONS_DISPLACED, Counters::default()),
            refused: register(to, names::CONNECTIONS_REFUSED, Counters::default()),
        };
        Self { registry, families: Arc::new(families), pulses: Mutex::default() }
    }
}

impl ListenerMetrics {
    /// One listener's part, with the most connections that it takes. `listener` is the key of its address in the configuration.
    #[must_use]
    pub fn of(&self, listener: &'static str, most: usize) -> OfListener {
        let pulse =
            Arc::new(Pulse { began: Instant::now(), beat: AtomicU64::default(), serves: AtomicBool::default() });
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner).push((listener, Arc::clone(&pulse)));
        let of = OfListener { listener, families: Arc::clone(&self.families), pulse };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        of.families.most.get_or_create(&labels(names::CONNECTIONS_MAX, [listener])).set(most);
        of.open(0);
        of
    }

    /// Writes them as Prometheus reads them.
    pub(crate) fn write(&self, text: &mut String) -> Result<(), std::fmt::Error> {
        prometheus_client::encoding::prometheus_text::encode(text, &self.registry)
    }

    /// Ok if every listener that serves takes connections.
    ///
    /// # Errors
    /// [`Unwell::Deaf`].
    pub(crate) fn well(&self) -> Result<(), Unwell> {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let is_still = |(_, pulse): &&(_, Arc<Pulse>)| pulse.serves.load(Ordering::Relaxed) && pulse.age() > STILL;
        pulses.iter().find(is_still).map_or(Ok(()), |(listener, _)| Err(Unwell::Deaf(listener)))
    }
}

impl Pulse {
    fn age(&self) -> Duration {
        self.began.elapsed().saturating_sub(Duration::from_millis(self.beat.load(Ordering::Relaxed)))
    }
}

/// One listener's metrics.
#[derive(Debug)]
pub struct OfListener {
    listener: &'static str,
    families: Arc<Families>,
    pulse: Arc<Pulse>,
}

impl OfListener {
    /// So many connections are open.
    pub fn open(&self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.families.open.get_or_create(&labels(names::CONNECTIONS, [self.listener])).set(count);
    }

    /// An idle connection was closed for a new one.
    pub fn displaced(&self, limit: ConnectionLimit) {
        let labels = labels(names::CONNECTIONS_DISPLACED, [self.listener, limit.as_str()]);
        self.families.displaced.get_or_create(&labels).inc();
    }

    /// A new connection was closed at once.
    pub fn refused(&self, limit: ConnectionLimit) {
        let labels = labels(names::CONNECTIONS_REFUSED, [self.listener, limit.as_str()]);
        self.families.refused.get_or_create(&labels).inc();
    }

    /// The listener waits for connections, or has just taken one.
    pub fn beat(&self) {
        let age = u64::try_from(self.pulse.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.pulse.beat.store(age, Ordering::Relaxed);
        self.pulse.serves.store(true, Ordering::Relaxed);
    }

    /// The listener ends by intention.
    pub fn ends(&self) {
        self.pulse.serves.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_stops_beating_is_unhealthy_unless_it_ended() {
        let metrics = ListenerMetrics::default();
        let [api, admin] = ["server.listen", "server.admin_listen"].map(|name| metrics.of(name, 10));
        tokio::time::advance(STILL * 2).await;
        assert_eq!(metrics.well(), Ok(()), "neither serves yet");
        api.beat();
        admin.beat();
        tokio::time::advance(STILL + Duration::from_secs(1)).await;
        admin.beat();
        assert_eq!(metrics.well(), Err(Unwell::Deaf("server.listen")));
        api.ends();
        assert_eq!(metrics.well(), Ok(()));
    }

    #[test]
    fn connections_are_counted_by_listener_and_limit() {
        let metrics = ListenerMetrics::default();
        let api = metrics.of("server.listen", 10);
        api.open(3);
        api.displaced(ConnectionLimit::Places);
        api.refused(ConnectionLimit::Address);
        let mut text = String::new();
        metrics.write(&mut text).unwrap();
        for line in [
            "bursar_connections{listener=\"server.listen\"} 3",
            "bursar_connections_max{listener=\"server.listen\"} 10",
            "bursar_connections_displaced_total{listener=\"server.listen\",limit=\"places\"} 1",
            "bursar_connections_refused_total{listener=\"server.listen\",limit=\"address\"} 1",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}: {text}");
        }
    }
}
