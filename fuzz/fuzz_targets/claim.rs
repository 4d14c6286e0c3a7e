//! See `properties/claim.rs`.
#![no_main]

#[path = "../properties/claim.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
