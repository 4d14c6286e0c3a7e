//! What gateways notify: kept once, each change as a version, nothing forgotten before its time.

use std::time::Duration;

use bursar_domain::{AccountName, Delivery, DeliveryOutcome, HeldReason, Key, Kind, Millis, NotificationView, State};
use bursar_store::{
    EventId, Happened, Kept, NotificationCount, Notified, Origin, Shelf, Stands, StoreError, Telling, Tells, ToldOrNot,
};
use bursar_test_support::private_redis;
use serde_json::json;

use crate::scene::{LEASE, Scene, bill, parse};

const METHOD: &str = "bkfunds.acct.transfer.notify";

fn account() -> AccountName {
    "main".parse().unwrap()
}

/// A notification about record `r1` with this content, written at this time.
fn notified(content: &str, written: u64, standing: Stands) -> Notified<'_> {
    let mut hash = [0; 32];
    for (at, byte) in content.bytes().enumerate() {
        hash[at % 32] ^= byte;
    }
    Notified {
        method: METHOD,
        record_id: Some("r1"),
        hash,
        content,
        written: Some(Millis(written)),
        sign_rule: "a",
        standing,
        why_held: None,
        callback_url: None,
        kind: None,
        retention: Duration::from_secs(3600),
        max_age: Duration::from_secs(86_400),
    }
}

async fn notify(scene: &Scene, notified: &Notified<'_>) -> Kept {
    scene.store.notify(&account(), notified).await.unwrap().0
}

async fn listed(scene: &Scene, shelf: Shelf) -> Vec<NotificationView> {
    scene.store.notifications(&account(), shelf, None, 100).await.unwrap()
}

fn name(scene: &Scene, key: &str) -> String {
    format!("{}:{{main/notify}}:{key}", scene.prefix)
}

#[tokio::test]
async fn a_notification_that_is_delivered_again_is_kept_once_and_counted() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let first = notified("{\"record_id\":\"r1\",\"n\":1}", now, Stands::Open);
    assert_eq!(scene.store.notify(&account(), &first).await.unwrap(), (Kept::New, 1));
    for _ in 0..2 {
        assert_eq!(scene.store.notify(&account(), &first).await.unwrap(), (Kept::Again, 1));
    }
    let kept = listed(&scene, Shelf::Read).await;
    assert_eq!(kept.len(), 1);
    let view = &kept[0];
    assert_eq!((view.id, view.version, view.deliveries, view.outcome.as_str()), (1, 1, 3, "new"));
    assert_eq!((view.method.as_str(), view.record_id.as_deref(), view.sign_rule.as_str()), (METHOD, Some("r1"), "a"));
    assert_eq!((&view.content, view.late), (&json!({"record_id": "r1", "n": 1}), false));
    assert_eq!(view.written_at, Some(Millis(now).rfc3339()));
}

#[tokio::test]
async fn a_changed_content_is_a_further_version_and_what_stands_for_good_does_not_go_back() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    assert_eq!(notify(&scene, &notified("6", now - 3000, Stands::Open)).await, Kept::New);
    assert_eq!(notify(&scene, &notified("1", now - 2000, Stands::ForGood)).await, Kept::Changed);
    assert_eq!(notify(&scene, &notified("older", now - 2500, Stands::Open)).await, Kept::Changed, "it only comes late");
    assert_eq!(notify(&scene, &notified("0", now - 1000, Stands::Open)).await, Kept::Regressed);
    assert_eq!(notify(&scene, &notified("0 again", now, Stands::Unsaid)).await, Kept::Regressed, "it still stands");
    assert_eq!(notify(&scene, &notified("1 again", now, Stands::ForGood)).await, Kept::Changed);
    let kept = listed(&scene, Shelf::Read).await;
    assert_eq!(kept.iter().map(|view| view.version).collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
    assert_eq!(kept.iter().filter(|view| view.outcome == "regressed").count(), 2);
}

