//! A claim is a job's intent on record, and a claim that is lost is never forgotten.

use bursar_domain::{Answer, Call, Due, Millis, State};
use bursar_store::{Claim, Committed, Lapsed, Sends};
use serde_json::json;

use crate::scene::{LATER, LEASE, Scene, answered, held, keys, then};

#[tokio::test]
async fn a_claimed_send_is_in_doubt_before_anybody_knows_and_its_record_is_untouched() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let before = scene.text("K1").await;
    let claimed = scene.claim("w", 1).await;
    assert_eq!(keys(&claimed), ["K1"]);
    let job = &claimed.jobs[0];
    assert_eq!((job.call, job.state, job.sends, job.resends), (Call::Send, State::Queued, 1, 0));
    assert_eq!(job.first_sent, job.last_sent);
    assert_eq!(scene.text("K1").await, before);
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.sends, seen.worker.as_deref()), (State::InDoubt, 1, Some("w")));
    assert_eq!(scene.story("K1").await, ["send_intent"]);
    assert_eq!((scene.sets("K1").await, scene.sets("K2").await), (vec!["due_queries"], vec!["sends"]));
    assert_eq!(keys(&scene.claim("w", 5).await), ["K2"], "nobody else's");
}

#[tokio::test]
async fn what_is_given_back_is_what_it_was() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let before = scene.text("K1").await;
    let job = scene.claim_one("w").await;
    assert_eq!(scene.store.release(&scene.lane, &[&job]).await.unwrap(), 1);
    assert_eq!((scene.text("K1").await, scene.claims().await), (before, vec![]));
    assert_eq!(scene.store.release(&scene.lane, &[&job]).await.unwrap(), 0, "once");
    let again = scene.claim_one("v").await;
    assert_eq!((again.state, again.sends), (State::Queued, 1), "it was certainly not sent");
    assert_eq!(scene.store.release(&scene.lane, &[&job]).await.unwrap(), 0, "another claim stands");
    assert_eq!(scene.commit(&then(&again, State::Succeeded, Due::Never)).await, Committed::Done);
}

#[tokio::test]
async fn a_lost_send_is_in_doubt_for_the_next_claim_and_for_the_one_after_a_release() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let next = scene.claim_one("b").await;
    assert_eq!((next.call, next.state, next.sends, next.claims_lost), (Call::Ask, State::InDoubt, 1, 1));
    assert_eq!(next.last_sent, lost.last_sent);
    assert_eq!(scene.store.release(&scene.lane, &[&next]).await.unwrap(), 1);
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.sends), (State::InDoubt, 1), "the lost claim stands again: {seen:?}");
    let third = scene.claim_one("c").await;
    assert_eq!((third.state, third.sends, third.claims_lost), (State::InDoubt, 1, 1));
    let commit = answered(&third, Answer::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&commit).await, Committed::Done);
    assert_eq!(scene.story("K1").await, ["send_intent", "worker_lost", "response"]);
    let record = scene.record("K1").await;
    assert_eq!(
        (&record["state"], &record["sends"], &record["claims_lost"]),
        (&json!("succeeded"), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn workers_that_are_lost_again_and_again_are_all_counted() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    for worker in ["a", "b", "c", "d"] {
        scene.lose(worker).await;
    }
    let job = scene.claim_one("e").await;
    assert_eq!((job.sends, job.claims_lost, job.state), (1, 4, State::InDoubt), "one send and three queries");
}

#[tokio::test]
async fn a_job_that_kills_whoever_touches_it_is_put_in_quarantine_and_nothing_is_forgotten() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let mut found = Vec::new();
    for number in 0..200 {
        let mut claimed = scene.claim(&format!("worker-{number}"), 1).await;
        if let Some((key, _)) = claimed.quarantined.pop() {
            found.push(key);
            break;
        }
        scene.set_due("due_queries", "K1", 1).await;
    }
    assert_eq!(found, ["K1"]);
    assert_eq!(scene.sets("K1").await, Vec::<&str>::new());
    assert_eq!(scene.state("K1").await, State::InDoubt, "its claims still stand");
}

#[tokio::test]
async fn a_claim_whose_reply_was_lost_is_found_and_given_back() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let wish = scene.wish("w", 2);
    let number = wish.number;
    scene.claim_as(wish).await;
    assert_eq!(scene.store.recover_claim(&scene.lane, "w", number).await.unwrap(), 2);
    assert_eq!(scene.store.recover_claim(&scene.lane, "w", number + 1).await.unwrap(), 0);
    let late = scene.claim_as(Claim { number: number + 1, ..scene.wish("w", 2) }).await;
    assert_eq!(late.jobs, [], "given up before it arrived");
    assert_eq!(scene.claim("w", 2).await.jobs.len(), 2);
}

