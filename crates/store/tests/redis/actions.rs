//! An operator's action, and a deadline, change only the job as it was read.

use std::time::Duration;

use bursar_domain::{
    ActionKind, DeadlinePassed, Due, HistoryEvent, Millis, OnAmbiguous, OperatorAction, Outcome, Reason, State,
    Transition,
};
use bursar_store::{Action, ActionOutcome, Claim, Committed, JobRecord};

use crate::scene::{LATER, Scene, answered, holding, parse, then, transfer_json};

fn next(state: State, due: Due) -> Transition {
    Transition { state, due, reason: None, pause_queue: false }
}

fn operator(kind: ActionKind, seen: &JobRecord, next: &Transition) -> HistoryEvent {
    HistoryEvent::OperatorAction(OperatorAction {
        at: Millis(1_700_000_000_000),
        action: kind,
        from: seen.state,
        to: next.state,
        operator: "li".into(),
        comment: "because".into(),
        proposed_by: None,
        approved_by: None,
        approval_comment: None,
        more: serde_json::Map::new(),
    })
}

async fn act(scene: &Scene, seen: &JobRecord, kind: ActionKind, next: &Transition) -> ActionOutcome {
    let action = Action {
        next,
        reason: Some(Reason::operator_action(kind, "li", "because")),
        event: operator(kind, seen, next),
        orders_call: !matches!(next.due, Due::Never),
        unless_paused: None,
    };
    scene.store.act(seen, action).await.unwrap()
}

#[tokio::test]
async fn an_action_is_done_once_to_the_job_that_was_seen() {
    let scene = Scene::new().await;
    let mut reported = transfer_json("K1");
    reported["callback_url"] = serde_json::json!("https://shop.example/bursar");
    scene.accept(&[parse(&reported)]).await;
    let seen = scene.job("K1").await;
    let cancelled = next(State::Cancelled, Due::Never);
    assert_eq!(act(&scene, &seen, ActionKind::Cancel, &cancelled).await, ActionOutcome::Done);
    assert_eq!(
        act(&scene, &seen, ActionKind::Cancel, &cancelled).await,
        ActionOutcome::Changed,
        "two who decide at once"
    );
    assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::Cancelled, vec!["done"]));
    assert_eq!(
        (scene.story("K1").await, scene.events().await),
        (vec!["operator_action".to_owned()], vec!["K1 cancelled".to_owned()])
    );
    let outbox: u64 = scene.command(&["LLEN", &format!("{}:K1", scene.name("outbox"))]).await;
    assert_eq!(outbox, 1);
    assert_eq!(scene.claim("w", 5).await.jobs, []);
}

#[tokio::test]
async fn a_claimed_job_is_its_worker_s() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let before = scene.job("K1").await;
    let job = scene.claim_one("w").await;
    let cancelled = next(State::Cancelled, Due::Never);
    assert_eq!(
        act(&scene, &before, ActionKind::Cancel, &cancelled).await,
        ActionOutcome::Changed,
        "it may be paid by now"
    );
    let seen = scene.job("K1").await;
    assert_eq!(act(&scene, &seen, ActionKind::Cancel, &cancelled).await, ActionOutcome::Claimed);
    assert_eq!(scene.commit(&then(&job, State::Succeeded, Due::Never)).await, Committed::Done);
}

#[tokio::test]
async fn an_action_to_call_is_due_at_once_with_new_deadlines() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let job = scene.claim_one("w").await;
    scene.commit(&answered(&job, Outcome::NoResponse, State::NeedsReview, Due::Never)).await;
    let seen = scene.job("K1").await;
    scene.next_millisecond().await;
    let again = next(State::InDoubt, Due::Send(Millis(0)));
    assert_eq!(act(&scene, &seen, ActionKind::Send, &again).await, ActionOutcome::Done);
    let job = scene.claim_one("w").await;
    assert_eq!((job.state, job.sends, job.resends), (State::InDoubt, 2, 1));
    assert!(job.ordered > job.sent_before, "{job:?}");
    scene.commit(&then(&job, State::Succeeded, Due::Never)).await;
    let seen = scene.job("K1").await;
    let query = next(State::Succeeded, Due::Query(Millis(0)));
    assert_eq!(act(&scene, &seen, ActionKind::Query, &query).await, ActionOutcome::Done);
    assert_eq!(scene.sets("K1").await, ["due_queries", "done"], "it has ended all the same");
}

#[tokio::test]
async fn what_redis_may_have_forgotten_counts_as_sent_until_now() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    scene.claim_as(Claim { on_ambiguous: OnAmbiguous::Resend, ..holding(scene.wish("w", 1), 7) }).await;
    let before = scene.job("K1").await;
    assert_eq!(before.state, State::InDoubt);
    let queried = next(State::InDoubt, Due::Query(Millis(0)));
    assert_eq!(act(&scene, &before, ActionKind::Query, &queried).await, ActionOutcome::Done);
    let after = scene.job("K1").await;
    assert!(after.last_sent.is_some() && after.sends == 0, "{after:?}");
}

#[tokio::test]
async fn nothing_is_done_in_a_queue_that_waits_for_its_journals() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    scene.store.pause(&scene.queue, &Reason::JournalAhead).await.unwrap();
    let seen = scene.job("K1").await;
    let failed = next(State::Failed, Due::Never);
    let action = |unless| Action {
        next: &failed,
        reason: None,
        event: HistoryEvent::DeadlinePassed(DeadlinePassed {
            at: Millis(1),
            from: State::Queued,
            to: State::Failed,
            reason: None,
            more: serde_json::Map::new(),
        }),
        orders_call: false,
        unless_paused: unless,
    };
    assert_eq!(scene.store.act(&seen, action(Some(&Reason::JournalAhead))).await.unwrap(), ActionOutcome::Paused);
    assert_eq!(scene.store.act(&seen, action(Some(&Reason::QueueLostWrites))).await.unwrap(), ActionOutcome::Done);
}

#[tokio::test]
async fn a_clock_that_was_set_back_leaves_nothing_due_in_a_far_future() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2", "K3"]).await;
    let jobs = scene.claim("w", 2).await.jobs;
    let day = Duration::from_secs(86_400);
    let now = Millis(scene.now().await);
    // As if the clock had been a day ahead: decided then, due five seconds later.
    let mut commit = then(&jobs[0], State::Pending, Due::Query(now.plus(day + Duration::from_secs(5))));
    commit.decided = now.plus(day);
    let text = scene.store.commit(&scene.queue, &[commit]).await.unwrap();
    assert_eq!(text, [Committed::Done]);
    let due = scene.job("K1").await.due.unwrap();
    assert!(due < now.plus(Duration::from_secs(60)), "what was decided by the other clock comes due by this one");
    scene.set_due("due_queries", "K1", now.plus(day + Duration::from_secs(5)).0).await;
    scene.set_due("due_queries", jobs[1].key.as_str(), now.plus(day).0).await;
    assert_eq!(scene.store.set_clock_back(&scene.queue, Duration::from_secs(30)).await.unwrap(), 2);
    let soon = now.plus(Duration::from_secs(60));
    for key in ["K1", "K2"] {
        assert!(scene.job(key).await.due.unwrap() < soon, "{key}");
    }
    assert!(scene.job("K1").await.updated.unwrap() < soon);
    assert_eq!(scene.store.set_clock_back(&scene.queue, Duration::from_secs(30)).await.unwrap(), 0, "done twice");
    assert!(scene.job("K1").await.due.unwrap() < LATER);
}
