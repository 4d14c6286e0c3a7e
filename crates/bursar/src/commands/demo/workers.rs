//! The demo's worker processes: started, killed, drained.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::exit::{Context, Failure};

/// The longest time for a worker to drain.
const DRAIN: Duration = Duration::from_secs(10);

/// Two worker processes.
pub(super) struct Workers {
    config: PathBuf,
    folder: PathBuf,
    running: Vec<(u32, Child)>,
    started: u32,
    killed: u32,
}

impl Workers {
    pub(super) fn start(config: &Path, folder: &Path) -> Result<Self, Failure> {
        let mut workers =
            Self { config: config.to_owned(), folder: folder.to_owned(), running: Vec::new(), started: 0, killed: 0 };
        for _ in 0..2 {
            workers.start_one()?;
        }
        Ok(workers)
    }

    pub(super) fn killed(&self) -> u32 {
        self.killed
    }

    fn start_one(&mut self) -> Result<(), Failure> {
        self.started += 1;
        let log = File::create(self.folder.join(format!("worker-{}.log", self.started)))?;
        let mut command = Command::new(std::env::current_exe().context("this program's own file")?);
        command.arg("worker").arg("--config").arg(&self.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        // A demo that is killed takes its workers along. It starts them from the main thread, which ends last.
        bursar_private_redis::end_with_this_thread(command.as_std_mut(), bursar_private_redis::Ending::Kill);
        let child = command.spawn().context("a worker process")?;
        self.running.push((self.started, child));
        Ok(())
    }

    /// Kills a worker with SIGKILL, which leaves it no time to clean up. Returns its number.
    pub(super) fn kill_one(&mut self) -> Result<u32, Failure> {
        let (number, mut child) = self.running.remove(0);
        child.start_kill()?;
        self.killed += 1;
        self.start_one()?;
        tokio::spawn(async move { child.wait().await });
        Ok(number)
    }

    /// A worker that ended by itself is a defect: the demo ends with its log.
    pub(super) fn none_is_dead(&mut self) -> Result<(), Failure> {
        for index in (0..self.running.len()).rev() {
            if let Some(status) = self.running[index].1.try_wait()? {
                let (number, _) = self.running.remove(index);
                let log = std::fs::read_to_string(self.folder.join(format!("worker-{number}.log"))).unwrap_or_default();
                return Err(Failure::no(format_args!("worker {number} ended by itself ({status}); its log:\n{log}")));
            }
        }
        Ok(())
    }

    /// Sends SIGTERM and waits until the workers have drained.
    pub(super) async fn stop(&mut self) -> Result<(), Failure> {
        for (_, child) in &self.running {
            if let Some(id) = child.id() {
                kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
            }
        }
        for (number, child) in &mut self.running {
            let ended = tokio::time::timeout(DRAIN, child.wait()).await;
            let status = ended.context(format_args!("worker {number} did not drain"))??;
            if !status.success() {
                return Err(Failure::no(format_args!("worker {number} failed while it drained: {status}")));
            }
        }
        self.running.clear();
        Ok(())
    }
}
