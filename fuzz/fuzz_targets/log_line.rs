//! Events of the log: see `properties/log_line.rs`.
#![no_main]
#![allow(dead_code, reason = "the module is the executable's")]

#[path = "../../crates/bursar/src/one_line.rs"]
mod one_line;
#[path = "../properties/log_line.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
