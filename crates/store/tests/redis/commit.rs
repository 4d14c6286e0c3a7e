//! The end of a claim is recorded once, under that claim.

use bursar_domain::{Call, Due, GatewayText, HistoryEvent, Millis, Operation, Outcome, Reason, State};
use bursar_store::{Commit, Committed, ResponseKnownBy};
use serde_json::json;

use crate::scene::{LATER, OPERATOR, SKIPPED, Scene, answered, known_by, parse, then, transfer_json};

#[tokio::test]
async fn a_finished_jobs_record_has_its_whole_history() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    let mut commit = answered(&job, Outcome::Succeeded, State::Succeeded, Due::Never);
    commit.trade_nos = vec!["T1".into()];
    commit.gateway_status = Some("1".into());
    commit.response = known_by("T1");
    assert_eq!(scene.commit(&commit).await, Committed::Done);
    let record = scene.record("K1").await;
    assert_eq!((&record["state"], &record["sends"], &record["fence"]), (&json!("succeeded"), &json!(1), &json!(1)));
    assert_eq!((&record["trade_nos"], &record["gateway_status"]), (&json!(["T1"]), &json!("1")));
    assert_eq!(record["history"][0]["event"], "response");
    assert_eq!((scene.sets("K1").await, scene.claims().await), (vec!["done"], vec![]));
    assert_eq!(scene.events().await, ["K1 succeeded"]);
    assert_eq!(scene.commit(&commit).await, Committed::Again, "a reply that was lost");
    assert_eq!(scene.events().await.len(), 1);
}

#[tokio::test]
async fn every_state_is_found_where_it_belongs() {
    for (state, due, set) in [
        (State::Queued, Due::Send(LATER), "due_sends"),
        (State::InDoubt, Due::Send(LATER), "due_sends"),
        (State::InDoubt, Due::Query(LATER), "due_queries"),
        (State::Pending, Due::Query(LATER), "due_queries"),
        (State::NeedsReview, Due::Never, "review"),
        (State::Succeeded, Due::Never, "done"),
        (State::Failed, Due::Never, "done"),
        (State::Refunded, Due::Never, "done"),
    ] {
        let scene = Scene::new().await;
        scene.submit(&["K1"]).await;
        let job = scene.claim_one("w").await;
        scene.commit(&then(&job, state, due)).await;
        assert_eq!((scene.state("K1").await, scene.sets("K1").await), (state, vec![set]), "{state} {due:?}");
        assert!(scene.claims().await.is_empty(), "{state}");
    }
}

#[tokio::test]
async fn a_send_that_was_not_made_counts_for_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    let commit = Commit { resend: SKIPPED, ..then(&job, State::NeedsReview, Due::Never) };
    scene.commit(&commit).await;
    let record = scene.record("K1").await;
    assert_eq!((record.get("sends"), record.get("last_sent_at")), (None, None));
}

#[tokio::test]
async fn resends_are_counted_apart_and_a_given_back_one_is_not() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    scene.commit(&then(&job, State::InDoubt, Due::Send(Millis(1)))).await;
    let job = scene.claim_one("w").await;
    assert_eq!((job.sends, job.resends), (2, 1));
    let released =
        Commit { resend: bursar_store::Resend::NotCounted, ..then(&job, State::InDoubt, Due::Send(Millis(1))) };
    scene.commit(&released).await;
    let seen = scene.job("K1").await;
    assert_eq!((seen.sends, seen.resends), (2, 0));
    assert!(seen.first_sent <= seen.last_sent);
}

#[tokio::test]
async fn old_events_move_to_the_list_and_are_read_in_order() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    scene.commit(&answered(&job, Outcome::Accepted, State::Pending, Due::Query(Millis(1)))).await;
    for _ in 0..11 {
        let job = scene.claim_one("w").await;
        scene.commit(&answered(&job, Outcome::Accepted, State::Pending, Due::Query(Millis(1)))).await;
    }
    let record = scene.record("K1").await;
    assert_eq!((record["history"].as_array().unwrap().len(), &record["queries"]), (8, &json!(11)));
    assert_eq!(scene.story("K1").await, vec!["response"; 12]);
}

