//! A claim is a job's intent on record, and a claim that is lost is never forgotten.

use std::time::Duration;

use bursar_domain::{ActionKind, Call, Due, Millis, Outcome, State};
use bursar_store::{Claim, ClaimedJob, Committed, ExpiredLeases, MAX_CLAIM, Renewal, Sends, StoreError};
use bursar_test_support::eventually;
use serde_json::json;

use crate::scene::{LATER, LEASE, OPERATOR, SHORT_LEASE, SOON, Scene, answered, keys, leased_claim, then, transfer};

#[tokio::test]
async fn a_claimed_send_reads_as_in_doubt_and_leaves_its_record() {
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
    assert_eq!(keys(&scene.claim("w", 5).await), ["K2"], "no other worker's");
}

#[tokio::test]
async fn what_is_given_back_is_what_it_was() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let before = scene.text("K1").await;
    let job = scene.claim_one("w").await;
    assert_eq!(scene.store.release(&scene.queue, &[&job]).await.unwrap(), 1);
    assert_eq!((scene.text("K1").await, scene.claims().await), (before, vec![]));
    assert_eq!(scene.store.release(&scene.queue, &[&job]).await.unwrap(), 0, "once");
    let again = scene.claim_one("v").await;
    assert_eq!((again.state, again.sends), (State::Queued, 1), "it was certainly not sent");
    assert_eq!(scene.store.release(&scene.queue, &[&job]).await.unwrap(), 0, "another claim is in force");
    assert_eq!(scene.commit(&then(&again, State::Succeeded, Due::Never)).await, Committed::Done);
}

#[tokio::test]
async fn a_lost_send_is_in_doubt_for_every_later_claim() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let next = scene.claim_one("b").await;
    assert_eq!((next.call, next.state, next.sends, next.claims_lost), (Call::Query, State::InDoubt, 1, 1));
    assert_eq!(next.last_sent, lost.last_sent);
    assert_eq!(scene.store.release(&scene.queue, &[&next]).await.unwrap(), 1);
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.sends), (State::InDoubt, 1), "the lost claim is in force again: {seen:?}");
    let third = scene.claim_one("c").await;
    assert_eq!((third.state, third.sends, third.claims_lost), (State::InDoubt, 1, 1));
    let commit = answered(&third, Outcome::Succeeded, State::Succeeded, Due::Never);
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
async fn a_job_that_kills_its_workers_is_quarantined() {
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
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", number).await.unwrap(), 2);
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", number + 1).await.unwrap(), 0);
    let late = scene.claim_as(Claim { number: number + 1, ..scene.wish("w", 2) }).await;
    assert_eq!(late.jobs, [], "given up before it arrived");
    assert_eq!(scene.claim("w", 2).await.jobs.len(), 2);
}

#[tokio::test]
async fn sends_and_queries_share_the_room_and_a_rate_bounds_both() {
    let scene = Scene::new().await;
    scene.submit(&["A1", "A2", "A3"]).await;
    for job in scene.claim("w", 3).await.jobs {
        scene.commit(&then(&job, State::Pending, Due::Query(Millis(1)))).await;
    }
    scene.submit(&["B1", "B2", "B3"]).await;
    let claimed = scene.claim("w", 4).await;
    let calls: Vec<Call> = claimed.jobs.iter().map(|job| job.call).collect();
    assert_eq!(calls, [Call::Send, Call::Send, Call::Query, Call::Query]);
    let slow = scene.claim_as(Claim { rate_per_second: 1.0, ..scene.wish("w", 2) }).await;
    assert_eq!(slow.jobs.len(), 1);
    let none = scene.claim_as(Claim { rate_per_second: 1.0, ..scene.wish("w", 2) }).await;
    assert!(none.jobs.is_empty() && none.next_due > Some(none.now), "{none:?}");
    let queries = scene.claim_as(Claim { sends: Sends::NotYet, ..scene.wish("w", 2) }).await;
    assert!(queries.jobs.iter().all(|job| job.call == Call::Query), "{queries:?}");
}

