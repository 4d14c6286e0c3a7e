//! What a job costs Redis: commands executed, and bytes kept. Run with `--nocapture` to read the figures.

use std::collections::HashMap;

use bursar_domain::{Answer, Due, Millis, Reason, State};
use bursar_store::{Commit, ResponseId, Store};
use bursar_test_support::{Fsync, Options, OwnRedis, private_redis};
use serde_json::json;

use crate::scene::{Scene, answer_line, sent, transfer, transfer_json};

/// Calls by command, as INFO commandstats counts them; scripts and what this file itself asks are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commands(HashMap<String, u64>);

impl Commands {
    pub(crate) async fn of(scene: &Scene) -> Self {
        let info: String = scene.command(&["INFO", "commandstats"]).await;
        let calls = info.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let outside = ["evalsha", "eval", "script|load", "info", "time", "hello", "client|setinfo", "select"];
            (!outside.contains(&name)).then_some(())?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        });
        Self(calls.collect())
    }

    /// What was executed since.
    pub(crate) async fn until_now(&self, scene: &Scene) -> Self {
        let now = Self::of(scene).await.0;
        let since = now.into_iter().map(|(name, calls)| {
            let before = self.0.get(&name).copied().unwrap_or_default();
            (name, calls - before)
        });
        Self(since.filter(|(_, calls)| *calls > 0).collect())
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

async fn quiet() -> (OwnRedis, Scene) {
    let redis = private_redis(|options| Options { fsync: Fsync::EverySecond, ..options });
    let scene = Scene::at(redis.url()).await;
    (redis, scene)
}

#[tokio::test]
async fn each_step_of_a_job_executes_few_commands() {
    let (_redis, scene) = quiet().await;
    scene.bring("warm", State::Succeeded).await;
    let jobs = 100;
    let per_job = |step: &str, commands: Commands, batched: u64, most: u64| {
        println!("{step}: {} commands for {jobs} jobs: {commands:?}", commands.total());
        assert!(commands.total() <= batched + jobs * most, "{step}: {commands:?}");
    };
    let keys: Vec<String> = (0..jobs).map(|number| format!("k{number:04}")).collect();
    let before = Commands::of(&scene).await;
    scene.submit(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    per_job("submit", before.until_now(&scene).await, 4, 2);

    let before = Commands::of(&scene).await;
    let claims = scene.claim("w", 100).await;
    per_job("claim to send", before.until_now(&scene).await, 13, 1);

    let number = |job: &bursar_store::Claimed| Some(ResponseId::TradeNo(format!("T{}", job.key)));
    let pending = |job| Commit { response: number(job), ..sent(job, State::Pending, Due::Ask(Millis(1))) };
    let ends: Vec<_> = claims.jobs.iter().map(pending).collect();
    let before = Commands::of(&scene).await;
    scene.store.commit(&scene.lane, &ends).await.unwrap();
    per_job("commit accepted", before.until_now(&scene).await, 5 + jobs.div_ceil(16), 1);

    let before = Commands::of(&scene).await;
    let asks = scene.claim("w", 100).await;
    per_job("claim to ask", before.until_now(&scene).await, 10, 1);

    let before = Commands::of(&scene).await;
    let unchanged: Vec<_> =
        asks.jobs.iter().map(|job| crate::scene::asked(job, State::Pending, Due::Ask(Millis(1)))).collect();
    scene.store.commit(&scene.lane, &unchanged).await.unwrap();
    per_job("commit unchanged", before.until_now(&scene).await, 3, 2);

    let asks = scene.claim("w", 100).await;
    let before = Commands::of(&scene).await;
    let ended: Vec<_> = asks.jobs.iter().map(|job| crate::scene::asked(job, State::Succeeded, Due::Never)).collect();
    scene.store.commit(&scene.lane, &ended).await.unwrap();
    per_job("commit ended", before.until_now(&scene).await, 4 + jobs.div_ceil(16), 2);
}

#[tokio::test]
async fn an_idle_claim_executes_a_handful_of_commands() {
    let (_redis, scene) = quiet().await;
    scene.claim("w", 8).await;
    let before = Commands::of(&scene).await;
    scene.claim("w", 8).await;
    let commands = before.until_now(&scene).await;
    println!("idle claim: {commands:?}");
    assert!(commands.total() <= 6, "{commands:?}");
}

async fn used(scene: &Scene) -> u64 {
    let info: String = scene.command(&["INFO", "memory"]).await;
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
}

/// Microseconds that Redis has spent in scripts.
async fn in_scripts(scene: &Scene) -> u64 {
    let info: String = scene.command(&["INFO", "commandstats"]).await;
    let stats = info.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap();
    stats.split("usec=").nth(1).and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap()
}

/// Not near a power of two: a table of keys that is just growing stands in memory twice.
const JOBS: usize = 12_000;

/// The answer line of a worker, about as long as they are.
fn answered(job: &bursar_store::Claimed, state: State, due: Due) -> Commit {
    let line = answer_line(
        job,
        r#""at":1764000000000,"ms":23,"outcome":"succeeded","trade_no":"20250101110000000000000001234","status":"1","http":200"#,
    );
    // As long as they are, and no other job's.
    let number = format!("20250101{:0>21}", job.key.as_str().replace("XP", ""));
    Commit {
        trade_nos: Some(vec![number.clone()]),
        response: Some(ResponseId::TradeNo(number)),
        gateway_status: Some("1".into()),
        line: Some(line),
        ..sent(job, state, due)
    }
}

#[tokio::test]
async fn bytes_per_job_stay_within_their_bounds() {
    let (redis, mut scene) = quiet().await;
    scene.prefix = "bursar".into();
    let settings = bursar_store::Settings { url: redis.url().to_owned(), prefix: "bursar".into() };
    scene.store = Store::connect(&settings).await.unwrap();
    scene.bring("1001XP2024999900000000", State::Succeeded).await;
    let per_job = |what: &str, before: u64, after: u64, most: u64| {
        let bytes = (after - before) / JOBS as u64;
        println!("{what}: {bytes} bytes a job");
        assert!(bytes <= most, "{what}: {bytes} bytes a job, at most {most}");
    };
    let empty = used(&scene).await;
    println!("content of {} bytes", transfer("1001XP2025010100000000").content.text().len());
    for batch in 0..JOBS / 1_000 {
        scene.submit_many(&format!("1001XP20250101{batch:02}"), 1_000).await;
    }
    let submitted = in_scripts(&scene).await;
    per_job("queued", empty, used(&scene).await, 750);
    let mut ended = 1;
    while ended > 0 {
        let claims = scene.claim("host-12345-abcd", 256).await;
        let commits: Vec<_> = claims.jobs.iter().map(|job| answered(job, State::Succeeded, Due::Never)).collect();
        ended = scene.store.commit(&scene.lane, &commits).await.unwrap().len();
    }
    let ran = in_scripts(&scene).await;
    println!(
        "Redis spent {} us a job to submit, {} us to claim and commit",
        submitted / JOBS as u64,
        (ran - submitted) / JOBS as u64
    );
    let _: u64 = scene.command(&["DEL", &scene.name("events")]).await;
    per_job("finished, with its attempts", empty, used(&scene).await, 1_150);
    while scene.store.purge(&scene.lane, std::time::Duration::ZERO, 1_000).await.unwrap() > 0 {}
    // The tables are still as large as the jobs made them, so a tombstone is measured by itself, with its place in a table.
    let bytes: u64 = scene.command(&["MEMORY", "USAGE", &scene.name("job:1001XP2025010100000000")]).await;
    println!("tombstone: {bytes} bytes");
    assert!(bytes + 8 <= 160, "{bytes}");
}

#[tokio::test]
async fn a_record_stays_a_listpack_all_its_life() {
    let scene = Scene::new().await;
    let encoding = async |key: &str| -> String {
        scene.command(&["OBJECT", "ENCODING", &scene.name(&format!("job:{key}"))]).await
    };
    let mut job = transfer_json("k1");
    job["callback_url"] = json!(format!("https://shop.example/callbacks/{}", "x".repeat(300)));
    scene.store.submit(&[crate::scene::parse(&job), transfer("1001XP2025010110000001")]).await.unwrap();
    for key in ["k1", "1001XP2025010110000001"] {
        assert_eq!(encoding(key).await, "listpack", "queued");
        let claimed = scene.claim_one("a-host-with-a-long-name.example.internal-12345-abcdef").await;
        assert_eq!(encoding(key).await, "listpack", "claimed");
        let mut commit = answered(&claimed, State::InDoubt, Due::Send(Millis(1)));
        commit.next.reason = Some(Reason::LateOutcomeUnconfirmed { outcome: Answer::Succeeded });
        scene.commit(&commit).await;
        let claimed = scene.claim_one("w").await;
        scene.commit(&answered(&claimed, State::Pending, Due::Ask(Millis(1)))).await;
        let claimed = scene.claim_one("w").await;
        scene.commit(&answered(&claimed, State::Succeeded, Due::Never)).await;
        assert_eq!(encoding(key).await, "listpack", "ended");
    }
    scene.store.purge(&scene.lane, std::time::Duration::ZERO, 10).await.unwrap();
    assert_eq!(encoding("k1").await, "listpack", "tombstone");
}