#[tokio::test]
async fn a_response_by_another_job_s_number_goes_before_a_person() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2", "K3"]).await;
    let jobs = scene.claim("w", 3).await.jobs;
    let named = |job, response| Commit {
        trade_nos: vec!["T1".into()],
        response,
        ..answered(job, Outcome::Succeeded, State::Succeeded, Due::Never)
    };
    let commits = [named(&jobs[0], known_by("T1")), named(&jobs[1], known_by("T1"))];
    let committed = scene.store.commit(&scene.queue, &commits).await.unwrap();
    assert_eq!(committed, [Committed::Done, Committed::Mismatch], "in one batch");
    let second = scene.job("K2").await;
    let why = Reason::TradeNoOfAnotherJob { trade_no: "T1".into(), key: "K1".into() };
    assert_eq!((second.state, second.reason, second.trade_nos.len()), (State::NeedsReview, Some(why), 0));
    assert_eq!(scene.sets("K2").await, ["review"]);
    let request = Some(ResponseKnownBy::RequestId("r1".into()));
    let unnamed =
        |job, state, due| Commit { response: request.clone(), ..answered(job, Outcome::Accepted, state, due) };
    assert_eq!(scene.commit(&unnamed(&jobs[2], State::Pending, Due::Send(Millis(1)))).await, Committed::Done);
    let again = scene.claim_one("w").await;
    assert_eq!(scene.commit(&unnamed(&again, State::Succeeded, Due::Never)).await, Committed::Mismatch, "a replay");
    assert_eq!(scene.job("K3").await.reason, Some(Reason::ResponseRepeated { request_id: "r1".into(), key: None }));
}

#[tokio::test]
async fn a_job_s_own_number_is_no_mismatch() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    for state in [State::Pending, State::Succeeded] {
        let job = scene.claim_one("w").await;
        let due = if state == State::Pending { Due::Send(Millis(1)) } else { Due::Never };
        let commit = Commit { response: known_by("T1"), trade_nos: vec!["T1".into()], ..then(&job, state, due) };
        assert_eq!(scene.commit(&commit).await, Committed::Done, "{state}");
    }
    assert_eq!(scene.job("K1").await.trade_nos, ["T1"]);
}

#[tokio::test]
async fn a_webhook_is_enqueued_in_the_same_step_and_once() {
    let scene = Scene::new().await;
    let mut reported = transfer_json("K1");
    reported["callback_url"] = json!("https://shop.example/bursar");
    scene.accept(&[parse(&reported)]).await;
    let job = scene.claim_one("w").await;
    scene.commit(&then(&job, State::Pending, Due::Query(Millis(1)))).await;
    let outbox = format!("{}:K1", scene.name("outbox"));
    let none: Vec<String> = scene.command(&["LRANGE", &outbox, "0", "-1"]).await;
    assert_eq!(none, Vec::<String>::new());
    let job = scene.claim_one("w").await;
    let commit = answered(&job, Outcome::Succeeded, State::Succeeded, Due::Never);
    scene.commit(&commit).await;
    scene.commit(&commit).await;
    let events: Vec<String> = scene.command(&["LRANGE", &outbox, "0", "-1"]).await;
    assert_eq!(events.len(), 1);
    let event: serde_json::Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!((&event["sequence"], &event["state"], &event["sends"]), (&json!(1), &json!("succeeded"), &json!(1)));
    let due: Option<f64> = scene.command(&["ZSCORE", &scene.name("due_deliveries"), "K1"]).await;
    assert!(due.is_some());
}

#[tokio::test]
async fn a_commit_repeated_after_a_lost_reply_changes_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let commit = answered(&claimed, Outcome::Accepted, State::Pending, Due::Query(LATER));
    assert_eq!(scene.commit(&commit).await, Committed::Done);
    let before = (scene.text("k1").await, scene.events().await);
    for _ in 0..3 {
        assert_eq!(scene.commit(&commit).await, Committed::Again);
    }
    assert_eq!((scene.text("k1").await, scene.events().await), before);
}