/// Sent once, and due again: its first response could not be understood.
async fn left_in_doubt(scene: &Scene, count: usize) {
    scene.submit_many("d", count).await;
    let claimed = scene.claim("w", count).await;
    let commits: Vec<_> = claimed.jobs.iter().map(|job| then(job, State::InDoubt, Due::Send(Millis(1)))).collect();
    scene.store.commit(&scene.queue, &commits).await.unwrap();
    // They have come due before anything else, and have their ranks.
    assert_eq!(scene.claim_one("w").await.state, State::InDoubt);
}

/// The one job that a probe of the gateway is made by.
async fn probed(scene: &Scene) -> ClaimedJob {
    let claimed = scene.claim_as(Claim { sends: Sends::Probe, ..scene.wish("w", 10) }).await;
    assert_eq!(claimed.jobs.len(), 1, "a probe is one job");
    claimed.jobs.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_probe_is_an_unsent_job_while_one_is_found() {
    let scene = Scene::new().await;
    left_in_doubt(&scene, 200).await;
    scene.submit(&["a", "b", "c"]).await;
    // 200 wait longer, which is more than are examined; yet these are found from the other end.
    let mut unsent = Vec::new();
    for _ in 0..3 {
        let job = probed(&scene).await;
        assert_eq!((job.state, job.call), (State::Queued, Call::Send), "{job:?}");
        unsent.push(job.key.to_string());
    }
    unsent.sort();
    assert_eq!(unsent, ["a", "b", "c"], "each was taken once");
    assert_eq!(probed(&scene).await.state, State::InDoubt, "better one that was sent than none");
}

#[tokio::test]
async fn a_probe_prefers_an_unsent_job_that_was_due_earlier() {
    let scene = Scene::new().await;
    scene.submit(&["unsent"]).await;
    let rank: f64 = scene.command(&["ZSCORE", &scene.name("sends"), "unsent"]).await;
    scene.submit_many("d", 200).await;
    for number in 0..200 {
        let name = format!("d{number:06}");
        let text = scene.text(&name).await.unwrap().replace(r#""state":"queued""#, r#""state":"in_doubt""#);
        let _: () = scene.command(&["SET", &scene.job_name(&name), &text]).await;
    }
    assert!(rank < 2.0, "it is before all of them");
    assert_eq!(probed(&scene).await.key.as_str(), "unsent");
}

#[tokio::test]
async fn an_expired_lease_can_be_left_to_its_worker() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let left = scene.claim_as(Claim { expired_leases: ExpiredLeases::Left, ..scene.wish("b", 1) }).await;
    assert!(left.jobs.is_empty() && left.next_due > Some(left.now), "{left:?}");
    assert_eq!(scene.commit(&then(&lost, State::Pending, Due::Query(LATER))).await, Committed::Done);
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

#[tokio::test]
async fn intent_fence_and_lease_are_recorded_for_any_worker_name() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim("w\"1\\", 8).await;
    let job = &claimed.jobs[0];
    assert_eq!((job.call, job.state, job.fence), (Call::Send, State::Queued, 1));
    assert_eq!((job.sends, job.resends, job.queries, job.claims_lost), (1, 0, 0, 0));
    assert_eq!((job.first_sent, job.last_sent), (Some(claimed.now), Some(claimed.now)));
    assert_eq!(
        (job.content.as_str(), &job.hash[..]),
        (transfer("k1").content.text(), &transfer("k1").content.hash()[..])
    );
    let seen = scene.job("k1").await;
    assert_eq!((seen.state, seen.fence, seen.sends), (State::InDoubt, 1, 1));
    assert_eq!((seen.worker.as_deref(), seen.due), (Some("w\"1\\"), Some(claimed.now.plus(LEASE))));
    let history = scene.store.history(&seen).await.unwrap();
    assert_eq!((history[0].name(), history[0].claim()), ("send_intent", Some((1, "w\"1\\"))));
    assert_eq!(history[0].at(), Some(claimed.now));
    assert_eq!(scene.store.release(&scene.queue, &[job]).await.unwrap(), 1, "its own, whatever it is called");
}

#[tokio::test]
async fn a_claim_has_each_jobs_due_and_acceptance_times() {
    let scene = Scene::new().await;
    scene.submit(&["sent", "queried"]).await;
    let created = scene.job("sent").await.created;
    let first = scene.claim_one("w").await;
    assert_eq!((first.due, first.created, &first.trace), (created, created, &None));
    let due = Millis(scene.now().await - 1_000);
    scene.commit(&then(&first, State::Pending, Due::Query(due))).await;
    let claimed = scene.claim("w", 2).await;
    let of = |call| claimed.jobs.iter().find(|job| job.call == call).unwrap();
    assert_eq!((of(Call::Query).due, of(Call::Query).created), (Some(due), created));
    assert_ne!(of(Call::Send).due, Some(due));
}

#[tokio::test]
async fn claims_are_bounded_by_slots_and_the_scripts_maximum() {
    let scene = Scene::new().await;
    scene.submit_many("k", MAX_CLAIM + 50).await;
    for (slots, taken) in [(0, 0), (3, 3), (10_000, MAX_CLAIM), (10_000, 47), (10_000, 0)] {
        assert_eq!(scene.claim("w", slots).await.jobs.len(), taken, "{slots}");
    }
}

#[tokio::test]
async fn what_comes_due_first_is_sent_first_and_what_is_not_due_stays() {
    let scene = Scene::new().await;
    scene.submit(&["a", "b", "c", "later"]).await;
    for job in scene.claim("w", 4).await.jobs {
        let due = match job.key.as_str() {
            "b" => 1,
            "c" => 2,
            "a" => 3,
            _ => LATER.0,
        };
        scene.commit(&then(&job, State::InDoubt, Due::Send(Millis(due)))).await;
    }
    assert_eq!(keys(&scene.claim("w", 10).await), ["b", "c", "a"]);
    assert_eq!(scene.sets("later").await, ["due_sends"]);
}

#[tokio::test]
async fn two_workers_never_have_the_same_job() {
    let scene = Scene::new().await;
    scene.submit_many("k", 500).await;
    let mut seen = std::collections::HashSet::new();
    loop {
        let (one, other) = tokio::join!(scene.claim("w1", 7), scene.claim("w2", 11));
        if one.jobs.is_empty() && other.jobs.is_empty() {
            break;
        }
        for job in one.jobs.iter().chain(&other.jobs) {
            assert!(seen.insert(job.key.clone()), "{} was claimed twice", job.key);
        }
    }
    assert_eq!(seen.len(), 500);
}

#[tokio::test]
async fn a_paused_queue_is_queried_and_sends_nothing() {
    let scene = Scene::new().await;
    scene.bring("asked", State::Pending).await;
    scene.submit(&["unsent"]).await;
    scene.set_due("due_queries", "asked", 1).await;
    assert!(scene.store.pause(&scene.queue, &OPERATOR.reason(ActionKind::Pause)).await.unwrap());
    let claimed = scene.claim("w", 10).await;
    assert_eq!((keys(&claimed), claimed.sends_left), (vec!["asked"], true));
    assert_eq!(claimed.next_due, Some(claimed.now.plus(LEASE)), "what may not be sent is not waited for");
    assert_eq!(scene.state("unsent").await, State::Queued);
    assert!(scene.store.resume(&scene.queue, &OPERATOR.reason(ActionKind::Resume)).await.unwrap());
    assert_eq!(keys(&scene.claim("w", 10).await), ["unsent"]);
}

#[tokio::test]
async fn next_due_is_the_earliest_of_everything_that_waits() {
    let scene = Scene::new().await;
    assert_eq!(scene.claim("w", 5).await.next_due, None, "an empty queue waits for nothing");
    let now = scene.now().await;
    let mut later = transfer("later");
    later.run_at = Some(Millis(now + 50_000));
    scene.accept(&[later]).await;
    assert_eq!(scene.claim("w", 5).await.next_due, Some(Millis(now + 50_000)));
    scene.submit(&["a", "b"]).await;
    let claimed = scene.claim("w", 1).await;
    assert!(claimed.next_due.unwrap() <= claimed.now, "one is due already, for any worker with a slot");
    let claimed = scene.claim("w", 5).await;
    assert!((now + 29_000..now + 31_000).contains(&claimed.next_due.unwrap().0), "the end of the first lease");
}

#[tokio::test]
async fn a_second_send_keeps_the_moment_of_the_first() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    scene.commit(&then(&first, State::InDoubt, Due::Send(Millis(1)))).await;
    let mut last = first.last_sent;
    for number in 2..=4_u32 {
        scene.next_millisecond().await;
        let claimed = scene.claim_one("w").await;
        assert_eq!((claimed.sends, claimed.resends, claimed.state), (number, number - 1, State::InDoubt));
        assert_eq!((claimed.first_sent, claimed.sent_before), (first.first_sent, last));
        assert!(claimed.last_sent > last);
        last = claimed.last_sent;
        scene.commit(&then(&claimed, State::InDoubt, Due::Send(Millis(1)))).await;
    }
}

