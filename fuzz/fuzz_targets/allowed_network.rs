//! See `properties/allowed_network.rs`.
#![no_main]

#[path = "../properties/allowed_network.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