#[tokio::test]
async fn fields_stay_until_replaced_and_a_reason_ends_with_its_cause() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    let reason = Some(Reason::LastResponse(GatewayText::new(None, Some("busy \"quotes\" 号"))));
    let commit = Commit {
        trade_nos: vec!["T1".into(), "T2".into()],
        gateway_status: Some("n".into()),
        reason: reason.clone(),
        ..then(&first, State::Pending, Due::Query(Millis(1)))
    };
    scene.commit(&commit).await;
    let job = scene.job("k1").await;
    assert_eq!(
        (job.trade_nos.as_slice(), job.gateway_status.as_deref()),
        (&["T1".to_owned(), "T2".into()][..], Some("n"))
    );
    assert_eq!(job.reason, reason);
    let second = scene.claim_one("w").await;
    assert_eq!((second.trade_nos.len(), &second.reason), (2, &reason), "its worker goes on with them");
    let commit = Commit { trade_nos: vec!["T3".into()], ..then(&second, State::Pending, Due::Query(Millis(1))) };
    scene.commit(&commit).await;
    let job = scene.job("k1").await;
    assert_eq!((job.trade_nos.last().map(String::as_str), job.gateway_status.as_deref()), (Some("T3"), Some("n")));
    assert_eq!((job.trade_nos.len(), job.reason), (3, None));
}

#[tokio::test]
async fn a_configuration_fault_pauses_the_queue_once() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let fault = |said| Some(Reason::Misconfigured(GatewayText::new(None, Some(said))));
    let pausing = |job, said| {
        let mut commit = answered(job, Outcome::Misconfigured, State::Queued, Due::Send(Millis(1)));
        (commit.next.pause_queue, commit.reason) = (true, fault(said));
        commit
    };
    let commit = pausing(&jobs[0], "no rights");
    assert_eq!(scene.commit(&commit).await, Committed::Done);
    let paused = async || scene.store.status(&scene.queue).await.unwrap().paused;
    assert_eq!((paused().await, scene.events().await), (fault("no rights"), vec!["paused".to_owned()]));
    assert_eq!(scene.commit(&pausing(&jobs[1], "another fault")).await, Committed::Done);
    assert_eq!(paused().await, fault("no rights"), "the first reason stays");
    assert_eq!(scene.events().await, ["paused"]);
    assert_eq!(scene.claim("w", 5).await.jobs, [], "nothing is sent meanwhile");

    let resume = OPERATOR.reason(bursar_domain::ActionKind::Resume);
    scene.store.resume(&scene.queue, &resume).await.unwrap();
    assert_eq!(scene.commit(&commit).await, Committed::Again);
    assert_eq!(paused().await, None);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_and_each_job_by_itself() {
    let scene = Scene::new().await;
    scene.submit_many("k", 300).await;
    let mut jobs = scene.claim("w", 256).await.jobs;
    jobs.extend(scene.claim("w", 256).await.jobs);
    scene.store.release(&scene.queue, &[&jobs[7]]).await.unwrap();
    let other = scene.claim_one("v").await;
    assert_eq!(other.key, jobs[7].key);
    let commits: Vec<Commit> =
        jobs.iter().map(|job| answered(job, Outcome::Succeeded, State::Succeeded, Due::Never)).collect();
    let committed = scene.store.commit(&scene.queue, &commits).await.unwrap();
    assert_eq!(committed.len(), 300);
    for (index, committed) in committed.iter().enumerate() {
        assert_eq!(*committed, if index == 7 { Committed::Late } else { Committed::Done });
    }
    let again = scene.store.commit(&scene.queue, &commits).await.unwrap();
    assert_eq!(again.iter().filter(|committed| **committed == Committed::Again).count(), 299);
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().counts.done, 299);
    assert_eq!(scene.store.commit(&scene.queue, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn idle_queries_are_counted_and_soon_no_longer_written() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene
        .commit(&answered(&scene.claim_one("w").await, Outcome::Accepted, State::Pending, Due::Query(Millis(1))))
        .await;
    for _ in 0..230 {
        let claimed = scene.claim_one("w").await;
        scene.commit(&answered(&claimed, Outcome::Accepted, State::Pending, Due::Query(Millis(1)))).await;
    }
    assert_eq!((scene.job("k1").await.queries, scene.story("k1").await.len()), (230, 1 + 200));
    assert_eq!(scene.events().await, ["k1 pending"], "230 queries are one change");
    let last = scene.claim_one("w").await;
    assert_eq!(last.queries, 230);
    scene.commit(&answered(&last, Outcome::Succeeded, State::Succeeded, Due::Never)).await;
    assert_eq!(scene.story("k1").await.len(), 1 + 200 + 1, "the last word is written however long it took");
    assert_eq!(scene.events().await, ["k1 pending", "k1 succeeded"]);
}

#[tokio::test]
async fn a_history_of_a_foreign_type_blocks_no_response() {
    let scene = Scene::new().await;
    scene.submit(&["a", "bad", "c"]).await;
    let _: () = scene.command(&["SET", &format!("{}:bad", scene.name("history")), "no list at all"]).await;
    let _: () = scene.command(&["SET", &scene.name("responses"), "no hash"]).await;
    for round in 0..12 {
        let jobs = scene.claim("w", 3).await.jobs;
        assert_eq!(jobs.len(), 3, "{round}");
        let commits: Vec<Commit> = jobs
            .iter()
            .map(|job| Commit {
                response: known_by(&format!("T{}", job.key)),
                ..answered(job, Outcome::Accepted, State::Pending, Due::Query(Millis(1)))
            })
            .collect();
        assert_eq!(scene.store.commit(&scene.queue, &commits).await.unwrap(), vec![Committed::Done; 3], "{round}");
    }
    assert_eq!(scene.job("bad").await.queries, 11);
}

#[tokio::test]
async fn one_commit_twice_in_a_call_is_recorded_once() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let commit = answered(&scene.claim_one("w").await, Outcome::Failed, State::Failed, Due::Never);
    let committed = scene.store.commit(&scene.queue, &[commit.clone(), commit]).await.unwrap();
    assert_eq!(committed, [Committed::Done, Committed::Again]);
    assert_eq!((scene.story("k1").await.len(), scene.events().await), (1, vec!["k1 failed".to_owned()]));
}

