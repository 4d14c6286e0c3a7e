//! A configuration that breaks a rule: every breach is named with its key and its place, and nothing is done.

use std::os::unix::fs::PermissionsExt;

use bursar_test_support::{Finished, Process, private_file};
use toml::Value;

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::{SOON, World, bursar};

/// Key, wrong value (none: taken out), and what is said of it.
fn cases() -> Vec<(&'static str, Option<Value>, &'static str)> {
    let text = |text: &str| Some(Value::from(text));
    vec![
        ("redis.url", text("127.0.0.1:6379"), "redis.url must be a Redis URL"),
        ("redis.prefix", text("a{b}"), "redis.prefix must be 1 to 64 letters"),
        ("redis.preflight", text("ignore"), "redis.preflight must be \"refuse\" or \"warn\""),
        ("redis.uri", text("redis://h"), "redis.uri"),
        ("worker.concurrency", Some(0.into()), "worker.concurrency must be a whole number from 1 to 4096"),
        ("worker.lease", Some(30.into()), "worker.lease must be a duration"),
        ("accounts.main.gateway", text("stripe"), "accounts.main.gateway must be \"yzt\" or \"beingfi\""),
        ("accounts.main.gateway", None, "accounts.main.gateway is required"),
        ("accounts.main.app_id", None, "accounts.main.app_id is required"),
        ("accounts.main.private_key_file", None, "accounts.main.private_key_file is required"),
        ("accounts.main.platform_public_key_file", None, "accounts.main.platform_public_key_file is required"),
        ("accounts.main.base_url", text("http://gateway.example"), "accounts.main.base_url must be https unless"),
        ("accounts.main.on_ambiguous", text("retry"), "accounts.main.on_ambiguous must be \"resend\" or \"hold\""),
        ("accounts.main.on_ambigous", text("hold"), "accounts.main.on_ambigous"),
        ("accounts.main.rate_per_second", text("10"), "accounts.main.rate_per_second must be a number"),
        ("accounts.main.poll", text("5s"), "accounts.main.poll must be a list of durations"),
        ("accounts.main.mch_no", text("M1"), "accounts.main.mch_no is a key of gateway beingfi"),
        ("accounts.shop.secret_file", None, "accounts.shop.secret_file is required"),
        ("accounts.shop.max_amount", Some(1.into()), "accounts.shop.max_amount is a key of gateway yzt"),
    ]
}

#[tokio::test]
async fn every_wrong_key_is_named_and_nothing_is_done() {
    let world = Plan::new().start().await;
    let right = std::fs::read_to_string(world.config()).unwrap();
    let file = world.file(transfer("T").to_string()).display().to_string();
    for (key, value, rule) in cases() {
        world.set(key, value);
        let checked = world.run(&["config", "check"]).await;
        assert_eq!(checked.code, Some(2), "{key}: {checked:?}");
        assert!(checked.stdout.contains(rule), "{key}: wanted {rule}, got {}", checked.stdout);
        let submitted = world.run(&["submit", &file]).await;
        assert_eq!((submitted.code, submitted.stdout.as_str()), (Some(2), ""), "{key}: {submitted:?}");
        assert!(submitted.stderr.contains(rule), "{key}: wanted {rule}, got {}", submitted.stderr);
        std::fs::write(world.config(), &right).unwrap();
    }
    assert_eq!(world.run(&["show", "T"]).await.code, Some(1), "nothing was stored");

    for (key, value, _) in
        cases().into_iter().filter(|(key, ..)| key.starts_with("redis.") || key.starts_with("worker."))
    {
        world.set(key, value);
    }
    let checked = world.run(&["config", "check", "--json"]).await;
    let keys: Vec<String> = checked
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().unwrap().to_owned())
        .collect();
    for key in ["redis.url", "redis.prefix", "redis.preflight", "redis.uri", "worker.concurrency", "worker.lease"] {
        assert!(keys.iter().any(|named| named == key), "all are named at once: {keys:?}");
    }
    std::fs::write(world.config(), &right).unwrap();
    world.books_agree().await;
}

#[tokio::test]
async fn an_unparsable_file_is_reported_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bursar.toml");
    let run = async |text: Option<&[u8]>| -> Finished {
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap_or_default(),
        }
        let mut command = bursar(&["list", "--config"]);
        command.arg(&path);
        let finished = Process::run("list", command, SOON).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains("bursar.toml"), "{finished:?}");
        finished
    };
    assert!(run(None).await.stderr.contains("No such file"));
    assert!(run(Some(b"[redis]\nurl = redis")).await.stderr.contains("bursar.toml:2"));
    assert!(run(Some(b"[redis]\nurl = 'a'\nurl = 'b'")).await.stderr.contains("bursar.toml:3"));
    run(Some(b"\xff\xfe")).await;
    assert!(run(Some(b"[rediss]\n")).await.stderr.contains("rediss"));
    assert!(run(Some(b"redis = 1\n")).await.stderr.contains("redis must be a section"));
}

