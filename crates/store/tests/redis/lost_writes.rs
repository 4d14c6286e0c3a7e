//! A Redis that knows less than its workers has lost writes: a job that it calls queued may have been sent.

use bursar_domain::{Call, Due, Outcome, Reason, State};
use bursar_store::{Claim, Committed, Known};

use crate::scene::{LATER, LEASE, Scene, answered, holding, leased_claim, pause, resume, then};

#[tokio::test]
async fn a_claim_after_lost_writes_puts_queued_jobs_in_doubt() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let found = scene.claim_as(holding(scene.wish("w", 1), 7)).await;
    assert!(found.lost_writes && found.jobs.is_empty() && found.fence == 8, "{found:?}");
    assert_eq!((scene.state("K1").await, scene.job("K1").await.reason), (State::InDoubt, Some(Reason::LostWrites)));
    let claimed = scene.claim_as(holding(scene.wish("w", 1), 8)).await;
    assert_eq!(claimed.jobs, [], "the queue is paused");
    scene.submit(&["K2"]).await;
    assert_eq!(scene.state("K2").await, State::Queued, "accepted since");
    let reason = Reason::operator_action(bursar_domain::ActionKind::Resume, "li", "looked at all of them");
    assert!(scene.store.resume(&scene.queue, &reason).await.unwrap());
    let jobs = scene.claim_as(holding(scene.wish("w", 2), 8)).await.jobs;
    let first = jobs.iter().find(|job| job.key.as_str() == "K1").unwrap();
    assert_eq!((first.state, first.resends), (State::InDoubt, 1));
    assert!(first.ordered.is_some(), "resuming is a person's order");
    assert_eq!(jobs.iter().find(|job| job.key.as_str() == "K2").unwrap().ordered, None);
}

#[tokio::test]
async fn a_receipt_that_is_gone_is_lost_writes() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let wish = scene.wish("w", 1);
    let number = wish.number;
    scene.claim_as(wish).await;
    let known = bursar_store::Known { receipt: number, ..bursar_store::Known::default() };
    assert!(!scene.claim_as(Claim { known, ..scene.wish("w", 0) }).await.lost_writes);
    let _: u64 = scene.command(&["DEL", &format!("{}:w", scene.name("receipt"))]).await;
    assert!(scene.claim_as(Claim { known, ..scene.wish("w", 1) }).await.lost_writes);
}

#[tokio::test]
async fn only_a_claim_gone_from_redis_means_lost_writes() {
    for (lost, how) in [(false, "committed"), (false, "taken over"), (false, "released"), (true, "forgotten")] {
        let scene = Scene::new().await;
        scene.submit(&["K1", "K2"]).await;
        let job = scene.claim_one("w").await;
        match how {
            "committed" => drop(scene.commit(&then(&job, State::Pending, Due::Query(LATER))).await),
            "taken over" => {
                scene.set_due("due_queries", "K1", 1).await;
                let next = scene.claim("v", 2).await.jobs;
                assert!(next.iter().any(|job| job.call == Call::Query));
            }
            "released" => {
                scene.store.release(&scene.queue, &[&job]).await.unwrap();
                scene.claim("v", 2).await;
            }
            _ => {
                let _: u64 = scene.command(&["HDEL", &scene.name("claims"), "K1"]).await;
            }
        }
        let renewed = scene
            .store
            .renew(&scene.queue, &bursar_store::Renewal::new("w", LEASE), &[leased_claim(&job)])
            .await
            .unwrap();
        assert_eq!((renewed.lost_writes, scene.era().await), (lost, lost.then_some(1)), "{how}");
        assert_eq!(renewed.gone, ["K1"], "{how}");
    }
}

#[tokio::test]
async fn a_commit_whose_claim_and_record_are_gone_says_so() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    let _: u64 = scene.command(&["DEL", &scene.job_name("K1"), &scene.name("claims")]).await;
    assert_eq!(scene.commit(&then(&job, State::Succeeded, Due::Never)).await, Committed::Late);
    assert_eq!((scene.text("K1").await, scene.era().await), (None, Some(1)), "no record is made of an end");
}

#[tokio::test]
async fn a_commit_ahead_of_its_record_says_that_the_claim_was_lost() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let job = scene.claim_one("w").await;
    // This Redis never saw the claim.
    let _: u64 = scene.command(&["DEL", &scene.name("claims"), &scene.name("queue"), &scene.name("due_queries")]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("sends"), "1", "K1"]).await;
    let late = answered(&job, Outcome::NoResponse, State::InDoubt, Due::Send(LATER));
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!(scene.era().await, Some(1));
    let jobs = scene.claim("v", 5).await.jobs;
    assert!(jobs.len() == 2 && jobs.iter().all(|job| job.state == State::InDoubt), "{jobs:?}");
    assert_eq!(jobs.iter().filter(|job| job.call == Call::Query).count(), 1, "and what came late is looked at first");
}

#[tokio::test]
async fn under_hold_the_queue_stops_until_an_operator_resumes() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    scene.store.pause(&scene.queue, &pause()).await.unwrap();
    assert!(scene.claim_as(holding(scene.wish("w", 1), 7)).await.lost_writes);
    let paused = scene.store.status(&scene.queue).await.unwrap().paused;
    assert_eq!(paused, Some(Reason::QueueLostWrites), "more than the pause that was there");
    assert!(scene.claim_as(holding(scene.wish("w", 1), 0)).await.jobs.is_empty());
    // Journals that were reconciled are no person's word.
    scene.store.settle_queue(&scene.queue, 9).await.unwrap();
    assert!(scene.claim_as(holding(scene.wish("w", 1), 0)).await.jobs.is_empty());
    scene.store.resume(&scene.queue, &resume()).await.unwrap();
    let job = scene.claim_as(holding(scene.wish("w", 1), 0)).await.jobs.remove(0);
    assert_eq!(job.state, State::InDoubt);
    assert!(job.ordered > job.sent_before, "the person's word is an order to send");
    assert!(scene.store.withdraw(&scene.queue, &job).await.unwrap());
    let again = scene.claim_as(holding(scene.wish("w", 1), 0)).await.jobs.remove(0);
    assert_eq!((again.state, again.ordered), (State::InDoubt, job.ordered), "and stays one until something is sent");
}

#[tokio::test]
async fn what_was_queued_then_stays_possibly_sent() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let known = Known { receipt: 7, ..Known::default() };
    assert!(scene.claim_as(Claim { known, ..scene.wish("w", 5) }).await.lost_writes);
    scene.submit(&["K2"]).await;
    let jobs = scene.claim("w", 5).await.jobs;
    let taken: Vec<_> = jobs.iter().map(|job| (job.key.as_str(), job.call, job.state, job.resends)).collect();
    assert_eq!(taken, [("K1", Call::Send, State::InDoubt, 1), ("K2", Call::Send, State::Queued, 0)]);
    // After its release it is still in doubt.
    scene.store.release(&scene.queue, &[&jobs[0]]).await.unwrap();
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::InDoubt, vec!["due_sends"]));
    // A send that certainly did nothing leaves the doubt about the one that Redis has forgotten.
    let again = scene.claim_one("w").await;
    scene.commit(&answered(&again, Outcome::NotExecuted, State::InDoubt, Due::Send(LATER))).await;
    assert_eq!(scene.record("K1").await["state"], "in_doubt", "and now the record itself says so");
}
