//! A Redis whose memory is full: new jobs are refused, jobs in progress are still recorded.

use std::time::Duration;

use bursar_domain::{Due, Millis, Operation, State};
use bursar_store::{Committed, Operated, StoreError};
use bursar_test_support::{OwnRedis, private_redis};

use crate::scene::{LEASE, Scene, leased_claim, pause, resume, then, transfer};

/// Fills it: from now on every command that may need memory is refused.
async fn fill(scene: &Scene) {
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
}

async fn everything(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let mut names: Vec<String> = scene.command(&["KEYS", "*"]).await;
    names.sort_unstable();
    let mut all = Vec::new();
    for name in names {
        let content: Vec<u8> = scene.command(&["DUMP", &name]).await;
        all.push((name, content));
    }
    all
}

async fn scene() -> (OwnRedis, Scene) {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    (redis, scene)
}

fn out_of_memory<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(error.chain().contains("OOM") || error.chain().contains("maxmemory"), "{}", error.chain());
}

#[tokio::test]
async fn a_full_redis_refuses_jobs_and_claims_without_half_writes() {
    let (_redis, scene) = scene().await;
    scene.bring("asked", State::Pending).await;
    scene.submit(&["k1", "k2", "k3"]).await;
    scene.let_come_due("asked").await;
    let before = everything(&scene).await;
    fill(&scene).await;
    let jobs: Vec<_> = (0..50).map(|number| transfer(&format!("new{number}"))).collect();
    out_of_memory(scene.store.submit(&jobs).await);
    out_of_memory(scene.store.claim(&scene.queue, &scene.wish("w", 10)).await);
    assert_eq!(everything(&scene).await, before);
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    scene.store.submit(&jobs).await.unwrap();
    assert_eq!(scene.claim("w", 100).await.jobs.len(), 54);
}

#[tokio::test]
async fn a_full_redis_still_records_what_became_of_what_was_sent() {
    let (_redis, scene) = scene().await;
    scene.bring("in-review", State::NeedsReview).await;
    scene.bring("woken", State::Pending).await;
    scene.submit(&["k1", "k2", "k3"]).await;
    let jobs = scene.claim("w", 3).await.jobs;
    // Loads most of the scripts first, so that loading them is not what is refused.
    fill(&scene).await;
    let names: Vec<_> = jobs.iter().map(leased_claim).collect();
    assert!(
        scene.store.renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &names).await.unwrap().gone.is_empty()
    );
    assert_eq!(scene.commit(&then(&jobs[0], State::Succeeded, Due::Never)).await, Committed::Done);
    assert_eq!(scene.commit(&then(&jobs[1], State::Pending, Due::Query(Millis(1)))).await, Committed::Done);
    assert_eq!(scene.store.release(&scene.queue, &[&jobs[2]]).await.unwrap(), 1);
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", 1_000).await.unwrap(), 0);
    let done = scene.operate("in-review", Operation::Resolve(State::Failed)).await;
    assert!(matches!(done, Operated::Done(_)));
    assert!(scene.store.pause(&scene.queue, &pause()).await.unwrap());
    assert!(scene.store.resume(&scene.queue, &resume()).await.unwrap());
    assert!(scene.store.wake(&scene.queue, &"woken".parse().unwrap()).await.unwrap());
    assert_eq!(scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap(), 2, "this is what makes room");
    assert_eq!(scene.state("k2").await, State::Pending);
    assert_eq!(scene.sets("k3").await, ["due_sends"]);
}

#[tokio::test]
async fn memory_that_fills_between_claim_and_commit_loses_no_answer() {
    let (_redis, scene) = scene().await;
    scene.submit_many("k", 200).await;
    let jobs = scene.claim("w", 200).await.jobs;
    fill(&scene).await;
    let commits: Vec<_> = jobs.iter().map(|job| then(job, State::Succeeded, Due::Never)).collect();
    let committed = scene.store.commit(&scene.queue, &commits).await.unwrap();
    assert_eq!(committed, vec![Committed::Done; 200]);
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.done, 200);
    let again = then(&jobs[0], State::Failed, Due::Never);
    assert_eq!(scene.commit(&again).await, Committed::Again);
}
