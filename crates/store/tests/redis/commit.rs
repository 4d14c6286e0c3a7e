//! Recording ends: once, under the claim's fence, with the evidence.

use bursar_domain::{Call, Due, GatewayText, Millis, Reason, State};
use bursar_store::{Asked, Commit, Committed};
use serde_json::json;

use crate::scene::{Scene, answer_line, asked, held, said, sent};

#[tokio::test]
async fn every_shape_of_what_follows_lands_in_its_set() {
    let later = Millis(99_999_999_999_999);
    let cases = [
        (State::Queued, Due::Send(later), vec!["to_send"]),
        (State::InDoubt, Due::Send(later), vec!["to_send"]),
        (State::InDoubt, Due::Ask(later), vec!["to_ask"]),
        (State::Pending, Due::Ask(later), vec!["to_ask"]),
        (State::Pending, Due::Send(later), vec!["to_send"]),
        (State::NeedsReview, Due::Never, vec!["review"]),
        (State::Succeeded, Due::Never, vec!["done"]),
        (State::Failed, Due::Never, vec!["done"]),
        (State::Refunded, Due::Never, vec!["done"]),
    ];
    for (state, due, sets) in cases {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let claimed = scene.claim_one("w").await;
        assert_eq!(scene.commit(&sent(&claimed, state, due)).await, Committed::Ok);
        let record = scene.store.job(&scene.lane, &claimed.key).await.unwrap().unwrap();
        assert_eq!((record.state, record.worker, record.asks), (state, None, 0));
        assert_eq!(scene.sets("k1").await, sets, "{state} {due:?}");
        assert_eq!(record.due, (due != Due::Never).then_some(later));
        assert_eq!(scene.story("k1").await, ["send_intent", "response"]);
        let expected = if state == State::Queued { vec![] } else { vec![format!("k1 {state}")] };
        assert_eq!(scene.events().await, expected, "an event for each change, and for nothing else");
        assert_eq!(scene.field("k1", "b").await, None, "no send is out");
        assert_eq!(scene.claim("w", 5).await.jobs.len(), 0);
    }
}

#[tokio::test]
async fn a_commit_repeated_after_a_lost_reply_changes_and_logs_nothing_twice() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let commit = asked(&claimed, State::Pending, Due::Ask(Millis(1)));
    assert_eq!(scene.commit(&commit).await, Committed::Ok);
    let (record, log, events) = (scene.record("k1").await, scene.log("k1").await, scene.events().await);
    for _ in 0..3 {
        assert_eq!(scene.commit(&commit).await, Committed::Again);
    }
    assert_eq!((scene.record("k1").await, scene.log("k1").await, scene.events().await), (record, log, events));
    assert_eq!(scene.field("k1", "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_commit_under_an_old_fence_is_stale_and_its_evidence_is_kept_once() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let slow = scene.claim_one("slow").await;
    scene.let_come_due("to_ask", "k1").await;
    let taken = scene.claim_one("other").await;
    let late = sent(&slow, State::Succeeded, Due::Never);
    let before = scene.record("k1").await;
    for _ in 0..3 {
        assert_eq!(scene.commit(&late).await, Committed::Stale);
    }
    assert_eq!(scene.record("k1").await, before, "the job stays the other worker's");
    assert_eq!(scene.sets("k1").await, ["to_ask"]);
    assert_eq!(scene.story("k1").await, ["send_intent", "worker_lost", "response"]);
    let evidence = scene.log("k1").await.pop().unwrap();
    assert_eq!((evidence["late"].as_bool(), evidence["fence"].as_u64()), (Some(true), Some(slow.fence)));
    assert_eq!(scene.commit(&asked(&taken, State::Pending, Due::Ask(Millis(1)))).await, Committed::Ok);
    let unknown = Commit { key: "unknown".into(), ..late.clone() };
    assert_eq!(scene.commit(&unknown).await, Committed::Stale);
    assert_eq!(scene.log("unknown").await, Vec::<serde_json::Value>::new(), "a job that is not there gets no log");
    let ahead = Commit { fence: 77, token: "lost/1".into(), ..late };
    assert_eq!(scene.commit(&ahead).await, Committed::Stale);
}

#[tokio::test]
async fn a_fence_is_compared_exactly() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.set_fence("k1", 9_007_199_254_740_989).await;
    let claimed = scene.claim_one("w").await;
    for fence in [9_007_199_254_740_989, 9_007_199_254_740_991, 9_007_199_254_740_992, u64::MAX] {
        let commit = Commit { fence, line: None, ..sent(&claimed, State::Succeeded, Due::Never) };
        assert_eq!(scene.commit(&commit).await, Committed::Stale, "{fence}");
    }
    assert_eq!(scene.commit(&sent(&claimed, State::Succeeded, Due::Never)).await, Committed::Ok);
}

