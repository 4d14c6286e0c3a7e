//! The rest of a job whose details have expired.

use std::time::Duration;

use bursar_domain::{Due, HistoryEvent, Millis, Operation, Outcome, State};
use bursar_store::{Commit, Committed, Operated, ResponseKnownBy, Submission};
use serde_json::json;

use crate::scene::{Scene, answered, bill, due_of, key, known_by, parse, then, transfer, transfer_json};

async fn purge(scene: &Scene, limit: usize) -> usize {
    scene.store.purge(&scene.queue, Duration::ZERO, limit).await.unwrap()
}

#[tokio::test]
async fn an_expired_job_is_recognised_and_refuses_other_content() {
    for state in [State::Succeeded, State::Failed, State::Refunded, State::Cancelled] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        assert_eq!(purge(&scene, 10).await, 1);
        let job = scene.job("k1").await;
        let half = transfer("k1").content.hash()[..16].to_vec();
        assert_eq!((job.state, job.created, &job.hash), (state, None, &half));
        assert_eq!(job.content, None);
        assert!(scene.store.history(&job).await.unwrap().is_empty());
        assert_eq!(scene.sets("k1").await, Vec::<&str>::new());

        assert_eq!(scene.accept(&[transfer("k1")]).await, [Submission::Existing(state)]);
        let mut other = transfer_json("k1");
        other["body"]["total_amount"] = json!(11);
        let conflict = Submission::Conflict { first: "k1".into(), fields: Vec::new() };
        assert_eq!(scene.accept(&[parse(&other)]).await, [conflict]);
        assert_eq!(scene.claim("w", 5).await.jobs.len(), 0, "a late duplicate must not be paid again");
        assert_eq!(purge(&scene, 10).await, 0);
    }
}

#[tokio::test]
async fn a_tombstone_is_out_of_every_hands_reach() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    purge(&scene, 10).await;
    let before = scene.text("k1").await;
    for operation in [Operation::Query, Operation::Send, Operation::Resolve(State::Failed), Operation::Cancel] {
        let outcome = scene.operate("k1", operation).await;
        assert!(matches!(outcome, Operated::Refused(_)), "{operation:?}: {outcome:?}");
    }
    assert!(!scene.store.wake(&scene.queue, &claimed.key).await.unwrap());
    assert_eq!(scene.store.release(&scene.queue, &[&claimed]).await.unwrap(), 0);
    let late = answered(&claimed, Outcome::Failed, State::Failed, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!((scene.text("k1").await, scene.era().await), (before, None));
    let _: u64 = scene.command(&["ZADD", &scene.name("sends"), "1", "k1"]).await;
    let claimed = scene.claim("w", 5).await;
    assert_eq!((claimed.jobs.len(), claimed.quarantined[0].0.as_str()), (0, "k1"));
}

#[tokio::test]
async fn an_expired_jobs_business_key_refuses_a_second_job() {
    let scene = Scene::of("main/bill_upload").await;
    scene.accept(&[bill("k1", "order-1")]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    assert_eq!(purge(&scene, 10).await, 1);
    let second = scene.accept(&[bill("k2", "order-1")]).await;
    assert_eq!(second, [Submission::Conflict { first: "k1".into(), fields: Vec::new() }]);
}

#[tokio::test]
async fn only_jobs_past_retention_go_and_no_more_than_the_limit() {
    let scene = Scene::new().await;
    for number in 0..7 {
        scene.bring(&format!("k{number}"), State::Succeeded).await;
    }
    let hour = Duration::from_secs(3600);
    let purge = async |limit| scene.store.purge(&scene.queue, hour, limit).await.unwrap();
    assert_eq!(purge(100).await, 0);
    for number in 0..5 {
        scene.set_due("done", &format!("k{number}"), 1).await;
    }
    assert_eq!((purge(0).await, purge(3).await, purge(100).await), (0, 3, 2));
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.done, 2);
}

#[tokio::test]
async fn a_job_due_for_a_query_is_kept_and_blocks_none_behind_it() {
    let scene = Scene::new().await;
    for (name, at) in [("claimed", 1), ("waiting", 2), ("old", 3)] {
        scene.bring(name, State::Succeeded).await;
        scene.set_due("done", name, at).await;
    }
    for name in ["claimed", "waiting"] {
        let outcome = scene.operate(name, Operation::Query).await;
        assert!(matches!(outcome, Operated::Done(_)));
        if name == "claimed" {
            assert_eq!(scene.claim_one("w").await.key.as_str(), "claimed");
        }
    }
    let mut reduced = 0;
    for _ in 0..3 {
        reduced += scene.store.purge(&scene.queue, Duration::from_secs(60), 1).await.unwrap();
    }
    assert_eq!(reduced, 1);
    assert_eq!(scene.sets("old").await, Vec::<&str>::new());
    for name in ["claimed", "waiting"] {
        assert_eq!(scene.sets(name).await, ["due_queries", "done"], "{name}");
        assert!(scene.job(name).await.created.is_some(), "{name}");
    }
    assert_eq!(scene.claim_one("w").await.key.as_str(), "waiting", "the operator's question is not lost");
}

