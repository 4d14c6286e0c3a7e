//! Rules for all scripts: their headers, and the keys that they use.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bursar_test_support::private_redis;
use futures_util::StreamExt;

use crate::rights::live;
use crate::scene::Scene;

fn scripts_in(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.is_file()) // the shared parts are in a folder below
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn scripts() -> Vec<(String, String)> {
    [scripts_in("lua"), scripts_in("lua/jobs")].concat()
}

#[test]
fn every_script_documents_purpose_keys_arguments_and_returns() {
    for (name, code) in scripts() {
        let header: Vec<&str> =
            code.lines().filter(|line| !line.starts_with("#!")).take_while(|line| line.starts_with("--")).collect();
        for word in ["-- KEYS", "-- ARGV", "-- Returns"] {
            assert!(header.iter().any(|line| line.starts_with(word)), "{name} has no line {word}");
        }
        assert!(!header[0].starts_with("-- KEYS"), "{name} does not say what it is for");
    }
}

#[test]
fn every_script_and_what_scripts_share_is_loaded() {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scripts.rs")).unwrap();
    for folder in ["lua", "lua/shared", "lua/jobs", "lua/jobs/shared"] {
        for (name, _) in scripts_in(folder) {
            assert!(source.contains(&format!("../{folder}/{name}")), "{folder}/{name}");
        }
    }
}

#[test]
fn only_scripts_that_take_on_new_work_stop_when_memory_is_full() {
    for (name, code) in scripts() {
        let takes_on = ["submit.lua", "claim.lua", "receive_notification.lua"].contains(&name.as_str());
        assert_eq!(code.starts_with("#!lua flags=allow-oom\n"), !takes_on, "{name}");
    }
}

#[test]
fn no_jobs_script_parses_records_or_reads_another_clock() {
    for (name, code) in scripts_in("lua/jobs").into_iter().chain(scripts_in("lua/jobs/shared")) {
        for word in ["os.", "math.random", "cjson", "HGETALL", "EVAL"] {
            assert!(!code.contains(word), "{name}: {word}");
        }
    }
    for (name, code) in scripts_in("lua") {
        assert!(!code.contains("KEYS[2]") && !code.contains("os.") && !code.contains("math.random"), "{name}");
    }
}

/// The commands of scripts in the output of MONITOR: `… [0 lua] "hset" "key" …`.
fn executed_by_lua(line: &str) -> Option<Vec<String>> {
    let (_, words) = line.split_once(" lua] ")?;
    let inner = words.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some(inner.split("\" \"").map(str::to_owned).collect())
}

/// The hash tag of a key, which decides its slot.
fn tag(key: &str) -> &str {
    key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or(key, |(tag, _)| tag)
}

/// A script's call in the output of MONITOR: its first key.
fn called(line: &str) -> Option<String> {
    let (_, words) = line.split_once("\"EVALSHA\" ")?;
    let words: Vec<&str> = words.trim().trim_matches('"').split("\" \"").collect();
    Some((*words.get(2)?).to_owned())
}

#[tokio::test]
async fn no_script_touches_a_key_outside_its_slot() {
    let redis = private_redis(|options| options);
    let scene = Scene::between(redis.url(), redis.url(), "bursar").await;
    let monitor = redis::Client::open(redis.url()).unwrap().get_async_monitor().await.unwrap();
    let mut lines = monitor.into_on_message::<String>();
    live(&scene).await;
    let _: String = scene.command(&["ECHO", "no more commands"]).await;

    let (mut commands, mut slot) = (BTreeSet::new(), String::new());
    while let Some(line) = lines.next().await {
        if line.contains("no more commands") {
            break;
        }
        if let Some(base) = called(&line) {
            slot = base;
        }
        let Some(words) = executed_by_lua(&line) else { continue };
        let command = words[0].to_lowercase();
        let keys: Vec<&String> = match command.as_str() {
            "time" => Vec::new(),
            "publish" => {
                assert!(["wake", "deliver"].map(|word| format!("bursar:{word}")).contains(&words[1]), "{line}");
                Vec::new()
            }
            "del" | "unlink" | "mget" | "exists" => words[1..].iter().collect(),
            "mset" => words[1..].iter().step_by(2).collect(),
            _ => vec![&words[1]],
        };
        for key in keys {
            let imports = slot.contains("imported") && key.contains("imported"); // its queue may have no hash tag
            assert!(tag(key) == tag(&slot) || imports, "called on {slot}: {line}");
            assert!(key.starts_with("bursar:"), "{line}");
        }
        commands.insert(command);
    }
    for expected in ["get", "mget", "mset", "hset", "zadd", "zrem", "rpush", "set", "xadd", "publish", "unlink"] {
        assert!(commands.contains(expected), "the run did not reach {expected}: {commands:?}");
    }
}
