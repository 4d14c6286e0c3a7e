//! What producers are told: each end and each review, at least once, in order per job.

use std::time::Duration;

use bursar_domain::{ActionKind, Delivery, DeliveryOutcome, Due, Key, Millis, Operation, Reason, State};
use bursar_store::{Callback, Committed, Happened, Operator, Origin, Telling, ToldOrNot};
use bursar_test_support::{eventually, private_redis};

use crate::scene::{LEASE, SHORT_LEASE, SOON, Scene, asked, said, sent, told_transfer};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because" };

fn origin(scene: &Scene) -> Origin {
    Origin::Jobs(scene.lane.clone())
}

async fn due_within(scene: &Scene, lease: Duration) -> Vec<Callback> {
    scene.store.claim_callbacks(&origin(scene), lease, 100).await.unwrap().due
}

async fn due(scene: &Scene) -> Vec<Callback> {
    due_within(scene, LEASE).await
}

async fn next(scene: &Scene) -> Callback {
    let mut due = due(scene).await;
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

async fn tell(scene: &Scene, callback: &Callback, telling: Telling) -> Committed {
    let delivery = Delivery { sequence: Some(callback.number), ..Delivery::of(DeliveryOutcome::Delivered) };
    let (key, delivery) = (callback.key.clone(), Some(delivery));
    let outcome = ToldOrNot { key, fence: callback.fence, telling, delivery };
    scene.store.commit_callbacks(&origin(scene), &[outcome]).await.unwrap()[0]
}

fn state(callback: &Callback) -> State {
    let Happened::Job(job) = &callback.what else { panic!("{callback:?}") };
    job.state
}

async fn operate(scene: &Scene, key: &str, operation: Operation) {
    let key: Key = key.parse().unwrap();
    let outcome = scene.store.operate(&scene.lane, &key, operation, OPERATOR).await.unwrap();
    assert!(matches!(outcome, bursar_store::Operated::Done(_)), "{outcome:?}");
}

/// A job that came before a person.
async fn reviewed(scene: &Scene, key: &str) {
    scene.store.submit(&[told_transfer(key)]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&sent(&claimed, State::NeedsReview, Due::Never)).await;
}

async fn asked_and(scene: &Scene, state: State) {
    let claimed = scene.claim_one("w").await;
    scene.commit(&asked(&claimed, state, Due::Never)).await;
}

#[tokio::test]
async fn each_end_and_each_review_is_told_in_order_as_it_was_then() {
    let scene = Scene::new().await;
    scene.store.submit(&[told_transfer("k1")]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&sent(&claimed, State::Pending, Due::Ask(Millis(1)))).await;
    assert!(due(&scene).await.is_empty(), "what only goes on is not told");
    let claimed = scene.claim_one("w").await;
    let mut review = asked(&claimed, State::NeedsReview, Due::Never);
    review.next.reason = Some(said("out of polls"));
    scene.commit(&review).await;
    operate(&scene, "k1", Operation::Ask).await;
    let claimed = scene.claim_one("w").await;
    let mut end = asked(&claimed, State::Succeeded, Due::Never);
    (end.trade_nos, end.gateway_status) = (Some(vec!["old".into(), "new".into()]), Some("1".into()));
    scene.commit(&end).await;
    operate(&scene, "k1", Operation::Ask).await;
    asked_and(&scene, State::Refunded).await;

    let first = next(&scene).await;
    let Happened::Job(job) = &first.what else { panic!("{first:?}") };
    assert_eq!((first.number, job.state, &job.reason), (1, State::NeedsReview, &Some(said("out of polls"))));
    assert_eq!((job.trade_no.as_deref(), job.attempts, job.asks), (None, 1, 1));
    assert_eq!((first.url.as_str(), first.failures), ("https://shop.example/bursar", 0));
    assert_eq!(tell(&scene, &first, Telling::Told).await, Committed::Ok);
    let second = next(&scene).await;
    let Happened::Job(job) = &second.what else { panic!("{second:?}") };
    assert_eq!((second.number, job.state, job.trade_no.as_deref()), (2, State::Succeeded, Some("new")));
    assert_eq!((job.gateway_status.as_deref(), job.attempts, job.asks), (Some("1"), 1, 2));
    assert_eq!(job.updated_at, Some(second.at.rfc3339()));
    tell(&scene, &second, Telling::Told).await;
    let third = next(&scene).await;
    assert_eq!((third.number, state(&third)), (3, State::Refunded));
    tell(&scene, &third, Telling::Told).await;
    assert!(due(&scene).await.is_empty());
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().to_tell, 0);
    let told: Vec<_> = scene.log("k1").await.into_iter().filter(|line| line["event"] == "delivery").collect();
    assert_eq!(told.iter().map(|line| line["sequence"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn what_operators_end_is_told_too() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    operate(&scene, "k1", Operation::Resolve(State::Failed)).await;
    let first = next(&scene).await;
    tell(&scene, &first, Telling::Told).await;
    let second = next(&scene).await;
    let Happened::Job(job) = &second.what else { panic!("{second:?}") };
    assert_eq!(
        (state(&first), job.state, &job.reason),
        (State::NeedsReview, State::Failed, &Some(Reason::operator_action(ActionKind::Resolve, "li", "because")))
    );
    scene.store.submit(&[told_transfer("k2")]).await.unwrap();
    operate(&scene, "k2", Operation::Cancel).await;
    let cancelled = next(&scene).await;
    assert_eq!((cancelled.key.as_str(), state(&cancelled)), ("k2", State::Cancelled));
}

#[tokio::test]
async fn a_job_whose_producer_wants_to_be_told_nothing_leaves_nothing() {
    let scene = Scene::new().await;
    scene.bring("k1", State::NeedsReview).await;
    operate(&scene, "k1", Operation::Resolve(State::Succeeded)).await;
    scene.bring("k2", State::Cancelled).await;
    let names: Vec<String> = scene.command(&["KEYS", &scene.name("*tell*")]).await;
    assert_eq!(names, Vec::<String>::new());
    assert_eq!(scene.field("k1", "cn").await, None);
}

#[tokio::test]
async fn what_one_teller_has_taken_is_nobody_elses_until_its_lease_ends() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    operate(&scene, "k1", Operation::Resolve(State::Failed)).await;
    let stalled = due_within(&scene, SHORT_LEASE).await.remove(0);
    let again = eventually(SOON, "the lease to end", || async { due(&scene).await.pop() }).await;
    assert_eq!((again.number, again.fence), (1, stalled.fence + 1));
    assert_eq!(tell(&scene, &again, Telling::Told).await, Committed::Ok);
    // Whoever stood still must not strike out what it has not told.
    assert_eq!(tell(&scene, &stalled, Telling::Told).await, Committed::Stale);
    assert_eq!(next(&scene).await.number, 2);
    assert_eq!(scene.log("k1").await.last().unwrap()["late"], true);
}

#[tokio::test]
async fn an_outcome_that_is_recorded_twice_counts_once() {
    for telling in [Telling::Told, Telling::GivenUp, Telling::Failed(Millis(1)), Telling::PutOff(Millis(1))] {
        let scene = Scene::new().await;
        reviewed(&scene, "k1").await;
        operate(&scene, "k1", Operation::Resolve(State::Failed)).await;
        let first = next(&scene).await;
        assert_eq!(tell(&scene, &first, telling).await, Committed::Ok);
        let after = (scene.record("k1").await, scene.log("k1").await);
        assert_eq!(tell(&scene, &first, telling).await, Committed::Again, "{telling:?}");
        assert_eq!((scene.record("k1").await, scene.log("k1").await), after);
        let expected = if matches!(telling, Telling::Told | Telling::GivenUp) { 2 } else { 1 };
        assert_eq!(next(&scene).await.number, expected, "{telling:?}");
    }
}

#[tokio::test]
async fn a_failure_waits_for_its_time_with_everything_behind_it() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    let later = scene.now().await + 3_600_000;
    tell(&scene, &first, Telling::Failed(Millis(later))).await;
    operate(&scene, "k1", Operation::Resolve(State::Failed)).await;
    let claims = scene.store.claim_callbacks(&origin(&scene), LEASE, 100).await.unwrap();
    assert_eq!((claims.due, claims.next_due), (vec![], Some(Millis(later))));
    scene.let_come_due("to_tell", "k1").await;
    let again = next(&scene).await;
    assert_eq!((again.number, again.failures, again.first_tried), (1, 1, first.first_tried));
    tell(&scene, &again, Telling::Told).await;
    let second = next(&scene).await;
    assert_eq!((second.number, second.failures), (2, 0), "what fails is counted anew for each event");
    assert!(second.first_tried >= again.first_tried);
}

#[tokio::test]
async fn what_was_put_off_was_not_tried() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    tell(&scene, &first, Telling::PutOff(Millis(1))).await;
    assert_eq!(scene.field("k1", "ct").await, None, "the day that it is tried for has not begun");
    let again = next(&scene).await;
    assert_eq!((again.number, again.failures), (1, 0));
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_no_more() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    operate(&scene, "k1", Operation::Resolve(State::Succeeded)).await;
    tell(&scene, &next(&scene).await, Telling::Gone).await;
    assert!(due(&scene).await.is_empty());
    operate(&scene, "k1", Operation::Ask).await;
    asked_and(&scene, State::Refunded).await;
    assert!(due(&scene).await.is_empty());
    assert!(scene.events().await.contains(&"gone".to_owned()));
    assert_eq!(scene.store.purge(&scene.lane, Duration::ZERO, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn giving_up_is_an_event_and_goes_on_with_what_is_next() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    operate(&scene, "k1", Operation::Resolve(State::Succeeded)).await;
    tell(&scene, &next(&scene).await, Telling::GivenUp).await;
    assert_eq!(scene.events().await.last().unwrap(), "given_up");
    assert_eq!(state(&next(&scene).await), State::Succeeded);
}

#[tokio::test]
async fn a_job_with_something_untold_keeps_its_detail() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    operate(&scene, "k1", Operation::Resolve(State::Failed)).await;
    assert_eq!(scene.store.purge(&scene.lane, Duration::ZERO, 10).await.unwrap(), 0);
    for _ in 0..2 {
        tell(&scene, &next(&scene).await, Telling::Told).await;
    }
    assert_eq!(scene.store.purge(&scene.lane, Duration::ZERO, 10).await.unwrap(), 1);
    assert_eq!(scene.record("k1").await.into_keys().collect::<Vec<_>>(), ["z"]);
}

#[tokio::test]
async fn a_list_that_nobody_is_told_stays_short_and_keeps_the_end() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    for _ in 0..30 {
        operate(&scene, "k1", Operation::Ask).await;
        asked_and(&scene, State::NeedsReview).await;
    }
    operate(&scene, "k1", Operation::Resolve(State::Succeeded)).await;
    let length: u64 = scene.command(&["LLEN", &scene.name("tell:k1")]).await;
    assert_eq!(length, 16);
    tell(&scene, &first, Telling::Told).await;
    let mut told = vec![first.number];
    let mut last = state(&first);
    while let Some(callback) = due(&scene).await.pop() {
        tell(&scene, &callback, Telling::Told).await;
        told.push(callback.number);
        last = state(&callback);
    }
    assert_eq!((told[0], told.len(), *told.last().unwrap(), last), (1, 16, 32, State::Succeeded));
    assert!(told.is_sorted());
    let dropped = scene.log("k1").await.iter().filter(|line| line["outcome"] == "dropped").count();
    assert_eq!(dropped, 16);
}

