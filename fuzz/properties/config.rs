//! Any bytes as a configuration file: every fault has its words, and what is taken shows itself as a file that is
//! taken as the same.

use std::path::Path;

use crate::config::{Config, ConfigError};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("/etc/bursar/bursar.toml");
    match Config::parse(text, path, std::iter::empty()) {
        Ok(config) => {
            config.advice();
            let shown = toml::to_string(&config.shown()).expect("a configuration is TOML");
            let again = Config::parse(&shown, path, std::iter::empty());
            let again = again.unwrap_or_else(|error| panic!("{error}\nshown as\n{shown}"));
            assert_eq!(again.shown(), config.shown(), "shown as\n{shown}");
            // What is masked reads back as its mask.
            assert!(shown.contains("***") || again == config, "shown as\n{shown}");
        }
        Err(ConfigError::Invalid(faults)) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert!(!fault.to_string().is_empty());
            }
        }
        Err(error @ ConfigError::Unreadable { .. }) => panic!("{error}"),
    }
}