#[tokio::test]
async fn what_is_kept_has_its_event_and_what_is_not_has_none() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let first = Notified { kind: Some(Kind::BillUpload), ..notified("1", now - 2000, Stands::ForGood) };
    notify(&scene, &first).await;
    notify(&scene, &first).await;
    notify(&scene, &notified("0", now, Stands::Open)).await;
    notify(&scene, &Notified { why_held: Some(&HeldReason::NotAnObject), ..notified("{}}", now, Stands::Unsaid) })
        .await;
    notify(&scene, &notified("ahead", now + 6 * 60_000, Stands::Open)).await;
    let beginning = [(Origin::Notifications(account()), EventId::default())];
    let events = scene.store.events(&beginning, 100).await.unwrap();
    let told: Vec<String> = events
        .iter()
        .map(|event| event.fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
        .collect();
    let of = |number, outcome: &str| format!("notification={number} method={METHOD} outcome={outcome}");
    assert_eq!(told, [of(1, "new") + " kind=bill_upload", of(2, "regressed"), of(3, "held")]);
}

#[tokio::test]
async fn an_old_timestamp_is_kept_and_marked_and_one_ahead_is_refused() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    for (content, written, late) in [("old", now - 16 * 60_000, true), ("third resend", now - 10 * 60_000, false)] {
        assert_eq!(
            notify(&scene, &Notified { record_id: Some(content), ..notified(content, written, Stands::Open) }).await,
            Kept::New
        );
        assert_eq!(listed(&scene, Shelf::Read).await[0].late, late, "{content}");
    }
    let ahead = notified("ahead", now + 6 * 60_000, Stands::Open);
    assert_eq!(scene.store.notify(&account(), &ahead).await.unwrap(), (Kept::Ahead, 0));
    assert_eq!(notify(&scene, &notified("clocks differ", now + 4 * 60_000, Stands::Open)).await, Kept::New);
    assert_eq!(listed(&scene, Shelf::Read).await.len(), 3);
}

#[tokio::test]
async fn what_cannot_be_read_stands_apart_and_comes_in_anew_once_it_can() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let held = Notified {
        why_held: Some(&HeldReason::NotAnObject),
        record_id: None,
        callback_url: Some("https://shop.example/n"),
        ..notified("{}}", now, Stands::Unsaid)
    };
    assert_eq!(notify(&scene, &held).await, Kept::Held);
    assert_eq!(notify(&scene, &held).await, Kept::Again);
    assert!(listed(&scene, Shelf::Read).await.is_empty());
    let apart = listed(&scene, Shelf::Held).await;
    assert_eq!(
        (apart.len(), apart[0].reason.as_ref(), &apart[0].content),
        (1, Some(&HeldReason::NotAnObject), &json!("{}}"))
    );
    let origin = Origin::Notifications(account());
    assert!(scene.store.claim_callbacks(&origin, LEASE, 5).await.unwrap().due.is_empty(), "nobody relies on it yet");
    assert_eq!(notify(&scene, &Notified { why_held: None, ..held }).await, Kept::New);
}

