//! An account's other name: which lanes there are, whose gateway they have, and jobs that go from one name to the other.

use bursar_domain::{Due, Job, Key, Lane, Millis, State};
use bursar_store::{Adopted, Claim, Operator, Submission};
use serde_json::{Value, json};

use crate::scene::{SHORT_LEASE, Scene, bill, parse, sent, told_transfer, transfer, transfer_json};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "renamed" };

fn lane(name: &str) -> Lane {
    name.parse().unwrap()
}

/// The same job under the account's new name.
fn renamed(mut job: Value) -> Job {
    job["account"] = json!("pay");
    parse(&job)
}

async fn adopt(scene: &Scene) -> Adopted {
    let to = Lane { account: "pay".parse().unwrap(), kind: scene.lane.kind };
    scene.store.adopt(&scene.lane, &to, OPERATOR).await.unwrap()
}

/// The scene as seen from the new name.
async fn as_new(scene: &Scene) -> Scene {
    let url = &bursar_test_support::redis().await.url;
    let lane = Lane { account: "pay".parse().unwrap(), kind: scene.lane.kind };
    Scene { lane, ..Scene::between(url, url, &scene.prefix).await }
}

async fn state_of(scene: &Scene, key: &str) -> Option<State> {
    let key: Key = key.parse().unwrap();
    scene.store.job(&scene.lane, &key).await.unwrap().map(|record| record.state)
}

#[tokio::test]
async fn every_state_goes_on_under_the_new_name_and_a_resubmission_is_recognised() {
    let old = Scene::new().await;
    let states = [
        State::InDoubt,
        State::Pending,
        State::NeedsReview,
        State::Succeeded,
        State::Failed,
        State::Refunded,
        State::Cancelled,
        State::Queued, // last: a claim would take it
    ];
    for state in states {
        old.bring(state.as_str(), state).await;
    }
    let before: Vec<_> = old.store.list(&old.lane, None, &Default::default(), 100).await.unwrap().jobs;
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt, adopted.is_whole()), (8, 1, true), "{adopted:?}");
    assert!(old.store.list(&old.lane, None, &Default::default(), 100).await.unwrap().jobs.is_empty());
    let new = as_new(&old).await;
    let after = new.store.list(&new.lane, None, &Default::default(), 100).await.unwrap().jobs;
    assert_eq!(after.len(), before.len());
    for (was, is) in before.iter().zip(&after) {
        assert_eq!(
            (&was.key, was.state, was.due, was.fence, was.sends),
            (&is.key, is.state, is.due, is.fence, is.sends)
        );
        let resubmitted = new.store.submit(&[renamed(transfer_json(was.key.as_str()))]).await.unwrap();
        assert_eq!(resubmitted, [Submission::Existing(was.state)], "{}", was.key);
        let story = new.story(was.key.as_str()).await;
        assert_eq!(story.last().unwrap(), "adopted", "{story:?}");
    }
}

#[tokio::test]
async fn a_tombstone_and_what_a_job_is_about_are_recognised_under_the_new_name() {
    let mut old = Scene::new().await;
    old.lane = lane("main/bill_upload");
    assert_eq!(old.store.submit(&[parse(&bill("B1", "order-1"))]).await.unwrap(), [Submission::New]);
    let claimed = old.claim_one("w").await;
    old.commit(&sent(&claimed, State::Succeeded, Due::Never)).await;
    while old.store.purge(&old.lane, std::time::Duration::ZERO, 10).await.unwrap() == 0 {}
    assert_eq!(adopt(&old).await.moved, 1);
    let new = as_new(&old).await;
    let again = new.store.submit(&[renamed(bill("B1", "order-1")), renamed(bill("B2", "order-1"))]).await.unwrap();
    assert_eq!(again, [Submission::Existing(State::Succeeded), Submission::Conflict { first: "B1".into() }]);
}

#[tokio::test]
async fn a_send_whose_worker_is_gone_is_in_doubt_with_its_attempt_on_record_and_one_that_lives_is_left() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    old.claim_one("alive").await;
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.held.as_slice()), (0, ["k1".to_owned()].as_slice()));
    let gone = Scene::new().await;
    gone.submit(&["k1"]).await;
    let claimed = gone.claim_briefly("gone").await;
    tokio::time::sleep(SHORT_LEASE * 2).await;
    let adopted = adopt(&gone).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (1, 1), "{adopted:?}");
    let new = as_new(&gone).await;
    let record = new.store.job(&new.lane, &"k1".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((record.state, record.sends, record.fence, record.losses), (State::InDoubt, 1, claimed.fence, 1));
    assert_eq!(new.story("k1").await, ["send_intent", "worker_lost", "adopted"]);
    assert_eq!(new.sets("k1").await, ["to_ask"]);
    // The one that is gone comes back: its word is for a lane that has the job no more.
    let late = gone.store.commit(&gone.lane, &[sent(&claimed, State::Queued, Due::Send(Millis(1)))]).await.unwrap();
    assert_eq!(late, [bursar_store::Committed::Stale]);
    assert_eq!((state_of(&gone, "k1").await, state_of(&new, "k1").await), (None, Some(State::InDoubt)));
}

