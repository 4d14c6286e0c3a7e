//! See `properties/notification.rs`.
#![no_main]

#[path = "../properties/notification.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
