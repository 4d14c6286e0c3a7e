//! Operators' hands, each act with who and why.

use bursar_domain::{ActionKind, Call, Due, Key, Millis, Operation, Reason, State};
use bursar_store::{Operated, Operator};
use serde_json::Value;

use crate::scene::{Scene, asked, sent};

const OPERATIONS: [Operation; 4] =
    [Operation::Ask, Operation::Send, Operation::Resolve(State::Succeeded), Operation::Cancel];

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because" };

async fn operate(scene: &Scene, key: &str, operation: Operation) -> Operated {
    scene.store.operate(&scene.lane, &key.parse().unwrap(), operation, OPERATOR).await.unwrap()
}

#[tokio::test]
async fn every_operation_in_every_state_does_what_the_rules_say_or_changes_nothing() {
    for state in State::ALL {
        for operation in OPERATIONS {
            let scene = Scene::new().await;
            scene.bring("k1", state).await;
            let (before, log, sets) = (scene.record("k1").await, scene.log("k1").await, scene.sets("k1").await);
            let outcome = operate(&scene, "k1", operation).await;
            let Ok(next) = operation.on(state, Millis(0)) else {
                assert!(matches!(outcome, Operated::Refused(_)), "{operation:?} on {state}: {outcome:?}");
                assert_eq!(
                    (scene.record("k1").await, scene.log("k1").await, scene.sets("k1").await),
                    (before, log, sets)
                );
                continue;
            };
            let Operated::Done(record) = outcome else { panic!("{operation:?} on {state}: {outcome:?}") };
            assert_eq!(
                (record.state, record.reason),
                (next.state, Some(Reason::operator_action(operation.into(), "li", "because")))
            );
            let expected: &[&str] = match (next.due, state) {
                (Due::Send(_), _) => &["to_send"],
                (Due::Ask(_), State::Succeeded) => &["to_ask", "done"],
                (Due::Ask(_), _) => &["to_ask"],
                (Due::Never, _) => &["done"],
            };
            assert_eq!(scene.sets("k1").await, expected, "{operation:?} on {state}");
            let line = scene.log("k1").await.pop().unwrap();
            let action = ActionKind::from(operation).as_str();
            assert_eq!((line["event"].as_str(), line["action"].as_str()), (Some("operator_action"), Some(action)));
            assert_eq!((line["from"].as_str(), line["to"].as_str()), (Some(state.as_str()), Some(next.state.as_str())));
            assert_eq!((line["operator"].as_str(), line["comment"].as_str()), (Some("li"), Some("because")));
            let due = scene.claim("w", 5).await.jobs.pop();
            match next.due {
                Due::Send(_) => assert_eq!(due.unwrap().call, Call::Send),
                Due::Ask(_) => assert_eq!(due.unwrap().call, Call::Ask),
                Due::Never => assert_eq!(due, None),
            }
        }
    }
}

#[tokio::test]
async fn what_an_operator_has_not_seen_is_not_acted_on() {
    for (state, operation) in [(State::Queued, Operation::Send), (State::Pending, Operation::Ask)] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        let saw = scene.store.job(&scene.lane, &"k1".parse().unwrap()).await.unwrap().unwrap();
        // A change is known by its millisecond: nobody decides within the one in which there was another.
        while scene.now().await <= saw.updated.unwrap().0 {}
        let act = async || scene.store.operate_as_seen(&saw, operation, OPERATOR).await.unwrap();
        let (one, other) = tokio::join!(act(), act());
        let done = [&one, &other].iter().filter(|outcome| matches!(outcome, Operated::Done(_))).count();
        assert_eq!(done, 1, "{one:?} {other:?}");
        assert_eq!(act().await, Operated::Changed, "the state is {state} still, and not as it was");
        let acts = scene.log("k1").await.iter().filter(|line| line["event"] == "operator_action").count();
        assert_eq!(acts, 1);
        assert!(matches!(operate(&scene, "k1", operation).await, Operated::Done(_)), "whoever looks anew may");
    }
}

#[tokio::test]
async fn a_job_that_a_worker_is_calling_about_is_left_alone() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    scene.let_come_due("to_ask", "k1").await;
    let claimed = scene.claim_one("w").await;
    let before = (scene.record("k1").await, scene.log("k1").await, scene.due("to_ask", "k1").await);
    let Operated::Held(record) = operate(&scene, "k1", Operation::Ask).await else { panic!("not held") };
    assert_eq!(record.worker.as_deref(), Some("w"));
    assert_eq!((scene.record("k1").await, scene.log("k1").await, scene.due("to_ask", "k1").await), before);
    scene.commit(&asked(&claimed, State::Pending, Due::Ask(Millis(99_999_999_999_999)))).await;
    assert!(matches!(operate(&scene, "k1", Operation::Ask).await, Operated::Done(_)));
}

#[tokio::test]
async fn a_job_being_sent_for_the_first_time_cannot_be_cancelled() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    assert!(matches!(operate(&scene, "k1", Operation::Cancel).await, Operated::Refused(_)));
    scene.commit(&sent(&claimed, State::Succeeded, Due::Never)).await;
    assert_eq!(scene.state("k1").await, State::Succeeded);
}

