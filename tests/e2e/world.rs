//! One test's world: a configuration, a simulator, workers, and Bursar's commands to act on them.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bursar_simulator::{KeyRecord, Ledger};
use bursar_test_support::{Finished, Process, eventually, private_file};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::plan::{self, Plan};
use crate::{http, jobs, ledger};

/// The program under test.
const BURSAR: &str = env!("CARGO_BIN_EXE_bursar");

/// The secret that webhooks are signed with where a test names no other.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";

/// Long against anything that a test waits for without measuring it, also on a busy machine.
pub(crate) const SOON: Duration = bursar_test_support::SOON;

/// Between looks that cost a process each.
const LOOK: Duration = Duration::from_millis(40);

/// One test's world. Its processes end with it.
pub(crate) struct World {
    simulator: RefCell<Option<Process>>,
    /// Where the simulator listens.
    pub(crate) gateway: String,
    folder: TempDir,
    submitted: RefCell<Vec<Value>>,
    workers: RefCell<u32>,
    files: RefCell<u32>,
    /// The version of records that the commands of this world write; `None` for the build's own.
    record_version: Cell<Option<u32>>,
}

/// `bursar`, without anything of this machine's environment that could steer it.
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
    // Where a Redis that `./x` fetched is found.
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

/// The name of an operator who shows no token: the user who runs the tests, whatever the environment says.
pub(crate) fn system_user() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).expect("users can be looked up");
    let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    format!("{name} (system user)")
}

/// Starts a simulator and reads its ready line. Unless `options` say otherwise it has the keys that all tests share, for
/// making keys takes longer than most tests, and payments that change their status soon.
pub(crate) async fn simulate(options: &[String]) -> (Process, Value) {
    let mut command = bursar(&["simulate"]);
    command.args(options);
    for (name, value) in [("--keys", concat!(env!("CARGO_TARGET_TMPDIR"), "/e2e-keys")), ("--life-step", "200ms")] {
        if !options.iter().any(|option| option == name) {
            command.args([name, value]);
        }
    }
    let simulator = Process::start("the simulator", command);
    let ready = simulator.wait_line(SOON, "its ready line", |line| line.starts_with('{')).await;
    (simulator, serde_json::from_str(&ready).expect("the ready line is JSON"))
}

impl World {
    pub(crate) async fn start(plan: Plan) -> Self {
        let (simulator, ready) = simulate(&plan.simulate).await;
        let world = Self {
            simulator: RefCell::new(Some(simulator)),
            gateway: ready["listen"].as_str().expect("the simulator listens somewhere").to_owned(),
            folder: tempfile::Builder::new().prefix("bursar-e2e-").tempdir().expect("a folder for the configuration"),
            submitted: RefCell::default(),
            workers: RefCell::default(),
            files: RefCell::default(),
            record_version: Cell::default(),
        };
        let settings = toml::to_string(&plan.at(&ready).settings).expect("settings are TOML");
        private_file(&world.config(), settings);
        private_file(&world.config().with_file_name("webhooks.secrets"), SECRET);
        world
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("bursar.toml")
    }

    /// The gateway is gone: nothing listens where it was.
    pub(crate) fn stop_gateway(&self) {
        self.simulator.take();
    }

    /// The gateway is back, with the same keys and an empty ledger.
    pub(crate) async fn start_gateway(&self) {
        let (simulator, _) = simulate(&["--listen".into(), self.gateway.clone()]).await;
        self.simulator.replace(Some(simulator));
    }

    /// Changes one key of the configuration, for processes that read it from now on; null takes it out.
    pub(crate) fn set(&self, key: &str, value: impl Into<Option<toml::Value>>) {
        let text = std::fs::read_to_string(self.config()).expect("reading the configuration");
        let settings = plan::changed(text.parse().expect("the configuration is TOML"), key, value.into());
        std::fs::write(self.config(), toml::to_string(&settings).expect("settings are TOML")).expect("writing it");
    }

