//! Operators' actions, each with the operator and the reason.

use bursar_domain::{
    ActionKind, Call, Due, HistoryEvent, Job, Millis, Operation, OperatorAction, Reason, State, Transition,
};
use bursar_store::{Operated, Operator, Unreadable, Wake};
use serde_json::{Value, json};

use crate::scene::{LATER, OPERATOR, Scene, key, parse, then, transfer, transfer_json, transfer_with_webhook};

const OPERATIONS: [Operation; 4] =
    [Operation::Query, Operation::Send, Operation::Resolve(State::Succeeded), Operation::Cancel];

fn actions(history: &[HistoryEvent]) -> Vec<&OperatorAction> {
    let mut actions = Vec::new();
    for event in history {
        if let HistoryEvent::OperatorAction(action) = event {
            actions.push(action);
        }
    }
    actions
}

async fn history(scene: &Scene, name: &str) -> Vec<HistoryEvent> {
    let job = scene.job(name).await;
    scene.store.history(&job).await.unwrap()
}

#[tokio::test]
async fn every_operation_in_every_state_does_what_the_rules_say() {
    for state in State::ALL {
        for operation in OPERATIONS {
            let scene = Scene::new().await;
            scene.bring("k1", state).await;
            if state == State::Queued {
                scene.set_due("due_sends", "k1", 1).await;
            }
            let (before, sets) = (scene.text("k1").await, scene.sets("k1").await);
            let outcome = scene.operate("k1", operation).await;
            let Ok(next) = operation.on(state, Millis(0)) else {
                assert!(matches!(outcome, Operated::Refused(_)), "{operation:?} on {state}: {outcome:?}");
                assert_eq!((scene.text("k1").await, scene.sets("k1").await), (before, sets));
                continue;
            };
            let Operated::Done(job) = outcome else { panic!("{operation:?} on {state}: {outcome:?}") };
            assert_eq!(
                (job.state, &job.reason),
                (next.state, &Some(Reason::operator_action(operation.into(), "li", "because")))
            );
            let expected: &[&str] = match (next.due, state) {
                (Due::Send(_), _) => &["due_sends"],
                (Due::Query(_), State::Succeeded) => &["due_queries", "done"],
                (Due::Query(_), _) => &["due_queries"],
                (Due::Never, _) => &["done"],
            };
            assert_eq!(scene.sets("k1").await, expected, "{operation:?} on {state}");
            let history = history(&scene, "k1").await;
            let action = actions(&history)[actions(&history).len() - 1];
            assert_eq!((action.action, action.from, action.to), (ActionKind::from(operation), state, next.state));
            assert_eq!((action.operator.as_str(), action.comment.as_str()), ("li", "because"));
            let orders_call = matches!(operation, Operation::Query | Operation::Send);
            assert_eq!(job.ordered.is_some(), orders_call, "{operation:?} on {state}: deadlines restart");
            let due = scene.claim("w", 5).await.jobs.pop();
            match next.due {
                Due::Send(_) => assert_eq!(due.unwrap().call, Call::Send),
                Due::Query(_) => assert_eq!(due.unwrap().call, Call::Query),
                Due::Never => assert_eq!(due, None),
            }
        }
    }
}

#[tokio::test]
async fn what_an_operator_has_not_seen_is_not_acted_on() {
    for (state, operation) in [(State::Queued, Operation::Send), (State::Pending, Operation::Query)] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        let saw = scene.job("k1").await;
        let act = async || scene.store.operate_as_seen(&saw, operation, OPERATOR).await.unwrap();
        let (one, other) = tokio::join!(act(), act());
        let done = [&one, &other].iter().filter(|outcome| matches!(outcome, Operated::Done(_))).count();
        assert_eq!(done, 1, "{one:?} {other:?}");
        assert_eq!(act().await, Operated::Changed, "the state is {state} still, and not as it was");
        assert_eq!(actions(&history(&scene, "k1").await).len(), 1);
        assert!(
            matches!(scene.operate("k1", operation).await, Operated::Done(_)),
            "an operator who reads it again may"
        );
    }
}

