//! The simulator as a merchant's client meets it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod bad_days;
mod client;
mod good_days;
