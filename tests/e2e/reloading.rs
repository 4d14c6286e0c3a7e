//! SIGHUP reads the accounts again: added, changed and removed ones, without a restart and without touching a call in flight.

use std::path::PathBuf;

use bursar_test_support::{Process, eventually, private_file};
use serde_json::{Value, json};

use crate::jobs::{having, in_days, transfer, transfers};
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

/// Two workers and a server, whose configuration has a folder of accounts.
struct Fleet {
    world: World,
    workers: [Process; 2],
    server: Server,
}

impl Fleet {
    /// `main` signs by a separate file that the test may replace.
    async fn start() -> Self {
        let plan = Plan::new().simulate(&["--latency", "150ms"]).both("call_timeout", "4s").set("worker.lease", "5s");
        let world = plan.set("worker.listen", "127.0.0.1:0").start().await;
        let key = world.setting("accounts.main.private_key_file").unwrap();
        let own = folder(&world).with_file_name("main.pem");
        private_file(&own, std::fs::read(key.as_str().unwrap()).unwrap());
        world.set("accounts.main.private_key_file", toml::Value::from(own.display().to_string()));
        std::fs::create_dir(folder(&world)).unwrap();
        let text = std::fs::read_to_string(world.config()).unwrap();
        std::fs::write(world.config(), format!("accounts_dir = 'accounts.d'\n{text}")).unwrap();
        let workers = [world.worker().await, world.worker().await];
        let server = world.serve().await;
        Self { world, workers, server }
    }

    /// Sends SIGHUP to all, and waits until each has said `word` once more.
    async fn reload(&self, word: &str) {
        reload(self.processes(), word).await;
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.workers.iter().chain([&self.server.process])
    }

    /// Submits over the server, which must know the account; the status of its answer.
    async fn post(&self, job: &Value) -> u16 {
        let status = self.server.submit(job).await.status;
        if status == 201 {
            self.world.accepted(job.clone());
        }
        status
    }
}

/// Sends SIGHUP to these processes, and waits until each has said `word` once more.
async fn reload(processes: impl Iterator<Item = &Process>, word: &str) {
    let said = |process: &Process| process.stdout().matches(word).count() + process.stderr().matches(word).count();
    let before: Vec<(&Process, usize)> = processes.map(|process| (process, said(process))).collect();
    for (process, _) in &before {
        process.hang_up();
    }
    for (process, before) in before {
        eventually(SOON, word, async || if said(process) > before { Ok(()) } else { Err(process.stderr()) }).await;
    }
}

fn folder(world: &World) -> PathBuf {
    world.config().with_file_name("accounts.d")
}

/// Writes an account's file: like `main`, under another name.
fn write(world: &World, name: &str, changes: &[(&str, toml::Value)]) {
    let mut account = world.setting("accounts.main").unwrap().as_table().unwrap().clone();
    account.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    place(world, name, &toml::to_string(&account).unwrap());
}

/// Puts an account's file there as a whole: half a file is a fault.
fn place(world: &World, name: &str, text: &str) {
    let begun = folder(world).join(".begun");
    private_file(&begun, text);
    std::fs::rename(begun, folder(world).join(format!("{name}.toml"))).unwrap();
}

fn of(account: &str, job: Value) -> Value {
    having(job, "account", json!(account))
}

