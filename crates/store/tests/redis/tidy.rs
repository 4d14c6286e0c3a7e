//! What every script must say and may touch.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use bursar_domain::{Due, Key, Millis, Next, Operation, Reason, State};
use bursar_store::{BalanceParts, Operator, Origin, Remembered, Telling, ToldOrNot};
use bursar_test_support::private_redis;
use futures_util::StreamExt;

use crate::scene::{LEASE, Scene, asked, bill, held, parse, restored, said, sent, told_transfer};

fn scripts() -> Vec<(String, String)> {
    scripts_in("lua")
}

fn scripts_in(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.is_file()) // what scripts share stands in a folder below
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_script_opens_with_what_it_is_for_its_keys_arguments_and_returns() {
    for (name, code) in scripts().into_iter().chain(scripts_in("lua/jobs")) {
        let header: Vec<&str> =
            code.lines().filter(|line| !line.starts_with("#!")).take_while(|line| line.starts_with("--")).collect();
        for word in ["-- KEYS", "-- ARGV", "-- Returns"] {
            assert!(header.iter().any(|line| line.starts_with(word)), "{name} has no line {word}");
        }
        assert!(!header[0].starts_with("-- KEYS"), "{name} does not say what it is for");
    }
}

#[test]
fn every_script_is_loaded() {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scripts.rs")).unwrap();
    for (name, _) in scripts() {
        assert!(source.contains(&format!("../lua/{name}")), "{name}");
    }
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jobs/scripts.rs")).unwrap();
    for (name, _) in scripts_in("lua/jobs") {
        assert!(source.contains(&format!("../lua/jobs/{name}")), "{name}");
    }
}

#[test]
fn only_scripts_that_take_on_new_work_stop_when_memory_is_full() {
    for (name, code) in scripts().into_iter().chain(scripts_in("lua/jobs")) {
        let takes_on = ["submit.lua", "claim.lua", "notify.lua", "receive_notification.lua"].contains(&name.as_str());
        assert_eq!(code.starts_with("#!lua flags=allow-oom\n"), !takes_on, "{name}");
    }
}

