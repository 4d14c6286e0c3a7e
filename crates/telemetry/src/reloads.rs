//! The metrics of a process that reads its configuration again while it runs.

use prometheus_client::registry::Registry;

use crate::families::{Counters, labels, register};
use crate::names;

/// The result of reading the configuration again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// It is in force, as far as it can be without a restart.
    Done,
    /// It was refused, and nothing has changed.
    Refused,
}

impl ReloadResult {
    pub(crate) const ALL: [Self; 2] = [Self::Done, Self::Refused];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "in force",
            Self::Refused => "wrong: nothing has changed",
        }
    }
}

/// The metrics of reloads of one process.
#[derive(Debug)]
pub struct ReloadMetrics {
    registry: Registry,
    reloads: Counters,
}

impl Default for ReloadMetrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let reloads = register(&mut registry, names::RELOADS, Counters::default());
        Self { registry, reloads }
    }
}

impl ReloadMetrics {
    /// The configuration was read again.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.get_or_create(&labels(names::RELOADS, [result.as_str()])).inc();
    }

    /// Writes them as Prometheus reads them.
    pub(crate) fn write(&self, text: &mut String) -> Result<(), std::fmt::Error> {
        prometheus_client::encoding::prometheus_text::encode(text, &self.registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_counted_by_result() {
        let metrics = ReloadMetrics::default();
        let mut text = String::new();
        for result in [ReloadResult::Done, ReloadResult::Refused, ReloadResult::Done] {
            metrics.reloaded(result);
        }
        metrics.write(&mut text).unwrap();
        for line in ["bursar_reloads_total{result=\"done\"} 2", "bursar_reloads_total{result=\"refused\"} 1"] {
            assert!(text.lines().any(|written| written == line), "{line}: {text}");
        }
    }
}
