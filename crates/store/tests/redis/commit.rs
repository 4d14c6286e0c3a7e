//! What became of a claim is recorded once, under the claim that it ends.

use bursar_domain::{Answer, Due, Millis, Reason, State};
use bursar_store::{Commit, Committed, ResponseKnownBy};
use serde_json::json;

use crate::scene::{LATER, SKIPPED, Scene, answered, known_by, parse, then, transfer_json};

#[tokio::test]
async fn a_finished_job_tells_all_that_happened_in_its_own_record() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    let mut commit = answered(&job, Answer::Succeeded, State::Succeeded, Due::Never);
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
        (State::InDoubt, Due::Ask(LATER), "due_queries"),
        (State::Pending, Due::Ask(LATER), "due_queries"),
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
    let given_back =
        Commit { resend: bursar_store::Resend::GivenBack, ..then(&job, State::InDoubt, Due::Send(Millis(1))) };
    scene.commit(&given_back).await;
    let seen = scene.job("K1").await;
    assert_eq!((seen.sends, seen.resends), (2, 0));
    assert!(seen.first_sent <= seen.last_sent);
}

#[tokio::test]
async fn old_events_leave_the_record_for_the_list_and_are_read_in_order() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    scene.commit(&answered(&job, Answer::Accepted, State::Pending, Due::Ask(Millis(1)))).await;
    for _ in 0..11 {
        let job = scene.claim_one("w").await;
        scene.commit(&answered(&job, Answer::Accepted, State::Pending, Due::Ask(Millis(1)))).await;
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
        ..answered(job, Answer::Succeeded, State::Succeeded, Due::Never)
    };
    let commits = [named(&jobs[0], known_by("T1")), named(&jobs[1], known_by("T1"))];
    let committed = scene.store.commit(&scene.lane, &commits).await.unwrap();
    assert_eq!(committed, [Committed::Done, Committed::Mismatch], "in one batch");
    let second = scene.job("K2").await;
    let why = Reason::TradeNoOfAnotherJob { trade_no: "T1".into(), key: "K1".into() };
    assert_eq!((second.state, second.reason, second.trade_nos.len()), (State::NeedsReview, Some(why), 0));
    assert_eq!(scene.sets("K2").await, ["review"]);
    let request = Some(ResponseKnownBy::RequestId("r1".into()));
    let unnamed = |job, state, due| Commit { response: request.clone(), ..answered(job, Answer::Accepted, state, due) };
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
async fn a_producer_is_told_in_the_same_step_and_once() {
    let scene = Scene::new().await;
    let mut told = transfer_json("K1");
    told["callback_url"] = json!("https://shop.example/bursar");
    scene.accept(&[parse(&told)]).await;
    let job = scene.claim_one("w").await;
    scene.commit(&then(&job, State::Pending, Due::Ask(Millis(1)))).await;
    let outbox = format!("{}:K1", scene.name("outbox"));
    let none: Vec<String> = scene.command(&["LRANGE", &outbox, "0", "-1"]).await;
    assert_eq!(none, Vec::<String>::new());
    let job = scene.claim_one("w").await;
    let commit = answered(&job, Answer::Succeeded, State::Succeeded, Due::Never);
    scene.commit(&commit).await;
    scene.commit(&commit).await;
    let events: Vec<String> = scene.command(&["LRANGE", &outbox, "0", "-1"]).await;
    assert_eq!(events.len(), 1);
    let event: serde_json::Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!((&event["sequence"], &event["state"], &event["sends"]), (&json!(1), &json!("succeeded"), &json!(1)));
    let due: Option<f64> = scene.command(&["ZSCORE", &scene.name("due_deliveries"), "K1"]).await;
    assert!(due.is_some());
}
