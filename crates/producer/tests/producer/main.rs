//! The producer's library: its typed bodies, and its errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod bodies;
mod errors;
