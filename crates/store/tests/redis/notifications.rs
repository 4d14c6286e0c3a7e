//! The gateways' notifications: stored once, each change as a version, and nothing deleted before its time.

use std::time::Duration;

use bursar_domain::{
    AccountName, Due, HeldReason, HistoryEvent, Kind, Millis, NotificationOutcome, NotificationView, State,
};
use bursar_store::{
    ClaimedDelivery, DeliveryClaim, DeliveryCommit, DeliveryResult, EventPayload, Finality, NotificationCount,
    NotificationDelivery, NotificationFilter, Origin, StoreError, StoreOutcome, StoredAs, VerifiedNotification,
};
use bursar_test_support::private_redis;
use serde_json::json;

use crate::scene::{LEASE, Scene, key, parse, then};

const METHOD: &str = "bkfunds.acct.transfer.notify";

fn account() -> AccountName {
    "main".parse().unwrap()
}

/// A notification about record `r1` with this content, written at this time.
fn notification(content: &str, written: u64, finality: Finality) -> VerifiedNotification<'_> {
    let mut hash = [0; 32];
    for (at, byte) in content.bytes().enumerate() {
        hash[at % 32] ^= byte;
    }
    VerifiedNotification {
        method: METHOD,
        record_id: Some("r1"),
        hash,
        content,
        written: Some(Millis(written)),
        sign_rule: "a",
        finality,
        held_reason: None,
        callback_url: None,
        kind: None,
        retention: Duration::from_secs(3600),
        max_age: Duration::from_secs(86_400),
    }
}

async fn notify(scene: &Scene, notification: &VerifiedNotification<'_>) -> StoreOutcome {
    scene.store.receive_notification(&account(), notification).await.unwrap().0
}

async fn listed(scene: &Scene, filter: NotificationFilter) -> Vec<NotificationView> {
    scene.store.notifications(&account(), filter, None, 100).await.unwrap()
}

fn origin() -> Origin {
    Origin::Notifications(account())
}

/// One of the keys of the account's notifications.
async fn name(scene: &Scene, key: &str) -> Option<String> {
    let prefix = &scene.prefix;
    let names: Vec<String> = scene.command(&["KEYS", &format!("{prefix}:{{*}}:{key}")]).await;
    assert!(names.len() < 2, "{names:?}");
    names.into_iter().next()
}

async fn due(scene: &Scene) -> Vec<ClaimedDelivery> {
    let claim = DeliveryClaim { dispatcher: "d", number: 1, lease: LEASE, most: 5 };
    scene.store.claim_deliveries(&origin(), &claim).await.unwrap().due
}

async fn delivered(scene: &Scene, delivery: &ClaimedDelivery) {
    let commit = DeliveryCommit::new(delivery, Millis(scene.now().await), DeliveryResult::Delivered);
    scene.store.commit_deliveries(&origin(), &[commit]).await.unwrap();
}

#[tokio::test]
async fn a_repeated_notification_is_kept_once_and_counted() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let first = notification("{\"record_id\":\"r1\",\"n\":1}", now, Finality::Open);
    assert_eq!(scene.store.receive_notification(&account(), &first).await.unwrap(), (StoreOutcome::New, 1));
    for _ in 0..2 {
        assert_eq!(scene.store.receive_notification(&account(), &first).await.unwrap(), (StoreOutcome::Again, 1));
    }
    let kept = listed(&scene, NotificationFilter::Read).await;
    assert_eq!(kept.len(), 1);
    let view = &kept[0];
    assert_eq!((view.id, view.version, view.deliveries, view.outcome.as_str()), (1, 1, 3, "new"));
    assert_eq!((view.method.as_str(), view.record_id.as_deref(), view.sign_rule.as_str()), (METHOD, Some("r1"), "a"));
    assert_eq!((&view.content, view.late), (&json!({"record_id": "r1", "n": 1}), false));
    assert_eq!(view.written_at, Some(Millis(now).rfc3339()));
}

