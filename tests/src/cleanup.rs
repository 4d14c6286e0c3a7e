//! The cleanup after the test process, in whichever way that ends. Statics are never dropped and a killed process runs no
//! code, so a small shell waits on a pipe that only this process holds: the pipe closes, the shell cleans up.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

/// Runs `script` (POSIX sh, with `argument` as `$1`) once this process has ended, by whatever cause.
#[expect(clippy::zombie_processes, reason = "it ends after this process, so this process cannot wait for it")]
pub(crate) fn after_this_process(script: &str, argument: &str) {
    let mut shell = Command::new("sh")
        .args(["-c", &format!("cat >/dev/null; {script}"), "after-tests", argument])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C ends the tests, and must leave the shell alive to clean up.
        .process_group(0)
        .spawn()
        .expect("running sh to clean up after the tests");
    // Held until the process ends, which is the signal.
    std::mem::forget(shell.stdin.take());
}
