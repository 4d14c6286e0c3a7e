//! The validator, kind by kind; the traps of the gateways' pages; the inputs that fuzzing kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod corpus;
mod traps;
mod validation;
