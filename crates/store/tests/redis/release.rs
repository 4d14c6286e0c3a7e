//! Releasing jobs that were certainly not sent, and no others.

use bursar_domain::{Call, Due, Millis, OnAmbiguous, Outcome, State};
use bursar_store::{Claim, ClaimedJob, Commit, Committed, Renewal, Resend, Wake};

use crate::scene::{LEASE, Scene, answered, due_of, leased_claim, then};

async fn release(scene: &Scene, job: &ClaimedJob) -> usize {
    scene.store.release(&scene.queue, &[job]).await.unwrap()
}

#[tokio::test]
async fn an_unsent_job_is_what_it_was_before_the_claim_and_due_now() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let before = scene.job("k1").await;
    let claimed = scene.claim_one("w").await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    assert_eq!(release(&scene, &claimed).await, 1);
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())), "another worker is to claim it");
    let after = scene.job("k1").await;
    assert_eq!((after.state, after.sends, after.resends, after.claims_lost), (State::Queued, 0, 0, 0));
    assert_eq!((after.worker, after.created), (None, before.created));
    assert_eq!(scene.sets("k1").await, ["due_sends"]);
    let again = scene.claim_one("w").await;
    assert_eq!((again.call, again.state, again.sends, again.fence), (Call::Send, State::Queued, 1, 2));
    assert_eq!(again.first_sent, again.last_sent, "a send that never was starts no deadline");
}

#[tokio::test]
async fn an_unsent_resend_keeps_its_state_and_is_not_counted() {
    for state in [State::InDoubt, State::Pending] {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let first = scene.claim_one("w").await;
        scene.commit(&then(&first, state, Due::Send(Millis(1)))).await;
        let second = scene.claim_one("w").await;
        assert_eq!((second.sends, second.resends, second.state), (2, 1, state));
        release(&scene, &second).await;
        let job = scene.job("k1").await;
        assert_eq!((job.state, job.sends, job.resends, job.worker), (state, 1, 0, None));
        assert_eq!(scene.sets("k1").await, ["due_sends"]);
        let third = scene.claim_one("w").await;
        assert_eq!((third.first_sent, third.resends), (first.first_sent, 1));
    }
}

#[tokio::test]
async fn an_unmade_query_is_due_again_and_changes_nothing() {
    for state in [State::InDoubt, State::Pending] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        scene.set_due("due_queries", "k1", 1).await;
        let claimed = scene.claim_one("w").await;
        assert_eq!(claimed.call, Call::Query);
        release(&scene, &claimed).await;
        let job = scene.job("k1").await;
        assert_eq!((job.state, job.sends, job.queries, job.claims_lost, job.worker), (state, 1, 0, 0, None));
        assert_eq!(scene.sets("k1").await, ["due_queries"]);
        assert_eq!(scene.claim_one("w").await.claims_lost, 0);
    }
}

#[tokio::test]
async fn giving_back_a_query_never_undoes_the_send_of_a_lost_worker() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.lose("dead").await; // it sends, the gateway pays, and it dies
    let asking = scene.claim_one("draining").await;
    assert_eq!(asking.call, Call::Query);
    assert_eq!(release(&scene, &asking).await, 1);
    assert_eq!(scene.state("k1").await, State::InDoubt, "a maybe has become a no");
    assert_eq!(scene.sets("k1").await, ["due_queries"], "it would be paid a second time");
    let again = scene.claim_one("w").await;
    assert_eq!((again.call, again.state, again.sends), (Call::Query, State::InDoubt, 1));
}

#[tokio::test]
async fn recovering_a_query_claim_keeps_a_lost_workers_send() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.lose("dead").await;
    scene.claim_as(Claim { number: 700, ..scene.wish("w", 1) }).await;
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", 700).await.unwrap(), 1);
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::InDoubt, vec!["due_queries"]));
}

#[tokio::test]
async fn a_lost_resend_is_queried_after_its_next_claim_is_released() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.lose("dead").await;
    let query = scene.claim_one("w").await;
    scene.commit(&answered(&query, Outcome::NotFound, State::InDoubt, Due::Send(Millis(1)))).await;
    let resend = scene.lose("dead too").await;
    assert_eq!((resend.call, resend.sends), (Call::Send, 2));
    let next = scene.claim_one("w").await;
    release(&scene, &next).await;
    assert_eq!(scene.sets("k1").await, ["due_queries"], "its resend may have been executed");
    assert_eq!(scene.job("k1").await.sends, 2);
}

