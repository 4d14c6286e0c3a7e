//! The hardened client from outside: its requests, and the authorities that it trusts.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod hardened;
mod trust;
