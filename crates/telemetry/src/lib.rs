//! What operators see of Bursar's work: metrics, traces, and whether a worker is well.
//!
//! Counting is a matter of a few atomic operations: every number is found by its name once, when it first counts, and what never
//! happened has no line on the page. Nothing here is asked before anybody scrapes.

mod families;
mod health;
pub mod names;
mod page;
mod stored;
mod traces;
mod webhooks;
mod work;
mod written;

pub use health::{Pulse, Unwell};
pub use page::{Page, TEXT_FORMAT, serve};
pub use stored::{Places, Stored, WatchedBalance};
pub use traces::{Role, Span, Traces, TracesError};
pub use webhooks::{AttemptOutcome, OriginMetrics, WebhookMetrics};
pub use work::{BalanceMetrics, Lost, Metrics, QueueMetrics, RedisOperation};
