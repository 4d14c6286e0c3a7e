//! A Redis that has lost writes: restored from an older copy, or a replica that lagged and was promoted.

use bursar_domain::{Call, Due, OnAmbiguous, Reason, State};
use bursar_store::{Asked, Claim, Claims, Commit, Committed, Evidence, Known, Operator, Resend, Sends};

use bursar_test_support::eventually;

use crate::scene::{LEASE, SOON, Scene, asked, sent};

/// A claim by a worker that remembers `known`.
async fn claim(scene: &Scene, known: Known, on_ambiguous: OnAmbiguous) -> Claims {
    let wish = Claim { known, on_ambiguous, ..scene.wish("w", 10) };
    scene.store.claim(&scene.lane, &wish).await.unwrap()
}

fn told(receipt: u64, epoch: u64) -> Known {
    Known { receipt, epoch, era: 0 }
}

#[tokio::test]
async fn a_job_whose_claim_cannot_be_read_is_put_aside_and_neither_sent_nor_asked_about() {
    let scene = Scene::new().await;
    scene.submit(&["held", "queued"]).await;
    scene.claim_briefly("w1").await;
    let _: u64 = scene.command(&["HSET", &scene.name("held"), "held", "sparkling", "queued", "send queued"]).await;
    scene.let_come_due("to_ask", "held").await;
    let claims = scene.claim("w2", 10).await;
    let mut orphans = claims.orphans.clone();
    orphans.sort_unstable();
    assert_eq!((claims.jobs.len(), orphans), (0, vec!["held".to_owned(), "queued".to_owned()]));
}

#[tokio::test]
async fn a_job_whose_claim_is_gone_may_have_been_sent() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let sent_by_one = scene.claim_briefly("w1").await;
    let _: u64 = scene.command(&["DEL", &scene.name("held")]).await;
    scene.let_come_due("to_ask", "k1").await;
    let claimed = scene.claim_one("w2").await;
    assert_eq!((claimed.call, claimed.state), (Call::Ask, State::InDoubt));
    assert_eq!(scene.commit(&sent(&sent_by_one, State::Failed, Due::Never)).await, Committed::Stale);
    assert_eq!(scene.story("k1").await, ["response"], "what came too late is evidence");
    let _: u64 = scene.command(&["DEL", &scene.name("held")]).await;
    scene.let_come_due("to_ask", "k1").await;
    let again = scene.claim_one("w3").await;
    assert!(
        again.state == State::InDoubt && again.fence > claimed.fence,
        "lost twice, it has a fence of its own again"
    );
    assert_eq!(scene.commit(&asked(&claimed, State::Failed, Due::Never)).await, Committed::Stale);
    assert_eq!(scene.commit(&asked(&again, State::Succeeded, Due::Never)).await, Committed::Ok);
}

#[tokio::test]
async fn a_worker_whose_last_receipt_is_gone_finds_that_writes_were_lost() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let found = claim(&scene, told(7, 0), OnAmbiguous::Resend).await;
    assert!(found.lost_writes && found.jobs.is_empty());
    assert_eq!(scene.state("K1").await, State::Queued, "the claim that finds it takes nothing");
}

#[tokio::test]
async fn an_epoch_that_went_backwards_says_so_too_and_rises_above_all_that_was_seen() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let found = claim(&scene, told(0, 5), OnAmbiguous::Resend).await;
    assert!(found.lost_writes && found.epoch > 5);
    assert!(!claim(&scene, told(0, found.epoch), OnAmbiguous::Resend).await.lost_writes, "it is found once");
}

#[tokio::test]
async fn a_worker_that_remembers_rightly_or_nothing_finds_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let number = scene.number();
    let first = scene.store.claim(&scene.lane, &Claim::new("w", number, LEASE, 1)).await.unwrap();
    assert_eq!(first.epoch, 1);
    let second = claim(&scene, told(number, first.epoch), OnAmbiguous::Resend).await;
    assert!(!second.lost_writes && second.epoch == 2 && second.jobs.len() == 1);
}

#[tokio::test]
async fn what_was_queued_then_is_sent_as_what_may_have_been_sent() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    claim(&scene, told(7, 0), OnAmbiguous::Resend).await;
    let found_at = scene.now().await;
    eventually(SOON, "the next millisecond", async || (scene.now().await > found_at).then_some(())).await;
    scene.submit(&["K2"]).await;
    let claims = claim(&scene, told(0, 1), OnAmbiguous::Resend).await;
    let taken: Vec<_> = claims.jobs.iter().map(|job| (job.key.as_str(), job.call, job.state, job.resends)).collect();
    assert_eq!(taken, [("K1", Call::Send, State::InDoubt, 1), ("K2", Call::Send, State::Queued, 0)]);
    // Given back, it is in doubt still.
    scene.store.release(&scene.lane, &[claims.jobs[0].id()]).await.unwrap();
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::InDoubt, vec!["to_send"]));
}

#[tokio::test]
async fn where_the_account_holds_the_lane_stands_until_a_person_resumes_it() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let operator = Operator { who: "ann", why: "maintenance" };
    scene.store.pause(&scene.lane, operator).await.unwrap();
    claim(&scene, told(7, 0), OnAmbiguous::Hold).await;
    let paused = scene.store.lane_status(&scene.lane).await.unwrap().paused;
    assert_eq!(paused, Some(Reason::QueueLostWrites), "more than the pause that was there");
    assert!(claim(&scene, Known::default(), OnAmbiguous::Hold).await.jobs.is_empty());

    scene.store.resume(&scene.lane, operator).await.unwrap();
    let claims = claim(&scene, Known::default(), OnAmbiguous::Hold).await;
    let job = &claims.jobs[0];
    assert_eq!(job.state, State::InDoubt);
    assert!(job.ordered > job.sent_before, "the person's word is an order to send");
}

#[tokio::test]
async fn a_commit_ahead_of_its_record_says_that_the_claim_was_lost() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let next = bursar_domain::Operation::Ask.on(State::Pending, bursar_domain::Millis(1)).unwrap();
    let commit = Commit {
        key: "K1".into(),
        fence: 3, // the record has none yet: this Redis never saw the claim
        token: "w/3".into(),
        era: 0,
        decided: bursar_domain::Millis(0),
        hash: Vec::new(),
        evidence: Evidence::MaybeExecuted,
        next,
        asked: Asked::No,
        resend: Resend::Counts,
        trade_nos: None,
        known_trade_nos: Vec::new(),
        gateway_status: None,
        response: None,
        line: Some(r#"{"event":"response","at":1,"fence":3,"call":"send","outcome":"no_response"}"#.into()),
    };
    scene.store.commit(&scene.lane, &[commit]).await.unwrap();
    let claims = claim(&scene, Known::default(), OnAmbiguous::Resend).await;
    assert!(claims.jobs.iter().all(|job| job.state == State::InDoubt), "{:?}", claims.jobs);
}

#[tokio::test]
async fn a_claim_may_be_for_asks_only() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let wish = Claim { sends: Sends::NotYet, ..scene.wish("w", 10) };
    let claims = scene.store.claim(&scene.lane, &wish).await.unwrap();
    assert!(claims.jobs.is_empty() && claims.next_due.is_none());
    assert_eq!(scene.claim("w", 10).await.jobs.len(), 1);
}
