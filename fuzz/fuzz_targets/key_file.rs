//! See `properties/key_file.rs`.
#![no_main]

#[path = "../properties/key_file.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
