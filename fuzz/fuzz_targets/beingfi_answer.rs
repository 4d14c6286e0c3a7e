//! See `properties/beingfi_answer.rs`.
#![no_main]

#[path = "../properties/beingfi_answer.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