#[tokio::test]
async fn numbers_status_and_reason_are_kept_until_others_come_and_a_reason_ends_with_its_cause() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    let mut commit = Commit {
        trade_nos: Some(vec!["T1".into(), "T2".into()]),
        gateway_status: Some("n".into()),
        ..sent(&first, State::Pending, Due::Ask(Millis(1)))
    };
    commit.next.reason = Some(said("busy \"quotes\" 号"));
    scene.commit(&commit).await;
    let record = scene.store.job(&scene.lane, &first.key).await.unwrap().unwrap();
    assert_eq!(record.trade_nos, ["T1", "T2"]);
    assert_eq!((record.gateway_status.as_deref(), record.reason), (Some("n"), commit.next.reason));
    let second = scene.claim_one("w").await;
    assert_eq!(second.trade_nos, ["T1", "T2"]);
    scene.commit(&asked(&second, State::Pending, Due::Ask(Millis(1)))).await;
    let record = scene.store.job(&scene.lane, &first.key).await.unwrap().unwrap();
    assert_eq!((record.trade_nos.len(), record.gateway_status.as_deref(), record.reason), (2, Some("n"), None));
    let third = scene.claim_one("w").await;
    let mut commit = asked(&third, State::NeedsReview, Due::Never);
    commit.next.reason = Some(Reason::WorkersLost);
    scene.commit(&commit).await;
    let record = scene.store.job(&scene.lane, &first.key).await.unwrap().unwrap();
    assert_eq!((record.asks, record.reason), (2, Some(Reason::WorkersLost)));
}

