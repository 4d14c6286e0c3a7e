//! A Redis that can lose money is refused, each fault by its name.

use std::time::Duration;

use bursar_domain::Millis;
use bursar_store::{Finding, PreflightInput, Severity};
use bursar_test_support::{Fsync, Listen, Options, OwnRedis, eventually, private_redis};

use crate::scene::{SOON, Scene};

pub(crate) fn wanted(url: &str, now: u64) -> PreflightInput {
    PreflightInput {
        url: url.to_owned(),
        lease: Duration::from_secs(30),
        call_timeout: Some(("main".into(), Duration::from_secs(30))),
        local_now_ms: now,
    }
}

async fn look(redis: &OwnRedis) -> Vec<Finding> {
    let scene = Scene::at(redis.url()).await;
    scene.store.preflight(&wanted(redis.url(), scene.now().await)).await.unwrap()
}

fn of<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("nothing about {check}"))
}

/// The checks that are not fine.
fn complaints(findings: &[Finding], severity: Severity) -> Vec<&'static str> {
    findings.iter().filter(|finding| finding.severity == severity).map(|finding| finding.check).collect()
}

#[tokio::test]
async fn a_durable_redis_is_fine_but_for_its_one_machine() {
    let redis = private_redis(|options| options);
    let findings = look(&redis).await;
    assert_eq!(complaints(&findings, Severity::Refuse), Vec::<&str>::new(), "{findings:?}");
    assert_eq!(complaints(&findings, Severity::Warn), ["redis.replicas"]);
    assert_eq!(findings.len(), 15);
}

#[tokio::test]
async fn each_setting_that_can_lose_a_job_is_refused_by_name() {
    for policy in ["allkeys-lru", "volatile-ttl", "allkeys-random"] {
        let redis = private_redis(|options| options.setting("maxmemory-policy", policy));
        let findings = look(&redis).await;
        assert_eq!(complaints(&findings, Severity::Refuse), ["redis.eviction"]);
        assert!(of(&findings, "redis.eviction").text.contains(policy));
    }
    let redis = private_redis(|options| options.setting("appendonly", "no"));
    assert_eq!(complaints(&look(&redis).await, Severity::Refuse), ["redis.appendonly"]);
    let redis = private_redis(|options| Options { fsync: Fsync::Never, ..options });
    assert_eq!(complaints(&look(&redis).await, Severity::Refuse), ["redis.appendfsync"]);
}

#[tokio::test]
async fn everysec_is_a_warning_that_says_what_it_costs() {
    let redis = private_redis(|options| Options { fsync: Fsync::EverySecond, ..options });
    let findings = look(&redis).await;
    assert_eq!(of(&findings, "redis.appendfsync").severity, Severity::Warn);
    assert!(of(&findings, "redis.appendfsync").text.contains("up to a second"));
}

#[tokio::test]
async fn a_replica_is_refused_and_a_primary_with_one_is_fine() {
    let primary = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let replica = private_redis(|options| options);
    let port = primary.url().trim_end_matches('/').rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let scene = Scene::at(replica.url()).await;
    let _: () = scene.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let findings = eventually(SOON, "the replica to be in step", async || {
        let findings =
            scene.store.preflight(&wanted(replica.url(), scene.now().await)).await.map_err(|error| error.chain())?;
        let primary = look(&primary).await;
        (of(&primary, "redis.replicas").severity == Severity::Fine)
            .then_some(findings)
            .ok_or("no replica yet".to_owned())
    })
    .await;
    assert_eq!(complaints(&findings, Severity::Refuse), ["redis.role"]);
}

#[tokio::test]
async fn an_append_only_file_that_could_not_be_rewritten_is_refused() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let (_, folder): (String, String) = scene.command(&["CONFIG", "GET", "dir"]).await;
    // A folder with the next file's name: the rewrite cannot replace it, even as root.
    std::fs::create_dir_all(format!("{folder}/appendonlydir/appendonly.aof.2.base.rdb/x")).unwrap();
    let _: String = scene.command(&["BGREWRITEAOF"]).await;
    let findings = eventually(SOON, "the rewrite to fail", async || {
        let findings = look(&redis).await;
        (of(&findings, "redis.appendonly_health").severity == Severity::Refuse).then_some(findings)
    })
    .await;
    assert_eq!(complaints(&findings, Severity::Refuse), ["redis.appendonly_health"]);
}

