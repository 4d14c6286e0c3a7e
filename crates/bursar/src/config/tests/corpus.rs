//! Runs the configurations that fuzzing kept (`fuzz/`) again, without libFuzzer.

#[path = "../../../../../fuzz/properties/config.rs"]
mod config;

use crate::one_line::replay;

#[test]
fn what_fuzzing_kept_for_config_holds() {
    replay::replay("config", config::check);
}
