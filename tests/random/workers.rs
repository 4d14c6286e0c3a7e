//! The processes of a seed that work, deliver or do both: started, killed, frozen, drained, and watched. One that ends without
//! a signal or a crash point breaks a promise.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bursar_test_support::{FaultProxy, Process};
use tokio::time::Instant;

use crate::jobs::ACCOUNTS;
use crate::renaming::{Ending, NEW_NAME};

/// The program under test.
const BURSAR: &str = env!("CARGO_BIN_EXE_bursar");

/// The longest drain of a worker once the network is sound: its drain time, and its last commands to Redis.
const DRAINED_WITHIN: Duration = Duration::from_secs(12);

/// The wait for draining workers before their account is renamed all the same: their drain time, and more.
const RENAMED_WITHIN: Duration = Duration::from_secs(4);

/// The time until an ended process is collected.
const COLLECTED_WITHIN: Duration = Duration::from_secs(10);

/// The result of an event for a worker that does not run.
pub(crate) const NONE_RUNS: &str = "none runs";

/// The role of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// `bursar worker`.
    Worker,
    /// `bursar up`: works, serves and delivers.
    Up,
    /// `bursar serve`: serves and delivers.
    Server,
}

impl Role {
    const fn command(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Up => "up",
            Self::Server => "serve",
        }
    }

    /// The line that it writes once it works.
    const fn first_word(self) -> &'static str {
        match self {
            Self::Worker | Self::Up => " working ",
            Self::Server => " listening on ",
        }
    }
}

/// One slot for a process, with the wires that it uses.
pub(crate) struct Slot {
    role: Role,
    pub(crate) redis: FaultProxy,
    pub(crate) gateway: FaultProxy,
    skew_ms: i64,
    running: Option<Running>,
    leaving: Vec<Running>,
}

struct Running {
    name: String,
    role: Role,
    process: Process,
    armed: bool,
    frozen: bool,
    /// True if it may still stop at a point that it has not reached, and must not any more.
    released: bool,
    /// The time of its SIGTERM.
    drain_began: Option<Instant>,
}

impl Running {
    fn began(&self) -> bool {
        self.process.stderr().contains(self.role.first_word())
    }
}

/// All processes of a seed.
pub(crate) struct Workers {
    pub(crate) slots: Vec<Slot>,
    config: PathBuf,
    /// Their names in the configuration.
    accounts: Vec<&'static str>,
    started: usize,
    /// Each worker's output, with its name; filled when they end.
    pub(crate) words: Vec<(String, String)>,
    /// Broken promises.
    pub(crate) wrongs: Vec<String>,
    /// Workers that ended at a crash point.
    pub(crate) crashes: u32,
}

impl Workers {
    /// Each with its role, its wires to Redis and to the gateway, and the offset of its clock (ms).
    pub(crate) fn new(slots: Vec<(Role, FaultProxy, FaultProxy, i64)>, config: &Path) -> Self {
        let slot = |(role, redis, gateway, skew_ms)| Slot {
            role,
            redis,
            gateway,
            skew_ms,
            running: None,
            leaving: Vec::new(),
        };
        Self {
            slots: slots.into_iter().map(slot).collect(),
            config: config.to_owned(),
            accounts: ACCOUNTS.iter().map(|(name, _)| *name).collect(),
            started: 0,
            words: Vec::new(),
            wrongs: Vec::new(),
            crashes: 0,
        }
    }