#[tokio::test]
async fn ended_and_reviewed_jobs_are_never_claimed_for_a_send() {
    for state in [State::NeedsReview, State::Succeeded, State::Failed, State::Refunded, State::Cancelled] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        let before = scene.text("k1").await;
        let _: u64 = scene.command(&["ZADD", &scene.name("sends"), "1", "k1"]).await;
        let claimed = scene.claim("w", 5).await;
        assert_eq!((claimed.jobs.len(), claimed.quarantined[0].0.as_str()), (0, "k1"), "{state}");
        assert_eq!((scene.text("k1").await, scene.claims().await), (before, vec![]), "{state}");
        let set = if state == State::NeedsReview { "review" } else { "done" };
        assert_eq!((scene.state("k1").await, scene.sets("k1").await), (state, vec![set]));
        let retried = scene.store.retry_quarantined(&scene.queue, "k1", OPERATOR).await.unwrap();
        assert_eq!(retried, bursar_store::Retried::WasBack(state));
    }
}

#[tokio::test]
async fn a_worker_that_dies_with_what_had_ended_leaves_it_ended() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    // The claim was written, and the worker died before it could put the job out of the way.
    let now = scene.now().await;
    let entry = format!(r#"{{"claim":"w/9","call":"send","fence":7,"at":{now}}}"#);
    let _: u64 = scene.command(&["HSET", &scene.name("claims"), "k1", &entry]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("due_queries"), "1", "k1"]).await;
    assert_eq!((scene.state("k1").await, scene.job("k1").await.sends), (State::Succeeded, 1));
    let next = scene.claim_one("v").await;
    assert_eq!((next.call, next.state, next.sends), (Call::Query, State::Succeeded, 1));
}