#[tokio::test]
async fn a_notification_is_told_to_whom_the_account_names_with_its_content() {
    let scene = Scene::new().await;
    let mut wakes = scene.store.callback_wakes().await.unwrap();
    let now = scene.now().await;
    let content = "{\"record_id\":\"r1\",\"in_acct_name\":\"王小明\"}";
    let told = Notified { callback_url: Some("https://shop.example/n"), ..notified(content, now, Stands::Open) };
    notify(&scene, &told).await;
    notify(&scene, &told).await;
    let origin = Origin::Notifications(account());
    assert_eq!(wakes.next().await, Some(origin.clone()));
    let due = scene.store.claim_callbacks(&origin, LEASE, 5).await.unwrap().due;
    assert_eq!(due.len(), 1, "a repetition is told to nobody");
    let Happened::Notified(view) = &due[0].what else { panic!("{due:?}") };
    assert_eq!(
        (&view["id"], &view["version"], &view["content"]["in_acct_name"]),
        (&json!(1), &json!(1), &json!("王小明"))
    );
    assert_eq!((&view["account"], &view["record_id"], &view["late"]), (&json!("main"), &json!("r1"), &json!(false)));
    let delivery = Some(Delivery { sequence: Some(1), ..Delivery::of(DeliveryOutcome::Delivered) });
    let outcome = ToldOrNot { key: due[0].key.clone(), fence: due[0].fence, telling: Telling::Told, delivery };
    scene.store.commit_callbacks(&origin, &[outcome]).await.unwrap();
    assert_eq!(scene.store.notification_log(&account(), 1).await.unwrap()[0].name(), "delivery");
}

#[tokio::test]
async fn what_has_expired_goes_but_for_what_is_still_to_be_told() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let kept_for = |content, url| Notified {
        retention: Duration::ZERO,
        callback_url: url,
        record_id: Some(content),
        ..notified(content, now, Stands::Open)
    };
    notify(&scene, &kept_for("told", None)).await;
    notify(&scene, &kept_for("untold", Some("https://shop.example/n"))).await;
    notify(&scene, &kept_for("last", None)).await;
    let ids: Vec<u64> = listed(&scene, Shelf::Read).await.iter().map(|view| view.id).collect();
    assert!(ids.contains(&2) && !ids.contains(&1), "{ids:?}");
    let left: Vec<String> = scene.command(&["KEYS", &name(&scene, "note:1")]).await;
    assert_eq!(left, Vec::<String>::new(), "its detail is gone");
}

#[tokio::test]
async fn what_was_seen_and_forgotten_is_no_news_when_it_is_delivered_again() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let short = |content| Notified {
        retention: Duration::ZERO,
        callback_url: None,
        ..notified(content, now - 1000, Stands::ForGood)
    };
    let credit = short("1");
    assert_eq!(notify(&scene, &credit).await, Kept::New);
    let others = |content: &'static str| Notified { record_id: Some(content), ..short(content) };
    assert_eq!(notify(&scene, &others("a")).await, Kept::New);
    assert_eq!(scene.store.notification(&account(), 1).await.unwrap(), None, "its detail has expired");
    let told = Notified { callback_url: Some("https://shop.example/n"), ..credit };
    assert_eq!(notify(&scene, &told).await, Kept::Again);
    assert_eq!(scene.store.notification(&account(), 1).await.unwrap(), None, "and a replay makes none");
    let back = Notified { written: Some(Millis(now)), ..notified("0", now, Stands::Open) };
    assert_eq!(notify(&scene, &back).await, Kept::Regressed, "what stands for good still does");
    let origin = Origin::Notifications(account());
    assert!(scene.store.claim_callbacks(&origin, LEASE, 5).await.unwrap().due.is_empty(), "nobody is told");
    let left: i64 = scene.command(&["PTTL", &name(&scene, &format!("of:{METHOD}:a"))]).await;
    assert!(left > 399 * 86_400_000, "it is known for long after: {left}");
}

#[tokio::test]
async fn what_was_written_too_long_ago_is_kept_apart_and_told_to_nobody() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let told = |content, age| Notified {
        record_id: Some(content),
        callback_url: Some("https://shop.example/n"),
        max_age: Duration::from_secs(3600),
        ..notified(content, now - age, Stands::ForGood)
    };
    let replay = told("replay", 3_601_000 + 60_000);
    let (first, number) = scene.store.notify(&account(), &replay).await.unwrap();
    assert_eq!((first, number > 0), (Kept::TooOld, true));
    assert_eq!(scene.store.notify(&account(), &replay).await.unwrap(), (Kept::TooOld, number), "however often");
    assert_eq!(notify(&scene, &told("in time", 3_500_000)).await, Kept::New);
    assert_eq!(notify(&scene, &told("in time", 3_500_000)).await, Kept::Again);
    let held = listed(&scene, Shelf::Held).await;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].reason, Some(HeldReason::TooOld), "{held:?}");
    let due = scene.store.claim_callbacks(&Origin::Notifications(account()), LEASE, 5).await.unwrap().due;
    assert_eq!(due.len(), 1, "only the one in time");
    // One that was kept in time is known, however old it is when it comes again.
    let old = Notified { max_age: Duration::from_secs(60), ..told("in time", 3_500_000) };
    assert_eq!(notify(&scene, &old).await, Kept::Again);
}

