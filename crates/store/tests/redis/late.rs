//! A response whose claim has ended is evidence: its use depends on the job's present state, and it ends nothing by
//! itself.

use bursar_domain::{Due, Millis, Outcome, Reason, State};
use bursar_store::{Commit, Committed};

use crate::scene::{LATER, Scene, answered, parse, then, transfer, transfer_json};

fn numbered(commit: Commit, trade_no: &str) -> Commit {
    Commit { trade_nos: vec![trade_no.into()], ..commit }
}

#[tokio::test]
async fn a_late_response_is_found_by_the_next_claims_commit() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let next = scene.claim_one("b").await;
    let late = numbered(answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never), "T1");
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!(scene.commit(&late).await, Committed::Late, "repeated");
    let commit = answered(&next, Outcome::NoResponse, State::InDoubt, Due::Send(LATER));
    assert_eq!(scene.commit(&commit).await, Committed::Done);
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.late_outcome), (State::InDoubt, Some(Outcome::Succeeded)));
    assert_eq!(
        (seen.trade_nos.as_slice(), scene.sets("K1").await),
        (["T1".to_owned()].as_slice(), vec!["due_queries"])
    );
    assert_eq!(scene.era().await, None, "nothing was lost");
    let story = scene.story("K1").await;
    assert_eq!(story.iter().filter(|event| *event == "response").count(), 2, "each once: {story:?}");
}

#[tokio::test]
async fn a_late_outcome_reopens_a_review_but_no_end() {
    for (state, due, expected) in [
        (State::NeedsReview, Due::Never, State::InDoubt),
        (State::Pending, Due::Query(LATER), State::Pending),
        (State::Succeeded, Due::Never, State::Succeeded),
    ] {
        let scene = Scene::new().await;
        scene.submit(&["K1"]).await;
        let lost = scene.lose("a").await;
        let next = scene.claim_one("b").await;
        let late = numbered(answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never), "T1");
        scene.commit(&late).await;
        scene.commit(&then(&next, state, due)).await;
        let seen = scene.job("K1").await;
        assert_eq!((seen.state, seen.trade_nos.as_slice()), (expected, ["T1".to_owned()].as_slice()), "{state}");
        let set = if expected == State::Succeeded { "done" } else { "due_queries" };
        assert_eq!(scene.sets("K1").await, [set], "{state}");
        assert!(expected == State::Succeeded || seen.due < Some(LATER), "{state}: looked at now");
    }
}

#[tokio::test]
async fn a_late_response_without_a_claim_reopens_the_job() {
    for (state, due, expected) in [
        (State::InDoubt, Due::Send(LATER), State::InDoubt),
        (State::NeedsReview, Due::Never, State::InDoubt),
        (State::Failed, Due::Never, State::Failed),
    ] {
        let scene = Scene::new().await;
        scene.submit(&["K1"]).await;
        let lost = scene.lose("a").await;
        let next = scene.claim_one("b").await;
        scene.commit(&then(&next, state, due)).await;
        let late = numbered(answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never), "T1");
        assert_eq!(scene.commit(&late).await, Committed::Late, "{state}");
        let seen = scene.job("K1").await;
        assert_eq!((seen.state, seen.trade_nos.len()), (expected, 1), "{state}");
        let set = if expected == State::InDoubt { "due_queries" } else { "done" };
        assert_eq!(scene.sets("K1").await, [set], "{state}");
        assert_eq!(seen.sends, 1, "{state}: it was counted already");
    }
}

#[tokio::test]
async fn a_late_response_to_a_tombstone_changes_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let next = scene.claim_one("b").await;
    scene.commit(&then(&next, State::Succeeded, Due::Never)).await;
    scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap();
    let tombstone = scene.text("K1").await;
    let late = answered(&lost, Outcome::Failed, State::Failed, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!((scene.text("K1").await, scene.era().await), (tombstone, None));
}

#[tokio::test]
async fn a_late_response_to_other_content_needs_review() {
    for claimed in [false, true] {
        let scene = Scene::new().await;
        scene.submit(&["K1"]).await;
        let forgotten = scene.claim_one("a").await;
        // Redis forgets everything, and takes other content under the same key.
        let _: u64 =
            scene.command(&["DEL", &scene.job_name("K1"), &scene.name("claims"), &scene.name("due_queries")]).await;
        let mut other = transfer_json("K1");
        other["body"]["total_amount"] = serde_json::json!(11);
        scene.accept(&[parse(&other)]).await;
        let next = if claimed { Some(scene.claim_one("b").await) } else { None };
        let late = answered(&forgotten, Outcome::Succeeded, State::Succeeded, Due::Never);
        assert_eq!(scene.commit(&late).await, Committed::Late);
        if let Some(next) = next {
            scene.commit(&answered(&next, Outcome::NoResponse, State::InDoubt, Due::Send(LATER))).await;
        }
        let seen = scene.job("K1").await;
        assert_eq!(
            (seen.state, seen.reason),
            (State::NeedsReview, Some(Reason::OtherContentSent)),
            "claimed: {claimed}"
        );
        assert_eq!(scene.sets("K1").await, ["review"], "claimed: {claimed}");
    }
}

#[tokio::test]
async fn a_send_lost_by_redis_is_in_doubt_once_its_response_arrives() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let forgotten = scene.claim_one("a").await;
    let _: u64 = scene.command(&["DEL", &scene.name("claims"), &scene.name("due_queries"), &scene.name("queue")]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("sends"), "1", "K1"]).await;
    let late = answered(&forgotten, Outcome::NoResponse, State::InDoubt, Due::Send(Millis(1)));
    assert_eq!(scene.commit(&late).await, Committed::Late);
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.sends), (State::InDoubt, 1));
    assert_eq!((scene.sets("K1").await, scene.era().await), (vec!["due_queries"], Some(1)));
    assert_eq!(scene.accept(&[transfer("K1")]).await, [bursar_store::Submission::Existing(State::InDoubt)]);
}
