//! Webhooks: each end and each review is delivered at least once, in order per job, by one dispatcher at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bursar_domain::{DeliveryOutcome, Due, HistoryEvent, Millis, Reason, State};
use bursar_store::{
    ClaimedDeliveries, ClaimedDelivery, Committed, DeliveryClaim, DeliveryCommit, DeliveryResult, EventPayload,
    Operator, Origin, WebhookEvent,
};
use bursar_test_support::{eventually, private_redis};

use crate::scene::{LATER, LEASE, SHORT_LEASE, Scene, then, transfer, transfer_with_webhook};

const SOON: Duration = Duration::from_secs(10);

static NUMBER: AtomicU64 = AtomicU64::new(1);

fn origin(scene: &Scene) -> Origin {
    Origin::Jobs(scene.queue.clone())
}

async fn claim_within(scene: &Scene, lease: Duration) -> ClaimedDeliveries {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let claim = DeliveryClaim { dispatcher: "d \"1\"", number, lease, most: 100 };
    scene.store.claim_deliveries(&origin(scene), &claim).await.unwrap()
}

async fn claim(scene: &Scene) -> ClaimedDeliveries {
    claim_within(scene, LEASE).await
}

async fn next(scene: &Scene) -> ClaimedDelivery {
    let mut claimed = claim(scene).await;
    assert_eq!(claimed.due.len(), 1, "{claimed:?}");
    claimed.due.remove(0)
}

async fn commit(scene: &Scene, commit: &DeliveryCommit) -> Committed {
    scene.store.commit_deliveries(&origin(scene), std::slice::from_ref(commit)).await.unwrap()[0]
}

async fn end(scene: &Scene, delivery: &ClaimedDelivery, result: DeliveryResult) -> Committed {
    commit(scene, &DeliveryCommit::new(delivery, Millis(scene.now().await), result)).await
}

fn event(delivery: &ClaimedDelivery) -> &WebhookEvent {
    let EventPayload::Job(event) = &delivery.what else { panic!("{delivery:?}") };
    event
}

/// A job that needs review.
async fn reviewed(scene: &Scene, key: &str) {
    scene.accept(&[transfer_with_webhook(key)]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::NeedsReview, Due::Never)).await;
}

/// The job is queried once more, and this follows.
async fn queried_and(scene: &Scene, key: &str, state: State) {
    let _: u64 = scene.command(&["ZADD", &scene.name("due_queries"), "1", key]).await;
    let claimed = scene.claim_one("w").await;
    // Two decisions differ in time: this one is later than the last.
    let mut commit = then(&claimed, state, Due::Never);
    commit.decided = Millis(scene.now().await);
    scene.commit(&commit).await;
}

async fn deliveries(scene: &Scene, key: &str) -> Vec<bursar_domain::Delivery> {
    let job = scene.job(key).await;
    let history = scene.store.history(&job).await.unwrap();
    let delivery = |event| match event {
        HistoryEvent::Delivery(delivery) => Some(delivery),
        _ => None,
    };
    history.into_iter().filter_map(delivery).collect()
}

async fn kept(scene: &Scene, key: &str) -> (Option<String>, Vec<String>) {
    let record = scene.command(&["GET", &format!("{}:{key}", scene.name("delivery"))]).await;
    (record, scene.command(&["LRANGE", &format!("{}:{key}", scene.name("history")), "0", "-1"]).await)
}

async fn ready(scene: &Scene) -> Option<u64> {
    let (ready, more) = scene.store.ready_deliveries(LATER).await.unwrap();
    assert!(!more);
    ready.iter().find(|ready| ready.queue == origin(scene)).map(|ready| ready.due.0)
}

async fn waiting(scene: &Scene) -> u64 {
    scene.store.delivery_status(&origin(scene)).await.unwrap().waiting
}

