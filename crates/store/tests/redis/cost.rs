//! The cost of a job in Redis: commands, and bytes. Run with `--nocapture` to read the figures.

use std::collections::HashMap;

use bursar_domain::{Due, Job, Millis, Outcome, State};
use bursar_store::{Commit, DeliveryClaim, DeliveryCommit, DeliveryResult, NewRecord, Origin};
use bursar_test_support::{Fsync, Options, OwnRedis, private_redis};
use serde_json::json;

use crate::scene::{LEASE, Scene, answered, known_by, parse, transfer_with_webhook};

/// Calls by command, as INFO commandstats counts them, without scripts and this file's own commands.
pub(crate) async fn commands(scene: &Scene) -> HashMap<String, u64> {
    let info: String = scene.command(&["INFO", "commandstats"]).await;
    let calls = info.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let outside = ["evalsha", "eval", "script|load", "info", "time", "hello", "client|setinfo", "select"];
        (!outside.contains(&name)).then_some(())?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    calls.collect()
}

/// The number of commands since then.
pub(crate) async fn since(scene: &Scene, before: &HashMap<String, u64>) -> u64 {
    let now = commands(scene).await;
    now.iter().map(|(name, calls)| calls - before.get(name).copied().unwrap_or_default()).sum()
}

struct Counter<'a> {
    scene: &'a Scene,
    before: HashMap<String, u64>,
}

impl<'a> Counter<'a> {
    async fn new(scene: &'a Scene) -> Self {
        Self { scene, before: commands(scene).await }
    }

    /// The commands of a step of `JOBS_A_BATCH` jobs.
    async fn step(&mut self, what: &str, most: u64) {
        let now = commands(self.scene).await;
        let since: HashMap<&String, u64> = now
            .iter()
            .map(|(name, calls)| (name, calls - self.before.get(name).copied().unwrap_or_default()))
            .filter(|(_, calls)| *calls > 0)
            .collect();
        let total: u64 = since.values().sum();
        println!("{what}: {total} commands for {JOBS_A_BATCH} jobs: {since:?}");
        assert!(total <= most, "{what}: {since:?}");
        self.before = commands(self.scene).await;
    }
}

const JOBS_A_BATCH: usize = 100;

async fn quiet() -> (OwnRedis, Scene) {
    let redis = private_redis(|options| Options { fsync: Fsync::EverySecond, ..options });
    let scene = Scene::between(redis.url(), redis.url(), "bursar").await;
    (redis, scene)
}

/// A transfer with a content of about 300 bytes.
fn transfer(key: &str) -> Job {
    parse(&json!({"account": "main", "kind": "transfer", "platform_no": key,
        "body": {"node_id": "00061967", "total_amount": 10, "payer_store_no": "amy99a-000000000000000000000000000000000000000000000000000000001",
            "payer_type": "1", "payee_store_no": "amy99b-000000000000000000000000000000000000000000000000000000002", "payee_type": "2", "arrive_time": "T0"}}))
}

async fn submit(scene: &Scene, prefix: &str, count: usize) {
    let jobs: Vec<Job> = (0..count).map(|number| transfer(&format!("{prefix}{number:06}"))).collect();
    let new: Vec<NewRecord<'_>> = jobs.iter().map(|job| NewRecord { job, group: "amy99a", step: 1.0 }).collect();
    scene.store.submit_to(&scene.queue, &new).await.unwrap();
}

/// The end of a send that succeeded at once, with a response as long as they are.
fn succeeded(job: &bursar_store::ClaimedJob) -> Commit {
    let number = format!("20250101{:0>21}", job.key.as_str().replace("XP", ""));
    Commit {
        response: known_by(&number),
        trade_nos: vec![number],
        gateway_status: Some("1".into()),
        ..answered(job, Outcome::Succeeded, State::Succeeded, Due::Never)
    }
}