    /// Starts a worker in this slot if none is there; `point`, a variable and its value, makes it end or stop at a crash point.
    pub(crate) fn start(&mut self, slot: usize, point: Option<(&str, String)>) -> &'static str {
        if self.slots[slot].running.is_some() {
            return "one is there";
        }
        self.started += 1;
        let role = self.slots[slot].role;
        let name = format!("{} {slot}.{}", role.command(), self.started);
        let mut command = bursar(&[role.command(), "--config"]);
        command.arg(&self.config);
        let Slot { redis, gateway, skew_ms, .. } = &self.slots[slot];
        command.env("BURSAR_CLOCK_SKEW_MS", skew_ms.to_string());
        command.env("BURSAR_REDIS__URL", redis.redis_url());
        for account in &self.accounts {
            command.env(format!("BURSAR_ACCOUNTS__{}__BASE_URL", account.to_uppercase()), gateway.http_url());
        }
        command.env("RUST_LOG", "info,bursar_worker=debug,bursar_webhooks=debug");
        let armed = point.as_ref().is_some_and(|(variable, _)| *variable == "BURSAR_CRASH_AT");
        if let Some((variable, place)) = point {
            command.env(variable, place);
        }
        let process = Process::start(&name, command);
        self.slots[slot].running =
            Some(Running { name, role, process, armed, frozen: false, released: false, drain_began: None });
        "done"
    }

    pub(crate) async fn kill(&mut self, slot: usize) -> &'static str {
        self.watch().await;
        let Some(running) = self.slots[slot].running.take() else { return NONE_RUNS };
        if running.process.is_running() {
            running.process.kill();
        }
        self.collect(running).await;
        "done"
    }

    /// A worker that waits for its crash point waits no longer.
    pub(crate) async fn disarm(&mut self, slot: usize) {
        if self.slots[slot].running.as_ref().is_some_and(|running| running.armed) {
            self.kill(slot).await;
        }
    }

    pub(crate) async fn freeze(&mut self, slot: usize) -> &'static str {
        self.signal(slot, |running| {
            running.process.freeze();
            running.frozen = true;
        })
        .await
    }

    pub(crate) async fn thaw(&mut self, slot: usize) -> &'static str {
        self.signal(slot, |running| {
            running.process.thaw();
            running.frozen = false;
            running.released = true;
        })
        .await
    }

    /// Drains it; its slot is free for another one at once.
    pub(crate) async fn drain(&mut self, slot: usize) -> &'static str {
        let done = self
            .signal(slot, |running| {
                running.process.terminate();
                running.drain_began = Some(Instant::now());
            })
            .await;
        let leaving = self.slots[slot].running.take_if(|running| running.drain_began.is_some());
        self.slots[slot].leaving.extend(leaving);
        done
    }

    /// Ends all, then goes on with a configuration in which this account has its other name.
    pub(crate) async fn rename(&mut self, old: &str, config: PathBuf, endings: &[Ending]) -> &'static str {
        self.watch().await;
        for (slot, ending) in endings.iter().enumerate() {
            let Some(mut running) = self.slots[slot].running.take() else { continue };
            match ending {
                Ending::Killed => {
                    if running.process.is_running() {
                        running.process.kill();
                    }
                    self.collect(running).await;
                }
                Ending::Drained => {
                    if running.process.is_running() {
                        running.process.terminate();
                        running.process.thaw();
                    }
                    running.released = true;
                    running.drain_began = Some(Instant::now());
                    self.slots[slot].leaving.push(running);
                }
            }
        }
        let began = Instant::now();
        while began.elapsed() < RENAMED_WITHIN && self.slots.iter().any(|slot| !slot.leaving.is_empty()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.watch().await;
        }
        for slot in 0..self.slots.len() {
            for running in std::mem::take(&mut self.slots[slot].leaving) {
                if running.process.is_running() {
                    running.process.kill();
                }
                self.collect(running).await;
            }
        }
        self.config = config;
        for account in self.accounts.iter_mut().filter(|account| **account == old) {
            *account = NEW_NAME;
        }
        "done"
    }

    async fn signal(&mut self, slot: usize, send: impl FnOnce(&mut Running)) -> &'static str {
        self.watch().await;
        match &mut self.slots[slot].running {
            Some(running) => {
                send(running);
                "done"
            }
            None => NONE_RUNS,
        }
    }

    /// Looks for workers that have ended. One that never started to work, because Redis was away, is started again, as a
    /// supervisor would.
    pub(crate) async fn watch(&mut self) {
        for slot in 0..self.slots.len() {
            let Slot { running, leaving, .. } = &self.slots[slot];
            let released = running.iter().chain(leaving).filter(|running| running.released);
            for running in released.filter(|running| running.process.is_running()) {
                running.process.thaw();
            }
            let ended = self.slots[slot].running.take_if(|running| !running.process.is_running());
            if let Some(running) = ended {
                let (armed, name) = (running.armed, running.name.clone());
                let (code, began) = self.collect(running).await;
                match (began, code) {
                    (true, None) if armed => self.crashes += 1,
                    (true, _) => self.wrongs.push(format!("{name} ended by itself, with {code:?}")),
                    (false, _) => {
                        self.start(slot, None);
                    }
                }
            }
            let (ended, leaving) =
                std::mem::take(&mut self.slots[slot].leaving).into_iter().partition(|one| !one.process.is_running());
            self.slots[slot].leaving = leaving;
            for running in ended {
                let running: Running = running;
                let (armed, name) = (running.armed, running.name.clone());
                let (code, began) = self.collect(running).await;
                match (began, code) {
                    (true, None) if armed => self.crashes += 1,
                    (true, Some(0)) | (false, _) => {}
                    (true, _) => self.wrongs.push(format!("{name} was drained and ended with {code:?}")),
                }
            }
        }
    }

    async fn collect(&mut self, running: Running) -> (Option<i32>, bool) {
        let finished = running.process.finished(COLLECTED_WITHIN).await;
        let began = running.began();
        if finished.stderr.contains("panicked at") {
            self.wrongs.push(format!("{} panicked", running.name));
        }
        self.words.push((running.name, finished.stderr));
        (finished.code, began)
    }

    /// Every slot has a worker that runs, and none is frozen.
    pub(crate) async fn heal(&mut self) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].running.as_ref().is_some_and(|running| running.frozen) {
                self.thaw(slot).await;
            }
            self.start(slot, None);
        }
    }

    /// Drains them all, and waits for their ends.
    pub(crate) async fn stop(&mut self) {
        for slot in 0..self.slots.len() {
            self.drain(slot).await;
        }
        let began = Instant::now();
        while self.slots.iter().any(|slot| !slot.leaving.is_empty()) {
            if began.elapsed() > DRAINED_WITHIN {
                self.give_up();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.watch().await;
        }
    }

    fn give_up(&mut self) {
        for running in self.slots.iter_mut().flat_map(|slot| &mut slot.leaving) {
            self.wrongs.push(format!("{} has not drained after {DRAINED_WITHIN:?}", running.name));
            running.armed = true; // its end is ours
            running.process.kill();
        }
    }
}

/// `bursar`, without the variables of this machine's environment.
pub(crate) fn bursar(arguments: &[&str]) -> Command {
    let mut command = Command::new(BURSAR);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("BURSAR_") && !text.starts_with("BURSAR_REDIS_") {
            command.env_remove(&name);
        }
    }
    command.env_remove("REDIS_URL").env_remove("RUST_LOG").env("USER", "tester");
    command
}