#[tokio::test]
async fn a_changed_content_is_a_new_version_and_finals_stay() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    assert_eq!(notify(&scene, &notification("6", now - 3000, Finality::Open)).await, StoreOutcome::New);
    assert_eq!(notify(&scene, &notification("1", now - 2000, Finality::Final)).await, StoreOutcome::Changed);
    assert_eq!(
        notify(&scene, &notification("older", now - 2500, Finality::Open)).await,
        StoreOutcome::Changed,
        "it only comes late"
    );
    assert_eq!(notify(&scene, &notification("0", now - 1000, Finality::Open)).await, StoreOutcome::Regressed);
    assert_eq!(
        notify(&scene, &notification("0 again", now, Finality::Unsaid)).await,
        StoreOutcome::Regressed,
        "it is still in force"
    );
    assert_eq!(notify(&scene, &notification("1 again", now, Finality::Final)).await, StoreOutcome::Changed);
    let kept = listed(&scene, NotificationFilter::Read).await;
    assert_eq!(kept.iter().map(|view| view.version).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
    assert_eq!(kept.iter().filter(|view| view.outcome == NotificationOutcome::Regressed).count(), 2);
}

#[tokio::test]
async fn what_is_kept_has_its_event_and_what_is_not_has_none() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let first = VerifiedNotification { kind: Some(Kind::BillUpload), ..notification("1", now - 2000, Finality::Final) };
    notify(&scene, &first).await;
    notify(&scene, &first).await;
    notify(&scene, &notification("0", now, Finality::Open)).await;
    notify(
        &scene,
        &VerifiedNotification {
            held_reason: Some(&HeldReason::NotAnObject),
            ..notification("{}}", now, Finality::Unsaid)
        },
    )
    .await;
    notify(&scene, &notification("ahead", now + 6 * 60_000, Finality::Open)).await;
    let stream = name(&scene, "events").await.unwrap();
    let entries: Vec<(String, Vec<String>)> = scene.command(&["XRANGE", &stream, "-", "+"]).await;
    let reported: Vec<String> = entries
        .iter()
        .map(|(_, words)| words.chunks(2).map(|pair| pair.join("=")).collect::<Vec<_>>().join(" "))
        .collect();
    let of = |number, outcome: &str| {
        format!("queue=main/notify event=notification number={number} method={METHOD} outcome={outcome}")
    };
    assert_eq!(reported, [of(1, "new") + " kind=bill_upload", of(2, "regressed"), of(3, "held")]);
}

#[tokio::test]
async fn an_old_timestamp_is_kept_and_marked_and_one_ahead_is_refused() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    for (content, written, late) in [("old", now - 16 * 60_000, true), ("third resend", now - 10 * 60_000, false)] {
        assert_eq!(
            notify(
                &scene,
                &VerifiedNotification { record_id: Some(content), ..notification(content, written, Finality::Open) }
            )
            .await,
            StoreOutcome::New
        );
        assert_eq!(listed(&scene, NotificationFilter::Read).await[0].late, late, "{content}");
    }
    let ahead = notification("ahead", now + 6 * 60_000, Finality::Open);
    assert_eq!(scene.store.receive_notification(&account(), &ahead).await.unwrap(), (StoreOutcome::Ahead, 0));
    assert_eq!(
        notify(&scene, &notification("clocks differ", now + 4 * 60_000, Finality::Open)).await,
        StoreOutcome::New
    );
    assert_eq!(listed(&scene, NotificationFilter::Read).await.len(), 3);
}

#[tokio::test]
async fn an_unreadable_one_is_quarantined_and_returns_once_readable() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let unreadable = VerifiedNotification {
        held_reason: Some(&HeldReason::NotAnObject),
        record_id: None,
        callback_url: Some("https://shop.example/n"),
        ..notification("{}}", now, Finality::Unsaid)
    };
    assert_eq!(notify(&scene, &unreadable).await, StoreOutcome::Held);
    assert_eq!(notify(&scene, &unreadable).await, StoreOutcome::Again);
    assert!(listed(&scene, NotificationFilter::Read).await.is_empty());
    let apart = listed(&scene, NotificationFilter::Held).await;
    assert_eq!(
        (apart.len(), apart[0].reason.as_ref(), &apart[0].content),
        (1, Some(&HeldReason::NotAnObject), &json!("{}}"))
    );
    assert!(due(&scene).await.is_empty(), "it is not used yet");
    assert_eq!(notify(&scene, &VerifiedNotification { held_reason: None, ..unreadable }).await, StoreOutcome::New);
}