#[tokio::test]
async fn large_fences_stay_exact() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    for none in [9_007_199_254_740_989, u64::MAX] {
        assert!(matches!(scene.store.raise_fence(&scene.queue, none).await, Err(StoreError::Unreadable { .. })));
    }
    let _: u64 = scene.command(&["HSET", &scene.name("queue"), "fence", "9007199254740989"]).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!(claimed.fence, 9_007_199_254_740_990);
    assert_eq!(scene.job("k1").await.fence, 9_007_199_254_740_990);
    let renewed = scene.store.renew(&scene.queue, &Renewal::new("w", LEASE), &[leased_claim(&claimed)]).await.unwrap();
    assert!(renewed.gone.is_empty());
    assert_eq!(scene.commit(&then(&claimed, State::Pending, Due::Query(Millis(1)))).await, Committed::Done);
    let second = scene.claim_one("w").await;
    assert_eq!(second.fence, 9_007_199_254_740_991);
    assert_eq!(scene.store.release(&scene.queue, &[&second]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_claim_that_arrives_late_or_twice_takes_nothing() {
    let scene = Scene::new().await;
    scene.submit_many("k", 10).await;
    let claim = async |worker, number| scene.claim_as(Claim::new(worker, number, LEASE, 2)).await.jobs.len();
    assert_eq!(claim("w", 5).await, 2);
    assert_eq!((claim("w", 5).await, claim("w", 4).await), (0, 0), "twice, and late");
    assert_eq!(claim("w", 6).await, 2);
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", 8).await.unwrap(), 0, "not arrived yet");
    assert_eq!(claim("w", 8).await, 0, "given up before it arrived");
    assert_eq!(claim("w", 9).await, 2);
    assert_eq!(claim("w2", 1).await, 2, "workers count for themselves");
}

#[tokio::test]
async fn a_short_lease_expires_on_time_and_the_job_is_queried() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_as(Claim { lease: SHORT_LEASE, ..scene.wish("dead", 1) }).await;
    let due = scene.due("due_queries", "k1").await.unwrap();
    assert_eq!(Duration::from_millis(due - first.now.0), SHORT_LEASE);
    assert_eq!(scene.claim("w2", 5).await.jobs.len(), 0, "its lease is not over");
    let again = eventually(SOON, "the lease to end", async || scene.claim("w2", 5).await.jobs.pop()).await;
    assert_eq!((again.call, again.state, again.claims_lost), (Call::Query, State::InDoubt, 1));
}

#[tokio::test]
async fn a_job_whose_claim_is_gone_may_have_been_sent() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let sent_by_one = scene.lose("w1").await;
    let _: u64 = scene.command(&["DEL", &scene.name("claims")]).await;
    let claimed = scene.claim_one("w2").await;
    assert_eq!((claimed.call, claimed.state), (Call::Query, State::InDoubt));
    let late = answered(&sent_by_one, Outcome::NoResponse, State::Failed, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!(scene.story("k1").await, ["response"], "what came too late is evidence");
    let ended = answered(&claimed, Outcome::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&ended).await, Committed::Done);
}

