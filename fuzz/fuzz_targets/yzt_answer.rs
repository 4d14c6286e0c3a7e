//! See `properties/yzt_answer.rs`.
#![no_main]

#[path = "../properties/yzt_answer.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
