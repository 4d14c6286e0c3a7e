//! Logs to standard error, as text or JSON, with the configured level. `RUST_LOG` refines it.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::one_line::{Colours, OneLine};

/// Starts logging for a role.
pub(crate) fn start(log: &Log) {
    // apalis logs each task at debug level. The worker itself logs what an operator needs.
    let default = format!("{level},apalis=warn,apalis_core=warn", level = log.level);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // A log line that cannot be written (a full disk, a reader that is gone) is lost. An error about it on standard error would be a
    // panic, in the middle of a payment.
    let logs = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    match log.format {
        LogFormat::Json => logs.with_writer(io::stderr).json().flatten_event(true).init(),
        LogFormat::Text => {
            let colours = if io::stderr().is_terminal() { Colours::OfFormatter } else { Colours::None };
            let logs = logs.with_ansi(colours == Colours::OfFormatter).with_target(false);
            logs.with_writer(move || OneLine { writer: io::stderr(), colours }).init();
        }
    }
}
