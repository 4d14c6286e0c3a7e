//! Leases.

use std::time::Duration;

use bursar_domain::{Due, Millis, State};
use bursar_store::{ClaimToken, ClaimedJob, LeasedClaim, MAX_CLAIM, Renewal};

use crate::scene::{LATER, LEASE, Scene, leased_claim, then};

const HOUR: Duration = Duration::from_secs(3600);

/// Renews these leases as a worker that remembers nothing else; returns the keys that are no longer its own.
async fn renew(scene: &Scene, worker: &str, lease: Duration, claims: &[LeasedClaim]) -> Vec<String> {
    let renewed = scene.store.renew(&scene.queue, &Renewal::new(worker, lease), claims).await.unwrap();
    assert!(!renewed.lost_writes, "{renewed:?}");
    renewed.gone
}

#[tokio::test]
async fn the_leases_of_claimed_jobs_move() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!(renew(&scene, "w", HOUR, &[leased_claim(&claimed)]).await, Vec::<String>::new());
    let due = scene.due("due_queries", "k1").await.unwrap();
    assert!(due >= claimed.last_sent.unwrap().plus(HOUR).0, "{due}");
    scene.set_due("due_queries", "k1", 1).await; // over, but no other worker has taken it
    assert!(renew(&scene, "w", HOUR, &[leased_claim(&claimed)]).await.is_empty());
    assert_eq!(scene.claim("other", 1).await.jobs.len(), 0);
}

#[tokio::test]
async fn a_lost_claim_is_named_and_never_revived() {
    let scene = Scene::new().await;
    scene.submit(&["ended", "given-back", "taken", "held"]).await;
    let jobs = scene.claim("w", 4).await.jobs;
    let all: Vec<LeasedClaim> = jobs.iter().map(leased_claim).collect();
    let of = |key: &str| -> &ClaimedJob { jobs.iter().find(|job| job.key.as_str() == key).unwrap() };
    scene.commit(&then(of("ended"), State::Succeeded, Due::Never)).await;
    scene.store.release(&scene.queue, &[of("given-back")]).await.unwrap();
    scene.set_due("due_queries", "taken", 1).await;
    let claimed = scene.claim("other", 2).await.jobs;
    let taken = claimed.iter().find(|job| job.key.as_str() == "taken").unwrap();
    let mut gone = renew(&scene, "w", LEASE, &all).await;
    gone.sort_unstable();
    assert_eq!(gone, ["ended", "given-back", "taken"]);
    assert_eq!(scene.sets("ended").await, ["done"]);
    let stranger = LeasedClaim { token: ClaimToken("stranger/1".into()), ..leased_claim(taken) };
    let renewed = scene.store.renew(&scene.queue, &Renewal::new("stranger", LEASE), &[stranger]).await.unwrap();
    assert_eq!(renewed.gone, ["taken"], "a fence alone does not make it ours");
    scene.commit(&then(taken, State::Pending, Due::Query(LATER))).await;
    renew(&scene, "other", LEASE, &[leased_claim(taken)]).await;
    assert_eq!(
        scene.due("due_queries", "taken").await,
        Some(LATER.0),
        "a late renewal must not bring the next look forward"
    );
    assert_eq!(scene.due("due_queries", "ghost").await, None);
}

#[tokio::test]
async fn a_job_that_was_overtaken_and_ended_is_gone() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let slow = scene.lose("slow").await;
    let next = scene.claim_one("w").await;
    scene.commit(&then(&next, State::Pending, Due::Query(Millis(1)))).await;
    assert_eq!(renew(&scene, "slow", LEASE, &[leased_claim(&slow)]).await, ["k1"]);
    let query = scene.claim_one("w").await;
    scene.commit(&then(&query, State::Succeeded, Due::Never)).await;
    scene.store.purge(&scene.queue, Duration::ZERO, 5).await.unwrap();
    assert_eq!(renew(&scene, "slow", LEASE, &[leased_claim(&slow)]).await, ["k1"], "also where its detail has expired");
}

#[tokio::test]
async fn more_leases_than_one_script_takes_move_all() {
    let scene = Scene::new().await;
    scene.submit_many("k", MAX_CLAIM + 20).await;
    let mut all: Vec<LeasedClaim> = scene.claim("w", MAX_CLAIM).await.jobs.iter().map(leased_claim).collect();
    all.extend(scene.claim("w", MAX_CLAIM).await.jobs.iter().map(leased_claim));
    assert_eq!(renew(&scene, "w", HOUR, &all).await, Vec::<String>::new());
    let soon = (scene.now().await + 3_500_000).to_string();
    let short: u64 = scene.command(&["ZCOUNT", &scene.name("due_queries"), "-inf", &soon]).await;
    assert_eq!(short, 0);
}