#[tokio::test]
async fn giving_back_is_repeatable_and_refused_under_another_claim() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w1").await;
    assert_eq!((release(&scene, &first).await, release(&scene, &first).await), (1, 0));
    let second = scene.claim_one("w2").await;
    let before = (scene.text("k1").await, scene.claims().await);
    assert_eq!(release(&scene, &first).await, 0);
    assert_eq!((scene.text("k1").await, scene.claims().await), before, "the second worker's send stays in doubt");
    assert_eq!(scene.commit(&then(&second, State::Succeeded, Due::Never)).await, Committed::Done);
    assert_eq!(release(&scene, &second).await, 0);
    assert_eq!(scene.state("k1").await, State::Succeeded);
}

#[tokio::test]
async fn an_overtaken_claim_cannot_be_released() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let slow = scene.lose("slow").await;
    let taken = scene.claim_one("other").await;
    assert_eq!(release(&scene, &slow).await, 0);
    assert_eq!(scene.state("k1").await, State::InDoubt);
    assert_eq!(scene.commit(&then(&taken, State::Succeeded, Due::Never)).await, Committed::Done);
}

#[tokio::test]
async fn a_job_given_back_hundreds_of_times_grows_no_longer() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let before = scene.text("k1").await;
    for _ in 0..300 {
        let claimed = scene.claim_one("w").await;
        release(&scene, &claimed).await;
    }
    assert_eq!(scene.text("k1").await, before);
    assert_eq!(scene.claim_one("w").await.fence, 301);
    let known: u64 = scene.command(&["HLEN", &scene.name("released")]).await;
    assert_eq!(known, 300, "so many claims of it are known as released for a while");
}

#[tokio::test]
async fn more_jobs_than_one_script_takes_are_given_back_in_several() {
    let scene = Scene::new().await;
    scene.submit_many("k", 600).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.extend(scene.claim("w", 256).await.jobs);
    }
    assert_eq!(all.len(), 600);
    let jobs: Vec<&ClaimedJob> = all.iter().collect();
    assert_eq!(scene.store.release(&scene.queue, &jobs).await.unwrap(), 600);
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.to_send, 600);
    assert_eq!(scene.store.release(&scene.queue, &[]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_resend_that_certainly_did_nothing_is_not_counted() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let released =
        |job: &ClaimedJob| Commit { resend: Resend::NotCounted, ..then(job, State::InDoubt, Due::Send(Millis(1))) };
    // A first send leaves nothing to count.
    scene.commit(&released(&scene.claim_one("w").await)).await;
    for _ in 0..3 {
        let again = scene.claim_one("w").await;
        assert_eq!(again.resends, 1);
        scene.commit(&released(&again)).await;
    }
    let fourth = scene.claim_one("w").await;
    scene.commit(&then(&fourth, State::InDoubt, Due::Send(Millis(1)))).await;
    assert_eq!(scene.claim_one("w").await.resends, 2);
}

/// A renewal that runs while a job is released finds its claim gone.
#[tokio::test]
async fn a_claim_that_was_given_back_is_no_lost_write() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let claims: Vec<_> = jobs.iter().map(leased_claim).collect();
    release(&scene, &jobs[0]).await;
    let renewal = Renewal { on_ambiguous: OnAmbiguous::Hold, ..Renewal::new("w", LEASE) };
    let renewed = scene.store.renew(&scene.queue, &renewal, &claims).await.unwrap();
    assert_eq!((renewed.gone, renewed.lost_writes), (vec!["k1".to_owned()], false));
    assert_eq!(scene.era().await, None);
    let expires: i64 = scene.command(&["PTTL", &scene.name("released")]).await;
    assert!(expires > 0, "it expires");
    // A later claim of the same job that is lost with other writes is one all the same.
    let again = scene.claim_one("w").await;
    let _: u64 = scene.command(&["HDEL", &scene.name("claims"), "k1"]).await;
    assert!(scene.store.renew(&scene.queue, &renewal, &[leased_claim(&again)]).await.unwrap().lost_writes);
}