#[tokio::test]
async fn one_that_names_a_job_is_unlinked_until_the_job_knows_of_it() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let naming = Notified { kind: Some(Kind::BillUpload), ..notified("1", now, Stands::Unsaid) };
    assert_eq!(scene.store.notify(&account(), &naming).await.unwrap(), (Kept::New, 1));
    assert_eq!(notify(&scene, &naming).await, Kept::Unlinked);
    scene.store.linked(&account(), 1).await.unwrap();
    assert_eq!(notify(&scene, &naming).await, Kept::Again);
    assert_eq!(scene.store.notification(&account(), 1).await.unwrap().unwrap().deliveries, 3);
    scene.store.linked(&account(), 99).await.unwrap();
    assert_eq!(scene.store.notification(&account(), 99).await.unwrap(), None, "none is made of a number alone");
}

#[tokio::test]
async fn pages_go_back_from_the_newest() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    for number in 0..7 {
        let content = format!("c{number}");
        notify(&scene, &Notified { record_id: Some(&content), ..notified(&content, now, Stands::Open) }).await;
    }
    let page = |before| scene.store.notifications(&scene.lane.account, Shelf::Read, before, 3);
    let ids = |page: Vec<NotificationView>| page.iter().map(|view| view.id).collect::<Vec<_>>();
    assert_eq!(ids(page(None).await.unwrap()), [7, 6, 5]);
    assert_eq!(ids(page(Some(5)).await.unwrap()), [4, 3, 2]);
    assert_eq!(ids(page(Some(2)).await.unwrap()), [1]);
    assert_eq!(scene.store.notification(&account(), 4).await.unwrap().unwrap().record_id.as_deref(), Some("c3"));
    assert_eq!(scene.store.notification(&account(), 99).await.unwrap(), None);
}

#[tokio::test]
async fn a_notification_is_read_with_its_records_versions_and_whether_it_is_still_to_be_told() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    notify(&scene, &notified("6", now - 10, Stands::Open)).await;
    notify(&scene, &Notified { record_id: Some("other"), ..notified("x", now, Stands::Open) }).await;
    let told = Notified { callback_url: Some("https://shop.example/n"), ..notified("1", now, Stands::ForGood) };
    notify(&scene, &told).await;
    notify(
        &scene,
        &Notified { why_held: Some(&HeldReason::NotAnObject), record_id: None, ..notified("{}}", now, Stands::Unsaid) },
    )
    .await;
    let versions = async |number| {
        let versions = scene.store.notification_versions(&account(), number).await.unwrap();
        versions.iter().map(|view| (view.id, view.version)).collect::<Vec<_>>()
    };
    assert_eq!((versions(1).await, versions(3).await), (vec![(1, 1), (3, 2)], vec![(1, 1), (3, 2)]));
    assert_eq!((versions(2).await, versions(4).await, versions(9).await), (vec![(2, 1)], vec![(4, 1)], vec![]));
    let tells = async |number| scene.store.notification_tells(&account(), number).await.unwrap();
    assert_eq!((tells(1).await, tells(4).await, tells(9).await), (Tells::Nobody, Tells::Nobody, Tells::Nobody));
    assert!(matches!(tells(3).await, Tells::Due(due) if due >= Millis(now)));
    let origin = Origin::Notifications(account());
    let due = scene.store.claim_callbacks(&origin, LEASE, 5).await.unwrap().due;
    let outcome = ToldOrNot { key: "3".into(), fence: due[0].fence, telling: Telling::Told, delivery: None };
    scene.store.commit_callbacks(&origin, &[outcome]).await.unwrap();
    assert_eq!(tells(3).await, Tells::Over);
    let counts = scene.store.notification_counts(&[account(), "nobody".parse().unwrap()]).await.unwrap();
    assert_eq!(counts, [NotificationCount { read: 3, held: 1 }, NotificationCount::default()]);
}