#[tokio::test]
async fn each_end_and_each_review_is_delivered_in_order_as_it_was() {
    let scene = Scene::new().await;
    scene.accept(&[transfer_with_webhook("k1")]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::Pending, Due::Query(Millis(1)))).await;
    assert!(claim(&scene).await.due.is_empty(), "what only goes on is not delivered");
    let claimed = scene.claim_one("w").await;
    let mut review = then(&claimed, State::NeedsReview, Due::Never);
    (review.queried, review.reason) = (true, Some(Reason::LostWrites));
    scene.commit(&review).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("due_queries"), "1", "k1"]).await;
    let claimed = scene.claim_one("w").await;
    let mut ended = then(&claimed, State::Succeeded, Due::Never);
    (ended.queried, ended.trade_nos, ended.gateway_status) = (true, vec!["old".into(), "new".into()], Some("1".into()));
    scene.commit(&ended).await;
    queried_and(&scene, "k1", State::Refunded).await;

    let first = next(&scene).await;
    let reported = event(&first);
    assert_eq!((first.sequence, reported.state, &reported.reason), (1, State::NeedsReview, &Some(Reason::LostWrites)));
    assert_eq!(
        (&reported.trade_no, reported.sends, reported.queries, reported.created_at.is_some()),
        (&None, 1, 1, true)
    );
    assert_eq!((first.url.as_str(), first.failures), ("https://shop.example/bursar", 0));
    assert_eq!(end(&scene, &first, DeliveryResult::Delivered).await, Committed::Done);
    let second = next(&scene).await;
    let reported = event(&second);
    assert_eq!((second.sequence, reported.state, reported.trade_no.as_deref()), (2, State::Succeeded, Some("new")));
    assert_eq!((reported.gateway_status.as_deref(), reported.sends, reported.queries), (Some("1"), 1, 2));
    end(&scene, &second, DeliveryResult::Delivered).await;
    let third = next(&scene).await;
    assert_eq!((third.sequence, event(&third).state), (3, State::Refunded));
    end(&scene, &third, DeliveryResult::Delivered).await;
    assert!(claim(&scene).await.due.is_empty());
    assert_eq!(waiting(&scene).await, 0);
    let reported = deliveries(&scene, "k1").await;
    assert_eq!(reported.iter().map(|line| line.sequence.unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn a_job_without_a_callback_url_leaves_nothing() {
    let scene = Scene::new().await;
    scene.accept(&[transfer("k1")]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    let names: Vec<String> = scene.command(&["KEYS", &format!("{}*deliver*", scene.base())]).await;
    let outboxes: Vec<String> = scene.command(&["KEYS", &format!("{}outbox*", scene.base())]).await;
    assert_eq!((names, outboxes), (vec![], vec![]));
}

#[tokio::test]
async fn a_claim_is_its_dispatcher_s_until_the_lease_ends() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    queried_and(&scene, "k1", State::Failed).await;
    let stalled = claim_within(&scene, SHORT_LEASE).await.due.remove(0);
    assert!(claim(&scene).await.due.is_empty());
    let again = eventually(SOON, "the lease to end", || async { claim(&scene).await.due.pop() }).await;
    assert_eq!((again.sequence, again.first_tried), (1, stalled.first_tried), "the first attempt may have been made");
    assert_ne!(again.token, stalled.token);
    let entry: String = scene.command(&["HGET", &scene.name("delivery_claims"), "k1"]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&entry).unwrap()["after"]["claim"], stalled.token.0);
    assert_eq!(end(&scene, &again, DeliveryResult::Delivered).await, Committed::Done);
    // A dispatcher that was stopped must not remove an event that it has not delivered.
    let mut late = DeliveryCommit::new(&stalled, Millis(scene.now().await), DeliveryResult::Delivered);
    late.attempt.ms = Some(58);
    assert_eq!(commit(&scene, &late).await, Committed::Late);
    assert_eq!(commit(&scene, &late).await, Committed::Late);
    assert_eq!(next(&scene).await.sequence, 2);
    let reported = deliveries(&scene, "k1").await;
    assert_eq!(reported.iter().map(|line| line.late).collect::<Vec<_>>(), [false, true], "noted once");
}

#[tokio::test]
async fn lost_claims_of_one_event_take_no_more_room_than_two() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    for _ in 0..100 {
        scene.set_due("due_deliveries", "k1", 1).await;
        assert_eq!(next(&scene).await.first_tried, first.first_tried);
    }
    let length: u64 = scene.command(&["HSTRLEN", &scene.name("delivery_claims"), "k1"]).await;
    assert!(length < 200, "{length}");
}

