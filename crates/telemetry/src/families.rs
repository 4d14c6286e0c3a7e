//! Families of metrics as a process counts them: under the names, labels and words of [`names`](crate::names).

use std::sync::OnceLock;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as Registered, Registry};

use crate::names::Metric;

/// Label values, in the order of the metric's labels in [`names`](crate::names).
pub(crate) type Labels = Vec<(&'static str, String)>;

/// Makes a histogram with its buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

pub(crate) type Counters = Family<Labels, Counter>;
pub(crate) type Gauges = Family<Labels, Gauge>;
pub(crate) type Histograms = Family<Labels, Histogram, Buckets>;

/// Histograms with these buckets.
pub(crate) fn histograms(buckets: &'static [f64]) -> Histograms {
    Histograms::new_with_constructor(Buckets(buckets))
}

/// Registers a metric under its name, with its help text.
pub(crate) fn register<M: Registered + Clone>(registry: &mut Registry, metric: Metric, made: M) -> M {
    registry.register(metric.name.trim_end_matches("_total"), metric.help.trim_end_matches('.'), made.clone());
    made
}

/// The labels of `metric` with these values.
pub(crate) fn labels<const N: usize>(metric: Metric, values: [&str; N]) -> Labels {
    metric.labels.iter().copied().zip(values.map(str::to_owned)).collect()
}

/// One series of a family. It is made at its first event: most queues of many accounts are idle, and a series without
/// events has no line on the page. Later events find it without a search.
#[derive(Debug)]
pub(crate) struct Series<M>(OnceLock<M>);

impl<M> Default for Series<M> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<M: Clone> Series<M> {
    /// The series of `family` with these label values, which are the same in each call.
    pub(crate) fn of<C: MetricConstructor<M>, const N: usize>(
        &self,
        family: &Family<Labels, M, C>,
        metric: Metric,
        values: [&str; N],
    ) -> &M {
        self.0.get_or_init(|| family.get_or_create_owned(&labels(metric, values)))
    }

    /// The series, if it ever had an event.
    pub(crate) fn made(&self) -> Option<&M> {
        self.0.get()
    }
}