#[tokio::test]
async fn nearly_full_memory_is_a_warning() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let info: String = scene.command(&["INFO", "memory"]).await;
    let used: u64 = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap();
    for (limit, severity) in [(used * 100, Severity::Fine), (used / 2, Severity::Warn), (0, Severity::Fine)] {
        let _: () = scene.command(&["CONFIG", "SET", "maxmemory", &limit.to_string()]).await;
        assert_eq!(of(&look(&redis).await, "redis.memory").severity, severity, "{limit}");
    }
}

#[tokio::test]
async fn a_server_that_forbids_config_is_warned_of() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let _: () = scene.command(&["ACL", "SETUSER", "default", "-config"]).await;
    let findings = look(&redis).await;
    assert_eq!(of(&findings, "redis.appendfsync").severity, Severity::Warn);
    assert!(of(&findings, "redis.appendfsync").text.contains("unknown"));
    assert_eq!(complaints(&findings, Severity::Refuse), Vec::<&str>::new());
}

#[tokio::test]
async fn a_clock_that_is_off_and_a_lease_too_short_are_refused() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    for (off_ms, severity) in [(0, Severity::Fine), (10_000, Severity::Warn), (61_500, Severity::Refuse)] {
        let now = Millis(scene.now().await).0;
        for local in [now + off_ms, now - off_ms] {
            let findings = scene.store.preflight(&wanted(redis.url(), local)).await.unwrap();
            assert_eq!(of(&findings, "clock").severity, severity, "{off_ms}");
        }
    }
    let short = PreflightInput { lease: Duration::from_secs(29), ..wanted(redis.url(), scene.now().await) };
    let findings = scene.store.preflight(&short).await.unwrap();
    assert_eq!(complaints(&findings, Severity::Refuse), ["worker.lease"]);
    assert!(of(&findings, "worker.lease").text.contains("main"));
}

#[tokio::test]
async fn an_unencrypted_way_off_this_machine_is_warned_of() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let cases = [
        ("redis://127.0.0.1:6379/0", Severity::Fine),
        ("redis://:pass@localhost/", Severity::Fine),
        ("redis://[::1]:6379/", Severity::Fine),
        ("redis+unix:///run/redis.sock", Severity::Fine),
        ("rediss://redis.example/", Severity::Fine),
        ("redis://redis.example/", Severity::Warn),
        ("redis://localhost.example/", Severity::Warn),
        ("redis://127.0.0.1.example/", Severity::Warn),
        ("redis://:127.0.0.1@redis.example/", Severity::Warn),
        ("redis://user:pass@10.0.0.1/", Severity::Warn),
    ];
    for (url, severity) in cases {
        let findings = scene.store.preflight(&wanted(url, scene.now().await)).await.unwrap();
        assert_eq!(of(&findings, "redis.tls").severity, severity, "{url}");
    }
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_an_error_and_not_fine() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    redis.kill().unwrap();
    assert!(scene.store.preflight(&wanted(redis.url(), 0)).await.is_err());
}

#[tokio::test]
async fn a_sentinel_primary_that_accepts_writes_alone_is_warned_of() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let behind_sentinels = wanted("redis+sentinel://127.0.0.1:26379/payments", scene.now().await);
    for (replicas, severity) in [("0", Severity::Warn), ("1", Severity::Fine)] {
        let findings = scene.store.preflight(&behind_sentinels).await.unwrap();
        assert_eq!(of(&findings, "redis.min_replicas").severity, severity);
        assert_eq!(of(&findings, "redis.tls").severity, Severity::Fine);
        redis.configure("min-replicas-to-write", if replicas == "0" { "1" } else { "0" }).await;
    }
    let elsewhere = PreflightInput { url: "redis+sentinel://127.0.0.1,s2/payments".into(), ..behind_sentinels };
    let findings = scene.store.preflight(&elsewhere).await.unwrap();
    assert_eq!(of(&findings, "redis.tls").severity, Severity::Warn);
}