#[tokio::test]
async fn a_result_that_is_committed_twice_counts_once() {
    for result in [
        DeliveryResult::Delivered,
        DeliveryResult::GivenUp,
        DeliveryResult::Gone,
        DeliveryResult::Failed(Millis(1)),
        DeliveryResult::PutOff(Millis(1)),
    ] {
        let scene = Scene::new().await;
        reviewed(&scene, "k1").await;
        queried_and(&scene, "k1", State::Failed).await;
        let first = next(&scene).await;
        let ended = DeliveryCommit::new(&first, Millis(scene.now().await), result);
        assert_eq!(commit(&scene, &ended).await, Committed::Done);
        let after = kept(&scene, "k1").await;
        assert_eq!(commit(&scene, &ended).await, Committed::Again, "{result:?}");
        assert_eq!(kept(&scene, "k1").await, after);
        let expected = match result {
            DeliveryResult::Delivered | DeliveryResult::GivenUp => Some(2),
            DeliveryResult::Gone => None,
            DeliveryResult::Failed(_) | DeliveryResult::PutOff(_) => Some(1),
        };
        assert_eq!(claim(&scene).await.due.pop().map(|due| due.sequence), expected, "{result:?}");
    }
}

#[tokio::test]
async fn a_failure_waits_for_its_time_with_everything_behind_it() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    let later = scene.now().await + 3_600_000;
    end(&scene, &first, DeliveryResult::Failed(Millis(later))).await;
    queried_and(&scene, "k1", State::Failed).await;
    let claimed = claim(&scene).await;
    assert_eq!((claimed.due, claimed.next_due), (vec![], Some(Millis(later))));
    assert_eq!(ready(&scene).await, Some(later));
    scene.set_due("due_deliveries", "k1", 1).await;
    let again = next(&scene).await;
    assert_eq!((again.sequence, again.failures, again.first_tried), (1, 1, first.first_tried));
    end(&scene, &again, DeliveryResult::Delivered).await;
    let second = next(&scene).await;
    assert_eq!((second.sequence, second.failures), (2, 0), "failures are counted for each event");
    assert!(second.first_tried >= again.first_tried);
    assert_eq!(kept(&scene, "k1").await.0, None);
}

#[tokio::test]
async fn a_delivery_that_was_put_off_was_not_tried() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    end(&scene, &first, DeliveryResult::PutOff(Millis(1))).await;
    assert_eq!(kept(&scene, "k1").await, (None, vec![]), "the time for which it is tried has not begun");
    let status = scene.store.delivery_status(&origin(&scene)).await.unwrap();
    assert_eq!(status.first_tried, None);
    let again = next(&scene).await;
    assert_eq!((again.sequence, again.failures), (1, 0));
}

#[tokio::test]
async fn a_receiver_that_is_gone_gets_no_more_events() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    queried_and(&scene, "k1", State::Succeeded).await;
    end(&scene, &next(&scene).await, DeliveryResult::Gone).await;
    assert!(claim(&scene).await.due.is_empty());
    queried_and(&scene, "k1", State::Refunded).await;
    assert!(claim(&scene).await.due.is_empty());
    claim(&scene).await;
    assert_eq!((waiting(&scene).await, ready(&scene).await), (0, None));
    assert!(scene.events().await.contains(&"webhook_gone".to_owned()));
    assert_eq!(scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap(), 1);
    assert_eq!(kept(&scene, "k1").await, (None, vec![]), "nothing is left of it");
}

#[tokio::test]
async fn giving_up_is_published_and_the_next_event_s_turn_comes() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    queried_and(&scene, "k1", State::Succeeded).await;
    end(&scene, &next(&scene).await, DeliveryResult::GivenUp).await;
    assert_eq!(scene.events().await.last().unwrap(), "webhook_given_up");
    assert_eq!(event(&next(&scene).await).state, State::Succeeded);
}

