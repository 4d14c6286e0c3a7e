//! Finished jobs go to the archive, each version once, wherever a worker dies; only then do their details leave Redis.
//!
//! `BURSAR_SEED=17` runs a seed again; `BURSAR_ARCHIVE_JOBS=100000` runs with as many jobs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use bursar_archive::{Archive, JobLine, Signer};
use bursar_test_support::{Finished, Process, Receiver, eventually, private_file};
use fastrand::Rng;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::docs_page::Page;
use crate::jobs::{self, bill, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};

/// The jobs of every run.
const JOBS: usize = 240;

/// Jobs of one command.
const SUBMITTED_AT_ONCE: usize = 5_000;

/// The bytes before an Ed25519 key in PKCS#8 (RFC 8410).
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A world that archives at once, with the files of its key.
struct Scene {
    world: World,
    key: PathBuf,
}

impl Scene {
    async fn new(plan: Plan) -> Self {
        let plan = plan
            .set("archive.dir", "archive")
            .set("archive.signing_key_file", "archive.key.pem")
            .set("archive.after", "0s")
            .set("archive.every", "1s")
            .set("redis.retention", "1h");
        let world = plan.start().await;
        let der: Vec<u8> = PKCS8_PREFIX.into_iter().chain([7; 32]).collect();
        let body = base64::prelude::BASE64_STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        private_file(&world.config().with_file_name("archive.key.pem"), &pem);
        let key = world.config().with_file_name("archive.pub.pem");
        std::fs::write(&key, Signer::from_pem(&pem).unwrap().public_key().pem()).unwrap();
        Self { world, key }
    }

    fn folder(&self) -> PathBuf {
        self.world.config().with_file_name("archive")
    }

