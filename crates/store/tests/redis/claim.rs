//! Claiming: intent before effect, lease and fence in one write.

use std::time::Duration;

use bursar_domain::{Call, Due, Millis, State};
use bursar_store::{Claim, MAX_CLAIM, Sends};
use bursar_test_support::eventually;

use crate::scene::{LEASE, SHORT_LEASE, SOON, Scene, asked, keys, sent, transfer};

#[tokio::test]
async fn intent_fence_and_lease_are_on_record_before_the_claim_is_answered() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claims = scene.claim("w\"1\\", 8).await;
    let claimed = &claims.jobs[0];
    assert_eq!((claimed.call, claimed.state, claimed.fence), (Call::Send, State::Queued, 1));
    assert_eq!((claimed.sends, claimed.resends, claimed.asks, claimed.losses), (1, 0, 0, 0));
    assert_eq!((claimed.first_sent, claimed.last_sent), (Some(claims.now), Some(claims.now)));
    assert_eq!(claimed.content, transfer("k1").content.text());

    let record = scene.store.job(&scene.lane, &claimed.key).await.unwrap().unwrap();
    assert_eq!((record.state, record.fence, record.sends), (State::InDoubt, 1, 1));
    assert_eq!(record.worker.as_deref(), Some("w\"1\\"));
    assert_eq!(record.due, Some(claims.now.plus(LEASE)));
    assert_eq!(scene.sets("k1").await, ["to_ask"]);
    let log = scene.log("k1").await;
    assert_eq!(log.len(), 1);
    assert_eq!(
        (log[0]["event"].as_str(), log[0]["fence"].as_u64(), log[0]["worker"].as_str()),
        (Some("send_intent"), Some(1), Some("w\"1\\"))
    );
    assert_eq!(log[0]["at"].as_u64(), Some(claims.now.0));
}

#[tokio::test]
async fn a_claim_tells_since_when_each_job_was_due_and_when_it_was_accepted() {
    let scene = Scene::new().await;
    scene.submit(&["sent", "asked"]).await;
    let created = scene.field("sent", "c").await.unwrap().parse().map(Millis).ok();
    let first = scene.claim_one("w").await;
    assert_eq!((first.due, first.created, &first.trace), (created, created, &None));
    let due = Millis(scene.now().await - 1_000);
    let commit = sent(&first, State::Pending, Due::Ask(due));
    scene.store.commit(&scene.lane, &[commit]).await.unwrap();
    let claims = scene.claim("w", 2).await;
    let of = |call| claims.jobs.iter().find(|job| job.call == call).unwrap();
    assert_eq!((of(Call::Ask).due, of(Call::Ask).created), (Some(due), created));
    assert_ne!(of(Call::Send).due, Some(due));
}

#[tokio::test]
async fn never_more_jobs_than_slots_and_never_more_than_one_script_takes() {
    let scene = Scene::new().await;
    scene.submit_many("k", MAX_CLAIM + 50).await;
    assert_eq!(scene.claim("w", 0).await.jobs.len(), 0);
    assert_eq!(scene.claim("w", 3).await.jobs.len(), 3);
    assert_eq!(scene.claim("w", 10_000).await.jobs.len(), MAX_CLAIM);
    assert_eq!(scene.claim("w", 10_000).await.jobs.len(), 47);
    assert_eq!(scene.claim("w", 10_000).await.jobs.len(), 0);
}

#[tokio::test]
async fn the_longest_due_comes_first_and_what_is_not_due_stays() {
    let scene = Scene::new().await;
    scene.submit(&["a", "b", "c", "later"]).await;
    for (key, due) in [("a", "3"), ("b", "1"), ("c", "2"), ("later", "99999999999999")] {
        let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), due, key]).await;
    }
    let claims = scene.claim("w", 10).await;
    assert_eq!(keys(&claims), ["b", "c", "a"]);
    assert_eq!(scene.sets("later").await, ["to_send"]);
}

/// Sent once, and due again since `due`: its first answer could not be understood.
async fn left_in_doubt(scene: &Scene, keys: &[&str], due: u64) {
    scene.submit(keys).await;
    let claims = scene.claim("w", keys.len()).await;
    let commits: Vec<_> = claims.jobs.iter().map(|job| sent(job, State::InDoubt, Due::Send(Millis(due)))).collect();
    scene.store.commit(&scene.lane, &commits).await.unwrap();
}