#[tokio::test]
async fn a_late_response_is_used_on_release() {
    for (outcome, call) in
        [(Outcome::Succeeded, Call::Query), (Outcome::NoResponse, Call::Query), (Outcome::Accepted, Call::Send)]
    {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let slow = scene.lose("slow").await;
        let mut claimed = scene.claim_one("w").await;
        if call == Call::Send {
            scene.commit(&then(&claimed, State::InDoubt, Due::Send(Millis(1)))).await;
            claimed = scene.claim_one("w").await;
        }
        assert_eq!(claimed.call, call);
        let state = if outcome == Outcome::Succeeded { State::Succeeded } else { State::Pending };
        let late = Commit { trade_nos: vec!["T1".into()], ..answered(&slow, outcome, state, due_of(state)) };
        assert_eq!(scene.commit(&late).await, Committed::Late);
        assert_eq!(release(&scene, &claimed).await, 1, "{outcome:?}");
        let job = scene.job("k1").await;
        assert_eq!(
            (job.state, job.sends, job.worker, &job.trade_nos[..]),
            (State::InDoubt, 1, None, &["T1".to_owned()][..])
        );
        let expected = if outcome == Outcome::NoResponse { None } else { Some(outcome) };
        assert_eq!(job.late_outcome, expected);
        if outcome != Outcome::NoResponse {
            assert_eq!(scene.sets("k1").await, ["due_queries"], "{outcome:?}: it is not sent");
        }
        assert_eq!(release(&scene, &claimed).await, 0, "once");
        assert_eq!(scene.era().await, None);
    }
}

#[tokio::test]
async fn a_record_of_a_newer_build_is_no_lost_write() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let slow = scene.lose("slow").await;
    // A newer build has taken it over, and has ended its claim.
    let newer = r#"{"v":3,"state":"dreaming","fence":9}"#;
    let _: () = scene.command(&["SET", &scene.job_name("k1"), newer]).await;
    let _: u64 = scene.command(&["DEL", &scene.name("claims")]).await;
    let renewed = scene.store.renew(&scene.queue, &Renewal::new("slow", LEASE), &[leased_claim(&slow)]).await.unwrap();
    assert_eq!((renewed.gone.len(), renewed.lost_writes), (1, false));
    let late = answered(&slow, Outcome::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!((scene.era().await, scene.text("k1").await.as_deref()), (None, Some(newer)));
}

/// A send whose intent is in the worker's journal, and that was not made: the record knows as much as the journal.
#[tokio::test]
async fn a_withdrawn_send_keeps_its_state_and_fence() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    assert!(scene.store.withdraw(&scene.queue, &claimed).await.unwrap());
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())), "another worker is to claim it");
    let job = scene.job("k1").await;
    assert_eq!((job.state, job.fence, job.sends, job.first_sent), (State::Queued, claimed.fence, 0, None));
    assert_eq!((scene.sets("k1").await, scene.claims().await.len()), (vec!["due_sends"], 0));
    assert_eq!((scene.story("k1").await, scene.events().await), (vec![], vec![]));
    let renewal = Renewal { on_ambiguous: OnAmbiguous::Hold, ..Renewal::new("w", LEASE) };
    let again = scene.claim_one("v").await;
    assert_eq!((again.call, again.state, again.sends, again.resends), (Call::Send, State::Queued, 1, 0));
    assert!(!scene.store.withdraw(&scene.queue, &claimed).await.unwrap(), "another's send stays in doubt");
    assert_eq!(scene.state("k1").await, State::InDoubt);
    assert!(scene.store.withdraw(&scene.queue, &again).await.unwrap());
    // Renewals that were under way meanwhile.
    for job in [&claimed, &again] {
        let renewed = scene.store.renew(&scene.queue, &renewal, &[leased_claim(job)]).await.unwrap();
        assert_eq!((renewed.gone.len(), renewed.lost_writes), (1, false));
    }
}

#[tokio::test]
async fn a_withdrawn_resend_keeps_its_doubt_and_its_lost_send() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.commit(&then(&scene.claim_one("w").await, State::InDoubt, Due::Send(Millis(1)))).await;
    let resend = scene.claim_one("w").await;
    assert!(scene.store.withdraw(&scene.queue, &resend).await.unwrap());
    let job = scene.job("k1").await;
    assert_eq!((job.state, job.sends, job.resends), (State::InDoubt, 1, 0));
    scene.lose("dead").await; // it sends once more, and dies
    let query = scene.claim_one("w").await;
    assert!(scene.store.withdraw(&scene.queue, &query).await.unwrap());
    let job = scene.job("k1").await;
    assert_eq!((job.state, job.sends, job.resends, job.claims_lost), (State::InDoubt, 2, 1, 1));
    assert_eq!(scene.sets("k1").await, ["due_queries"], "it would be paid a second time");
}