    /// Each job's versions with their states, in the order of their lines.
    fn archived(&self) -> BTreeMap<String, Vec<(u32, String)>> {
        let mut jobs: BTreeMap<String, Vec<(u32, String)>> = BTreeMap::new();
        let schema = std::fs::read_to_string(Page::project().join("docs/archive-line.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
        let Ok(archive) = Archive::open(&self.folder()) else { return jobs };
        for chain in archive.chains().unwrap() {
            for seal in (1..).map_while(|segment| chain.seal(segment).unwrap()) {
                let each = |line: &[u8]| {
                    let whole: Value = serde_json::from_slice(line).unwrap();
                    assert!(schema.is_valid(&whole), "{whole}: {:?}", schema.iter_errors(&whole).next());
                    let line = JobLine::read(line).unwrap();
                    let record: Value = serde_json::from_str(line.record.get()).unwrap();
                    assert!(record["content"].is_object(), "{record}");
                    let state = record["state"].as_str().unwrap().to_owned();
                    jobs.entry(format!("{} {}", line.queue, line.key)).or_default().push((line.version, state));
                };
                chain.read(&seal, each).unwrap();
            }
        }
        jobs
    }

    async fn redis(&self) -> (MultiplexedConnection, String) {
        let setting = |key| self.world.setting(key).and_then(|value| value.as_str().map(str::to_owned)).unwrap();
        let client = redis::Client::open(setting("redis.url")).unwrap();
        (client.get_multiplexed_async_connection().await.unwrap(), setting("redis.prefix"))
    }

    /// The sets of ended jobs.
    async fn done_sets(&self) -> Vec<String> {
        let (mut redis, prefix) = self.redis().await;
        redis::cmd("KEYS").arg(format!("{prefix}:*}}:done:*")).query_async(&mut redis).await.unwrap()
    }

    /// The number of ended jobs with their details.
    async fn with_details(&self) -> usize {
        let (mut redis, _) = self.redis().await;
        let mut count = 0;
        for set in self.done_sets().await {
            count += redis::cmd("ZCARD").arg(set).query_async::<usize>(&mut redis).await.unwrap();
        }
        count
    }

    /// Lets two hours pass for every ended job.
    async fn let_retention_pass(&self) {
        let (mut redis, _) = self.redis().await;
        for set in self.done_sets().await {
            let script = redis::Script::new(
                "for _, key in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZINCRBY', KEYS[1], -7200000, key) end",
            );
            let () = script.key(set).invoke_async(&mut redis).await.unwrap();
        }
    }

    async fn verified(&self, arguments: &[&str]) -> Value {
        let (folder, key) = (self.folder().display().to_string(), self.key.display().to_string());
        let printed = self.world.ok(&[&["verify", &folder, "--key", &key, "--json"], arguments].concat()).await;
        serde_json::from_str(&printed).unwrap()
    }
}

/// A worker that ends at a crash point.
async fn dying_at(world: &World, point: &str) -> Process {
    world
        .worker_as(|command| {
            command.env("BURSAR_CRASH_AT", point);
        })
        .await
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "who runs a seed again needs its number")]
async fn every_job_is_archived_once_though_workers_die() {
    let seed = number_from("BURSAR_SEED").unwrap_or(18);
    let count = number_from("BURSAR_ARCHIVE_JOBS").map_or(JOBS, |count| usize::try_from(count).unwrap());
    let within = SOON * 3 * (1 + u32::try_from(count / 1_000).unwrap());
    println!("seed {seed}, {count} jobs");
    let mut rng = Rng::with_seed(seed);
    let plan = Plan::new().both("resend_max", 10).set("worker.concurrency", 64);
    let scene = Scene::new(plan.simulate(&["--latency", "5ms", "--faults", "mild"])).await;
    let world = &scene.world;
    let mut all = jobs::transfers("ARC", count * 2 / 3);
    all.extend((all.len()..count).map(|number| bill(&format!("BILL-{number}"), &format!("ORDER-{number}"))));
    // Between a segment's file, its seal, and the marks. The next one has to wait for the dead one's lease.
    let mut rest = &all[..];
    for point in ["archive_written", "archive_sealed", "archive_marked"] {
        let (some, others) = rest.split_at(rng.usize(5..20));
        rest = others;
        world.submit_new(some).await;
        let dying = dying_at(world, point).await;
        eventually(SOON * 3, &format!("the worker to die at {point}"), async || (!dying.is_running()).then_some(()))
            .await;
    }
    let mut workers = vec![world.worker().await];
    for some in rest.chunks(SUBMITTED_AT_ONCE) {
        world.submit_new(some).await;
    }
    for _ in 0..4 {
        let before = scene.archived().len();
        eventually(within, "more jobs in the archive", async || {
            let now = scene.archived().len();
            if now > before || now == count { Ok(()) } else { Err(now) }
        })
        .await;
        workers.remove(0).kill();
        workers.push(world.worker().await);
    }
    eventually(within, "every job in the archive", async || {
        let now = scene.archived().len();
        if now == count { Ok(()) } else { Err(now) }
    })
    .await;
    if count <= JOBS {
        world.books_agree().await;
    }
    let states: BTreeMap<String, String> =
        world.list().await.iter().map(|job| (name_of(job), text(job, "state"))).collect();
    for (job, versions) in scene.archived() {
        assert_eq!(versions, [(1, states[&job].clone())], "{job}");
    }
    let report = scene.verified(&["--redis"]).await;
    assert_eq!((&report["sound"], &report["lines"]), (&json!(true), &json!(count)), "{report}");

    drop(workers);
    details_leave_redis(&scene, &all, within).await;
}

/// Retention: the details go, and what recognises a duplicate stays.
#[allow(clippy::print_stdout, reason = "a figure that one wants to know")]
async fn details_leave_redis(scene: &Scene, all: &[Value], within: Duration) {
    scene.let_retention_pass().await;
    let _worker = scene.world.worker().await;
    eventually(within, "the details to leave Redis", async || match scene.with_details().await {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
    let (mut redis, prefix) = scene.redis().await;
    for kept in ["archived:*", "history:*", "unarchived:*"] {
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{prefix}:*}}:{kept}")).query_async(&mut redis).await.unwrap();
        assert_eq!(keys, Vec::<String>::new());
    }
    let duplicate = scene.world.submit(&all[..1]).await;
    assert!(duplicate[0].starts_with("existing "), "{duplicate:?}");
    assert_eq!(scene.archived().len(), all.len());
    let name: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{prefix}:*}}:job:*{}", jobs::key(&all[0])))
        .query_async(&mut redis)
        .await
        .unwrap();
    let bytes: u64 = redis::cmd("MEMORY").arg("USAGE").arg(&name[0]).query_async(&mut redis).await.unwrap();
    println!("a finished job takes {bytes} bytes of Redis after archiving");
}

fn text(job: &Value, field: &str) -> String {
    job[field].as_str().unwrap_or_default().to_owned()
}

fn name_of(job: &Value) -> String {
    format!("{}/{} {}", text(job, "account"), text(job, "kind"), text(job, "platform_no"))
}

