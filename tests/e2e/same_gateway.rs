//! A queue's jobs are one gateway's and one account's, whatever a configuration says: a test system on production's Redis, an
//! account that was renamed, a key that is one's own, and a Redis that is not what it was.

use std::time::Duration;

use bursar_test_support::{Listen, Options, OwnRedis, Process, eventually, private_redis};
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::metrics::listener;
use crate::plan::Plan;
use crate::world::{SOON, World};

async fn raw(url: &str, words: &[&str]) {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd(words[0]).arg(&words[1..]).query_async::<redis::Value>(&mut connection).await.unwrap();
}

fn own_redis() -> OwnRedis {
    private_redis(|options| Options { listen: Listen::Loopback, ..options })
}

fn prefix(world: &World) -> String {
    world.setting("redis.prefix").unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_worker_at_another_gateway_waits_for_a_persons_word() {
    let redis = own_redis();
    let production = Plan::new().on_redis(redis.url()).start().await;
    let first = production.worker().await;
    production.submit_new(&[transfer("FIRST")]).await;
    production.until("FIRST", "succeeded").await;
    let staging = Plan::new().on_redis(redis.url()).start().await;
    staging.set("redis.prefix", toml::Value::from(prefix(&production)));
    let doctor = staging.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(
        doctor.stdout.contains("account.same_gateway") && doctor.stdout.contains(&production.gateway),
        "{doctor:?}"
    );
    let second = staging.worker().await;
    second.wait_line(SOON, "word that it claims nothing", |line| line.contains("it claims nothing there")).await;
    let keys: Vec<String> = (0..40).map(|number| format!("K{number}")).collect();
    production.submit_new(&keys.iter().map(|key| transfer(key)).collect::<Vec<_>>()).await;
    production.settled().await;
    assert_eq!(production.books_agree().await.requests, 41);
    assert_eq!(staging.ledger().await.requests, 0);

    first.terminate();
    first.finished(SOON).await;
    let confirmed = staging.ok(&["confirm-gateway", "main/transfer", "--reason", "the gateway has moved"]).await;
    assert!(confirmed.contains(&staging.gateway), "{confirmed}");
    production.submit_new(&[transfer("MOVED")]).await;
    production.until("MOVED", "succeeded").await;
    assert_eq!(staging.ledger().await.requests, 1);
}

/// Gives the account `main` the name `pay`, in the configuration alone.
fn rename(world: &World) {
    let account = world.setting("accounts.main").unwrap();
    world.set("accounts.pay", account);
    world.set("accounts.main", None);
}

fn under_the_new_name(key: &str) -> Value {
    let mut job = transfer(key);
    job["account"] = json!("pay");
    job
}

/// The last worker's word that it serves the old name is made old.
async fn let_a_minute_pass(world: &World, redis: &OwnRedis) {
    raw(redis.url(), &["ZADD", &format!("{}:queues", prefix(world)), "1", "main/transfer", "1", "main/bill_upload"])
        .await;
}

/// Two jobs were paid under the old name, which the account has no more.
async fn paid_and_renamed(redis: &OwnRedis) -> World {
    let world = Plan::new().on_redis(redis.url()).start().await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("A"), transfer("B")]).await;
    for key in ["A", "B"] {
        world.until(key, "succeeded").await;
    }
    worker.terminate();
    worker.finished(SOON).await;
    rename(&world);
    let_a_minute_pass(&world, redis).await;
    world
}

/// Both are repeated under the new name, and handed on.
async fn repeat_and_hand_on(world: &World, new: usize) {
    let repeated = [under_the_new_name("A"), under_the_new_name("B")];
    let outcomes = world.submit(&repeated).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.starts_with("new")).count(), new, "{outcomes:?}");
    let worker = world.worker().await;
    worker.wait_line(SOON, "a pause", |line| line.contains("account main has finished jobs")).await;
    world.ok(&["adopt", "main", "pay", "--reason", "renamed"]).await;
    let outcomes = world.submit(&repeated).await;
    assert!(outcomes.iter().all(|outcome| outcome.starts_with("existing succeeded")), "{outcomes:?}");
    world.ok(&["resume", "pay/transfer", "--reason", "adopted"]).await;
    world.submit_new(&[under_the_new_name("NEXT")]).await;
    world.until("NEXT", "succeeded").await;
    assert_eq!(world.ledger().await.requests, 3);
}

#[tokio::test]
async fn a_job_ended_under_an_old_name_is_not_paid_under_the_new() {
    let redis = own_redis();
    let world = paid_and_renamed(&redis).await;
    repeat_and_hand_on(&world, 2).await;
}

#[cfg(debug_assertions)] // a release build has no crash points
#[tokio::test]
async fn a_worker_started_during_an_adoption_repeats_nothing() {
    let redis = own_redis();
    let world = paid_and_renamed(&redis).await;
    let mut adopt = world.command(&["adopt", "main", "pay", "--reason", "renamed"]);
    adopt.env("BURSAR_CRASH_AT", "before_adopt:2");
    let died = Process::run("an adopt that dies", adopt, SOON).await;
    assert_eq!(died.code, None, "{died:?}");
    repeat_and_hand_on(&world, 1).await;
}

