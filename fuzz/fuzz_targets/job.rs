//! See `properties/job.rs`.
#![no_main]

#[path = "../properties/job.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