    /// One key of the configuration file.
    pub(crate) fn setting(&self, key: &str) -> Option<toml::Value> {
        let text = std::fs::read_to_string(self.config()).expect("reading the configuration");
        let settings: toml::Value = text.parse::<toml::Table>().expect("the configuration is TOML").into();
        key.split('.').try_fold(&settings, |table, name| table.get(name)).cloned()
    }

    /// Every command from now on is of a build that writes records of this version.
    pub(crate) fn upgraded_to(&self, record_version: impl Into<Option<u32>>) {
        self.record_version.set(record_version.into());
    }

    /// A file in the world's folder with this content.
    pub(crate) fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        let mut files = self.files.borrow_mut();
        *files += 1;
        let path = self.folder.path().join(format!("file-{files}"));
        private_file(&path, content);
        path
    }

    /// `bursar` with this world's configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bursar(arguments);
        command.arg("--config").arg(self.config());
        if let Some(version) = self.record_version.get() {
            command.env("BURSAR_RECORD_VERSION", version.to_string());
        }
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        Process::run(&format!("bursar {}", arguments.join(" ")), self.command(arguments), SOON).await
    }

    /// Runs a command that must end well; what it printed.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments).await;
        assert_eq!(finished.code, Some(0), "bursar {arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.stdout
    }

    /// Starts a worker and waits until it works.
    pub(crate) async fn worker(&self) -> Process {
        self.worker_as(|_| {}).await
    }

    /// Starts a worker whose command was changed by `adjust`.
    pub(crate) async fn worker_as(&self, adjust: impl FnOnce(&mut Command)) -> Process {
        *self.workers.borrow_mut() += 1;
        let mut command = self.command(&["worker"]);
        adjust(&mut command);
        let worker = Process::start(&format!("worker {}", self.workers.borrow()), command);
        worker.wait_line(SOON, "word that it works", |line| line.contains("working")).await;
        worker
    }

    /// Submits jobs by one command; a line of outcome for each.
    pub(crate) async fn submit(&self, jobs: &[Value]) -> Vec<String> {
        let lines: Vec<String> = jobs.iter().map(Value::to_string).collect();
        let file = self.file(lines.join("\n"));
        let finished = self.run(&["submit", &file.display().to_string()]).await;
        let outcomes: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
        assert_eq!(outcomes.len(), jobs.len(), "an outcome for each job: {finished:?}");
        let accepted = jobs.iter().zip(&outcomes).filter(|(_, outcome)| outcome.starts_with("new "));
        self.submitted.borrow_mut().extend(accepted.map(|(job, _)| job.clone()));
        outcomes
    }

    /// Takes a job into account that was accepted on another way than by [`World::submit`].
    pub(crate) fn accepted(&self, job: Value) {
        self.submitted.borrow_mut().push(job);
    }

    /// Submits jobs that must all be new.
    pub(crate) async fn submit_new(&self, jobs: &[Value]) {
        let outcomes = self.submit(jobs).await;
        assert!(outcomes.iter().all(|outcome| outcome.starts_with("new ")), "{outcomes:?}");
    }

    /// Submits a transfer whose answer is lost, and waits until a person must decide about it: its account must hold.
    pub(crate) async fn in_review(&self, key: &str) {
        self.faults(json!({"key": key, "on": "send", "fault": "lost-answer"})).await;
        self.submit_new(&[jobs::transfer(key)]).await;
        self.until(key, "needs_review").await;
    }

    /// The job, with its history.
    pub(crate) async fn job(&self, key: &str) -> Value {
        let shown = self.ok(&["show", key, "--json"]).await;
        serde_json::from_str(&shown).expect("show --json prints one object")
    }

    /// Every job of the world.
    pub(crate) async fn list(&self) -> Vec<Value> {
        let listed = self.ok(&["list", "--json", "--limit", "100000"]).await;
        listed.lines().map(|line| serde_json::from_str(line).expect("list --json prints an object a line")).collect()
    }

    /// Waits until the job is in `state`.
    pub(crate) async fn until(&self, key: &str, state: &str) -> Value {
        self.until_within(SOON, key, state).await
    }

    /// Waits until the job is in `state`, `within` that time.
    pub(crate) async fn until_within(&self, within: Duration, key: &str, state: &str) -> Value {
        eventually(within, &format!("{key} to be {state}"), async || {
            let job = self.job(key).await;
            if job["state"] == state {
                return Ok(job);
            }
            tokio::time::sleep(LOOK).await;
            Err(job)
        })
        .await
    }

    /// Waits until every job that was accepted has ended or waits for a person.
    pub(crate) async fn settled(&self) -> Vec<Value> {
        const ENDS: [&str; 5] = ["succeeded", "failed", "refunded", "cancelled", "needs_review"];
        self.until_all("every job to end", |job| ENDS.contains(&job["state"].as_str().unwrap_or_default())).await
    }

    /// Waits until every job that was accepted is listed and `fits`.
    pub(crate) async fn until_all(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let count = self.submitted.borrow().len();
        eventually(SOON * 2, what, async || {
            let jobs = self.list().await;
            if jobs.len() == count && jobs.iter().all(&fits) {
                return Ok(jobs);
            }
            tokio::time::sleep(LOOK).await;
            Err(jobs.into_iter().filter(|job| !fits(job)).collect::<Vec<_>>())
        })
        .await
    }

    /// The gateway's ledger.
    pub(crate) async fn ledger(&self) -> Ledger {
        serde_json::from_value(http::get(&self.gateway, "/_ledger").await).expect("the ledger is one")
    }

    /// The ledger's record of one of its keys.
    pub(crate) async fn at_gateway(&self, ledger_key: &str) -> Option<KeyRecord> {
        self.ledger().await.keys.remove(ledger_key)
    }

    /// Runs a command that must answer no; what it said.
    pub(crate) async fn refused(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments).await;
        assert_eq!(finished.code, Some(1), "bursar {arguments:?}: {}{}", finished.stdout, finished.stderr);
        finished.stderr
    }

    /// Waits until the gateway has received as many sends as `count` under this key.
    pub(crate) async fn until_received(&self, ledger_key: &str, count: u64) {
        eventually(SOON, &format!("{count} sends of {ledger_key} to arrive"), async || {
            let record = self.at_gateway(ledger_key).await;
            if record.as_ref().is_some_and(|record| record.requests >= count) { Ok(()) } else { Err(record) }
        })
        .await;
    }

    /// Sets faults at the gateway.
    pub(crate) async fn faults(&self, orders: Value) {
        http::put(&self.gateway, "/_faults", &orders).await;
    }

    /// Gives a key its life at the gateway.
    pub(crate) async fn life(&self, key: &str, life: &str) {
        http::put(&self.gateway, "/_lives", &json!({"key": key, "life": life})).await;
    }

    /// Compares Bursar's record with the gateway's: nothing executed twice, nothing sent without an intent on record, every
    /// end the one that the ledger has, no violation.
    pub(crate) async fn books_agree(&self) -> Ledger {
        let ledger = self.books_agree_but_for("nothing at all").await;
        assert!(ledger.violations.is_empty(), "the gateway complains: {:?}", ledger.violations);
        ledger
    }

    /// The same where the test itself made the gateway complain of something.
    pub(crate) async fn books_agree_but_for(&self, complaint: &str) -> Ledger {
        let mut ledger = self.ledger().await;
        ledger.violations.retain(|violation| !violation.text.contains(complaint));
        let submitted = self.submitted.borrow().clone();
        let listed = self.list().await;
        let of = |job: &Value| {
            let same =
                |listed: &&Value| ["account", "kind", "platform_no"].iter().all(|name| listed[name] == job[name]);
            let found = listed.iter().find(same).unwrap_or_else(|| panic!("{} is lost", jobs::key(job)));
            (jobs::ledger_key(job), found.clone())
        };
        let pairs: Vec<(String, Value)> = submitted.iter().map(of).collect();
        ledger::assert_agree(&ledger, &pairs);
        assert_eq!(listed.len(), submitted.len(), "jobs are listed that were not submitted: {listed:?}");
        ledger
    }
}
