//! What stays of a job when its detail has expired.

use std::time::Duration;

use bursar_domain::{Key, Operation, State};
use bursar_store::{Committed, Operated, Operator, Submission};
use serde_json::json;

use crate::scene::{Scene, bill, held, parse, transfer, transfer_json};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because" };

async fn purge(scene: &Scene, limit: usize) -> usize {
    scene.store.purge(&scene.lane, Duration::ZERO, limit).await.unwrap()
}

#[tokio::test]
async fn an_expired_job_is_still_recognised_and_still_refuses_other_content() {
    for state in [State::Succeeded, State::Failed, State::Refunded, State::Cancelled] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        assert_eq!(purge(&scene, 10).await, 1);
        let key: Key = "k1".parse().unwrap();
        let record = scene.store.job(&scene.lane, &key).await.unwrap().unwrap();
        assert_eq!(
            (record.state, record.created, record.hash),
            (state, None, transfer("k1").content.hash()[..16].to_vec())
        );
        assert_eq!(scene.store.content(&scene.lane, &key).await.unwrap(), None);
        assert!(scene.store.history(&scene.lane, &key).await.unwrap().is_empty());
        assert_eq!(scene.sets("k1").await, Vec::<&str>::new());

        assert_eq!(scene.store.submit(&[transfer("k1")]).await.unwrap(), [Submission::Existing(state)]);
        let mut other = transfer_json("k1");
        other["body"]["total_amount"] = json!(11);
        let conflict = Submission::Conflict { first: "k1".into() };
        assert_eq!(scene.store.submit(&[parse(&other)]).await.unwrap(), [conflict]);
        assert_eq!(scene.claim("w", 5).await.jobs.len(), 0, "a late duplicate must not be paid again");
        assert_eq!(purge(&scene, 10).await, 0);
    }
}

#[tokio::test]
async fn a_tombstone_is_out_of_every_hands_reach() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&crate::scene::sent(&claimed, State::Succeeded, bursar_domain::Due::Never)).await;
    purge(&scene, 10).await;
    let before = scene.record("k1").await;
    for operation in [Operation::Ask, Operation::Send, Operation::Resolve(State::Failed), Operation::Cancel] {
        let outcome = scene.store.operate(&scene.lane, &claimed.key, operation, OPERATOR).await.unwrap();
        assert!(matches!(outcome, Operated::Refused(_)), "{operation:?}: {outcome:?}");
    }
    assert!(!scene.store.wake(&scene.lane, &claimed.key).await.unwrap());
    assert_eq!(scene.store.release(&scene.lane, &[held(&claimed)]).await.unwrap(), [Committed::Stale]);
    let late = crate::scene::sent(&claimed, State::Failed, bursar_domain::Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Stale);
    assert_eq!((scene.record("k1").await, scene.log("k1").await.len()), (before, 0));
    let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", "k1"]).await;
    assert_eq!(scene.claim("w", 5).await.orphans, ["k1"]);
}

#[tokio::test]
async fn the_thing_that_an_expired_job_was_about_still_refuses_a_second_one() {
    let mut scene = Scene::new().await;
    scene.lane = "main/bill_upload".parse().unwrap();
    scene.store.submit(&[parse(&bill("k1", "order-1"))]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&crate::scene::sent(&claimed, State::Succeeded, bursar_domain::Due::Never)).await;
    assert_eq!(purge(&scene, 10).await, 1);
    let second = [parse(&bill("k2", "order-1"))];
    assert_eq!(scene.store.submit(&second).await.unwrap(), [Submission::Conflict { first: "k1".into() }]);
}

#[tokio::test]
async fn only_what_ended_longer_ago_than_the_retention_goes_and_no_more_than_asked() {
    let scene = Scene::new().await;
    for number in 0..7 {
        scene.bring(&format!("k{number}"), State::Succeeded).await;
    }
    let hour = Duration::from_secs(3600);
    assert_eq!(scene.store.purge(&scene.lane, hour, 100).await.unwrap(), 0);
    for number in 0..5 {
        let _: u64 = scene.command(&["ZADD", &scene.name("done"), "1", &format!("k{number}")]).await;
    }
    assert_eq!(scene.store.purge(&scene.lane, hour, 0).await.unwrap(), 0);
    assert_eq!(scene.store.purge(&scene.lane, hour, 3).await.unwrap(), 3);
    assert_eq!(scene.store.purge(&scene.lane, hour, 100).await.unwrap(), 2);
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().done, 2);
}

#[tokio::test]
async fn what_is_asked_about_anew_is_kept_and_blocks_nothing_behind_it() {
    let scene = Scene::new().await;
    for key in ["held", "waiting", "old"] {
        scene.bring(key, State::Succeeded).await;
    }
    for (key, at) in [("held", "1"), ("waiting", "2"), ("old", "3")] {
        let _: u64 = scene.command(&["ZADD", &scene.name("done"), at, key]).await;
    }
    for key in ["held", "waiting"] {
        let outcome = scene.store.operate(&scene.lane, &key.parse().unwrap(), Operation::Ask, OPERATOR).await.unwrap();
        assert!(matches!(outcome, Operated::Done(_)));
        if key == "held" {
            assert_eq!(scene.claim_one("w").await.key.as_str(), "held");
        }
    }
    let retention = Duration::from_secs(60);
    let mut reduced = 0;
    for _ in 0..3 {
        reduced += scene.store.purge(&scene.lane, retention, 1).await.unwrap();
    }
    assert_eq!(reduced, 1);
    assert_eq!(scene.sets("old").await, Vec::<&str>::new());
    for key in ["held", "waiting"] {
        assert_eq!((scene.sets(key).await, scene.log(key).await.len()), (vec!["to_ask", "done"], 3), "{key}");
    }
    assert_eq!(scene.claim_one("w").await.key.as_str(), "waiting", "the operator's question is not lost");
}

#[tokio::test]
async fn a_job_that_has_not_ended_is_never_thrown_away() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let before = scene.record("k1").await;
    let _: u64 = scene.command(&["ZADD", &scene.name("done"), "1", "k1"]).await;
    assert_eq!(purge(&scene, 10).await, 0);
    assert_eq!((scene.record("k1").await, scene.sets("k1").await), (before, vec!["to_send"]));
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().orphans, 1, "somebody is to look at it");
    assert_eq!(scene.claim_one("w").await.key.as_str(), "k1");
}