#[tokio::test]
async fn a_configuration_fault_pauses_the_lane_once_and_a_repetition_does_not_undo_the_operators_resume() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    let claims = scene.claim("w", 2).await;
    let mut commit = sent(&claims.jobs[0], State::Queued, Due::Send(Millis(1)));
    commit.next.pause_lane = true;
    let fault = |said| Some(Reason::Misconfigured(GatewayText::new(None, Some(said))));
    commit.next.reason = fault("no rights");
    assert_eq!(scene.commit(&commit).await, Committed::Ok);
    let paused = || async { scene.store.lane_status(&scene.lane).await.unwrap().paused };
    assert_eq!(paused().await, fault("no rights"));
    assert_eq!(scene.events().await, ["paused"]);
    let mut second = commit.clone();
    (second.key, second.next.reason) = (claims.jobs[1].key.to_string(), fault("another fault"));
    assert_eq!(scene.commit(&second).await, Committed::Ok);
    assert_eq!(paused().await, fault("no rights"), "the first reason stays");
    assert_eq!(scene.events().await, ["paused"]);

    scene.store.resume(&scene.lane, bursar_store::Operator { who: "li", why: "mended" }).await.unwrap();
    assert_eq!(scene.commit(&commit).await, Committed::Again);
    assert_eq!(scene.commit(&Commit { fence: 9, token: "lost/1".into(), ..commit }).await, Committed::Stale);
    assert_eq!(paused().await, None);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_each_job_by_itself() {
    let scene = Scene::new().await;
    scene.submit_many("k", 300).await;
    let mut jobs = scene.claim("w", 256).await.jobs;
    jobs.extend(scene.claim("w", 256).await.jobs);
    let mut commits: Vec<Commit> = jobs.iter().map(|job| sent(job, State::Succeeded, Due::Never)).collect();
    commits[7].fence += 1;
    let committed = scene.store.commit(&scene.lane, &commits).await.unwrap();
    assert_eq!(committed.len(), 300);
    for (index, committed) in committed.iter().enumerate() {
        assert_eq!(*committed, if index == 7 { Committed::Stale } else { Committed::Ok });
    }
    let again = scene.store.commit(&scene.lane, &commits).await.unwrap();
    assert_eq!(again.iter().filter(|committed| **committed == Committed::Again).count(), 299);
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().done, 299);
    assert_eq!(scene.store.commit(&scene.lane, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn asks_that_change_nothing_are_counted_but_after_a_while_no_longer_written() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    scene.let_come_due("to_ask", "k1").await;
    for _ in 0..230 {
        let claimed = scene.claim_one("w").await;
        scene.commit(&asked(&claimed, State::Pending, Due::Ask(Millis(1)))).await;
    }
    assert_eq!(scene.field("k1", "a").await.as_deref(), Some("230"));
    assert_eq!(scene.log("k1").await.len(), 2 + 200);
    assert_eq!(scene.events().await, ["k1 pending"], "230 asks are one change");
    let last = scene.claim_one("w").await;
    assert_eq!(last.asks, 230);
    scene.commit(&asked(&last, State::Succeeded, Due::Never)).await;
    assert_eq!(scene.log("k1").await.len(), 2 + 200 + 1, "the last word is written however long it took");
    assert_eq!(scene.events().await, ["k1 pending", "k1 succeeded"]);
}

#[tokio::test]
async fn a_log_of_a_foreign_type_keeps_no_answer_from_its_record() {
    let scene = Scene::new().await;
    scene.submit(&["a", "bad", "c"]).await;
    let jobs = scene.claim("w", 3).await.jobs;
    let _: () = scene.command(&["SET", &scene.name("log:bad"), "no list at all"]).await;
    let commits: Vec<Commit> = jobs.iter().map(|job| sent(job, State::Succeeded, Due::Never)).collect();
    assert_eq!(scene.store.commit(&scene.lane, &commits).await.unwrap(), vec![Committed::Ok; 3]);
    let stale = Commit { fence: 9, token: "lost/1".into(), ..commits[1].clone() };
    assert_eq!(scene.commit(&stale).await, Committed::Stale);
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().done, 3);
}

#[tokio::test]
async fn one_commit_twice_in_a_call_is_recorded_once() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let commit = sent(&scene.claim_one("w").await, State::Failed, Due::Never);
    let committed = scene.store.commit(&scene.lane, &[commit.clone(), commit]).await.unwrap();
    assert_eq!(committed, [Committed::Ok, Committed::Again]);
    assert_eq!((scene.story("k1").await.len(), scene.events().await), (2, vec!["k1 failed".to_owned()]));
}