#[tokio::test]
async fn a_notification_is_forwarded_with_its_content() {
    let scene = Scene::new().await;
    let mut wakeups = scene.store.delivery_wakeups().await.unwrap();
    let now = scene.now().await;
    let content = "{\"record_id\":\"r1\",\"in_acct_name\":\"王小明\"}";
    let reported = VerifiedNotification {
        callback_url: Some("https://shop.example/n"),
        ..notification(content, now, Finality::Open)
    };
    notify(&scene, &reported).await;
    notify(&scene, &reported).await;
    assert_eq!(wakeups.next().await, Some(origin()));
    let due = due(&scene).await;
    assert_eq!(due.len(), 1, "a repetition has no webhook");
    let EventPayload::Notification(view) = &due[0].what else { panic!("{due:?}") };
    assert_eq!(
        (&view["id"], &view["version"], &view["content"]["in_acct_name"]),
        (&json!(1), &json!(1), &json!("王小明"))
    );
    assert_eq!((&view["account"], &view["record_id"], &view["late"]), (&json!("main"), &json!("r1"), &json!(false)));
    delivered(&scene, &due[0]).await;
    assert_eq!(scene.store.notification_history(&account(), 1).await.unwrap()[0].name(), "delivery");
}

#[tokio::test]
async fn expired_notifications_go_unless_undelivered() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let kept_for = |content, url| VerifiedNotification {
        retention: Duration::ZERO,
        callback_url: url,
        record_id: Some(content),
        ..notification(content, now, Finality::Open)
    };
    notify(&scene, &kept_for("delivered", None)).await;
    notify(&scene, &kept_for("undelivered", Some("https://shop.example/n"))).await;
    notify(&scene, &kept_for("last", None)).await;
    let ids: Vec<u64> = listed(&scene, NotificationFilter::Read).await.iter().map(|view| view.id).collect();
    assert!(ids.contains(&2) && !ids.contains(&1), "{ids:?}");
    assert_eq!(name(&scene, "notification:*:1").await, None, "its detail is gone");
}

#[tokio::test]
async fn a_forgotten_notification_is_no_news_when_repeated() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let short = |content| VerifiedNotification {
        retention: Duration::ZERO,
        callback_url: None,
        ..notification(content, now - 1000, Finality::Final)
    };
    let credit = short("1");
    assert_eq!(notify(&scene, &credit).await, StoreOutcome::New);
    let others = |content: &'static str| VerifiedNotification { record_id: Some(content), ..short(content) };
    assert_eq!(notify(&scene, &others("a")).await, StoreOutcome::New);
    assert_eq!(scene.store.notification(&account(), 1).await.unwrap(), None, "its detail has expired");
    let reported = VerifiedNotification { callback_url: Some("https://shop.example/n"), ..credit };
    assert_eq!(notify(&scene, &reported).await, StoreOutcome::Again);
    assert_eq!(scene.store.notification(&account(), 1).await.unwrap(), None, "and a replay makes none");
    let back = VerifiedNotification { written: Some(Millis(now)), ..notification("0", now, Finality::Open) };
    assert_eq!(notify(&scene, &back).await, StoreOutcome::Regressed, "a final status stays final");
    assert!(due(&scene).await.is_empty(), "no webhook is queued");
    let left: i64 = scene.command(&["PTTL", &name(&scene, &format!("record:*:{METHOD}:a")).await.unwrap()]).await;
    assert!(left > 399 * 86_400_000, "it is known for long after: {left}");
}

#[tokio::test]
async fn an_old_notification_is_quarantined_and_not_forwarded() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let reported = |content, age| VerifiedNotification {
        record_id: Some(content),
        callback_url: Some("https://shop.example/n"),
        max_age: Duration::from_secs(3600),
        ..notification(content, now - age, Finality::Final)
    };
    let replay = reported("replay", 3_601_000 + 60_000);
    let (first, number) = scene.store.receive_notification(&account(), &replay).await.unwrap();
    assert_eq!((first, number > 0), (StoreOutcome::TooOld, true));
    assert_eq!(
        scene.store.receive_notification(&account(), &replay).await.unwrap(),
        (StoreOutcome::TooOld, number),
        "however often"
    );
    assert_eq!(notify(&scene, &reported("in time", 3_500_000)).await, StoreOutcome::New);
    assert_eq!(notify(&scene, &reported("in time", 3_500_000)).await, StoreOutcome::Again);
    let unreadable = listed(&scene, NotificationFilter::Held).await;
    assert_eq!(unreadable.len(), 1);
    assert_eq!(unreadable[0].reason, Some(HeldReason::TooOld), "{unreadable:?}");
    let due = due(&scene).await;
    assert_eq!(due.len(), 1, "only the one in time");
    // One that was kept in time is known, however old it is when it comes again.
    let old = VerifiedNotification { max_age: Duration::from_secs(60), ..reported("in time", 3_500_000) };
    assert_eq!(notify(&scene, &old).await, StoreOutcome::Again);
}