#[tokio::test]
async fn a_duplicate_that_was_never_sent_gives_way_and_one_that_may_have_been_is_a_person_s() {
    let old = Scene::new().await;
    old.store.submit(&[told_transfer("k1")]).await.unwrap();
    let claimed = old.claim_one("w").await;
    old.commit(&sent(&claimed, State::Succeeded, Due::Never)).await;
    old.bring("k2", State::Pending).await;
    let new = as_new(&old).await;
    let again = [renamed(transfer_json("k1")), renamed(transfer_json("k2"))];
    assert_eq!(new.store.submit(&again).await.unwrap(), [Submission::New, Submission::New]);
    let sent_there = new.claim("w", 1).await.jobs.remove(0);
    assert_eq!(sent_there.key.as_str(), "k1");
    let adopted = adopt(&old).await;
    assert_eq!(adopted.conflicts, [("k1".to_owned(), "k1".to_owned())]);
    assert_eq!(adopted.moved, 1);
    assert_eq!(
        (state_of(&old, "k1").await, state_of(&new, "k2").await),
        (Some(State::Succeeded), Some(State::Pending))
    );
    assert_eq!(new.sets("k2").await, ["to_ask"], "it must not be sent a second time");
}

#[tokio::test]
async fn what_was_never_sent_under_the_old_name_gives_way_to_the_same_job_of_the_new_one() {
    let old = Scene::new().await;
    let new = as_new(&old).await;
    assert_eq!(
        new.store.submit(&[renamed(transfer_json("k1")), renamed(transfer_json("k2"))]).await.unwrap(),
        [Submission::New, Submission::New]
    );
    for claimed in new.claim("w", 2).await.jobs {
        new.commit(&sent(&claimed, State::Succeeded, Due::Never)).await;
    }
    // A producer is late with the new name, and says something else of one of them.
    let mut other = transfer_json("k2");
    other["body"]["total_amount"] = json!(7);
    old.submit(&["k1"]).await;
    assert_eq!(old.store.submit(&[parse(&other)]).await.unwrap(), [Submission::New]);
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (1, 0), "{adopted:?}");
    assert_eq!(adopted.conflicts, [("k2".to_owned(), "k2".to_owned())]);
    assert_eq!((state_of(&old, "k1").await, state_of(&new, "k1").await), (None, Some(State::Succeeded)));
    assert_eq!((old.sets("k1").await, new.sets("k1").await), (vec![], vec!["done"]));
    assert_eq!(new.story("k1").await.last().unwrap(), "adopted");
}

#[tokio::test]
async fn a_lane_has_jobs_until_its_last_tombstone_is_handed_on() {
    let old = Scene::new().await;
    assert!(!old.store.has_jobs(&old.lane).await.unwrap());
    old.bring("k1", State::Succeeded).await;
    assert!(old.store.has_jobs(&old.lane).await.unwrap());
    while old.store.purge(&old.lane, std::time::Duration::ZERO, 10).await.unwrap() == 0 {}
    assert!(old.store.has_jobs(&old.lane).await.unwrap());
    assert_eq!(adopt(&old).await.moved, 1);
    assert!(!old.store.has_jobs(&old.lane).await.unwrap());
}

#[tokio::test]
async fn what_the_old_lane_doubted_or_paused_stays_so() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    let _: u64 = old.command(&["HSET", &old.name("lane"), "era", "1"]).await;
    old.store.pause(&old.lane, OPERATOR).await.unwrap();
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (1, 1));
    let new = as_new(&old).await;
    assert_eq!((state_of(&new, "k1").await, new.sets("k1").await), (Some(State::InDoubt), vec!["to_ask"]));
    let paused = new.store.lane_status(&new.lane).await.unwrap().paused.unwrap().to_string();
    assert!(paused.starts_with("main/transfer was paused: li"), "{paused}");
}

#[tokio::test]
async fn lanes_are_known_from_their_first_submission_and_served_while_a_worker_says_so() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.known_lanes().await.unwrap(), []);
    scene.submit(&["k1"]).await;
    let known = scene.store.known_lanes().await.unwrap();
    assert_eq!((known[0].lane.clone(), known[0].served, known[0].is_served), (scene.lane.clone(), None, false));
    scene.store.serves(std::slice::from_ref(&scene.lane)).await.unwrap();
    assert!(scene.store.known_lanes().await.unwrap()[0].is_served);
    let long_ago = (scene.now().await - 61_000).to_string();
    let lanes = format!("{}:lanes", scene.prefix);
    let _: u64 = scene.command(&["ZADD", &lanes, &long_ago, "main/transfer"]).await;
    assert!(!scene.store.known_lanes().await.unwrap()[0].is_served);
    // A submission does not make it one that is served, or not served.
    let other = Scene {
        lane: scene.lane.clone(),
        ..Scene::between(
            &bursar_test_support::redis().await.url,
            &bursar_test_support::redis().await.url,
            &scene.prefix,
        )
        .await
    };
    other.store.submit(&[transfer("k2")]).await.unwrap();
    assert!(scene.store.known_lanes().await.unwrap()[0].served.is_some());
}

#[tokio::test]
async fn a_lane_is_the_first_worker_s_gateway_s_and_one_with_another_takes_nothing_until_a_person_says_so() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claim = async |gateway: &str| {
        let wish = Claim { gateway, ..scene.wish("w", 1) };
        let claims = scene.store.claim(&scene.lane, &wish).await.unwrap();
        (claims.jobs.len(), claims.other_gateway, claims.epoch)
    };
    let none = Claim { gateway: "production", slots: 0, ..scene.wish("w", 1) };
    scene.store.claim(&scene.lane, &none).await.unwrap();
    assert_eq!(scene.store.gateway(&scene.lane).await.unwrap().as_deref(), Some("production"));
    assert_eq!(claim("staging").await, (0, true, 0));
    assert_eq!(scene.sets("k1").await, ["to_send"]);
    assert!(!scene.store.set_gateway(&scene.lane, Some("other"), "staging", OPERATOR).await.unwrap());
    assert!(scene.store.set_gateway(&scene.lane, Some("production"), "moved", OPERATOR).await.unwrap());
    assert_eq!(claim("production").await, (0, true, 0));
    assert_eq!(claim("moved").await, (1, false, 1));
}
