//! One process of a peer: it prints READY, gets GO, and prints DONE with its report.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::peers::Peer;
use crate::cpu;

/// No run takes longer; one that would has failed.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running one; killed when it is dropped.
pub(super) struct Process {
    child: Child,
    pid: u32,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    may_end_in: Duration,
}

impl Process {
    /// Starts it in a role, and waits until it is ready.
    pub(super) async fn start(
        peer: &Peer,
        role: &[String],
        environment: &[(&str, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let (program, arguments) = peer.command.split_first().context("a peer without a command")?;
        let mut child = Command::new(program)
            .args(arguments)
            .args(role)
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .envs(&peer.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {program}"))?;
        let (input, out) = (child.stdin.take(), child.stdout.take().context("a child without an output")?);
        let pid = child.id().context("a child without a number")?;
        let may_end_in = Duration::from_secs_f64(peer.may_end_in());
        let mut process = Self { child, pid, input, lines: BufReader::new(out).lines(), may_end_in };
        process.until("READY").await?;
        Ok(process)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) async fn go(&mut self) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("got GO after its end")?;
        input.write_all(b"GO\n").await?;
        Ok(input.flush().await?)
    }

    /// Its report.
    pub(super) async fn done(&mut self) -> anyhow::Result<Value> {
        let report = self.until("DONE").await?;
        Ok(serde_json::from_str(report.trim())?)
    }

    /// The rest of the next line that begins with `word`.
    async fn until(&mut self, word: &str) -> anyhow::Result<String> {
        let found = timeout(START_TIMEOUT, async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(word) {
                    return Ok(rest.to_owned());
                }
            }
            bail!("ended before {word}")
        });
        found.await.with_context(|| format!("no {word} in {START_TIMEOUT:?}"))?
    }

    /// Closes its input, by which it is to end; ends it and its children otherwise.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let family = cpu::family(self.pid);
        drop(self.input.take());
        if timeout(self.may_end_in, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        for pid in family.into_iter().filter(|pid| *pid != self.pid) {
            // It is no error if the child has already ended.
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL).ok();
        }
        Ok(())
    }
}
