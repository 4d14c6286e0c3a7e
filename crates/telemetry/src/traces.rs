//! Traces: a job's story as spans of the trace that its producer began, exported by OTLP.
//!
//! Tracing is off unless an endpoint is configured. Only jobs whose `traceparent` is marked as sampled are traced; all
//! others cost nothing. Spans that cannot be exported are dropped: no job waits for a collector.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bursar_domain::TraceParent;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

/// The path of OTLP traces below a collector's endpoint.
const PATH: &str = "/v1/traces";

/// A collector that has not taken a batch by then has not taken it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Spans gather for so long before they leave.
const GATHER: Duration = Duration::from_secs(1);

/// The bound of waiting spans, about 10 MB; further spans are dropped.
const MAX_WAITING: usize = 16_384;

/// At its end a process waits so long for its last spans to leave.
const LAST_WORD: Duration = Duration::from_secs(3);

/// The reason why traces cannot be exported. The operator must act.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The way to the collector cannot be made.
    #[error("telemetry.otlp_endpoint cannot be exported to")]
    Exporter(#[source] ExporterBuildError),
    /// The HTTP client cannot be made.
    #[error("telemetry.otlp_endpoint cannot be reached by TLS")]
    Client(#[source] bursar_http_client::Error),
}

/// The destination of spans; cheap to clone. The default exports nothing.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Exporting>>);

#[derive(Debug)]
struct Exporting {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// One stretch of a job's story. It ends when it is dropped.
pub struct Span {
    traces: Traces,
    inner: opentelemetry_sdk::trace::Span,
}

/// The role of a span in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Work of our own.
    Inside,
    /// A call to another service.
    Call,
}

impl Traces {
    /// Exports to the collector at `endpoint` (`http://127.0.0.1:4318`), as the process called `instance`. To be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`TracesError`].
    pub fn export(endpoint: &str, instance: &str) -> Result<Self, TracesError> {
        let client = bursar_http_client::hardened().timeout(EXPORT_TIMEOUT).build().map_err(TracesError::Client)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Posting { client, runtime: Handle::current() })
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(TracesError::Exporter)?;
        let batches =
            BatchConfigBuilder::default().with_max_queue_size(MAX_WAITING).with_scheduled_delay(GATHER).build();
        let resource = Resource::builder()
            .with_service_name("bursar")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        let tracer = provider.tracer("bursar");
        Ok(Self(Some(Arc::new(Exporting { provider, tracer }))))
    }

    /// Begins a span below `parent`, `since` before now. `None` if the trace is not sampled.
    #[must_use]
    pub fn begin(&self, parent: Option<&TraceParent>, name: &'static str, role: Role, since: Duration) -> Option<Span> {
        let exporting = self.0.as_ref()?;
        let parent = context_of(parent?)?;
        parent.is_sampled().then(|| self.span(exporting, &parent, name, role, since))
    }

    fn span(
        &self,
        exporting: &Exporting,
        parent: &SpanContext,
        name: &'static str,
        role: Role,
        since: Duration,
    ) -> Span {
        let kind = match role {
            Role::Inside => SpanKind::Internal,
            Role::Call => SpanKind::Client,
        };
        let builder = exporting.tracer.span_builder(name).with_kind(kind).with_start_time(local_now() - since);
        let below = Context::new().with_remote_span_context(parent.clone());
        Span { traces: self.clone(), inner: exporting.tracer.build_with_context(builder, &below) }
    }

    /// Exports the waiting spans and shuts down. Returns soon even if the collector does not answer.
    pub async fn close(self) {
        let Some(exporting) = self.0 else { return };
        // The exporter blocks its own thread, so the caller must wait on a blocking thread too.
        let closed = tokio::task::spawn_blocking(move || exporting.provider.shutdown_with_timeout(LAST_WORD)).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the last spans may not have reached the collector");
        }
    }
}

impl Span {
    /// Begins a span below this one.
    #[must_use]
    pub fn child(&self, name: &'static str, role: Role) -> Option<Self> {
        let exporting = self.traces.0.as_ref()?;
        Some(self.traces.span(exporting, self.inner.span_context(), name, role, Duration::ZERO))
    }

    /// Says something of it.
    pub fn record(&mut self, name: &'static str, value: impl Into<Value>) {
        self.inner.set_attribute(KeyValue::new(name, value));
    }

    /// Marks the span as failed.
    pub fn failed(&mut self, why: &'static str) {
        self.inner.set_status(Status::error(why));
    }

    /// The `traceparent` for calls below this span.
    #[must_use]
    pub fn parent(&self) -> Option<TraceParent> {
        let context = self.inner.span_context();
        let flags = context.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id()).parse().ok()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Span({})", self.inner.span_context().span_id())
    }
}

fn context_of(parent: &TraceParent) -> Option<SpanContext> {
    let mut parts = parent.as_str().split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}

#[allow(
    clippy::disallowed_methods,
    reason = "spans of several machines are laid side by side by their clocks; nothing is decided by them"
)]
fn local_now() -> SystemTime {
    SystemTime::now()
}

/// The HTTP client of the exporter, whose own thread knows no tokio.
#[derive(Debug)]
struct Posting {
    client: bursar_http_client::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for Posting {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parent(text: &str) -> TraceParent {
        text.parse().unwrap()
    }

    #[test]
    fn without_an_endpoint_there_is_no_span() {
        assert!(Traces::default().begin(Some(&parent(PARENT)), "attempt", Role::Inside, Duration::ZERO).is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_sampled_traces_are_recorded_with_their_children() {
        let traces = Traces::export("http://127.0.0.1:9", "test").unwrap();
        let begin = |parent: Option<&TraceParent>| traces.begin(parent, "attempt", Role::Inside, Duration::ZERO);
        assert!(begin(None).is_none());
        assert!(begin(Some(&parent(&PARENT.replace("-01", "-00")))).is_none());
        let span = begin(Some(&parent(PARENT))).unwrap();
        let follows = span.parent().unwrap();
        assert!(
            follows.as_str().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && follows.as_str().ends_with("-01")
        );
        assert_ne!(follows, parent(PARENT), "it has a separate id");
        let child = span.child("send", Role::Call).unwrap();
        assert_eq!(child.parent().unwrap().as_str()[..35], follows.as_str()[..35]);
        drop((span, child));
        traces.close().await; // no collector listens there, and closing still ends
    }
}
