//! Giving back what was certainly not sent, and nothing else.

use bursar_domain::{Call, Due, Millis, State};
use bursar_store::{Claim, Committed, Resend};

use crate::scene::{Scene, asked, held, sent};

#[tokio::test]
async fn an_unsent_job_is_what_it_was_before_the_claim_and_due_now() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let before = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap();
    let claimed = scene.claim_one("w").await;
    let mut wakes = scene.store.wakes().await.unwrap();
    assert_eq!(scene.store.release(&scene.lane, &[held(&claimed)]).await.unwrap(), [Committed::Ok]);
    assert_eq!(wakes.next().await, Some(scene.lane.clone()), "somebody else is to look at it");
    let after = scene.store.job(&scene.lane, &claimed.key).await.unwrap().unwrap();
    assert_eq!((after.state, after.sends, after.resends, after.losses), (State::Queued, 0, 0, 0));
    assert_eq!((after.worker, after.fence, after.created), (None, 1, before.created));
    assert_eq!(scene.sets("k1").await, ["to_send"]);
    assert_eq!(scene.story("k1").await, ["send_intent", "claim_released"]);
    let again = scene.claim_one("w").await;
    assert_eq!((again.call, again.state, again.sends, again.fence), (Call::Send, State::Queued, 1, 2));
    assert_eq!(again.first_sent, again.last_sent, "a send that never was starts no deadline");
}

#[tokio::test]
async fn an_unsent_resend_is_in_doubt_or_pending_as_before_and_not_counted() {
    for state in [State::InDoubt, State::Pending] {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let first = scene.claim_one("w").await;
        scene.commit(&sent(&first, state, Due::Send(Millis(1)))).await;
        let second = scene.claim_one("w").await;
        assert_eq!((second.sends, second.resends, second.state), (2, 1, state));
        scene.store.release(&scene.lane, &[held(&second)]).await.unwrap();
        let record = scene.store.job(&scene.lane, &second.key).await.unwrap().unwrap();
        assert_eq!((record.state, record.sends, record.resends, record.worker), (state, 1, 0, None));
        assert_eq!(scene.sets("k1").await, ["to_send"]);
        let third = scene.claim_one("w").await;
        assert_eq!((third.first_sent, third.resends), (first.first_sent, 1));
    }
}

#[tokio::test]
async fn an_unmade_ask_is_due_again_and_changes_nothing() {
    for state in [State::InDoubt, State::Pending] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        scene.let_come_due("to_ask", "k1").await;
        let claimed = scene.claim_one("w").await;
        assert_eq!(claimed.call, Call::Ask);
        scene.store.release(&scene.lane, &[held(&claimed)]).await.unwrap();
        let record = scene.store.job(&scene.lane, &claimed.key).await.unwrap().unwrap();
        assert_eq!((record.state, record.sends, record.asks, record.losses, record.worker), (state, 1, 0, 0, None));
        assert_eq!(scene.sets("k1").await, ["to_ask"]);
        assert_eq!(scene.claim_one("w").await.losses, 0);
    }
}

#[tokio::test]
async fn giving_back_an_ask_never_undoes_the_send_of_a_lost_worker() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_one("dead").await; // it sends, the gateway pays, and it dies
    scene.let_come_due("to_ask", "k1").await;
    let asking = scene.claim_one("draining").await;
    assert_eq!(asking.call, Call::Ask);
    assert_eq!(scene.store.release(&scene.lane, &[held(&asking)]).await.unwrap(), [Committed::Ok]);
    assert_eq!(scene.state("k1").await, State::InDoubt, "a maybe has become a no");
    assert_eq!(scene.sets("k1").await, ["to_ask"], "it would be paid a second time");
    let again = scene.claim_one("w").await;
    assert_eq!((again.call, again.state, again.sends), (Call::Ask, State::InDoubt, 1));
}

