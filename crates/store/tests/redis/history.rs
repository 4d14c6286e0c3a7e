//! A job's history, and the job as outsiders read it.

use bursar_domain::{Due, GatewayText, HistoryEvent, Key, Millis, Operation, Outcome, Reason, Received, State};
use bursar_store::{ClaimedJob, StoredAs};

use crate::scene::{Scene, answered, key, names, then};

#[tokio::test]
async fn one_line_that_cannot_be_read_does_not_hide_the_others() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.claim_one("w").await;
    let name = format!("{}:k1", scene.name("history"));
    for line in [&b"not json"[..], b"{}", &[0xff, 0xfe]] {
        let _: u64 = redis::cmd("RPUSH").arg(&name).arg(line).query_async(&mut scene.raw()).await.unwrap();
    }
    let history = scene.store.history(&scene.job("k1").await).await.unwrap();
    let events: Vec<&str> = history.iter().map(HistoryEvent::name).collect();
    assert_eq!(events, ["unreadable", "unreadable", "unreadable", "send_intent"]);
    assert_eq!(history[0].view()["line"], "not json");
    assert_eq!(history[3].claim(), Some((1, "w")));
    assert!(history[3].at().is_some());
}

#[tokio::test]
async fn a_history_is_in_order_wherever_its_events_are() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    scene.operate("k1", Operation::Send).await;
    scene.next_millisecond().await;
    let first = scene.claim_one("w1").await;
    assert_eq!(scene.story("k1").await, ["operator_action", "send_intent"], "the send that is out");
    scene.commit(&answered(&first, Outcome::NoResponse, State::InDoubt, Due::Send(Millis(1)))).await;
    // The event of a response implies the send that it answers.
    assert_eq!(scene.story("k1").await, ["operator_action", "response"]);
    let second = scene.lose("w2").await;
    let third = scene.claim_one("w3").await;
    assert_eq!(second.sends, 2);
    let history = scene.store.history(&scene.job("k1").await).await.unwrap();
    let claims: Vec<_> = history.iter().filter_map(HistoryEvent::claim).collect();
    assert!(claims.contains(&(2, "w2")), "{history:?}");
    scene.commit(&then(&third, State::NeedsReview, Due::Never)).await;
    let mut story = scene.story("k1").await;
    story.sort();
    assert_eq!(story, ["operator_action", "response", "send_intent", "worker_lost"]);
    let recent: Vec<String> = scene.job("k1").await.recent.iter().map(|event| event.name().to_owned()).collect();
    assert_eq!(recent.len(), 4, "few events are in the record itself");
}

#[tokio::test]
async fn several_jobs_are_read_at_once_and_the_missing_are_left_out() {
    let scene = Scene::new().await;
    scene.submit(&["a", "b"]).await;
    let wanted: Vec<Key> = ["b", "nowhere", "a"].map(key).to_vec();
    let jobs = scene.store.jobs(&scene.queue, &wanted).await.unwrap();
    assert_eq!(names(&jobs), ["b", "a"]);
    assert!(jobs.iter().all(|job| matches!(job, StoredAs::Job(job) if job.content.is_some())));
    assert_eq!(scene.store.job(&scene.queue, &wanted[1]).await.unwrap(), None);
    assert_eq!(scene.store.jobs(&scene.queue, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn the_view_of_a_job_has_what_outsiders_are_promised() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let view = serde_json::to_value(scene.job("k1").await.view()).unwrap();
    for field in [
        "account",
        "kind",
        "platform_no",
        "state",
        "trade_no",
        "gateway_status",
        "attempts",
        "queries",
        "created_at",
        "updated_at",
        "due_at",
        "reason",
    ] {
        assert!(view.get(field).is_some(), "{field}");
    }
    assert_eq!(
        (view["account"].as_str(), view["kind"].as_str(), view["state"].as_str()),
        (Some("main"), Some("transfer"), Some("queued"))
    );
}

/// A worker compares the content with the accepted one, and keeps the job's reason.
#[tokio::test]
async fn a_claim_hands_out_the_reason_and_what_it_says_of_a_response() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!(claimed.reason, None);
    let why = Reason::UndecidedResponse(GatewayText::new(Some("40004/isv.order-exist"), Some("订单\n已存在")));
    let mut commit = then(&claimed, State::InDoubt, Due::Query(Millis(1)));
    commit.reason = Some(why.clone());
    scene.commit(&commit).await;
    let claimed = scene.claim_one("w").await;
    assert_eq!(claimed.reason, Some(why));
    assert_eq!(claimed.progress(false, true, false).received, Received::Response);
    let mut silent = claimed;
    silent.reason = Some(Reason::LastResponse(GatewayText::default()));
    assert_eq!(silent.progress(false, true, false).received, Received::Nothing);
}

/// "Sent" counts requests that may have left, and nothing else.
#[tokio::test]
async fn a_send_that_was_skipped_or_given_back_is_none() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let first = scene.claim_one("w").await;
    scene.commit(&then(&first, State::InDoubt, Due::Send(Millis(1)))).await;
    let skipped = |job: &ClaimedJob, state, due| {
        let mut commit = then(job, state, due);
        commit.resend = bursar_store::Resend::Skipped;
        commit
    };
    for _ in 0..2 {
        let job = scene.claim_one("w").await;
        assert_eq!((job.sends, job.resends), (2, 1), "while it may leave, it counts");
        scene.commit(&skipped(&job, State::InDoubt, Due::Send(Millis(1)))).await;
        let seen = scene.job("k1").await;
        assert_eq!((seen.sends, seen.resends), (1, 0));
        let released = scene.claim_one("w").await;
        scene.store.release(&scene.queue, &[&released]).await.unwrap();
        assert_eq!(scene.job("k1").await.sends, 1);
    }
    let review = scene.claim_one("w").await;
    scene.commit(&skipped(&review, State::NeedsReview, Due::Never)).await;
    let view = scene.job("k1").await.view();
    assert_eq!((view.attempts, view.state), (1, State::NeedsReview));
}
