//! Deliveries on a real Redis, and the entries of `webhooks.allow` that fuzzing kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by a panic")]

mod corpus;
mod deliveries;
