//! Configuration files: see `properties/config.rs`.
#![no_main]
#![allow(dead_code, unused_imports, reason = "the module is the executable's, and only its reading is used here")]

#[path = "../../crates/bursar/src"]
mod bursar {
    pub(crate) mod config;
}
#[path = "../properties/config.rs"]
mod property;

use bursar::config;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::check(bytes));