#[tokio::test]
async fn a_wrong_environment_variable_is_named_as_that() {
    let world = Plan::new().start().await;
    let run = async |name: &str, value: &str| -> String {
        let mut command = world.command(&["list"]);
        command.env(name, value);
        let finished = Process::run("list", command, SOON).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        finished.stderr
    };
    let said = run("BURSAR_WORKER__LEASE", "soon").await;
    assert!(said.contains("environment variable BURSAR_WORKER__LEASE: worker.lease must be a duration"), "{said}");
    let said = run("BURSAR_ACCOUNTS__MAIN__SETTEL", "1s").await;
    assert!(said.contains("BURSAR_ACCOUNTS__MAIN__SETTEL"), "{said}");
    let mut right = world.command(&["config", "show", "--json"]);
    right.env("BURSAR_ACCOUNTS__MAIN__POLL", "5s,10s").env("BURSAR_WORKER__CONCURRENCY", "3");
    let shown = Process::run("config show", right, SOON).await;
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["accounts"]["main"]["poll"], serde_json::json!(["5s", "10s"]));
    assert_eq!(shown["worker"]["concurrency"], 3);
    world.books_agree().await;
}

/// The worker, the doctor and the check all name the key whose file is unusable; none shows its content.
async fn all_refuse(world: &World, key: &str, rule: &str) {
    for (arguments, code) in [(&["config", "check"][..], 2), (&["worker"], 2), (&["doctor"], 1)] {
        let finished = world.run(arguments).await;
        let said = format!("{}\n{}", finished.stdout, finished.stderr);
        assert_eq!(finished.code, Some(code), "{arguments:?}: {said}");
        let named = key.rsplit_once('.').is_some_and(|(account, key)| said.contains(account) && said.contains(key));
        assert!(named && said.contains(rule), "{arguments:?}: wanted {key} {rule}, got {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn unusable_keys_are_named_and_jobs_are_still_accepted() {
    let world = Plan::new().start().await;
    let set = |key: &str, path: &std::path::Path| world.set(key, Value::from(path.display().to_string()));
    let private = "accounts.main.private_key_file";
    let shown = std::fs::read_to_string(world.config()).unwrap();
    let settings: toml::Table = shown.parse().unwrap();
    let of = |key: &str| settings["accounts"]["main"][key].as_str().unwrap().to_owned();
    let (app, platform) = (of("private_key_file"), of("platform_public_key_file"));

    world.set(private, Value::from("/nonexistent/app.pem"));
    all_refuse(&world, private, "cannot read /nonexistent/app.pem").await;
    set(private, &world.file(" \n"));
    all_refuse(&world, private, "is empty").await;
    set(private, &world.file("hunter2"));
    all_refuse(&world, private, "file").await;
    world.set(private, Value::from(platform));
    all_refuse(&world, private, "public").await;
    world.set(private, Value::from(app.clone()));
    world.set("accounts.main.platform_public_key_file", Value::from(app));
    all_refuse(&world, "accounts.main.platform_public_key_file", "private").await;
    std::fs::write(world.config(), &shown).unwrap();
    set("accounts.shop.secret_file", &world.file(""));
    all_refuse(&world, "accounts.shop.secret_file", "is empty").await;

    world.submit_new(&[transfer("T")]).await;
    std::fs::write(world.config(), &shown).unwrap();
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_key_file_that_this_user_may_not_read_is_named() {
    let world = Plan::new().start().await;
    let locked = world.file("x");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    world.set("accounts.main.private_key_file", Value::from(locked.display().to_string()));
    // Root may read everything: then it is a file that holds no key.
    all_refuse(&world, "accounts.main.private_key_file", "").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_key_that_every_user_can_read_signs_nothing_unless_allowed() {
    let world = Plan::new().start().await;
    let private = "accounts.main.private_key_file";
    let right = std::fs::read(world.setting(private).unwrap().as_str().unwrap()).unwrap();
    let key = world.file(right);
    world.set(private, Value::from(key.display().to_string()));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = format!("is open to every user (mode 644): chmod 600 {}", key.display());
    all_refuse(&world, private, &open).await;

    world.set("accounts.main.allow_readable_keys", Value::from(true));
    let checked = world.ok(&["config", "check"]).await;
    let warning = checked.lines().find(|line| line.starts_with("warn    ") && line.contains(private));
    assert!(warning.is_some_and(|line| line.contains(&open)), "{checked}");
    let worker = world.worker().await;
    worker.wait_line(SOON, "the file", |line| line.contains(private) && line.contains(&open)).await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_server_that_cannot_sign_its_webhooks_does_not_start() {
    let world = Plan::new().unset("webhooks.secrets_file").start().await;
    private_file(&world.tokens_file(), world.ok(&["token", "audit", "--role", "reader"]).await);
    for arguments in [&["serve"][..], &["up"], &["config", "check"]] {
        let refused = world.run(arguments).await;
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert_eq!(refused.code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains("webhooks.secrets_file is required"), "{arguments:?}: {said}");
    }
    let doctor = world.run(&["doctor"]).await.stdout;
    assert!(doctor.lines().any(|line| line.starts_with("warn") && line.contains("webhooks.secrets_file")), "{doctor}");
    // A worker delivers none.
    let _worker = world.worker().await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}