#[tokio::test]
async fn each_step_of_a_batch_executes_few_commands() {
    let (_redis, scene) = quiet().await;
    submit(&scene, "warm", 3).await;
    let warm = scene.claim("w", 3).await;
    scene.store.commit(&scene.queue, &warm.jobs.iter().map(succeeded).collect::<Vec<_>>()).await.unwrap();
    let mut counter = Counter::new(&scene).await;
    submit(&scene, "k", JOBS_A_BATCH).await;
    counter.step("submit", 12 + JOBS_A_BATCH as u64).await;
    let claims = scene.claim("w", JOBS_A_BATCH).await;
    counter.step("claim to send", 24).await;
    let pending = |job| Commit { ..answered(job, Outcome::Accepted, State::Pending, Due::Query(Millis(1))) };
    scene.store.commit(&scene.queue, &claims.jobs.iter().map(pending).collect::<Vec<_>>()).await.unwrap();
    counter.step("commit accepted", 20).await;
    let claims = scene.claim("w", JOBS_A_BATCH).await;
    counter.step("claim to query", 20).await;
    scene.store.commit(&scene.queue, &claims.jobs.iter().map(succeeded).collect::<Vec<_>>()).await.unwrap();
    counter.step("commit ended", 20).await;
}

#[tokio::test]
async fn deliveries_of_a_batch_execute_few_commands() {
    let (_redis, scene) = quiet().await;
    let most = JOBS_A_BATCH as u64;
    for prefix in ["warm", "k"] {
        let jobs: Vec<Job> =
            (0..JOBS_A_BATCH).map(|number| transfer_with_webhook(&format!("{prefix}{number}"))).collect();
        scene.accept(&jobs).await;
        let claims = scene.claim("w", JOBS_A_BATCH).await;
        let mut counter = Counter::new(&scene).await;
        scene.store.commit(&scene.queue, &claims.jobs.iter().map(succeeded).collect::<Vec<_>>()).await.unwrap();
        counter.step("commit ended, with webhooks", 20 + most).await;
        let origin = Origin::Jobs(scene.queue.clone());
        let number = prefix.len() as u64;
        let claim = DeliveryClaim { dispatcher: "d", number, lease: LEASE, most: JOBS_A_BATCH };
        let due = scene.store.claim_deliveries(&origin, &claim).await.unwrap().due;
        assert_eq!(due.len(), JOBS_A_BATCH);
        counter.step("claim deliveries", 8 + most).await;
        let delivered = |due| DeliveryCommit::new(due, Millis(1), DeliveryResult::Delivered);
        scene.store.commit_deliveries(&origin, &due.iter().map(delivered).collect::<Vec<_>>()).await.unwrap();
        counter.step("commit deliveries", 8 + 3 * most).await;
    }
}

async fn used(scene: &Scene) -> u64 {
    let info: String = scene.command(&["INFO", "memory"]).await;
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
}

/// Microseconds of CPU that Redis has spent.
async fn cpu_us(scene: &Scene) -> u64 {
    let info: String = scene.command(&["INFO", "cpu"]).await;
    let of =
        |name: &str| -> f64 { info.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap() };
    ((of("used_cpu_user_main_thread:") + of("used_cpu_sys_main_thread:")) * 1e6) as u64
}

/// Not near a power of two: a key table that is growing is in memory twice.
const JOBS: usize = 12_000;