#[tokio::test]
async fn what_is_to_be_told_is_waited_for_without_polling() {
    let scene = Scene::new().await;
    let mut wakes = scene.store.callback_wakes().await.unwrap();
    reviewed(&scene, "k1").await;
    assert_eq!(wakes.next().await, Some(origin(&scene)));
}

#[tokio::test]
async fn an_end_is_told_even_while_memory_is_full() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.store.submit(&[told_transfer("k1")]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    scene.commit(&sent(&claimed, State::Succeeded, Due::Never)).await;
    let first = next(&scene).await;
    assert_eq!(tell(&scene, &first, Telling::Told).await, Committed::Ok);
}

#[tokio::test]
async fn what_cannot_be_told_keeps_no_state_from_its_record_and_no_other_from_being_told() {
    let scene = Scene::new().await;
    let _: () = scene.command(&["SET", &scene.name("tell:k1"), "foreign"]).await;
    reviewed(&scene, "k1").await;
    assert_eq!(scene.state("k1").await, State::NeedsReview);
    reviewed(&scene, "k2").await;
    let _: () = scene.command(&["LSET", &scene.name("tell:k2"), "0", "{}"]).await;
    reviewed(&scene, "k3").await;
    let _: u64 = scene.command(&["ZADD", &scene.name("to_tell"), "1", "k1", "1", "ghost"]).await;
    let told = next(&scene).await;
    assert_eq!(told.key, "k3");
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().orphans, 2);
    assert_eq!(scene.log("k2").await.last().unwrap()["outcome"], "given_up");
    tell(&scene, &told, Telling::Told).await;
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().to_tell, 0);
}