#[tokio::test]
async fn one_record_has_a_bounded_number_of_versions() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    for number in 0..100 {
        notify(&scene, &notified(&format!("version {number:03}"), now, Stands::Open)).await;
    }
    let one_more = scene.store.notify(&account(), &notified("version 100", now, Stands::Open)).await.unwrap();
    assert_eq!(one_more, (Kept::TooMany, 0));
}

#[tokio::test]
async fn a_full_redis_keeps_no_notification_and_says_so() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    let now = scene.now().await;
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = scene.store.notify(&account(), &notified("c", now, Stands::Open)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
    let names: Vec<String> = scene.command(&["KEYS", "*note*"]).await;
    assert_eq!(names, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_is_mentioned_once_by_each_notification_and_keeps_its_state() {
    let mut scene = Scene::new().await;
    scene.lane = "main/bill_upload".parse().unwrap();
    scene.store.submit(&[parse(&bill("k1", "order-1"))]).await.unwrap();
    let claimed = scene.claim_one("w").await;
    scene.commit(&crate::scene::sent(&claimed, State::Succeeded, bursar_domain::Due::Never)).await;
    let (before, sets) = (scene.record("k1").await, scene.sets("k1").await);
    let key: Key = "k1".parse().unwrap();
    assert!(Kind::BillUpload.abouts("order-1").contains(&"order-1/1".to_owned()));
    for about in ["order-1/1", "order-1/1", "k1"] {
        let found = scene.store.mention(&scene.lane, about, 7, "some.method").await.unwrap();
        assert_eq!(found, Some(key.clone()));
    }
    assert_eq!(scene.store.mention(&scene.lane, "nobody", 7, "some.method").await.unwrap(), None);
    for (about, found) in [("order-1/1", Some(key.clone())), ("k1", Some(key.clone())), ("nobody", None), ("", None)] {
        assert_eq!(scene.store.job_about(&scene.lane, about).await.unwrap(), found, "{about}");
    }
    assert_eq!((scene.state("k1").await, scene.sets("k1").await), (State::Succeeded, sets));
    let mut after = scene.record("k1").await;
    after.remove("nt");
    assert_eq!(after, before);
    let mentions: Vec<_> = scene.log("k1").await.into_iter().filter(|line| line["event"] == "notification").collect();
    assert_eq!(mentions.len(), 1);
    assert_eq!((&mentions[0]["number"], &mentions[0]["method"]), (&json!(7), &json!("some.method")));
    let names: Vec<String> = scene.command(&["KEYS", &scene.name("*nobody*")]).await;
    assert_eq!(names, Vec::<String>::new());
    for _ in 0..3 {
        for number in 7..=14 {
            scene.store.mention(&scene.lane, "k1", number, "some.method").await.unwrap();
        }
    }
    let mentions = scene.log("k1").await.into_iter().filter(|line| line["event"] == "notification").count();
    assert_eq!(mentions, 8, "one for each, in whatever order they are repeated");
    for number in 15..40 {
        scene.store.mention(&scene.lane, "k1", number, "some.method").await.unwrap();
    }
    let remembered: String = scene.command(&["HGET", &scene.name("job:k1"), "nt"]).await;
    assert_eq!(remembered.split_whitespace().count(), 8, "{remembered}");
}
