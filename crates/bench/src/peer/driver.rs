//! The handshake with the driver: READY, GO, DONE, and an end when it closes our input.

use std::io::{self, BufRead, Write};

use serde_json::Value;

/// Says READY and waits for GO.
pub(super) fn ready() -> io::Result<()> {
    say("READY")?;
    io::stdin().lock().read_line(&mut String::new()).map(drop)
}

/// Reports the end of the run.
pub(super) fn done(report: &Value) -> io::Result<()> {
    say(&format!("DONE {report}"))
}

/// Waits until the driver closes the input, so that it can still inspect this process, and exits: a worker's loops go
/// on until then.
pub(super) fn finish() -> ! {
    io::stdin().lock().lines().for_each(drop);
    std::process::exit(0)
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
