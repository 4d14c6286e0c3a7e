//! `/metrics`, `/healthz` and `/readyz`: for a worker's listener, and for those of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::registry::Registry;

use crate::families::{Gauges, labels, register};
use crate::names;
use crate::{ListenerMetrics, Metrics, ReloadMetrics, Stored, Unwell, WebhookMetrics};

/// The content type of the Prometheus text format.
pub const TEXT_FORMAT: &str = prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// The contents of the metrics page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The worker of this process; `None` when none runs in it.
    pub worker: Option<Arc<Metrics>>,
    /// The webhook metrics; `None` if the process delivers no webhooks.
    pub webhooks: Option<Arc<WebhookMetrics>>,
    /// The metrics of the listeners that this page is served at, and of those with it.
    pub listeners: Arc<ListenerMetrics>,
    /// The reloads of this process.
    pub reloads: Arc<ReloadMetrics>,
    /// The values read from Redis.
    pub stored: Arc<Stored>,
    /// True if the preflight of a process without a worker refuses this Redis.
    pub unfit: Arc<AtomicBool>,
}

/// Writes the build of a server without a worker.
fn write_build(text: &mut String) -> Result<(), std::fmt::Error> {
    let mut registry = Registry::default();
    let build = register(&mut registry, names::BUILD_INFO, Gauges::default());
    build.get_or_create(&labels(names::BUILD_INFO, [env!("CARGO_PKG_VERSION")])).set(1);
    prometheus_client::encoding::prometheus_text::encode(text, &registry)
}

impl Page {
    /// The metrics as Prometheus reads them.
    pub async fn metrics(&self) -> String {
        let mut text = String::new();
        // Only a writer can fail, and a text does not.
        if let Some(worker) = &self.worker {
            worker.write(&mut text).ok();
        }
        if let Some(webhooks) = &self.webhooks {
            webhooks.write(&mut text).ok();
        }
        if self.worker.is_none() && self.webhooks.is_some() {
            write_build(&mut text).ok(); // a worker's own metrics have it
        }
        self.listeners.write(&mut text).ok();
        self.reloads.write(&mut text).ok();
        text += &self.stored.text().await;
        text
    }

    /// Ok if this process is alive: its worker claims, and its listeners take connections. A Redis that is away is no reason to restart it.
    ///
    /// # Errors
    /// [`Unwell`]: why it should be.
    pub fn well(&self) -> Result<(), Unwell> {
        self.listeners.well()?;
        self.worker.as_ref().map_or(Ok(()), |worker| worker.pulse().well())
    }

    /// Ok if this process can work now.
    ///
    /// # Errors
    /// [`Unwell`]: the reason why it cannot.
    pub async fn ready(&self) -> Result<(), Unwell> {
        self.able()?;
        if self.stored.answers().await { Ok(()) } else { Err(Unwell::NoRedis) }
    }

    /// The same without a call to Redis.
    ///
    /// # Errors
    /// [`Unwell`]: the reason why it cannot.
    pub fn able(&self) -> Result<(), Unwell> {
        self.well()?;
        if let Some(worker) = &self.worker {
            if worker.pulse().is_draining() {
                return Err(Unwell::Draining);
            }
            if let Some(check) = worker.send_block() {
                return Err(Unwell::Guarded(check));
            }
            if !worker.sends_allowed() {
                return Err(Unwell::NotForMoney);
            }
            if worker.leaves_a_queue_alone() {
                return Err(Unwell::OtherGateway);
            }
        }
        if self.unfit.load(Ordering::Relaxed) {
            return Err(Unwell::NotForMoney);
        }
        Ok(())
    }

    /// The routes.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .with_state(self)
    }
}

async fn metrics(State(page): State<Page>) -> impl IntoResponse {
    ([(CONTENT_TYPE, TEXT_FORMAT)], page.metrics().await)
}

async fn healthz(State(page): State<Page>) -> impl IntoResponse {
    health_reply(page.well())
}

async fn readyz(State(page): State<Page>) -> impl IntoResponse {
    health_reply(page.ready().await)
}

fn health_reply(state: Result<(), Unwell>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
