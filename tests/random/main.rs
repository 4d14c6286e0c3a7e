//! Seeded faults: real workers, a real Redis, the gateway simulator, and whatever can go wrong between them. One seed decides
//! the jobs, the accounts, the gateway's moods and every blow; the simulator's ledger decides whether a promise was broken.
//!
//! `./x chaos` runs many seeds; `BURSAR_SEED=17 cargo test -p bursar --test random` runs one again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod books;
mod chaos;
#[cfg(debug_assertions)] // a release build has no such points
mod crash_points;
mod door;
mod event;
mod evidence;
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
mod telling;
mod timeline;
mod told;
mod workers;
mod world;