#[tokio::test]
async fn a_renamed_accounts_open_jobs_continue_and_pay_once() {
    let redis = own_redis();
    let world = Plan::new().set("accounts.main.on_ambiguous", "hold").on_redis(redis.url()).start().await;
    world.life("PENDING", "9").await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("PENDING")]).await;
    world.until("PENDING", "pending").await;
    worker.terminate();
    worker.finished(SOON).await;
    world.submit_new(&[transfer("QUEUED")]).await;
    rename(&world);
    // The last worker's word that it serves the old name holds for a minute.
    let early = world.run(&["adopt", "main", "pay", "--reason", "renamed"]).await;
    assert_eq!(early.code, Some(1), "{early:?}");
    let_a_minute_pass(&world, &redis).await;

    let doctor = world.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("main/transfer: 2 open jobs"), "{doctor:?}");
    assert!(world.ok(&["queues"]).await.contains("NOT SERVED"));
    let file = world.file(under_the_new_name("QUEUED").to_string()).display().to_string();
    assert!(world.ok(&["submit", &file]).await.contains("new"), "no worker has seen it yet");
    let worker = world.worker().await;
    worker.wait_line(SOON, "a pause because of open jobs", |line| line.contains("account main has 2 open jobs")).await;
    let adopted = world.ok(&["adopt", "main", "pay", "--reason", "renamed"]).await;
    assert!(adopted.contains("2 jobs moved to pay/transfer"), "{adopted}");
    assert!(world.ok(&["submit", &file]).await.contains("existing queued"));
    world.ok(&["resume", "pay/transfer", "--reason", "adopted"]).await;
    world.until("QUEUED", "succeeded").await;
    let ledger = world.ledger().await;
    assert!(ledger.keys.values().all(|key| key.executions == 1), "{ledger:?}");
    assert_eq!(world.job("PENDING").await["account"], "pay");
}

#[tokio::test]
async fn no_send_leaves_over_a_connection_that_was_not_looked_at() {
    let redis = own_redis();
    let world = Plan::new().set("redis.preflight", "refuse").on_redis(redis.url()).start().await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("BEFORE")]).await;
    world.until("BEFORE", "succeeded").await;
    redis.configure("appendonly", "no").await;
    raw(redis.url(), &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    world.submit_new(&[transfer("AFTER")]).await;
    worker.wait_line(SOON, "the refusal", |line| line.contains("redis.appendonly")).await;
    tokio::time::sleep(Duration::from_secs(1)).await; // sends would have gone on 0.7 s after the connection was back
    assert_eq!(world.job("AFTER").await["state"], "queued");
    assert_eq!(world.ledger().await.requests, 1);
    redis.configure("appendonly", "yes").await;
    world.until_within(SOON * 2, "AFTER", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_worker_without_rights_is_not_ready_until_it_has_them() {
    let redis = own_redis();
    let world = Plan::new().set("redis.preflight", "refuse").on_redis(redis.url()).start().await;
    let printed = world.ok(&["redis-acl", "--user", "payer"]).await;
    let rights: Vec<&str> = printed.trim().split(' ').skip(2).collect();
    raw(redis.url(), &[&["ACL", "SETUSER", "payer", ">pw"], rights.as_slice(), &["-evalsha", "-script|load"]].concat())
        .await;
    let place = redis.url().trim_start_matches("redis://").to_owned();
    world.set("redis.url", toml::Value::from(format!("redis://payer:pw@{place}")));
    let doctor = world.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let worker = world.run(&["worker"]).await;
    assert_eq!(worker.code, Some(1), "{worker:?}");
    assert!(worker.stderr.contains("needs: script|load"), "{worker:?}");

    world.set("worker.listen", toml::Value::from("127.0.0.1:0"));
    let worker = Process::start("a worker that waits", world.command(&["worker"]));
    let address = listener(&worker).await;
    let ready = async || reqwest::get(format!("http://{address}/readyz")).await.unwrap().status().as_u16();
    assert_eq!(ready().await, 503);
    raw(redis.url(), &["ACL", "SETUSER", "payer", "+evalsha", "+script|load"]).await;
    eventually(
        SOON * 2,
        "the worker to be ready",
        async || if ready().await == 200 { Ok(()) } else { Err("not ready") },
    )
    .await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
}

#[tokio::test]
async fn the_apps_own_key_in_the_platforms_place_is_refused() {
    let world = Plan::new().start().await;
    let private = world.setting("accounts.main.private_key_file").unwrap();
    let key = std::fs::read_to_string(private.as_str().unwrap()).unwrap();
    let public = public_key_of(&key);
    world.set("accounts.main.platform_public_key_file", toml::Value::from(world.file(public).display().to_string()));
    for (arguments, code) in [(&["config", "check"][..], 2), (&["doctor"], 1), (&["worker"], 2)] {
        let finished = world.run(arguments).await;
        assert_eq!(finished.code, Some(code), "{arguments:?}: {finished:?}");
        let output = format!("{}{}", finished.stdout, finished.stderr);
        assert!(output.contains("holds the app's own public key"), "{arguments:?}: {output}");
    }
    assert_eq!(world.ledger().await.requests, 0);
}

fn public_key_of(private_pem: &str) -> String {
    use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, LineEnding};
    let key = rsa::RsaPrivateKey::from_pkcs8_pem(private_pem).unwrap();
    key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap()
}