#[tokio::test]
async fn a_job_with_an_undelivered_event_keeps_its_detail() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    queried_and(&scene, "k1", State::Failed).await;
    assert_eq!(scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap(), 0);
    for _ in 0..2 {
        end(&scene, &next(&scene).await, DeliveryResult::Delivered).await;
    }
    assert_eq!(scene.store.purge(&scene.queue, Duration::ZERO, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn an_outbox_without_a_dispatcher_is_bounded_and_keeps_the_end() {
    let scene = Scene::new().await;
    reviewed(&scene, "k1").await;
    let first = next(&scene).await;
    for _ in 0..16 {
        queried_and(&scene, "k1", State::Pending).await;
        queried_and(&scene, "k1", State::NeedsReview).await;
    }
    queried_and(&scene, "k1", State::Succeeded).await;
    let length: u64 = scene.command(&["LLEN", &format!("{}:k1", scene.name("outbox"))]).await;
    assert_eq!(length, 16);
    end(&scene, &first, DeliveryResult::Delivered).await;
    let (mut reported, mut last) = (vec![first.sequence], event(&first).state);
    while let Some(delivery) = claim(&scene).await.due.pop() {
        end(&scene, &delivery, DeliveryResult::Delivered).await;
        reported.push(delivery.sequence);
        last = event(&delivery).state;
    }
    assert_eq!((reported[0], reported.len(), *reported.last().unwrap(), last), (1, 16, 18, State::Succeeded));
    assert!(reported.is_sorted());
    let dropped = deliveries(&scene, "k1").await;
    let dropped = dropped.iter().filter(|line| line.outcome == DeliveryOutcome::Dropped).count();
    assert_eq!(dropped, 2);
}

#[tokio::test]
async fn an_event_wakes_dispatchers_and_makes_its_queue_ready() {
    let scene = Scene::new().await;
    let mut wakeups = scene.store.delivery_wakeups().await.unwrap();
    assert_eq!(ready(&scene).await, None);
    reviewed(&scene, "k1").await;
    assert_eq!(wakeups.next().await, Some(origin(&scene)));
    assert!(ready(&scene).await.unwrap() <= scene.now().await);
    let first = next(&scene).await;
    assert!(ready(&scene).await.unwrap() > scene.now().await, "the end of a lease");
    end(&scene, &first, DeliveryResult::Delivered).await;
    claim(&scene).await;
    assert_eq!(ready(&scene).await, None, "nothing waits");
}

#[tokio::test]
async fn an_end_is_delivered_even_while_memory_is_full() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.accept(&[transfer_with_webhook("k1")]).await;
    let claimed = scene.claim_one("w").await;
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    let first = next(&scene).await;
    assert_eq!(end(&scene, &first, DeliveryResult::Delivered).await, Committed::Done);
}

#[tokio::test]
async fn what_cannot_be_delivered_keeps_no_other_waiting() {
    let scene = Scene::new().await;
    let _: () = scene.command(&["SET", &format!("{}:k1", scene.name("outbox")), "foreign"]).await;
    reviewed(&scene, "k1").await;
    assert_eq!(scene.state("k1").await, State::NeedsReview);
    reviewed(&scene, "k2").await;
    let _: () = scene.command(&["LSET", &format!("{}:k2", scene.name("outbox")), "0", "{}"]).await;
    reviewed(&scene, "k3").await;
    let _: u64 = scene.command(&["ZADD", &scene.name("due_deliveries"), "1", "k1", "1", "ghost"]).await;
    let claimed = claim(&scene).await;
    assert_eq!(claimed.due.iter().map(|due| due.key.as_str()).collect::<Vec<_>>(), ["k3"]);
    let mut apart: Vec<String> = claimed.quarantined.iter().map(|(key, _)| key.clone()).collect();
    apart.sort();
    let listed = scene.store.quarantined_deliveries(&origin(&scene), 100).await.unwrap();
    assert!(listed.iter().all(|found| found.code == "undeliverable" && found.since > Millis(0)), "{listed:?}");
    assert_eq!(scene.store.status(&scene.queue).await.unwrap().deliveries_quarantined, 2);
    let mut keys: Vec<&String> = listed.iter().map(|found| &found.key).collect();
    keys.sort();
    assert_eq!((apart.as_slice(), keys), (["ghost".to_owned(), "k1".to_owned()].as_slice(), apart.iter().collect()));
    let unread = deliveries(&scene, "k2").await;
    assert_eq!(unread.last().unwrap().outcome, DeliveryOutcome::GivenUp);
    end(&scene, &claimed.due[0], DeliveryResult::Delivered).await;
    assert_eq!(waiting(&scene).await, 0);
    let _: u64 = scene.command(&["DEL", &format!("{}:k1", scene.name("outbox"))]).await;
    queried_and(&scene, "k1", State::Succeeded).await;
    assert_eq!(event(&next(&scene).await).state, State::Succeeded, "mended");
    let li = Operator { who: "li", why: "mended", identity: None };
    assert!(scene.store.retry_delivery(&origin(&scene), "k1", li).await.unwrap());
    let history = scene.store.history(&scene.job("k1").await).await.unwrap();
    assert!(history.iter().any(|event| matches!(event, HistoryEvent::Quarantine(event) if event.operator == "li")));
    assert!(scene.store.retry_delivery(&origin(&scene), "ghost", li).await.unwrap());
    assert!(!scene.store.retry_delivery(&origin(&scene), "ghost", li).await.unwrap());
    assert_eq!(claim(&scene).await.quarantined.len(), 1, "it is tried again");
}

#[tokio::test]
async fn a_newer_build_s_job_or_delivery_is_left_for_one() {
    let scene = Scene::new().await;
    for key in ["k1", "k2"] {
        reviewed(&scene, key).await;
    }
    let text = scene.text("k1").await.unwrap().replace("\"v\":2", "\"v\":3");
    let _: () = scene.command(&["SET", &scene.job_name("k1"), &text]).await;
    let _: () = scene.command(&["SET", &format!("{}:k2", scene.name("delivery")), r#"{"v":3,"moods":2}"#]).await;
    let claimed = claim(&scene).await;
    assert_eq!((claimed.left.as_slice(), claimed.due), (["k1".to_owned(), "k2".to_owned()].as_slice(), vec![]));
    assert_eq!(waiting(&scene).await, 2);
    assert_eq!(scene.command::<u64>(&["HLEN", &scene.name("delivery_claims")]).await, 0);
    assert_eq!(kept(&scene, "k2").await.0.as_deref(), Some(r#"{"v":3,"moods":2}"#));
}

#[tokio::test]
async fn how_much_waits_and_since_when_is_known_at_a_glance() {
    let scene = Scene::new().await;
    let status = async || scene.store.delivery_status(&origin(&scene)).await.unwrap();
    let nothing = status().await;
    assert_eq!((nothing.waiting, nothing.next_due, nothing.first_tried), (0, None, None));
    for key in ["k1", "k2"] {
        reviewed(&scene, key).await;
    }
    let waiting = status().await;
    assert_eq!((waiting.waiting, waiting.first_tried), (2, None));
    assert!(waiting.next_due.is_some_and(|due| due <= waiting.now), "{waiting:?}");
    let taken = claim(&scene).await.due;
    let tried = status().await;
    assert_eq!(tried.first_tried, taken.iter().map(|delivery| delivery.first_tried).min());
    assert!(tried.next_due.is_some_and(|due| due > tried.now), "both are under way: {tried:?}");
    end(&scene, &taken[0], DeliveryResult::Delivered).await;
    let again = tried.now.plus(Duration::from_secs(60));
    end(&scene, &taken[1], DeliveryResult::Failed(again)).await;
    let failed = status().await;
    assert_eq!((failed.waiting, failed.next_due, failed.first_tried), (1, Some(again), Some(taken[1].first_tried)));
}
