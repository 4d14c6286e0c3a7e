//! Seeded faults: real workers, a real Redis, the gateway simulator, and all that can go wrong between them. One seed decides
//! the jobs, the accounts, the gateway's faults and every event; the simulator's ledger decides if a promise was broken.
//!
//! `./x chaos` runs many seeds; `BURSAR_SEED=17 cargo test --workspace --test random` runs one again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod books;
mod chaos;
#[cfg(debug_assertions)] // a release build has no such points
mod crash_points;
mod deliveries;
mod event;
mod evidence;
mod import;
mod jobs;
mod operators;
mod plan;
mod producers;
mod properties;
mod pushed;
mod renaming;
mod report;
mod run;
mod settings;
mod timeline;
mod webhooks;
mod workers;
mod world;
