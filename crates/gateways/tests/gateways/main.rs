//! Each gateway against a server of a few lines: what it sends, and what it makes of each response.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod beingfi;
mod beingfi_query;
mod conformance;
mod corpus;
mod legal;
mod secrets;
mod shared;
mod support;
mod tls;
mod traps;
mod traps_listed;
mod unnamed;
mod yzt_query;
mod yzt_send;
mod yzt_withdrawal;
