//! Bursar's store: jobs in Redis. The only crate that names a key.
//!
//! Every change of a job is one Lua script (`lua/`), atomic and bounded, on the keys of one queue. All time is Redis time.

mod audit;
mod balance;
mod clock;
mod connection;
mod crash;
mod durability;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod import;
mod incarnation;
mod jobs;
mod keys;
mod known;
mod layout;
mod many;
mod origin;
mod preflight;
mod reconciled;
mod reconnecting;
mod reply;
mod report;
mod rights;
mod scripts;
mod sentinel;
mod sessions;
mod subscription;
mod tls;
mod wakeups;
mod workers;

pub use audit::{AUDIT_KEEP, AuditCursor, AuditPage, Intention};
pub use balance::{BalanceParts, BalanceStatus};
pub use clock::RedisClock;
pub use connection::{Settings, Store};
pub use crash::crash_point;
pub use durability::Durability;
pub use error::{StoreError, chain};
pub use import::{DeadLetter, DeadLetterAction, ImportStatus, MAX_TASKS, Payload, Settled, Taken, Task, Verdict};
pub use incarnation::Incarnations;
pub use jobs::*;
pub use known::KnownQueue;
pub use layout::LAYOUT;
pub use origin::{MAX_DELIVERIES, Origin};
pub use preflight::{CLUSTER, Finding, LOSSES_ON_EVERYSEC, PreflightInput, Severity};
pub use reconciled::Reconciled;
pub use reconnecting::{ConnectionId, ConnectionIds};
pub use reply::LOOKED_AT;
pub use report::NoReport;
pub use rights::RightsWanted;
pub use sessions::{MAX_SESSIONS, SessionStep, TokenNote, TokenUse, USE_REMEMBERED};
pub use wakeups::{Wake, Wakeups};
pub use workers::{ALIVE_WITHIN, CallError, HEARTBEAT_EVERY, Heartbeat, QUEUES_NAMED, Workers};