#[tokio::test]
async fn an_end_whose_record_is_gone_makes_none_and_says_that_redis_has_lost_writes() {
    let scene = Scene::new().await;
    scene.submit(&["gone", "k2"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let _: u64 = scene.command(&["DEL", &scene.name("job:gone")]).await;
    let commits: Vec<Commit> = jobs.iter().map(|job| sent(job, State::Succeeded, Due::Never)).collect();
    let committed = scene.store.commit(&scene.lane, &commits).await.unwrap();
    assert_eq!(committed, [Committed::Stale, Committed::Ok]);
    assert!(scene.record("gone").await.is_empty() && scene.log("gone").await.is_empty());
    let exists: bool = scene.command(&["EXISTS", &scene.name("job:gone")]).await;
    assert!(!exists);
    let doubt: Option<u64> = scene.command(&["HGET", &scene.name("lane"), "era"]).await;
    assert!(doubt.is_some());
}

#[tokio::test]
async fn an_end_that_finds_a_tombstone_leaves_it_as_it_is() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let commit = sent(&scene.claim_one("w").await, State::Succeeded, Due::Never);
    let _: u64 = scene.command(&["DEL", &scene.name("job:k1")]).await;
    let _: u64 = scene.command(&["HSET", &scene.name("job:k1"), "z", "s0123456789abcdef"]).await;
    assert_eq!(scene.commit(&commit).await, Committed::Stale);
    let record: Vec<String> = scene.command(&["HGETALL", &scene.name("job:k1")]).await;
    assert_eq!(record, ["z", "s0123456789abcdef"], "a late duplicate is still one");
}

#[tokio::test]
async fn what_was_recorded_before_an_error_is_recorded_once_and_comes_due() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let commit = sent(&scene.claim_one("w").await, State::Succeeded, Due::Never);
    let _: () = scene.command(&["SET", &scene.name("done"), "foreign"]).await;
    scene.store.commit(&scene.lane, std::slice::from_ref(&commit)).await.unwrap_err();
    let _: u64 = scene.command(&["DEL", &scene.name("done")]).await;
    assert_eq!(scene.commit(&commit).await, Committed::Again);
    assert_eq!((scene.state("k1").await, scene.story("k1").await.len()), (State::Succeeded, 2));
    scene.let_come_due("to_ask", "k1").await;
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.call, claimed.state, claimed.losses), (Call::Ask, State::Succeeded, 0));
}

#[tokio::test]
async fn the_events_of_a_lane_are_bounded() {
    let scene = Scene::new().await;
    let script =
        redis::Script::new("for i = 1, 12000 do redis.call('XADD', KEYS[1], '*', 'key', 'old', 'state', 'failed') end");
    script.key(scene.name("events")).invoke_async::<()>(&mut scene.raw.clone()).await.unwrap();
    scene.bring("k1", State::Succeeded).await;
    let kept: u64 = scene.command(&["XLEN", &scene.name("events")]).await;
    assert!((10_000..10_200).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_last_word_changed_by_the_gateway_keeps_the_day_of_the_first() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("done"), "12345", "k1"]).await;
    let operator = bursar_store::Operator { who: "li", why: "customer says refunded" };
    scene.store.operate(&scene.lane, &"k1".parse().unwrap(), bursar_domain::Operation::Ask, operator).await.unwrap();
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.call, claimed.state), (Call::Ask, State::Succeeded));
    scene.commit(&asked(&claimed, State::Refunded, Due::Never)).await;
    assert_eq!((scene.state("k1").await, scene.due("done", "k1").await), (State::Refunded, Some(12_345)));
    assert_eq!(scene.sets("k1").await, ["done"]);
}

#[tokio::test]
async fn a_commit_without_a_call_writes_no_line_and_lines_of_any_script_stay_json() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let rest =
        json!({"at": 3, "outcome": "failed", "message": "余额不足 \"quoted\" \\ back\nline %s %d {}"}).to_string();
    let line = answer_line(&claimed, &rest[1..rest.len() - 1]);
    let commit = Commit { line: Some(line), ..sent(&claimed, State::InDoubt, Due::Ask(Millis(1))) };
    scene.commit(&commit).await;
    let log = scene.log("k1").await;
    assert_eq!(log[1]["message"], "余额不足 \"quoted\" \\ back\nline %s %d {}");
    let second = scene.claim_one("w").await;
    let commit = Commit { line: None, asked: Asked::No, ..sent(&second, State::NeedsReview, Due::Never) };
    scene.commit(&commit).await;
    assert_eq!(scene.log("k1").await.len(), 2);
    let stale = Commit { line: None, fence: 55, token: "lost/1".into(), ..commit };
    assert_eq!(scene.commit(&stale).await, Committed::Stale);
    assert_eq!(scene.log("k1").await.len(), 2);
    assert_eq!(
        scene
            .store
            .renew(&scene.lane, &bursar_store::Renewal::new("w", crate::scene::LEASE), &[held(&second)])
            .await
            .unwrap()
            .gone,
        ["k1"]
    );
}