#[tokio::test]
async fn a_job_that_has_not_ended_is_never_thrown_away() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "damaged", "newer"]).await;
    for (name, text) in [("damaged", "{"), ("newer", r#"{"v":3}"#)] {
        let _: () = scene.command(&["SET", &scene.job_name(name), text]).await;
    }
    let before = scene.text("k1").await;
    for name in ["k1", "damaged", "newer"] {
        let _: u64 = scene.command(&["ZADD", &scene.name("done"), "1", name]).await;
    }
    assert_eq!(purge(&scene, 10).await, 0);
    assert_eq!((scene.text("k1").await, scene.text("damaged").await.as_deref()), (before, Some("{")));
    assert_eq!(scene.claim("w", 1).await.jobs.first().map(|job| job.key.as_str()), Some("k1"));
    // A claim came in between: the decision is not written.
    let scene = Scene::new().await;
    scene.bring("k2", State::Succeeded).await;
    let _: u64 = scene
        .command(&["HSET", &scene.name("claims"), "k2", r#"{"claim":"w/1","call":"query","fence":1,"at":1}"#])
        .await;
    assert_eq!(purge(&scene, 10).await, 0);
    assert!(scene.job("k2").await.created.is_some());
}

#[tokio::test]
async fn a_purge_deletes_the_jobs_own_response_ids_only() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2", "k3"]).await;
    let jobs = scene.claim("w", 3).await.jobs;
    let request = |commit: Commit, id: &str| {
        let mut commit = Commit { response: Some(ResponseKnownBy::RequestId(id.into())), ..commit };
        if let Some(HistoryEvent::Response(response)) = &mut commit.event {
            response.read.request_id = Some(id.into());
        }
        commit
    };
    // More than the record's bound, so that some events are in the list.
    let mut job = jobs[0].clone();
    for number in 0..10 {
        let busy = answered(&job, Outcome::NotExecuted, State::Queued, Due::Send(Millis(1)));
        assert_eq!(scene.commit(&request(busy, &format!("R{number}"))).await, Committed::Done);
        job = scene.claim_one("w").await;
    }
    let done = answered(&job, Outcome::Succeeded, State::Succeeded, Due::Never);
    let done = Commit { trade_nos: vec!["T1".into()], response: known_by("T1"), ..done };
    scene.commit(&done).await;
    let pending = answered(&jobs[1], Outcome::Accepted, State::Pending, due_of(State::Pending));
    scene.commit(&Commit { trade_nos: vec!["T2".into()], response: known_by("T2"), ..pending }).await;
    let mismatch = answered(&jobs[2], Outcome::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&Commit { response: known_by("T2"), ..mismatch }).await, Committed::Mismatch);

    let known = async || scene.command::<u64>(&["HLEN", &scene.name("responses")]).await;
    assert_eq!(known().await, 12);
    assert_eq!(purge(&scene, 10).await, 1);
    let left: Vec<String> = scene.command(&["HGETALL", &scene.name("responses")]).await;
    assert_eq!(left, ["trade_no:T2", "k2"], "the others have not ended");
    let gone = ["history", "outbox", "delivery"].map(|name| format!("{}:k1", scene.name(name)));
    let left: u64 = scene.command(&["EXISTS", &gone[0], &gone[1], &gone[2]]).await;
    assert_eq!(left, 0);
    assert!(scene.store.job(&scene.queue, &key("k1")).await.unwrap().is_some());
}

#[tokio::test]
async fn which_job_is_kept_longest_is_known_of_many_queues() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    scene.bring("k2", State::Failed).await;
    scene.set_due("done", "k2", 777).await;
    let queues = ["main/bill_upload".parse().unwrap(), scene.queue.clone()];
    assert_eq!(scene.store.oldest_ended(&queues).await.unwrap(), [None, Some(Millis(777))]);
    assert_eq!(scene.store.oldest_ended(&[]).await.unwrap(), []);
}
