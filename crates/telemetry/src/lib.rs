//! Telemetry for operators: metrics, traces and health.
//!
//! Counting costs a few atomic operations: a series is looked up by name once, at its first event, and a series without
//! events has no line on the page. Gauges are computed only when the page is scraped.

mod audit;
mod demand;
mod families;
mod health;
mod listeners;
pub mod names;
mod page;
mod reloads;
mod stored;
mod traces;
mod webhooks;
mod work;
mod written;

pub use audit::log_audit;
pub use demand::Scaling;
pub use health::{Pulse, Unwell};
pub use listeners::{ConnectionLimit, ListenerMetrics, OfListener};
pub use page::{Page, TEXT_FORMAT};
pub use reloads::{ReloadMetrics, ReloadResult};
pub use stored::{Places, Stored, WatchedBalance};
pub use traces::{Role, Span, Traces, TracesError};
pub use webhooks::{AttemptOutcome, OriginMetrics, WebhookMetrics};
pub use work::{BalanceMetrics, Lost, Metrics, QueueMetrics, RedisOperation};