#[tokio::test]
async fn a_refund_after_success_is_a_second_line() {
    let scene = Scene::new(Plan::new().simulate(&["--life-step", "3s"])).await;
    let world = &scene.world;
    world.life("REFUND", "1-2").await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("REFUND")]).await;
    let versions = async || scene.archived().remove("main/transfer REFUND").unwrap_or_default();
    let first = (1, "succeeded".to_owned());
    let until = async |expected: &[(u32, String)]| {
        eventually(SOON, "its versions in the archive", async || {
            let now = versions().await;
            if now == expected { Ok(()) } else { Err(now) }
        })
        .await;
    };
    until(std::slice::from_ref(&first)).await;
    eventually(SOON, "the refund", async || {
        world.ok(&["query", "REFUND", "--reason", "the shop says so"]).await;
        let job = world.job("REFUND").await;
        if job["state"] == "refunded" { Ok(()) } else { Err(job) }
    })
    .await;
    scene.let_retention_pass().await;
    drop(worker);
    // The first round of a worker's retention finds that the archive lacks this version.
    let worker = world.worker().await;
    until(&[first.clone(), (2, "refunded".to_owned())]).await;
    drop(worker);
    let _worker = world.worker().await;
    eventually(SOON, "its details to leave Redis", async || match scene.with_details().await {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
    until(&[first, (2, "refunded".to_owned())]).await;
}

/// The auditor's script of the document, with standard tools.
async fn audit(folder: &str, key: &str) -> Finished {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &Page::read("docs/archive.md").commands()]).env("ARCHIVE", folder).env("KEY", key);
    Process::run("the auditor's script", command, SOON).await
}

#[tokio::test]
async fn verify_says_what_is_wrong_where_and_by_its_exit_code() {
    let ledger = Receiver::content().await;
    let scene = Scene::new(Plan::new().set("archive.heads_url", ledger.url("seals"))).await;
    let world = &scene.world;
    let worker = world.worker().await;
    world.submit_new(&jobs::transfers("V", 3)).await;
    eventually(SOON, "the jobs in the archive", async || {
        let now = scene.archived().len();
        if now == 3 { Ok(()) } else { Err(now) }
    })
    .await;
    let posted = eventually(SOON, "the newest seal at the ledger", async || {
        let newest = Archive::open(&scene.folder()).unwrap().chains().unwrap()[0].newest().unwrap().unwrap();
        let received = ledger.received();
        let found = received.iter().find(|post| post.body == newest.text()).cloned();
        found.ok_or(received.len())
    })
    .await;
    drop(worker);
    let (folder, key) = (scene.folder().display().to_string(), scene.key.display().to_string());
    let report = scene.verified(&[]).await;
    let posted: Value = serde_json::from_str(&posted.body).unwrap();
    assert_eq!(report["heads"][0]["segment"], posted["segment"]);
    assert_eq!(report["heads"][0], posted);
    let heads: Vec<String> = report["heads"].as_array().unwrap().iter().map(Value::to_string).collect();
    assert_eq!(report["findings"], json!([]));
    let text = world.ok(&["verify", &folder, "--key", &key]).await;
    assert!(text.contains(": sound: 1 chains, ") && text.contains(" 3 lines\n"), "{text}");

    for (arguments, code, says) in [
        (vec!["verify", "/nowhere", "--key", &key], 2, "/nowhere is no archive: it has no file archive.json"),
        (vec!["verify", &folder, "--key", "abcd"], 2, "--key abcd: "),
        (vec!["verify", &folder, "--key", &"00".repeat(32)], 1, ""),
        (vec!["verify", &folder], 0, "no --key was given"),
    ] {
        let finished = world.run(&arguments).await;
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(says), "{arguments:?}: {finished:?}");
    }

    let audited = audit(&folder, &key).await;
    assert!(audited.code == Some(0) && audited.stdout.contains("segments are sound"), "{audited:?}");

    // One byte of one file.
    let chain = scene.folder().join(report["heads"][0]["chain"].as_str().unwrap());
    let data = chain.join(format!("{}.jsonl.zst", report["heads"][0]["file"].as_str().unwrap()));
    let mut bytes = std::fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    let finished = world.run(&["verify", &folder, "--key", &key]).await;
    assert_eq!(finished.code, Some(1));
    let expected = "the file with its lines is not the one that was sealed";
    assert!(finished.stdout.contains(expected) && finished.stdout.contains(": NOT SOUND: "), "{finished:?}");
    assert_eq!(audit(&folder, &key).await.code, Some(1));

    // Everything gone but for a note.
    let noted = world.file(format!("{}\n", heads[0]));
    std::fs::remove_dir_all(chain).unwrap();
    let noted = noted.display().to_string();
    let finished = world.run(&["verify", &folder, "--key", &key, "--heads", &noted]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("its end was removed"), "{finished:?}");
}
