//! Exports this process's spans of traced jobs.

use std::sync::Arc;

use bursar_producer::{Key, OnOutcome, Outcome, Producer, Queue, TraceParent, Witness};
use bursar_telemetry::{Role, Span, Traces, TracesError};

use crate::config::Config;

/// The configured exporter, or none.
pub(crate) fn start(config: &Config) -> Result<Traces, TracesError> {
    match &config.telemetry.otlp_endpoint {
        Some(endpoint) => {
            let host = gethostname::gethostname();
            Traces::export(endpoint, &format!("{}-{}", host.to_string_lossy(), std::process::id()))
        }
        None => Ok(Traces::default()),
    }
}

/// Traces a producer's submissions.
pub(crate) fn witnessed(producer: Producer, traces: &Traces) -> Producer {
    producer.witnessed_by(Arc::new(Submissions(traces.clone())))
}

/// Each submission of a traced job as a span.
#[derive(Debug)]
struct Submissions(Traces);

impl Witness for Submissions {
    fn submits(&self, queue: &Queue, key: &Key, trace: &TraceParent) -> Option<(TraceParent, OnOutcome)> {
        let mut span = self.0.begin(Some(trace), "submit", Role::Inside, std::time::Duration::ZERO)?;
        span.record("bursar.queue", queue.to_string());
        span.record("bursar.key", key.to_string());
        let below = span.parent()?;
        Some((below, Box::new(move |outcome| ended(span, outcome))))
    }
}

fn ended(mut span: Span, outcome: &Outcome) {
    span.record(
        "bursar.outcome",
        match outcome {
            Outcome::New => "new",
            Outcome::Existing(_) => "existing",
            Outcome::Conflict { .. } => "conflict",
            Outcome::Invalid(_) => "invalid",
            Outcome::Unreadable(_) => "unreadable",
        },
    );
}
