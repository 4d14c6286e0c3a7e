//! The shared parts of several crates' tests: a Redis per test process, private ones to break, processes to kill, a network
//! that fails on request, waiting for a state instead of sleeping, and clients of the API and the dashboard.
//!
//! Everything here panics with a sentence that names what is wrong: it is only for tests.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test ends by a panic, and its helpers do too"
)]

pub mod api;
mod cleanup;
mod container;
pub mod described;
pub mod events;
mod fault_proxy;
mod files;
pub mod jobs;
pub mod notifications;
pub mod pages;
mod process;
mod receiver;
mod sentinels;
mod server_faults;
mod shared_redis;
mod wait;

pub use bursar_private_redis::{Fsync, Listen, Options, PrivateRedis, free_port};
pub use fault_proxy::{Fault, FaultProxy};
pub use files::private_file;
pub use process::{Finished, Process};
pub use receiver::{Answer, Received, Receiver};
pub use sentinels::Sentinels;
pub use shared_redis::{OwnRedis, Source, TestRedis, private_redis, redis, unique_prefix};
pub use wait::{SOON, Seen, eventually};