#[tokio::test]
async fn an_unreadable_claim_is_quarantined_and_not_called() {
    let scene = Scene::new().await;
    scene.submit(&["held", "queued"]).await;
    scene.lose("w1").await;
    let claims = scene.name("claims");
    let _: u64 = scene.command(&["HSET", &claims, "held", "sparkling", "queued", r#"{"claim":7}"#]).await;
    let claimed = scene.claim("w2", 10).await;
    let mut quarantined: Vec<&str> = claimed.quarantined.iter().map(|(key, _)| key.as_str()).collect();
    quarantined.sort_unstable();
    assert_eq!((claimed.jobs.len(), quarantined), (0, vec!["held", "queued"]));
    // The claims' texts stay for a build that can read them: they may have been sends.
    for (name, claim) in [("held", "sparkling"), ("queued", r#"{"claim":7}"#)] {
        let kept: String = scene.command(&["HGET", &claims, name]).await;
        assert_eq!(kept, claim);
        let stored = scene.store.job(&scene.queue, &crate::scene::key(name)).await.unwrap();
        assert!(matches!(stored, Some(bursar_store::StoredAs::Unreadable { .. })), "{stored:?}");
        let again = scene.accept(&[transfer(name)]).await;
        assert!(matches!(again[..], [bursar_store::Submission::Unreadable(_)]), "{again:?}");
        for operation in [bursar_domain::Operation::Cancel, bursar_domain::Operation::Send] {
            let operated = scene.operate(name, operation).await;
            assert!(matches!(operated, bursar_store::Operated::Unreadable(_)), "{operated:?}");
        }
        let retried = scene.store.retry_quarantined(&scene.queue, name, OPERATOR).await.unwrap();
        assert!(matches!(retried, bursar_store::Retried::Unreadable(_)), "{retried:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_stop_no_claim_and_no_probe() {
    let scene = Scene::new().await;
    scene.submit(&["bad", "good"]).await;
    let bytes: &[u8] = &[0xff, 0xfe];
    let _: () = redis::cmd("SET").arg(scene.job_name("bad")).arg(bytes).query_async(&mut scene.raw()).await.unwrap();
    let probe = scene.claim_as(Claim { sends: Sends::Probe, ..scene.wish("w", 5) }).await;
    assert_eq!(keys(&probe), ["good"]);
    let claimed = scene.claim("w", 5).await;
    assert_eq!((claimed.jobs.len(), claimed.quarantined[0].0.as_str()), (0, "bad"));
    assert_eq!(scene.sets("bad").await, Vec::<&str>::new());
    // Nor retention.
    let _: u64 = scene.command(&["ZADD", &scene.name("done"), "1", "bad"]).await;
    scene.commit(&then(&probe.jobs[0], State::Succeeded, Due::Never)).await;
    assert_eq!(scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap(), 1);
}