/// The one job that a probe of the gateway is made by.
async fn probed(scene: &Scene) -> bursar_store::Claimed {
    let wish = Claim { sends: Sends::Probe, ..scene.wish("w", 10) };
    let claims = scene.store.claim(&scene.lane, &wish).await.unwrap();
    assert_eq!(claims.jobs.len(), 1, "a probe is one job");
    claims.jobs.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_probe_is_made_by_a_job_that_was_never_sent_as_long_as_one_is_found() {
    let scene = Scene::new().await;
    let doubtful: Vec<String> = (0..200).map(|number| format!("d{number:03}")).collect();
    left_in_doubt(&scene, &doubtful.iter().map(String::as_str).collect::<Vec<_>>(), 1).await;
    scene.submit(&["a", "b", "c"]).await;
    // 200 wait longer, which is more than is looked at; yet these are found from the other end.
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
async fn a_probe_finds_what_was_never_sent_also_behind_what_came_due_later() {
    let scene = Scene::new().await;
    scene.submit(&["unsent"]).await;
    let now = scene.now().await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", "unsent"]).await;
    let doubtful: Vec<String> = (0..200).map(|number| format!("d{number:03}")).collect();
    scene.submit(&doubtful.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for key in &doubtful {
        let _: u64 = scene.command(&["HSET", &scene.name(&format!("job:{key}")), "s", "in_doubt"]).await;
        let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), &(now - 1).to_string(), key]).await;
    }
    assert_eq!(probed(&scene).await.key.as_str(), "unsent");
}

#[tokio::test]
async fn two_workers_never_hold_the_same_job() {
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
async fn a_paused_lane_asks_but_sends_nothing() {
    let scene = Scene::new().await;
    scene.bring("asked", State::Pending).await;
    scene.submit(&["unsent"]).await;
    scene.let_come_due("to_ask", "asked").await;
    let operator = bursar_store::Operator { who: "li", why: "gateway is down" };
    assert!(scene.store.pause(&scene.lane, operator).await.unwrap());
    let claims = scene.claim("w", 10).await;
    assert_eq!(keys(&claims), ["asked"]);
    assert_eq!(claims.next_due, Some(claims.now.plus(LEASE)), "what may not be sent is not waited for");
    assert_eq!(scene.state("unsent").await, State::Queued);
    assert!(scene.store.resume(&scene.lane, operator).await.unwrap());
    assert_eq!(keys(&scene.claim("w", 10).await), ["unsent"]);
}

#[tokio::test]
async fn next_due_is_the_earliest_of_everything_that_waits() {
    let scene = Scene::new().await;
    assert_eq!(scene.claim("w", 5).await.next_due, None, "an empty lane waits for nothing");
    let now = scene.now().await;
    let mut later = transfer("later");
    later.run_at = Some(Millis(now + 50_000));
    scene.store.submit(&[later]).await.unwrap();
    assert_eq!(scene.claim("w", 5).await.next_due, Some(Millis(now + 50_000)));
    scene.submit(&["a", "b"]).await;
    let claims = scene.claim("w", 1).await;
    assert!(claims.next_due.unwrap() <= claims.now, "one is due already, for whoever has a slot");
    let claims = scene.claim("w", 5).await;
    assert!((now + 29_000..now + 31_000).contains(&claims.next_due.unwrap().0), "the end of the first lease");
}

#[tokio::test]
async fn a_job_whose_worker_died_comes_due_to_be_asked_about_never_to_be_sent() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_briefly("dead").await;
    assert_eq!(scene.claim("w2", 5).await.jobs.len(), 0, "its lease is not over");
    let again = eventually(SOON, "the lease to end", async || scene.claim("w2", 5).await.jobs.pop()).await;
    assert_eq!((again.call, again.state), (Call::Ask, State::InDoubt));
    assert_eq!((again.fence, again.losses, again.sends), (first.fence + 1, 1, 1));
    assert_eq!(again.last_sent, first.last_sent);
    assert_eq!(scene.story("k1").await, ["send_intent", "worker_lost"]);
    let lost = &scene.log("k1").await[1];
    assert_eq!((lost["worker"].as_str(), lost["fence"].as_u64()), (Some("dead"), Some(1)));
    assert_eq!(scene.events().await, ["k1 in_doubt"], "that it is in doubt is told once its worker is lost");

    // The next one is lost too, while asking.
    scene.let_come_due("to_ask", "k1").await;
    let third = scene.claim_one("w3").await;
    assert_eq!((third.call, third.fence, third.losses), (Call::Ask, 3, 2));
    assert_eq!(scene.story("k1").await, ["send_intent", "worker_lost"]);
    scene.commit(&asked(&third, State::InDoubt, Due::Ask(Millis(1)))).await;
    assert_eq!(scene.claim_one("w4").await.losses, 2, "a claim that was committed is no loss");
}