#[tokio::test]
async fn a_job_that_a_worker_is_calling_about_is_left_alone() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    scene.set_due("due_queries", "k1", 1).await;
    let claimed = scene.claim_one("w").await;
    let before = (scene.text("k1").await, scene.due("due_queries", "k1").await);
    let Operated::Claimed(job) = scene.operate("k1", Operation::Query).await else { panic!("not claimed") };
    assert_eq!(job.worker.as_deref(), Some("w"));
    assert_eq!((scene.text("k1").await, scene.due("due_queries", "k1").await), before);
    scene.commit(&then(&claimed, State::Pending, Due::Query(LATER))).await;
    assert!(matches!(scene.operate("k1", Operation::Query).await, Operated::Done(_)));
}

#[tokio::test]
async fn a_job_being_sent_for_the_first_time_cannot_be_cancelled() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    assert!(matches!(scene.operate("k1", Operation::Cancel).await, Operated::Refused(_)));
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    assert_eq!(scene.state("k1").await, State::Succeeded);
}

#[tokio::test]
async fn cancelling_races_with_claiming_and_exactly_one_wins() {
    for _ in 0..30 {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let (claims, cancelled) = tokio::join!(scene.claim("w", 1), scene.operate("k1", Operation::Cancel));
        let done = matches!(cancelled, Operated::Done(_));
        assert_eq!(done, claims.jobs.is_empty(), "{cancelled:?}");
        assert_eq!(scene.state("k1").await, if done { State::Cancelled } else { State::InDoubt });
        assert_eq!(scene.claim("v", 1).await.jobs, [], "no worker sends a cancelled job");
    }
}

#[tokio::test]
async fn an_unknown_job_and_an_unreadable_one_are_distinct_errors() {
    let scene = Scene::new().await;
    for operation in OPERATIONS {
        assert_eq!(scene.operate("nowhere", operation).await, Operated::Unknown);
    }
    assert_eq!(scene.text("nowhere").await, None);
    scene.submit(&["newer", "damaged"]).await;
    let newer = r#"{"v":3,"state":"dreaming"}"#;
    for (name, text) in [("newer", newer), ("damaged", "{")] {
        let _: () = scene.command(&["SET", &scene.job_name(name), text]).await;
        for operation in OPERATIONS {
            let operated = scene.operate(name, operation).await;
            let Operated::Unreadable(why) = operated else { panic!("{operated:?}") };
            assert_eq!(why == Unreadable::Newer { v: 3 }, name == "newer", "{why:?}");
        }
        assert_eq!(scene.text(name).await.as_deref(), Some(text), "it is left as it is");
    }
}

#[tokio::test]
async fn reasons_in_any_script_are_kept_and_stay_json() {
    let whys = [
        "plain",
        "客户要求退款",
        "\"quoted\" \\ back\\\\slash",
        "line\nbreak\ttab\u{1}",
        "}",
        "{}}",
        "%s %d %",
        "",
        "🍵",
    ];
    for why in whys {
        let scene = Scene::new().await;
        scene.bring("k1", State::NeedsReview).await;
        let operator = Operator { who: "王\"芳\"", why, identity: None };
        let operation = Operation::Resolve(State::Failed);
        let outcome = scene.store.operate(&scene.queue, &key("k1"), operation, operator).await.unwrap();
        assert!(matches!(outcome, Operated::Done(_)), "{outcome:?}");
        let record = scene.record("k1").await;
        let last = record["history"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["event"], &last["comment"]), (&Value::from("operator_action"), &Value::from(why)));
        assert_eq!((&last["operator"], &last["to"]), (&Value::from("王\"芳\""), &Value::from("failed")));
    }
}

#[tokio::test]
async fn a_long_reason_is_whole_in_the_history_and_cut_elsewhere() {
    let scene = Scene::new().await;
    scene.bring("k1", State::NeedsReview).await;
    let why = "号".repeat(5_000);
    let operator = Operator { who: "li", why: &why, identity: None };
    let operated = scene.store.operate(&scene.queue, &key("k1"), Operation::Query, operator).await.unwrap();
    let Operated::Done(job) = operated else { panic!("not done") };
    let Some(Reason::OperatorAction { comment, .. }) = job.reason else { panic!("{job:?}") };
    assert_eq!(comment.chars().count(), 160);
    let history = history(&scene, "k1").await;
    assert_eq!(actions(&history)[0].comment.chars().count(), 5_000);
}