async fn audited(world: &World) -> Vec<(String, String)> {
    let text = world.ok(&["export", "--audit"]).await;
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reloads = events.filter(|event| event["action"] == "reload" && event.to_string().contains("bursar.toml"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    reloads.map(|event| (text(&event["result"]), text(&event["detail"]))).collect()
}

#[tokio::test]
async fn two_workers_and_a_server_follow_their_accounts_under_load() {
    let fleet = Fleet::start().await;
    let world = &fleet.world;
    world.submit_new(&transfers("LOAD", 120)).await;

    assert_eq!(fleet.post(&of("fresh", transfer("EARLY"))).await, 422, "the account is not known yet");
    write(world, "fresh", &[]);
    fleet.reload("accounts: added fresh").await;
    for number in 0..8 {
        assert_eq!(fleet.post(&of("fresh", transfer(&format!("FRESH-{number}")))).await, 201);
    }
    world.until("FRESH-0", "succeeded").await;

    // A key is replaced in its file while payments are signed by the old one.
    world.submit_new(&transfers("ROTATED", 60)).await;
    world.until_received("ROTATED-001", 1).await;
    let key = folder(world).with_file_name("main.pem");
    let same = std::fs::read_to_string(&key).unwrap();
    private_file(&key, format!("{same}\n"));
    reload(fleet.workers.iter(), "accounts: changed fresh, main").await; // a server reads no key that signs

    // What waits at an account that is removed stays, and is shown as unserved.
    let later: Vec<Value> = (0..5)
        .map(|number| {
            let job = of("fresh", transfer(&format!("LATER-{number}")));
            having(job, "run_at", json!(in_days(1).rfc3339()))
        })
        .collect();
    world.submit_new(&later).await;
    world.submit_new(&(0..30).map(|number| of("fresh", transfer(&format!("LAST-{number}")))).collect::<Vec<_>>()).await;
    let file = folder(world).join("fresh.toml");
    let removed = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    fleet.reload("accounts: removed fresh").await;
    assert_eq!(fleet.post(&of("fresh", transfer("TOO-LATE"))).await, 422, "it is not known any more");
    let doctor = world.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("fresh/transfer"), "{doctor:?}");

    // It comes back with its jobs, and they are due.
    private_file(&file, removed);
    fleet.reload("accounts: added fresh").await;
    for job in &later {
        world.ok(&["cancel", job["platform_no"].as_str().unwrap(), "--reason", "the test ends"]).await;
    }
    world.settled().await;
    world.books_agree().await;
    for process in fleet.processes() {
        assert!(process.is_running());
    }
    let audited = audited(world).await;
    for change in ["added fresh", "removed fresh"] {
        let done = audited.iter().filter(|(result, detail)| result == "done" && detail.ends_with(change));
        assert!(done.count() >= 3, "{change}: {audited:?}");
    }
}

#[tokio::test]
async fn a_configuration_with_a_fault_changes_nothing() {
    let fleet = Fleet::start().await;
    let world = &fleet.world;
    write(world, "good", &[]);
    write(world, "bad", &[("resend_aftr", "1s".into())]);
    let place = folder(world).join("bad.toml").display().to_string();
    fleet.reload("is refused; nothing has changed").await;
    for process in fleet.processes() {
        let line = process.wait_line(SOON, "the fault's place", |line| line.contains("nothing has changed")).await;
        assert!(line.contains(&place) && line.contains("did you mean resend_after"), "{line}");
    }
    assert_eq!(fleet.post(&of("good", transfer("G"))).await, 422, "nothing of a configuration with a fault is taken");
    assert_eq!(fleet.post(&transfer("MAIN")).await, 201);
    eventually(SOON, "the refusals to be audited", async || {
        std::fs::remove_file(&place).ok();
        let audited = audited(world).await;
        let refused = audited.iter().filter(|(result, detail)| result == "refused" && detail.contains("resend_aftr"));
        if refused.count() == 3 { Ok(()) } else { Err(audited) }
    })
    .await;

    // A key that is no key is found before anything changes, too.
    let no_key = world.file("hunter2").display().to_string();
    write(world, "good", &[("private_key_file", no_key.into())]);
    for worker in &fleet.workers {
        worker.hang_up();
        worker.wait_line(SOON, "the wrong key", |line| line.contains("accounts.good.private_key_file")).await;
    }
    let twice = world.setting("accounts.shop").unwrap();
    private_file(&folder(world).join("shop.toml"), toml::to_string(&twice).unwrap());
    for worker in &fleet.workers {
        worker.hang_up();
        let line = worker.wait_line(SOON, "both places", |line| line.contains("accounts.shop is there twice")).await;
        assert!(line.contains("accounts.d/shop.toml") && line.contains("bursar.toml:"), "{line}");
    }
    std::fs::remove_file(folder(world).join("shop.toml")).unwrap();
    std::fs::remove_file(folder(world).join("good.toml")).unwrap();
    world.settled().await;
    world.books_agree().await;
}

#[tokio::test]
async fn another_gateway_is_refused_until_it_is_confirmed() {
    let fleet = Fleet::start().await;
    let world = &fleet.world;
    world.submit_new(&[transfer("BEFORE")]).await;
    world.until("BEFORE", "succeeded").await;
    let elsewhere = Plan::new().start().await;
    world.set("accounts.main.base_url", toml::Value::from(format!("http://{}", elsewhere.gateway)));
    world.set("worker.concurrency", toml::Value::from(3));
    fleet.reload("accounts: changed main").await;
    for worker in &fleet.workers {
        worker.wait_line(SOON, "the keys that need a restart", |line| line.contains("worker.concurrency")).await;
    }
    world.submit_new(&[transfer("AFTER")]).await;
    for worker in &fleet.workers {
        worker.wait_line(SOON, "word that it claims nothing", |line| line.contains("it claims nothing there")).await;
    }
    assert_eq!(elsewhere.ledger().await.requests, 0);
    world.set("accounts.main.base_url", toml::Value::from(format!("http://{}", world.gateway)));
    reload(fleet.workers.iter(), "accounts: changed main").await;
    world.until("AFTER", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_rotated_key_signs_the_next_call_without_a_restart() {
    let fleet = Fleet::start().await;
    let world = &fleet.world;
    let path = folder(world).with_file_name("main.pem");
    let right = std::fs::read_to_string(&path).unwrap();
    // A key that the gateway does not know as this app's.
    let other = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    private_file(&path, other.serialize_pem());
    reload(fleet.workers.iter(), "accounts: changed main").await;
    world.submit_new(&[transfer("SIGNED")]).await;
    eventually(SOON, "the queue to be paused", async || {
        let queues = world.ok(&["queues", "--json"]).await;
        let paused = queues.lines().any(|line| line.contains("main/transfer") && line.contains("invalid-signature"));
        if paused { Ok(()) } else { Err(queues) }
    })
    .await;
    private_file(&path, right);
    reload(fleet.workers.iter(), "accounts: changed main").await;
    world.ok(&["resume", "main/transfer", "--reason", "the right key is back"]).await;
    world.until("SIGNED", "succeeded").await;
    world.books_agree_but_for("isv.invalid-signature").await;
}

#[tokio::test]
async fn watched_files_are_read_when_they_change_and_reported_once() {
    let world = Plan::new().set("reload.every", "100ms").start().await;
    std::fs::create_dir(folder(&world)).unwrap();
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), format!("accounts_dir = 'accounts.d'\n{text}")).unwrap();
    let worker = world.worker().await;
    write(&world, "fresh", &[]);
    worker.wait_line(SOON, "the new account", |line| line.contains("accounts: added fresh")).await;
    world.submit_new(&[of("fresh", transfer("FRESH"))]).await;
    world.until("FRESH", "succeeded").await;
    let file = folder(&world).join("bad.toml");
    place(&world, "bad", "gateway = 'none'\n");
    worker.wait_line(SOON, "the fault", |line| line.contains("accounts.bad.gateway")).await;
    std::fs::remove_file(&file).unwrap();
    let again = |process: &Process| process.stderr().matches("no account has changed").count();
    eventually(SOON, "the end of the fault", async || if again(&worker) > 0 { Ok(()) } else { Err(worker.stderr()) })
        .await;
    write(&world, "second", &[]);
    worker.wait_line(SOON, "the second account", |line| line.contains("accounts: added second")).await;
    assert_eq!(worker.stderr().matches("nothing has changed").count(), 1, "looked at ten times a second");
    assert_eq!(again(&worker), 1);
    world.settled().await;
    world.books_agree().await;
}
