//! Ties a child process to the thread that starts it, so that no server and no worker outlives the run it belongs to.

use std::process::Command;

/// The signal that a child gets when its owner has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// SIGTERM: it may finish its work.
    Terminate,
    /// SIGKILL: even a frozen one goes.
    Kill,
}

/// Makes the child that `command` starts get a signal when the thread that called `spawn` ends, which is when this process
/// ends at the latest, by whatever cause: call it from a thread that lives long enough. Linux only; elsewhere it does nothing.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "pre_exec is the only place between fork and exec")]
pub fn end_with_this_thread(command: &mut Command, ending: Ending) {
    use nix::{
        errno::Errno,
        sys::{
            prctl,
            signal::{SIGKILL, SIGTERM},
        },
        unistd::{getpid, getppid},
    };
    use std::os::unix::process::CommandExt;

    let parent = getpid();
    let signal = match ending {
        Ending::Terminate => SIGTERM,
        Ending::Kill => SIGKILL,
    };
    // SAFETY: the closure makes three system calls that are async-signal-safe, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            prctl::set_pdeathsig(signal)?;
            // The parent may have died before the line above, and then no signal would ever come.
            if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
}

/// Makes the child that `command` starts end with the calling thread on Linux. Here it does nothing.
#[cfg(not(target_os = "linux"))]
pub fn end_with_this_thread(_command: &mut Command, _ending: Ending) {}