#[tokio::test]
async fn one_that_names_a_job_is_unlinked_until_the_job_knows_of_it() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let naming = VerifiedNotification { kind: Some(Kind::BillUpload), ..notification("1", now, Finality::Unsaid) };
    assert_eq!(scene.store.receive_notification(&account(), &naming).await.unwrap(), (StoreOutcome::New, 1));
    assert_eq!(notify(&scene, &naming).await, StoreOutcome::Unlinked);
    scene.store.notification_linked(&account(), 1).await.unwrap();
    assert_eq!(notify(&scene, &naming).await, StoreOutcome::Again);
    assert_eq!(scene.store.notification(&account(), 1).await.unwrap().unwrap().deliveries, 3);
    scene.store.notification_linked(&account(), 99).await.unwrap();
    assert_eq!(scene.store.notification(&account(), 99).await.unwrap(), None, "none is made of a number alone");
}

#[tokio::test]
async fn pages_go_back_from_the_newest() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    for number in 0..7 {
        let content = format!("c{number}");
        notify(
            &scene,
            &VerifiedNotification { record_id: Some(&content), ..notification(&content, now, Finality::Open) },
        )
        .await;
    }
    let page = |before| scene.store.notifications(&scene.queue.account, NotificationFilter::Read, before, 3);
    let ids = |page: Vec<NotificationView>| page.iter().map(|view| view.id).collect::<Vec<_>>();
    assert_eq!(ids(page(None).await.unwrap()), [7, 6, 5]);
    assert_eq!(ids(page(Some(5)).await.unwrap()), [4, 3, 2]);
    assert_eq!(ids(page(Some(2)).await.unwrap()), [1]);
    assert_eq!(scene.store.notification(&account(), 4).await.unwrap().unwrap().record_id.as_deref(), Some("c3"));
    assert_eq!(scene.store.notification(&account(), 99).await.unwrap(), None);
}

#[tokio::test]
async fn a_notification_is_read_with_versions_and_delivery() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    notify(&scene, &notification("6", now - 10, Finality::Open)).await;
    notify(&scene, &VerifiedNotification { record_id: Some("other"), ..notification("x", now, Finality::Open) }).await;
    let reported = VerifiedNotification {
        callback_url: Some("https://shop.example/n"),
        ..notification("1", now, Finality::Final)
    };
    notify(&scene, &reported).await;
    notify(
        &scene,
        &VerifiedNotification {
            held_reason: Some(&HeldReason::NotAnObject),
            record_id: None,
            ..notification("{}}", now, Finality::Unsaid)
        },
    )
    .await;
    let versions = async |number| {
        let versions = scene.store.notification_versions(&account(), number).await.unwrap();
        versions.iter().map(|view| (view.id, view.version)).collect::<Vec<_>>()
    };
    assert_eq!((versions(1).await, versions(3).await), (vec![(1, 1), (3, 2)], vec![(1, 1), (3, 2)]));
    assert_eq!((versions(2).await, versions(4).await, versions(9).await), (vec![(2, 1)], vec![(4, 1)], vec![]));
    let delivery = async |number| scene.store.notification_delivery(&account(), number).await.unwrap();
    assert_eq!(
        (delivery(1).await, delivery(4).await, delivery(9).await),
        (NotificationDelivery::NoReceiver, NotificationDelivery::NoReceiver, NotificationDelivery::NoReceiver)
    );
    assert!(matches!(delivery(3).await, NotificationDelivery::Due(due) if due >= Millis(now)));
    delivered(&scene, &due(&scene).await[0]).await;
    assert_eq!(delivery(3).await, NotificationDelivery::Over);
    let counts = scene.store.notification_counts(&[account(), "nowhere".parse().unwrap()]).await.unwrap();
    assert_eq!(counts, [NotificationCount { read: 3, held: 1 }, NotificationCount::default()]);
}

