//! The worker in its own process, against a real Redis; gateways are scripted at the `Gateway` trait, or the simulator.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test ends by a panic, and its helpers do too")]

mod economy;
mod frame;
mod import;
mod journal;
mod journal_check;
mod lost_writes;
mod main_job;
mod outages;
mod proofs;
mod ready;
mod support;