#[test]
fn no_script_of_jobs_takes_a_record_apart_or_reads_another_clock() {
    for (name, code) in scripts_in("lua/jobs").into_iter().chain(scripts_in("lua/jobs/shared")) {
        for word in ["os.", "math.random", "cjson", "HGETALL", "EVAL"] {
            assert!(!code.contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn scripts_name_keys_only_below_their_lane_and_read_no_other_clock() {
    for (name, code) in scripts() {
        assert!(!code.contains("KEYS[2]"), "{name}");
        assert!(!code.contains("os.") && !code.contains("math.random"), "{name}");
    }
}

/// What scripts executed, as MONITOR tells it: `… [0 lua] "hset" "key" …`.
fn executed_by_lua(line: &str) -> Option<Vec<String>> {
    let (_, words) = line.split_once(" lua] ")?;
    let inner = words.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.split("\" \"").map(str::to_owned).collect())
}

#[tokio::test]
async fn no_script_touches_a_key_outside_its_lane() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let monitor = redis::Client::open(redis.url()).unwrap().get_async_monitor().await.unwrap();
    let mut lines = monitor.into_on_message::<String>();
    everything(&scene).await;
    let _: String = scene.command(&["ECHO", "no more commands"]).await;

    let mut commands = BTreeSet::new();
    while let Some(line) = lines.next().await {
        if line.contains("no more commands") {
            break;
        }
        let Some(words) = executed_by_lua(&line) else { continue };
        commands.insert(words[0].to_lowercase());
        match words[0].to_lowercase().as_str() {
            "time" => {}
            "publish" => {
                assert!(["wake", "tell"].map(|word| format!("{}:{word}", scene.prefix)).contains(&words[1]), "{line}")
            }
            "del" => words[1..].iter().for_each(|key| assert!(key.starts_with(&scene.name("")), "{line}")),
            _ => {
                let others = ["bill_upload", "balance"].map(|of| format!("{}:{{main/{of}}}:", scene.prefix));
                let mut bases = others.into_iter().chain([scene.name("")]);
                assert!(bases.any(|base| words[1].starts_with(&base)), "{line}");
            }
        }
    }
    for expected in ["hgetall", "hset", "zadd", "zrem", "rpush", "set", "xadd", "publish", "del", "sadd", "ltrim"] {
        assert!(commands.contains(expected) || expected == "ltrim", "the run did not reach {expected}: {commands:?}");
    }
}

/// Each script once, by most of its ways.
async fn everything(scene: &Scene) {
    let operator = Operator { who: "li", why: "because" };
    scene.store.submit(&[parse(&bill("b1", "order-1")), parse(&bill("b2", "order-1"))]).await.unwrap();
    scene.submit(&["k1", "k2", "k3"]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", "ghost"]).await;
    let claims = scene.claim("w", 10).await;
    let names: Vec<_> = claims.jobs.iter().map(held).collect();
    scene.store.renew(&scene.lane, &bursar_store::Renewal::new("w", LEASE), &names).await.unwrap();
    scene.store.unclaim(&scene.lane, "another", 99).await.unwrap();
    scene.store.release(&scene.lane, &names[..1]).await.unwrap();
    let mut pausing = sent(&claims.jobs[1], State::Pending, Due::Ask(Millis(99_999_999_999_999)));
    (pausing.next.pause_lane, pausing.next.reason) = (true, Some(said("fault")));
    scene.commit(&pausing).await;
    scene.commit(&sent(&claims.jobs[2], State::NeedsReview, Due::Never)).await;
    scene.commit(&sent(&claims.jobs[0], State::NeedsReview, Due::Never)).await;
    let key = |index: usize| -> Key { claims.jobs[index].key.clone() };
    scene.store.wake(&scene.lane, &key(1)).await.unwrap();
    scene.store.operate(&scene.lane, &key(2), Operation::Resolve(State::Failed), operator).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&asked(&claimed, State::Succeeded, Due::Never)).await;
    scene.store.resume(&scene.lane, operator).await.unwrap();
    be_told(scene).await;
    scene.store.pause(&scene.lane, operator).await.unwrap();
    scene.store.purge(&scene.lane, Duration::ZERO, 100).await.unwrap();
    scene.store.take_turn(&scene.lane, 5.0).await.unwrap();
    for _ in 0..2 {
        scene.store.balance_turn(&scene.lane.account, LEASE).await.unwrap();
    }
    let told = BalanceParts { available: Some(1), ..BalanceParts::default() };
    scene.store.keep_balance(&scene.lane.account, "paying", Some(told)).await.unwrap();
    let (hash, content) = ([7; 32], "x".repeat(2_000));
    let known = Remembered {
        hash: &hash,
        content: &content,
        about: "thing",
        fence: 3,
        sends: 1,
        resends: 0,
        first_sent: Millis(1),
        last_sent: Millis(1),
        trade_nos: &[],
    };
    let next = Next::review(Reason::RestoredFromJournal);
    scene.store.put_back(&scene.lane, &"k9".parse().unwrap(), None, &known, &next, restored()).await.unwrap();
}

async fn be_told(scene: &Scene) {
    let operator = Operator { who: "li", why: "because" };
    scene.store.submit(&[told_transfer("t1")]).await.unwrap();
    let claims = scene.claim("w", 10).await;
    let claimed = claims.jobs.iter().find(|job| job.key.as_str() == "t1").unwrap();
    scene.commit(&sent(claimed, State::NeedsReview, Due::Never)).await;
    scene.store.operate(&scene.lane, &claimed.key, Operation::Resolve(State::Failed), operator).await.unwrap();
    let origin = Origin::Jobs(scene.lane.clone());
    for telling in [Telling::Failed(Millis(0)), Telling::PutOff(Millis(0)), Telling::Told, Telling::Gone] {
        let due = scene.store.claim_callbacks(&origin, LEASE, 10).await.unwrap().due.remove(0);
        let outcome = ToldOrNot { key: due.key, fence: due.fence, telling, delivery: None };
        scene.store.commit_callbacks(&origin, &[outcome]).await.unwrap();
    }
}