#[tokio::test]
async fn how_much_waits_since_when_and_what_was_tried_first_is_known_at_a_glance() {
    let scene = Scene::new().await;
    let status = async || scene.store.callback_statuses(&[origin(&scene)]).await.unwrap().remove(0);
    let nothing = status().await;
    assert_eq!((nothing.waiting, nothing.next_due, nothing.first_tried), (0, None, None));
    for key in ["k1", "k2"] {
        reviewed(&scene, key).await;
    }
    let waiting = status().await;
    assert_eq!((waiting.waiting, waiting.first_tried), (2, None));
    assert!(waiting.next_due.is_some_and(|due| due <= waiting.now), "{waiting:?}");
    let taken = due(&scene).await;
    let tried = status().await;
    assert_eq!(tried.first_tried, taken.iter().map(|callback| callback.first_tried).min());
    assert!(tried.next_due.is_some_and(|due| due > tried.now), "both are under way: {tried:?}");
    tell(&scene, &taken[0], Telling::Told).await;
    let again = tried.now.plus(Duration::from_secs(60));
    tell(&scene, &taken[1], Telling::Failed(again)).await;
    let failed = status().await;
    assert_eq!((failed.waiting, failed.next_due, failed.first_tried), (1, Some(again), Some(taken[1].first_tried)));
}