#[tokio::test]
async fn an_operation_on_what_changed_meanwhile_follows_the_new_state() {
    let scene = Scene::new().await;
    scene.accept(&[transfer_with_webhook("k1")]).await;
    scene.take_to("k1", State::NeedsReview).await;
    let resolve = async || scene.operate("k1", Operation::Resolve(State::Succeeded)).await;
    let (one, other) = tokio::join!(resolve(), resolve());
    let done = [&one, &other].iter().filter(|outcome| matches!(outcome, Operated::Done(_))).count();
    assert_eq!(done, 1, "{one:?} {other:?}");
    assert_eq!(actions(&history(&scene, "k1").await).len(), 1);
    let reported: Vec<Value> = scene.outbox("k1").await.iter().map(|event| event["state"].clone()).collect();
    assert_eq!(reported, [json!("needs_review"), json!("succeeded")], "each is delivered once");
}

#[tokio::test]
async fn an_action_on_a_job_that_keeps_changing_is_never_done() {
    // A false record makes each read return another state than the expected one.
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    let (store, queue) = (scene.store.clone(), scene.queue.clone());
    let flip = async {
        let script = "local text = redis.call('GET', KEYS[1])
            text = string.gsub(text, '\"state\":\"%l+_?%l*\"', '\"state\":\"' .. ARGV[1] .. '\"', 1)
            redis.call('SET', KEYS[1], text)";
        let (script, name) = (redis::Script::new(script), scene.job_name("k1"));
        for number in 0..4_000 {
            let state = if number % 2 == 0 { "in_doubt" } else { "pending" };
            script.key(&name).arg(state).invoke_async::<()>(&mut scene.raw()).await.unwrap();
        }
    };
    let operations = async {
        for _ in 0..100 {
            let before = actions(&history(&scene, "k1").await).len();
            let outcome = store.operate(&queue, &key("k1"), Operation::Query, OPERATOR).await.unwrap();
            let written = actions(&history(&scene, "k1").await).len() - before;
            match outcome {
                Operated::Done(_) => assert_eq!(written, 1),
                Operated::Claimed(_) => assert_eq!(written, 0),
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::join!(flip, operations);
}

#[tokio::test]
async fn pausing_and_resuming_report_changes_and_their_author() {
    let scene = Scene::new().await;
    let of = |operator: Operator<'_>, action| operator.reason(action);
    let first = of(Operator { who: "li", why: "gateway \"down\" 停机", identity: None }, ActionKind::Pause);
    assert!(scene.store.pause(&scene.queue, &first).await.unwrap());
    assert!(!scene.store.pause(&scene.queue, &of(OPERATOR, ActionKind::Pause)).await.unwrap());
    let paused = scene.store.status(&scene.queue).await.unwrap().paused;
    assert_eq!(paused, Some(first), "the first one's reason stays");
    let mut wakeups = scene.store.wakeups().await.unwrap();
    let resume = of(OPERATOR, ActionKind::Resume);
    assert!(scene.store.resume(&scene.queue, &resume).await.unwrap());
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())), "what waited can go at once");
    assert!(!scene.store.resume(&scene.queue, &resume).await.unwrap());
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().paused, None);
    assert_eq!(scene.events().await, ["paused", "resumed"]);
}

#[tokio::test]
async fn an_operation_wakes_the_workers() {
    let scene = Scene::new().await;
    scene.bring("k1", State::NeedsReview).await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    scene.operate("k1", Operation::Query).await;
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
}