#[tokio::test]
async fn one_record_has_a_bounded_number_of_versions() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    for number in 0..100 {
        notify(&scene, &notification(&format!("version {number:03}"), now, Finality::Open)).await;
    }
    let one_more =
        scene.store.receive_notification(&account(), &notification("version 100", now, Finality::Open)).await.unwrap();
    assert_eq!(one_more, (StoreOutcome::TooMany, 0));
}

#[tokio::test]
async fn a_full_redis_keeps_no_notification_and_says_so() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let now = scene.now().await;
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused =
        scene.store.receive_notification(&account(), &notification("c", now, Finality::Open)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
    let names: Vec<String> = scene.command(&["KEYS", "*notification*"]).await;
    assert_eq!(names, Vec::<String>::new());
}

async fn names_of(scene: &Scene, key: &str) -> Vec<u64> {
    let history = scene.store.history(&scene.job(key).await).await.unwrap();
    let number = |event| match event {
        HistoryEvent::Notification(named) => Some(named.number),
        _ => None,
    };
    history.into_iter().filter_map(number).collect()
}

#[tokio::test]
async fn a_job_is_named_once_by_each_notification_and_keeps_its_state() {
    let scene = Scene::of("main/bill_upload").await;
    let bill = json!({"account": "main", "kind": "bill_upload", "platform_no": "k1",
        "body": {"trade_type": "1", "node_id": "00061967", "order_amount": 100, "order_id": "order-1",
            "order_time": "20260101120000", "store_id": "s1"}});
    scene.accept(&[parse(&bill)]).await;
    let claimed = scene.claim_one("w").await;
    let link = async |named: &str, number| {
        scene.store.link_notification(&scene.queue, named, number, "some.method").await.unwrap()
    };
    assert_eq!(link("k1", 6).await, Some(key("k1")), "also while it is claimed");
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    let (before, sets) = (scene.text("k1").await, scene.sets("k1").await);
    for named in ["order-1/1", "order-1/1", "k1"] {
        assert_eq!(link(named, 7).await, Some(key("k1")));
    }
    assert_eq!(link("nowhere", 7).await, None);
    for (named, found) in [("order-1/1", true), ("k1", true), ("nowhere", false), ("", false)] {
        let job = scene.store.job_by_business_key(&scene.queue, named).await.unwrap();
        assert_eq!(matches!(job, Some(StoredAs::Job(_))), found, "{named}");
    }
    assert_eq!((scene.text("k1").await, scene.sets("k1").await), (before, sets));
    for _ in 0..3 {
        for number in 7..=14 {
            link("k1", number).await;
        }
    }
    assert_eq!(names_of(&scene, "k1").await, (6..=14).collect::<Vec<_>>(), "one for each, however they are repeated");
    let names: Vec<String> = scene.command(&["KEYS", &scene.name("*nowhere*")]).await;
    assert_eq!(names, Vec::<String>::new());
}

#[tokio::test]
async fn a_notification_is_readable_json_in_redis() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let content = "{\"record_id\":\"r1\",  \"in_acct_name\":\"王小明\"}";
    notify(&scene, &notification(content, now, Finality::Final)).await;
    let text: String = scene.command(&["GET", &name(&scene, "notification:*:1").await.unwrap()]).await;
    assert!(text.contains(content), "byte for byte: {text}");
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&record["method"], &record["outcome"], &record["version"]), (&json!(METHOD), &json!("new"), &json!(1)));
    let known: String = scene.command(&["GET", &name(&scene, "record:*").await.unwrap()]).await;
    let known: serde_json::Value = serde_json::from_str(&known).unwrap();
    assert_eq!((&known["final"], &known["newest_written_at"]), (&json!(true), &json!(now)));
}

#[tokio::test]
async fn two_of_one_record_at_once_are_two_versions() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let contents: Vec<String> = (0..4).map(|number| format!("c{number}")).collect();
    let all: Vec<_> = contents.iter().map(|content| notification(content, now, Finality::Open)).collect();
    let (first, second, third, fourth) = tokio::join!(
        notify(&scene, &all[0]),
        notify(&scene, &all[1]),
        notify(&scene, &all[2]),
        notify(&scene, &all[3])
    );
    let outcomes = [first, second, third, fourth];
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == StoreOutcome::New).count(), 1, "{outcomes:?}");
    let mut versions: Vec<u32> =
        listed(&scene, NotificationFilter::Read).await.iter().map(|view| view.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4]);
}
