//! One server process and the folder it keeps its file in. Lives in the supervisor's thread only.

use crate::{
    Binary, Error, Options,
    address::Address,
    binary,
    parent::{Ending, end_with_this_thread},
};
use nix::{
    sys::signal::{self, SIGCONT, SIGTERM, Signal},
    unistd::Pid,
};
use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The pause between checks of a server that starts or stops. Either takes tens of milliseconds.
const LOOK: Duration = Duration::from_millis(2);

/// A server whose supervisor was killed ends by itself and releases the lock then.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The lines of the server's log that a failed start repeats.
const LOG_LINES: usize = 8;

/// The number of free ports to try, for the case that others take them between the choice and the server's start.
const PORTS_TRIED: usize = 3;

#[derive(Debug)]
pub(crate) struct Server {
    options: Options,
    pub(crate) binary: Binary,
    pub(crate) address: Address,
    /// Shared with the child, so the folder stays ours until the last of both is gone.
    lock: File,
    child: Option<Child>,
}

impl Server {
    /// Finds the program, takes the folder and starts the server.
    pub(crate) fn launch(mut options: Options) -> Result<Self, Error> {
        let binary = match &options.binary {
            Some(named) => binary::check_named(named)?,
            None => binary::find_binary()?,
        };
        options.data_dir = prepare_folder(&options.data_dir)?;
        let lock = take_lock(&options.data_dir)?;
        let address = Address::choose(options.listen, &options.data_dir)?;
        let mut server = Self { options, binary, address, lock, child: None };
        for _ in 1..PORTS_TRIED {
            match server.start() {
                Err(Error::Ended { log, .. }) if log.contains("Address already in use") => {
                    server.address = Address::choose(server.options.listen, &server.options.data_dir)?;
                }
                outcome => return outcome.map(|()| server),
            }
        }
        server.start().map(|()| server)
    }

    /// Forgets a server that ended by itself, so that it counts as not running.
    pub(crate) fn notice_end(&mut self) {
        if self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None))) {
            self.child = None;
        }
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the server on its folder and address; returns once it takes commands.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        if self.child.is_some() {
            return Ok(());
        }
        self.address.clear();
        let log = self.options.data_dir.join("redis.log");
        // The log of an earlier run must not explain this run's failure.
        let log_from = fs::metadata(&log).map_or(0, |file| file.len());
        let spawned = self.command(&log).and_then(|mut command| command.spawn());
        let mut child = spawned.map_err(|source| Error::Spawn { binary: self.binary.path.clone(), source })?;

        let began = Instant::now();
        while !self.address.is_ready(child.id()) {
            if let Some(status) = exited(&mut child)? {
                return Err(Error::Ended { status: status.to_string(), log: last_lines(&log, log_from) });
            }
            if began.elapsed() > self.options.start_timeout {
                end_now(&mut child)?;
                return Err(Error::NotReady { waited: began.elapsed(), log: last_lines(&log, log_from) });
            }
            pause();
        }
        self.child = Some(child);
        Ok(())
    }

    /// SIGTERM, and SIGKILL after the stop timeout. The append-only file is complete either way.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        send(&child, SIGTERM)?;
        // A frozen server would not see the SIGTERM until it is thawed.
        send(&child, SIGCONT)?;
        let began = Instant::now();
        while began.elapsed() < self.options.stop_timeout {
            if exited(&mut child)?.is_some() {
                return Ok(());
            }
            pause();
        }
        end_now(&mut child)
    }

    /// SIGKILL, as a crash would be.
    pub(crate) fn kill(&mut self) -> Result<(), Error> {
        self.child.take().map_or(Ok(()), |mut child| end_now(&mut child))
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Error> {
        send(self.child.as_ref().ok_or(Error::NotRunning)?, signal)
    }

    fn command(&self, log: &Path) -> io::Result<Command> {
        let fixed = [
            ("daemonize", "no"),
            ("save", ""),
            ("appendonly", "yes"),
            ("appendfsync", self.options.fsync.setting()),
            // Never trade durability for speed while the file is rewritten.
            ("no-appendfsync-on-rewrite", "no"),
            ("maxmemory-policy", "noeviction"),
        ];
        let mut command = Command::new(&self.binary.path);
        command.arg("--dir").arg(&self.options.data_dir).arg("--logfile").arg(log);
        for (name, value) in fixed {
            command.arg(format!("--{name}")).arg(value);
        }
        for (name, value) in self.address.settings() {
            command.arg(format!("--{name}")).arg(value);
        }
        for (name, value) in &self.options.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        // The server never reads its input. As its input it inherits the folder's lock, and keeps it after this process
        // dies.
        command.stdin(Stdio::from(self.lock.try_clone()?)).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C in a terminal reaches the whole group: it must reach us only, so that workers drain before Redis stops.
        command.process_group(0);
        end_with_this_thread(&mut command, Ending::Terminate);
        Ok(command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // No caller is left to get the error; the parent-death signal covers a failure here.
        let _ = self.stop();
    }
}

fn prepare_folder(folder: &Path) -> Result<std::path::PathBuf, Error> {
    fs::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)))
        .and_then(|()| folder.canonicalize())
        .map_err(|source| Error::DataDir { data_dir: folder.into(), source })
}

/// One supervisor per folder: two servers on one append-only file would destroy it.
fn take_lock(data_dir: &Path) -> Result<File, Error> {
    let failed = |source| Error::DataDir { data_dir: data_dir.into(), source };
    let lock = File::options().create(true).truncate(false).write(true).open(data_dir.join("lock")).map_err(failed)?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => pause(),
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse { data_dir: data_dir.into() });
            }
        }
    }
}

fn send(child: &Child, signal: Signal) -> Result<(), Error> {
    // The child is not reaped yet, so its number cannot belong to another process.
    signal::kill(Pid::from_raw(child.id().cast_signed()), signal)
        .map_err(|errno| Error::System { action: "signal the Redis server", source: errno.into() })
}

fn end_now(child: &mut Child) -> Result<(), Error> {
    let ended = child.kill().and_then(|()| child.wait().map(drop));
    ended.map_err(|source| Error::System { action: "kill the Redis server", source })
}

fn exited(child: &mut Child) -> Result<Option<ExitStatus>, Error> {
    child.try_wait().map_err(|source| Error::System { action: "check that the Redis server runs", source })
}

fn last_lines(log: &Path, from_byte: u64) -> String {
    let text = fs::read(log).unwrap_or_default();
    let from = usize::try_from(from_byte).unwrap_or(0).min(text.len());
    let text = String::from_utf8_lossy(&text[from..]);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the supervisor's thread has nothing else to do, and every wait has a deadline"
)]
fn pause() {
    thread::sleep(LOOK);
}