#[tokio::test]
async fn sends_and_queries_share_the_room_and_a_rate_bounds_both() {
    let scene = Scene::new().await;
    scene.submit(&["A1", "A2", "A3"]).await;
    for job in scene.claim("w", 3).await.jobs {
        scene.commit(&then(&job, State::Pending, Due::Ask(Millis(1)))).await;
    }
    scene.submit(&["B1", "B2", "B3"]).await;
    let claimed = scene.claim("w", 4).await;
    let calls: Vec<Call> = claimed.jobs.iter().map(|job| job.call).collect();
    assert_eq!(calls, [Call::Send, Call::Send, Call::Ask, Call::Ask]);
    let slow = scene.claim_as(Claim { rate_per_second: 1.0, ..scene.wish("w", 2) }).await;
    assert_eq!(slow.jobs.len(), 1);
    let none = scene.claim_as(Claim { rate_per_second: 1.0, ..scene.wish("w", 2) }).await;
    assert!(none.jobs.is_empty() && none.next_due > Some(none.now), "{none:?}");
    let queries = scene.claim_as(Claim { sends: Sends::NotYet, ..scene.wish("w", 2) }).await;
    assert!(queries.jobs.iter().all(|job| job.call == Call::Ask), "{queries:?}");
}

#[tokio::test]
async fn a_probe_is_a_job_that_was_never_sent() {
    let scene = Scene::new().await;
    scene.submit(&["A1", "A2", "A3", "A4"]).await;
    for job in scene.claim("w", 4).await.jobs {
        scene.commit(&then(&job, State::InDoubt, Due::Send(Millis(1)))).await;
    }
    scene.submit(&["NEW"]).await;
    let doubtful = scene.claim_as(Claim { sends: Sends::NotYet, ..scene.wish("w", 5) }).await;
    assert_eq!(doubtful.jobs, []);
    let probe = scene.claim_as(Claim { sends: Sends::Probe, ..scene.wish("w", 5) }).await;
    assert_eq!(keys(&probe), ["NEW"]);
    let probe = scene.claim_as(Claim { sends: Sends::Probe, ..scene.wish("w", 5) }).await;
    assert_eq!(probe.jobs.len(), 1, "for want of a better one: {probe:?}");
}

#[tokio::test]
async fn a_lease_that_has_ended_is_left_to_its_worker_where_that_is_wanted() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let left = scene.claim_as(Claim { lapsed: Lapsed::Left, ..scene.wish("b", 1) }).await;
    assert!(left.jobs.is_empty() && left.next_due > Some(left.now), "{left:?}");
    assert_eq!(scene.commit(&then(&lost, State::Pending, Due::Ask(LATER))).await, Committed::Done);
}

#[tokio::test]
async fn a_renewed_lease_moves_and_what_has_moved_on_is_named() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let claims: Vec<_> = jobs.iter().map(held).collect();
    scene.set_due("due_queries", "K1", 1).await;
    scene.commit(&then(&jobs[1], State::Succeeded, Due::Never)).await;
    let renewal = bursar_store::Renewal::new("w", LEASE);
    let renewed = scene.store.renew(&scene.lane, &renewal, &claims).await.unwrap();
    assert_eq!((renewed.gone, renewed.lost_writes), (vec!["K2".to_owned()], false));
    assert_eq!(scene.claim("v", 1).await.jobs, [], "K1 is w's still");
    scene.set_due("due_queries", "K1", 1).await;
    scene.claim_one("v").await;
    let renewed = scene.store.renew(&scene.lane, &renewal, &claims[..1]).await.unwrap();
    assert_eq!((renewed.gone, renewed.lost_writes, scene.era().await), (vec!["K1".to_owned()], false, None));
}

#[tokio::test]
async fn another_gateway_claims_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    assert_eq!(scene.claim_as(Claim { gateway: "here", ..scene.wish("w", 1) }).await.jobs.len(), 1);
    scene.submit(&["K2"]).await;
    let other = scene.claim_as(Claim { gateway: "there", ..scene.wish("v", 1) }).await;
    assert!(other.other_gateway && other.jobs.is_empty());
}