#[tokio::test]
async fn cancelling_races_with_claiming_and_exactly_one_wins() {
    for _ in 0..30 {
        let scene = Scene::new().await;
        scene.submit(&["k1"]).await;
        let (claims, cancelled) = tokio::join!(scene.claim("w", 1), operate(&scene, "k1", Operation::Cancel));
        let done = matches!(cancelled, Operated::Done(_));
        assert_eq!(done, claims.jobs.is_empty(), "{cancelled:?}");
        assert_eq!(scene.state("k1").await, if done { State::Cancelled } else { State::InDoubt });
    }
}

#[tokio::test]
async fn an_unknown_job_is_unknown() {
    let scene = Scene::new().await;
    for operation in OPERATIONS {
        assert_eq!(operate(&scene, "nobody", operation).await, Operated::Unknown);
    }
    assert!(scene.record("nobody").await.is_empty());
    assert!(scene.log("nobody").await.is_empty());
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
        let operator = Operator { who: "王\"芳\"", why };
        let key: Key = "k1".parse().unwrap();
        let outcome =
            scene.store.operate(&scene.lane, &key, Operation::Resolve(State::Failed), operator).await.unwrap();
        assert!(matches!(outcome, Operated::Done(_)), "{outcome:?}");
        let last = scene.log("k1").await.pop().unwrap();
        assert_eq!((&last["event"], &last["comment"]), (&Value::from("operator_action"), &Value::from(why)));
        assert_eq!((&last["operator"], &last["to"]), (&Value::from("王\"芳\""), &Value::from("failed")));
    }
}

#[tokio::test]
async fn a_very_long_reason_is_whole_in_the_log_and_cut_by_characters_in_the_record() {
    let scene = Scene::new().await;
    scene.bring("k1", State::NeedsReview).await;
    let why = "号".repeat(5_000);
    let operator = Operator { who: "li", why: &why };
    let key: Key = "k1".parse().unwrap();
    let Operated::Done(record) = scene.store.operate(&scene.lane, &key, Operation::Ask, operator).await.unwrap() else {
        panic!("not done")
    };
    let Some(Reason::OperatorAction { comment, .. }) = record.reason else { panic!("{record:?}") };
    assert_eq!(comment.chars().count(), 160);
    assert_eq!(scene.log("k1").await.pop().unwrap()["comment"].as_str().unwrap().chars().count(), 5_000);
}

#[tokio::test]
async fn an_operation_on_what_changed_meanwhile_follows_the_new_state() {
    let scene = Scene::new().await;
    scene.bring("k1", State::NeedsReview).await;
    let (one, other) = tokio::join!(
        operate(&scene, "k1", Operation::Resolve(State::Succeeded)),
        operate(&scene, "k1", Operation::Resolve(State::Succeeded))
    );
    let done = [&one, &other].iter().filter(|outcome| matches!(outcome, Operated::Done(_))).count();
    assert_eq!(done, 1, "{one:?} {other:?}");
    assert_eq!(scene.story("k1").await.iter().filter(|event| *event == "operator_action").count(), 1);
}

#[tokio::test]
async fn an_operator_is_never_told_done_when_the_job_kept_changing() {
    // Somebody answers every look with another state than the one that was seen: a lie in the record does it.
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    let store = scene.store.clone();
    let lane = scene.lane.clone();
    let flip = async {
        for number in 0..4_000 {
            let state = if number % 2 == 0 { "in_doubt" } else { "pending" };
            let _: u64 = scene.command(&["HSET", &scene.name("job:k1"), "s", state]).await;
        }
    };
    let key: Key = "k1".parse().unwrap();
    let operations = async {
        for _ in 0..100 {
            let before = scene.log("k1").await.len();
            let outcome = store.operate(&lane, &key, Operation::Ask, OPERATOR).await.unwrap();
            let written = scene.log("k1").await.len() - before;
            match outcome {
                Operated::Done(_) => assert_eq!(written, 1),
                Operated::Held(_) => assert_eq!(written, 0),
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::join!(flip, operations);
}

#[tokio::test]
async fn pausing_and_resuming_tell_whether_they_changed_anything_and_who_did() {
    let scene = Scene::new().await;
    let first = Operator { who: "li", why: "gateway \"down\" 停机" };
    assert!(scene.store.pause(&scene.lane, first).await.unwrap());
    assert!(!scene.store.pause(&scene.lane, OPERATOR).await.unwrap());
    let paused = scene.store.lane_status(&scene.lane).await.unwrap().paused;
    let first = Reason::operator_action(ActionKind::Pause, "li", "gateway \"down\" 停机");
    assert_eq!(paused, Some(first), "the first one's reason stays");
    let mut wakes = scene.store.wakes().await.unwrap();
    assert!(scene.store.resume(&scene.lane, OPERATOR).await.unwrap());
    assert_eq!(wakes.next().await, Some(scene.lane.clone()), "what waited can go at once");
    assert!(!scene.store.resume(&scene.lane, OPERATOR).await.unwrap());
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().paused, None);
    assert_eq!(scene.events().await, ["paused", "resumed"]);
}

#[tokio::test]
async fn an_operation_wakes_the_workers() {
    let scene = Scene::new().await;
    scene.bring("k1", State::NeedsReview).await;
    let mut wakes = scene.store.wakes().await.unwrap();
    operate(&scene, "k1", Operation::Ask).await;
    assert_eq!(wakes.next().await, Some(scene.lane.clone()));
}
