//! Rules for the whole tree that no compiler knows: the glossary's words, links and enumerations in documents, names of tests, Redis
//! keys, lengths. Each rule lists its breaches by file; `not_yet.rs` holds those that are known.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test and its helpers end by a panic")]

mod binaries;
mod enumerations;
mod keys;
mod lengths;
mod links;
mod names;
mod not_yet;
mod prose;
mod source;
mod tree;
mod words;