#[tokio::test]
async fn an_event_before_an_error_is_recorded_once_and_is_due() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let commit = answered(&scene.claim_one("w").await, Outcome::Succeeded, State::Succeeded, Due::Never);
    let _: () = scene.command(&["SET", &scene.name("done"), "foreign"]).await;
    scene.store.commit(&scene.queue, std::slice::from_ref(&commit)).await.unwrap_err();
    let _: u64 = scene.command(&["DEL", &scene.name("done")]).await;
    assert_eq!(scene.commit(&commit).await, Committed::Again);
    assert_eq!((scene.state("k1").await, scene.story("k1").await.len()), (State::Succeeded, 1));
    scene.set_due("due_queries", "k1", 1).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.call, claimed.state, claimed.claims_lost), (Call::Query, State::Succeeded, 0));
}

#[tokio::test]
async fn a_record_of_a_foreign_type_blocks_no_other_job() {
    let scene = Scene::new().await;
    scene.submit(&["bad", "good"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let _: u64 = scene.command(&["DEL", &scene.job_name("bad")]).await;
    let _: u64 = scene.command(&["RPUSH", &scene.job_name("bad"), "mine"]).await;
    let _: u64 = scene.command(&["HDEL", &scene.name("claims"), "bad"]).await;
    let commits: Vec<Commit> =
        jobs.iter().map(|job| answered(job, Outcome::Succeeded, State::Succeeded, Due::Never)).collect();
    let committed = scene.store.commit(&scene.queue, &commits).await.unwrap();
    assert_eq!(committed, [Committed::Late, Committed::Done]);
    let kind: String = scene.command(&["TYPE", &scene.job_name("bad")]).await;
    assert_eq!(kind, "list", "it is never overwritten");
}

#[tokio::test]
async fn the_events_of_a_partition_are_bounded() {
    let scene = Scene::new().await;
    let script = redis::Script::new(
        "for i = 1, 12000 do redis.call('XADD', KEYS[1], '*', 'queue', 'q', 'key', 'old', 'state', 'failed') end",
    );
    let stream = format!("{}events", scene.base());
    script.key(&stream).invoke_async::<()>(&mut scene.raw()).await.unwrap();
    scene.bring("k1", State::Succeeded).await;
    let kept: u64 = scene.command(&["XLEN", &stream]).await;
    assert!((10_000..10_200).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_changed_final_state_keeps_the_first_ones_day() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    scene.set_due("done", "k1", 12_345).await;
    scene.operate("k1", Operation::Query).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.call, claimed.state), (Call::Query, State::Succeeded));
    scene.commit(&answered(&claimed, Outcome::Refunded, State::Refunded, Due::Never)).await;
    assert_eq!((scene.state("k1").await, scene.due("done", "k1").await), (State::Refunded, Some(12_345)));
    assert_eq!(scene.sets("k1").await, ["done"]);
}

#[tokio::test]
async fn a_commit_without_a_call_writes_no_event() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let message = "余额不足 \"quoted\" \\ back\nline %s %d {}";
    let mut commit = answered(&claimed, Outcome::Failed, State::InDoubt, Due::Query(Millis(1)));
    if let Some(HistoryEvent::Response(response)) = &mut commit.event {
        response.read.message = Some(message.into());
    }
    scene.commit(&commit).await;
    assert_eq!(scene.record("k1").await["history"][0]["message"], message);
    let second = scene.claim_one("w").await;
    scene.commit(&then(&second, State::NeedsReview, Due::Never)).await;
    assert_eq!(scene.story("k1").await.len(), 1);
}