#[tokio::test]
async fn a_second_send_keeps_the_moment_of_the_first() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    scene.commit(&sent(&first, State::InDoubt, Due::Send(Millis(1)))).await;
    let mut last = first.last_sent;
    for number in 2..=4_u32 {
        eventually(SOON, "the clock to move", async || (scene.now().await > last.unwrap().0).then_some(())).await;
        let claimed = scene.claim_one("w").await;
        assert_eq!((claimed.sends, claimed.resends, claimed.state), (number, number - 1, State::InDoubt));
        assert_eq!(claimed.first_sent, first.first_sent);
        assert!(claimed.last_sent > last);
        last = claimed.last_sent;
        scene.commit(&sent(&claimed, State::InDoubt, Due::Send(Millis(1)))).await;
    }
}

#[tokio::test]
async fn due_keys_without_a_readable_record_are_put_aside_and_stop_nobody() {
    let scene = Scene::new().await;
    scene.submit(&["good", "half-marks", "no-content", "no-marks", "no-state"]).await;
    let content = scene.field("no-content", "1").await;
    assert!(content.is_some());
    for piece in 1..=16 {
        let _: u64 = scene.command(&["HDEL", &scene.name("job:no-content"), &piece.to_string()]).await;
    }
    let _: u64 = scene.command(&["HSET", &scene.name("job:no-state"), "s", "sparkling"]).await;
    for (key, marks) in [("no-marks", "yesterday"), ("half-marks", "1700000000000 1700000000001 0")] {
        let _: u64 = scene.command(&["HSET", &scene.name(&format!("job:{key}")), "m", marks]).await;
    }
    for set in ["to_send", "to_ask"] {
        let _: u64 = scene.command(&["ZADD", &scene.name(set), "1", &format!("ghost-{set}")]).await;
    }
    let _: () = scene.command(&["SET", &scene.name("job:text"), "no hash at all"]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", "text"]).await;
    let claims = scene.claim("w", 10).await;
    assert_eq!(keys(&claims), ["good"]);
    let mut orphans = claims.orphans.clone();
    orphans.sort_unstable();
    assert_eq!(orphans, ["ghost-to_ask", "ghost-to_send", "half-marks", "no-content", "no-marks", "no-state", "text"]);
    let status = scene.store.lane_status(&scene.lane).await.unwrap();
    assert_eq!((status.orphans, status.to_send, status.to_ask), (7, 0, 1));
    assert_eq!(scene.claim("w", 10).await.orphans, Vec::<String>::new());
}

#[tokio::test]
async fn a_record_that_only_this_build_cannot_read_does_not_stop_its_lane() {
    let scene = Scene::new().await;
    scene.submit(&["good", "bad"]).await;
    // Bytes that are no text: the script does not mind, Rust does.
    let mut raw = scene.raw.clone();
    let _: u64 = redis::cmd("HSET")
        .arg(scene.name("job:bad"))
        .arg("1")
        .arg(&[0xff_u8, 0xfe][..])
        .query_async(&mut raw)
        .await
        .unwrap();
    let claims = scene.claim("w", 10).await;
    assert_eq!((keys(&claims), &claims.orphans[..]), (vec!["good"], &["bad".to_owned()][..]));
    assert_eq!(scene.sets("bad").await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_log_of_a_foreign_type_stops_no_lane_and_the_first_attempt_is_told_all_the_same() {
    let scene = Scene::new().await;
    scene.submit(&["a", "bad", "c"]).await;
    let _: () = scene.command(&["SET", &scene.name("log:bad"), "no list at all"]).await;
    let claims = scene.claim("w", 10).await;
    assert_eq!((keys(&claims), &claims.orphans[..]), (vec!["a", "bad", "c"], &[][..]));
    scene.commit(&sent(&claims.jobs[1], State::Succeeded, Due::Never)).await;
    let _: u64 = scene.command(&["DEL", &scene.name("log:bad")]).await;
    assert_eq!(scene.story("bad").await, ["send_intent", "response"], "both stand in the record");
}

#[tokio::test]
async fn what_has_ended_or_waits_for_a_person_is_never_claimed_for_a_send() {
    for state in [State::NeedsReview, State::Succeeded, State::Failed, State::Refunded, State::Cancelled] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        let before = scene.record("k1").await;
        let _: u64 = scene.command(&["ZADD", &scene.name("to_send"), "1", "k1"]).await;
        let claims = scene.claim("w", 5).await;
        assert_eq!((claims.jobs.len(), &claims.orphans[..]), (0, &["k1".to_owned()][..]), "{state}");
        assert_eq!(scene.record("k1").await, before);
    }
}

#[tokio::test]
async fn large_fences_stay_exact_and_one_that_cannot_rise_is_put_aside() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    scene.set_fence("k1", 9_007_199_254_740_989).await;
    scene.set_fence("k2", 9_007_199_254_740_991).await;
    let claims = scene.claim("w", 5).await;
    assert_eq!(claims.orphans, ["k2"]);
    let claimed = &claims.jobs[0];
    assert_eq!(claimed.fence, 9_007_199_254_740_990);
    assert_eq!(scene.field("k1", "f").await.as_deref(), Some("9007199254740990"));
    assert_eq!(scene.log("k1").await[0]["fence"].as_u64(), Some(9_007_199_254_740_990));
    let held = [claimed.id()];
    assert!(
        scene.store.renew(&scene.lane, &bursar_store::Renewal::new("w", LEASE), &held).await.unwrap().gone.is_empty()
    );
    assert_eq!(scene.commit(&sent(claimed, State::Pending, Due::Ask(Millis(1)))).await, bursar_store::Committed::Ok);
    let second = scene.claim_one("w").await;
    assert_eq!(second.fence, 9_007_199_254_740_991);
    let released = scene.store.release(&scene.lane, &[second.id()]).await.unwrap();
    assert_eq!(released, [bursar_store::Committed::Ok]);
}

#[tokio::test]
async fn a_claim_that_arrives_late_or_twice_takes_nothing() {
    let scene = Scene::new().await;
    scene.submit_many("k", 10).await;
    let wish = |number| Claim::new("w", number, LEASE, 2);
    assert_eq!(scene.store.claim(&scene.lane, &wish(5)).await.unwrap().jobs.len(), 2);
    assert_eq!(scene.store.claim(&scene.lane, &wish(5)).await.unwrap().jobs.len(), 0, "twice");
    assert_eq!(scene.store.claim(&scene.lane, &wish(4)).await.unwrap().jobs.len(), 0, "late");
    assert_eq!(scene.store.claim(&scene.lane, &wish(6)).await.unwrap().jobs.len(), 2);
    assert_eq!(scene.store.unclaim(&scene.lane, "w", 8).await.unwrap(), 0, "not arrived yet");
    assert_eq!(scene.store.claim(&scene.lane, &wish(8)).await.unwrap().jobs.len(), 0, "given up before it arrived");
    assert_eq!(scene.store.claim(&scene.lane, &wish(9)).await.unwrap().jobs.len(), 2);
    let other = Claim { worker: "w2", ..wish(1) };
    assert_eq!(scene.store.claim(&scene.lane, &other).await.unwrap().jobs.len(), 2, "workers count for themselves");
}

#[tokio::test]
async fn a_short_lease_is_over_when_it_says() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_briefly("w").await;
    let due = scene.due("to_ask", "k1").await.unwrap();
    let sent = scene.field("k1", "ts").await.unwrap().parse::<u64>().unwrap();
    assert_eq!(Duration::from_millis(due - sent), SHORT_LEASE);
}