#[tokio::test]
async fn lost_writes_forbid_cancelling_and_sending_unsent_jobs() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let paused = async || scene.store.status(&scene.queue).await.unwrap().paused;
    let fences = async || scene.store.fences(std::slice::from_ref(&scene.queue)).await.unwrap();
    assert!(scene.store.pause_for_a_journal(&scene.queue).await.unwrap());
    for operation in [Operation::Cancel, Operation::Send] {
        let operated = scene.operate("k1", operation).await;
        let Operated::Refused(refused) = operated else { panic!("{operated:?}") };
        assert!(refused.to_string().contains("a journal has sends that Redis has lost"), "{refused}");
    }
    assert_eq!(scene.state("k1").await, State::Queued);
    scene.store.settle_queue(&scene.queue, 7).await.unwrap();
    assert_eq!((fences().await, paused().await), (vec![7], None));
    assert!(matches!(scene.operate("k1", Operation::Cancel).await, Operated::Done(_)));
    // A person's pause is no journal's: it stays.
    scene.store.pause(&scene.queue, &OPERATOR.reason(ActionKind::Pause)).await.unwrap();
    assert!(!scene.store.pause_for_a_journal(&scene.queue).await.unwrap());
    scene.store.settle_queue(&scene.queue, 3).await.unwrap();
    assert_eq!(fences().await, [7], "it never falls");
    assert!(paused().await.is_some());
}

#[tokio::test]
async fn a_job_past_its_deadline_ends_once() {
    let scene = Scene::new().await;
    let mut reported = transfer_json("k1");
    reported["callback_url"] = json!("https://shop.example/bursar");
    let jobs: [Job; 4] = [parse(&reported), transfer("k2"), transfer("k3"), transfer("k4")];
    scene.accept(&jobs).await;
    let mut seen = Vec::new();
    for name in ["k1", "k2", "k3", "k4"] {
        seen.push(scene.job(name).await);
    }
    let reason = Some(Reason::RetryDeadlinePassed(bursar_domain::GatewayText::default()));
    let failed = Transition { state: State::Failed, due: Due::Never, reason: reason.clone(), pause_queue: false };
    let end = async |at: usize| scene.store.end_overdue(&seen[at], &failed).await.unwrap();
    assert!(end(0).await && !end(0).await);
    let job = scene.job("k1").await;
    assert_eq!((job.state, &job.reason, scene.sets("k1").await), (State::Failed, &reason, vec!["done"]));
    let [HistoryEvent::DeadlinePassed(event)] = job.recent.as_slice() else { panic!("{job:?}") };
    assert_eq!((event.from, event.to, &event.reason), (State::Queued, State::Failed, &reason));
    assert_eq!(scene.outbox("k1").await[0]["reason"], json!(reason));

    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.key.as_str(), end(1).await), ("k2", false), "it may have been sent by now");
    scene.operate("k3", Operation::Send).await;
    assert!(!end(2).await, "a person has ordered a call");
    scene.store.pause_for_a_journal(&scene.queue).await.unwrap();
    assert!(!end(3).await, "it may have been sent before Redis forgot it");
    assert_eq!((scene.state("k3").await, scene.state("k4").await), (State::Queued, State::Queued));
}

#[tokio::test]
async fn nothing_is_done_to_a_job_whose_detail_has_expired() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap();
    let tombstone = scene.text("k1").await;
    for operation in OPERATIONS {
        let operated = scene.operate("k1", operation).await;
        assert!(matches!(operated, Operated::Refused(_)), "{operation:?}: {operated:?}");
    }
    assert_eq!(scene.text("k1").await, tombstone);
}

#[tokio::test]
async fn a_possibly_sent_job_is_resolved_and_never_cancelled() {
    let scene = Scene::new().await;
    scene.submit(&["k1", "k2"]).await;
    scene.store.lost_writes(&scene.queue, 0).await.unwrap();
    assert!(matches!(scene.operate("k1", Operation::Cancel).await, Operated::Refused(_)));
    let resolved = scene.operate("k1", Operation::Resolve(State::Failed)).await;
    assert!(matches!(resolved, Operated::Done(_)), "{resolved:?}");
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::Failed, vec!["done"]));
    assert!(matches!(scene.operate("k2", Operation::Query).await, Operated::Done(_)));
    assert_eq!(scene.sets("k2").await, ["due_queries"]);
    assert_eq!(scene.claim_one("w").await.call, Call::Query);
}