#[tokio::test]
async fn bytes_per_job_stay_within_their_bounds() {
    let (_redis, scene) = quiet().await;
    submit(&scene, "1001XP2024999900", 1).await;
    let first = scene.claim_one("w").await;
    scene.commit(&succeeded(&first)).await;
    let per_job = |what: &str, before: u64, after: u64, most: u64| {
        let bytes = (after - before) / JOBS as u64;
        println!("{what}: {bytes} bytes a job");
        assert!(bytes <= most, "{what}: {bytes} bytes a job, at most {most}");
    };
    let empty = used(&scene).await;
    println!("content of {} bytes", transfer("1001XP2025010100000000").content.text().len());
    let began = cpu_us(&scene).await;
    for batch in 0..JOBS / 100 {
        submit(&scene, &format!("1001XP2025{batch:04}"), 100).await;
    }
    let submitted = cpu_us(&scene).await;
    per_job("queued", empty, used(&scene).await, 750);
    let (mut ended, mut claiming) = (1, 0);
    while ended > 0 {
        let before = cpu_us(&scene).await;
        let claims = scene.claim("host-12345-abcd", 100).await;
        claiming += cpu_us(&scene).await - before;
        let commits: Vec<_> = claims.jobs.iter().map(succeeded).collect();
        ended = if commits.is_empty() { 0 } else { scene.store.commit(&scene.queue, &commits).await.unwrap().len() };
    }
    let ran = cpu_us(&scene).await;
    println!(
        "Redis spent {:.1} us a job to submit, {:.1} us to claim, {:.1} us to commit",
        (submitted - began) as f64 / JOBS as f64,
        claiming as f64 / JOBS as f64,
        (ran - submitted - claiming) as f64 / JOBS as f64
    );
    let _: u64 = scene.command(&["DEL", &format!("{}events", scene.base())]).await;
    per_job("finished, with its attempts", empty, used(&scene).await, 1_300);
    println!("{}", scene.text("1001XP20250000000000").await.unwrap());
    while scene.store.purge(&scene.queue, std::time::Duration::ZERO, 1_000).await.unwrap() > 0 {}
    // The tables still have the size that the jobs gave them, so a tombstone is measured alone, with its place in a
    // table.
    let bytes: u64 = scene.command(&["MEMORY", "USAGE", &scene.job_name("1001XP20250000000000")]).await;
    println!("tombstone: {bytes} bytes: {}", scene.text("1001XP20250000000000").await.unwrap());
    assert!(bytes + 8 <= 192, "{bytes}");
}

#[tokio::test]
async fn an_idle_claim_and_an_idle_look_execute_a_handful_of_commands() {
    let (_redis, scene) = quiet().await;
    scene.claim("w", 8).await;
    let before = commands(&scene).await;
    scene.claim("w", 8).await;
    let idle = since(&scene, &before).await;
    assert!(idle <= 9, "an idle claim: {idle}");
    for accounts in [1, 200] {
        for number in 0..accounts {
            let mut job = crate::scene::transfer_json("k");
            job["account"] = json!(format!("a{number}"));
            scene.accept(&[parse(&job)]).await;
        }
        let before = commands(&scene).await;
        scene.store.ready(Millis(1)).await.unwrap();
        assert_eq!(since(&scene, &before).await, 32, "a look at {accounts} accounts: a head of each partition");
    }
}

#[tokio::test]
async fn giving_back_and_restoring_execute_few_commands() {
    let (_redis, scene) = quiet().await;
    submit(&scene, "k", JOBS_A_BATCH).await;
    for round in ["warm", "measured"] {
        let claimed = scene.claim("w", JOBS_A_BATCH).await;
        let jobs: Vec<_> = claimed.jobs.iter().collect();
        let mut counter = Counter::new(&scene).await;
        scene.store.release(&scene.queue, &jobs).await.unwrap();
        counter.step(&format!("release, {round}"), 12).await;
        let leased: Vec<_> = claimed.jobs.iter().map(crate::scene::leased_claim).collect();
        scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &leased).await.unwrap();
        counter.step(&format!("renew of what is gone, {round}"), 5 + 2 * JOBS_A_BATCH as u64).await;
        let claimed = scene.claim("w", JOBS_A_BATCH).await;
        let leased: Vec<_> = claimed.jobs.iter().map(crate::scene::leased_claim).collect();
        let mut counter = Counter::new(&scene).await;
        scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &leased).await.unwrap();
        counter.step(&format!("renew, {round}"), 5).await;
        let jobs: Vec<_> = claimed.jobs.iter().collect();
        scene.store.release(&scene.queue, &jobs).await.unwrap();
    }
}