#[tokio::test]
async fn a_mismatch_needs_review_and_takes_none_of_its_numbers() {
    let number = known_by("T1");
    let request = Some(ResponseKnownBy::RequestId("R1".into()));
    for id in [number, request] {
        for (state, due) in [
            (State::Failed, Due::Never),
            (State::Succeeded, Due::Never),
            (State::Pending, Due::Query(Millis(1))),
            (State::Queued, Due::Send(Millis(1))),
            (State::InDoubt, Due::Send(Millis(1))),
        ] {
            let scene = Scene::new().await;
            scene.submit(&["k1", "k2"]).await;
            let jobs = scene.claim("w", 2).await.jobs;
            let first =
                Commit { response: id.clone(), ..answered(&jobs[0], Outcome::Succeeded, State::Succeeded, Due::Never) };
            assert_eq!(scene.commit(&first).await, Committed::Done);
            let commit = Commit {
                response: id.clone(),
                trade_nos: vec!["T1".into()],
                gateway_status: Some("0".into()),
                resend: bursar_store::Resend::NotCounted,
                ..answered(&jobs[1], Outcome::Accepted, state, due)
            };
            assert_eq!(scene.commit(&commit).await, Committed::Mismatch, "{state}");
            let job = scene.job("k2").await;
            assert_eq!(
                (job.state, job.sends, job.trade_nos.len(), &job.gateway_status),
                (State::NeedsReview, 1, 0, &None)
            );
            assert_eq!(
                (scene.sets("k2").await, scene.story("k2").await.len()),
                (vec!["review"], 1),
                "{state}: evidence"
            );
            assert_eq!(scene.state("k1").await, State::Succeeded);
            assert_eq!(scene.commit(&commit).await, Committed::Again, "{state}");
        }
    }
}

#[tokio::test]
async fn response_ids_of_a_late_or_repeated_commit_are_ignored() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let lost = scene.lose("slow").await;
    let next = scene.claim_one("w").await;
    let late = Commit { response: known_by("T2"), ..answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&late).await, Committed::Late);
    let commit =
        Commit { response: known_by("T2"), ..answered(&next, Outcome::Succeeded, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&commit).await, Committed::Done, "a claim that is gone has named nothing");
    assert_eq!(scene.commit(&commit).await, Committed::Again, "its reply was lost");
}

#[tokio::test]
async fn an_ended_job_stays_ended_for_every_holder_of_its_number() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let known = |commit| Commit { response: known_by("T1"), ..commit };
    scene.commit(&known(then(&jobs[0], State::Succeeded, Due::Never))).await;
    scene.commit(&then(&jobs[1], State::Succeeded, Due::Never)).await;
    scene.operate("k2", Operation::Query).await;
    let claimed = scene.claim_one("w").await;
    let again = known(answered(&claimed, Outcome::Succeeded, State::Succeeded, Due::Never));
    assert_eq!(scene.commit(&again).await, Committed::Done);
    assert_eq!(scene.state("k2").await, State::Succeeded);
}