#[tokio::test]
async fn taking_back_a_lost_claim_of_an_ask_never_undoes_the_send_of_a_lost_worker() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_one("dead").await;
    scene.let_come_due("to_ask", "k1").await;
    let wish = Claim { number: 700, ..scene.wish("w", 1) };
    scene.store.claim(&scene.lane, &wish).await.unwrap();
    assert_eq!(scene.store.unclaim(&scene.lane, "w", 700).await.unwrap(), 1);
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::InDoubt, vec!["to_ask"]));
}

#[tokio::test]
async fn giving_back_is_repeatable_and_refused_under_another_fence() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w1").await;
    let unknown = bursar_store::ClaimId { key: "unknown".to_owned(), ..held(&first) };
    let name = [held(&first), unknown];
    assert_eq!(scene.store.release(&scene.lane, &name).await.unwrap(), [Committed::Ok, Committed::Stale]);
    assert_eq!(scene.store.release(&scene.lane, &name).await.unwrap(), [Committed::Again, Committed::Stale]);
    assert_eq!(scene.story("k1").await, ["send_intent", "claim_released"]);
    let second = scene.claim_one("w2").await;
    let before = scene.record("k1").await;
    assert_eq!(scene.store.release(&scene.lane, &name).await.unwrap(), [Committed::Again, Committed::Stale]);
    assert_eq!(scene.record("k1").await, before, "the second worker's send stays in doubt");
    assert_eq!(scene.commit(&sent(&second, State::Succeeded, Due::Never)).await, Committed::Ok);
    assert_eq!(scene.store.release(&scene.lane, &[held(&second)]).await.unwrap(), [Committed::Again]);
    assert_eq!(scene.state("k1").await, State::Succeeded);
}

#[tokio::test]
async fn a_job_taken_over_after_its_lease_cannot_be_given_back_by_the_first_worker() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let slow = scene.claim_one("slow").await;
    scene.let_come_due("to_ask", "k1").await;
    let taken = scene.claim_one("other").await;
    assert_eq!(scene.store.release(&scene.lane, &[held(&slow)]).await.unwrap(), [Committed::Stale]);
    assert_eq!(scene.state("k1").await, State::InDoubt);
    assert_eq!(scene.commit(&asked(&taken, State::Succeeded, Due::Never)).await, Committed::Ok);
}

#[tokio::test]
async fn a_job_given_back_thousands_of_times_keeps_a_bounded_log() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    for _ in 0..300 {
        let claimed = scene.claim_one("w").await;
        scene.store.release(&scene.lane, &[held(&claimed)]).await.unwrap();
    }
    let story = scene.story("k1").await;
    assert_eq!(story.len(), 200);
    assert_eq!(scene.claim_one("w").await.fence, 301);
    assert_eq!(
        scene.story("k1").await.last().map(String::as_str),
        Some("send_intent"),
        "a send is always written down"
    );
}

#[tokio::test]
async fn more_jobs_than_one_script_takes_are_given_back_in_several() {
    let scene = Scene::new().await;
    scene.submit_many("k", 600).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.extend(scene.claim("w", 256).await.jobs.iter().map(held));
    }
    assert_eq!(all.len(), 600);
    let released = scene.store.release(&scene.lane, &all).await.unwrap();
    assert_eq!(released, vec![Committed::Ok; 600]);
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().to_send, 600);
    assert_eq!(scene.store.release(&scene.lane, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_resend_that_certainly_did_nothing_is_not_counted() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    // Of the first send there is nothing to give back.
    let commit =
        bursar_store::Commit { resend: Resend::GivenBack, ..sent(&first, State::InDoubt, Due::Send(Millis(1))) };
    scene.commit(&commit).await;
    for _ in 0..3 {
        let again = scene.claim_one("w").await;
        assert_eq!(again.resends, 1);
        let commit =
            bursar_store::Commit { resend: Resend::GivenBack, ..sent(&again, State::InDoubt, Due::Send(Millis(1))) };
        scene.commit(&commit).await;
    }
    let fourth = scene.claim_one("w").await;
    scene.commit(&sent(&fourth, State::InDoubt, Due::Send(Millis(1)))).await;
    assert_eq!(scene.claim_one("w").await.resends, 2);
}
