//! Another key's job with the same business key, which a Redis took that had forgotten the first, is not sent once a journal speaks.

use bursar_domain::{Call, Due, HistoryEvent, Millis, Reason, State, Transition};
use bursar_store::{Committed, JournalDiff, Restored, Submission};
use serde_json::json;

use crate::restore::{remembered, restore, restore_as};
use crate::scene::{Scene, answered, bill, bill_json, key, parse, then};

async fn scene() -> Scene {
    Scene::of("main/bill_upload").await
}

/// Restores a journal's knowledge of `FIRST`, with the business key of this order.
async fn restore_first(scene: &Scene, order: &str) -> Restored {
    let lost = bill("FIRST", order);
    let hash = lost.content.hash();
    let known = remembered(&hash, lost.content.text(), lost.content.business_key());
    let seen = scene.find("FIRST").await;
    restore(scene, "FIRST", seen.as_ref(), &known, Due::Send(Millis(1))).await
}

#[tokio::test]
async fn a_job_whose_business_key_was_taken_needs_review() {
    let scene = scene().await;
    let mut second = bill_json("SECOND", "order-1");
    second["callback_url"] = json!("https://shop.example/bursar");
    scene.accept(&[parse(&second)]).await;
    assert_eq!(restore_first(&scene, "order-1").await, Restored::WithRival("SECOND".into()));
    for name in ["FIRST", "SECOND"] {
        assert_eq!((scene.state(name).await, scene.sets(name).await), (State::NeedsReview, vec!["review"]), "{name}");
    }
    let second = scene.job("SECOND").await;
    let [HistoryEvent::BusinessKeyConflict(conflict)] = second.recent.as_slice() else { panic!("{second:?}") };
    assert_eq!(conflict.key, "FIRST");
    assert_eq!(scene.claim("w", 5).await.jobs.len(), 0, "neither is sent");
    let reported = scene.outbox("SECOND").await;
    assert!(reported.len() == 1 && reported[0]["state"] == "needs_review", "its producer hears of it: {reported:?}");

    let alone = bill("ALONE", "order-2");
    let hash = alone.content.hash();
    let known = remembered(&hash, alone.content.text(), alone.content.business_key());
    assert_eq!(restore(&scene, "ALONE", None, &known, Due::Send(Millis(1))).await, Restored::Done);
    let again = scene.accept(&[bill("OTHER", "order-2")]).await;
    assert_eq!(
        again,
        [Submission::Conflict { first: "ALONE".into(), fields: Vec::new() }],
        "its order is its own again"
    );
}

#[tokio::test]
async fn an_unreadable_rival_prevents_the_restore() {
    let scene = scene().await;
    scene.accept(&[bill("SECOND", "order-1")]).await;
    let newer = scene.text("SECOND").await.unwrap().replace("\"v\":2", "\"v\":3");
    let _: String = scene.command(&["SET", &scene.job_name("SECOND"), &newer]).await;
    let lost = bill("FIRST", "order-1");
    let hash = lost.content.hash();
    let known = remembered(&hash, lost.content.text(), lost.content.business_key());
    let next = Transition::review(Reason::LostWrites);
    let first = key("FIRST");
    let restored = restore_as(&scene, "FIRST", None, &known, &next).await.unwrap_err();
    assert!(restored.to_string().contains("SECOND") && restored.to_string().contains("use that build"), "{restored}");
    let refused = scene.store.send_rival_to_review(&scene.queue, &first, &known, "li").await.unwrap_err();
    assert!(refused.to_string().contains("SECOND"), "{refused}");
    assert_eq!(scene.store.job(&scene.queue, &first).await.unwrap(), None);
}

#[tokio::test]
async fn a_rival_is_stopped_only_while_it_may_be_sent() {
    use State::{Cancelled, Failed, InDoubt, NeedsReview, Pending, Queued, Succeeded};
    for (state, expected) in [
        (Queued, NeedsReview),
        (InDoubt, NeedsReview),
        (Pending, Pending),
        (NeedsReview, NeedsReview),
        (Succeeded, Succeeded),
        (Failed, Failed),
        (Cancelled, Cancelled),
    ] {
        let scene = scene().await;
        scene.accept(&[bill("SECOND", "order-1")]).await;
        if state != Queued {
            scene.take_to("SECOND", state).await;
        }
        assert_eq!(restore_first(&scene, "order-1").await, Restored::WithRival("SECOND".into()), "{state}");
        assert_eq!((scene.state("FIRST").await, scene.state("SECOND").await), (NeedsReview, expected), "{state}");
    }
}

#[tokio::test]
async fn a_rival_in_flight_keeps_its_claim_and_a_query_loses_it() {
    for (call, expected, outcome) in
        [(Call::Send, State::InDoubt, Committed::Done), (Call::Query, State::NeedsReview, Committed::Late)]
    {
        let scene = scene().await;
        scene.accept(&[bill("SECOND", "order-1")]).await;
        let mut out = scene.claim_one("w").await;
        if call == Call::Query {
            scene.commit(&then(&out, State::InDoubt, Due::Query(Millis(1)))).await;
            out = scene.claim_one("w").await;
        }
        assert_eq!(out.call, call);
        restore_first(&scene, "order-1").await;
        assert_eq!(scene.state("SECOND").await, expected, "{call:?}");
        let ended = then(&out, State::Succeeded, Due::Never);
        assert_eq!(scene.commit(&ended).await, outcome, "{call:?}");
        assert_eq!(scene.era().await, None, "{call:?}: nothing was lost");
    }
}

#[tokio::test]
async fn what_a_rival_s_late_response_said_is_kept() {
    let scene = scene().await;
    scene.accept(&[bill("SECOND", "order-1")]).await;
    let lost = scene.lose("slow").await;
    scene.claim_one("w").await;
    let late = answered(&lost, bursar_domain::Outcome::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    restore_first(&scene, "order-1").await;
    let second = scene.job("SECOND").await;
    assert_eq!(
        (second.state, second.late_outcome, second.sends),
        (State::NeedsReview, Some(bursar_domain::Outcome::Succeeded), 1)
    );
}

#[tokio::test]
async fn a_reused_key_does_not_free_its_business_key() {
    let scene = scene().await;
    scene.accept(&[bill("FIRST", "order-2"), bill("SECOND", "order-1")]).await;
    let seen = scene.job("FIRST").await;
    assert_eq!(JournalDiff::of(Some(&seen), &bill("FIRST", "order-1").content.hash(), 7, 2), JournalDiff::OtherContent);
    assert_eq!(restore_first(&scene, "order-1").await, Restored::WithRival("SECOND".into()));
    assert_eq!((scene.state("FIRST").await, scene.state("SECOND").await), (State::NeedsReview, State::NeedsReview));

    let scene = self::scene().await;
    scene.accept(&[bill("FIRST", "order-3")]).await;
    assert_eq!(restore_first(&scene, "order-4").await, Restored::Done);
    for order in ["order-3", "order-4"] {
        let rival = scene.accept(&[bill("FOURTH", order)]).await;
        assert_eq!(rival, [Submission::Conflict { first: "FIRST".into(), fields: Vec::new() }], "{order}");
    }
}

#[tokio::test]
async fn a_job_whose_key_is_the_business_key_is_a_rival_too() {
    let scene = scene().await;
    scene.accept(&[bill("order-1/1", "order-1")]).await;
    assert_eq!(restore_first(&scene, "order-1").await, Restored::WithRival("order-1/1".into()));
    assert_eq!(scene.state("order-1/1").await, State::NeedsReview);
}

#[tokio::test]
async fn the_rival_of_a_job_that_ended_or_waits_is_kept_back_too() {
    let scene = scene().await;
    scene.accept(&[bill("SECOND", "order-1")]).await;
    let sent_before = bill("FIRST", "order-1");
    let hash = sent_before.content.hash();
    let known = remembered(&hash, sent_before.content.text(), sent_before.content.business_key());
    let rival = async || scene.store.send_rival_to_review(&scene.queue, &key("FIRST"), &known, "li").await.unwrap();
    assert_eq!(rival().await.as_deref(), Some("SECOND"));
    assert_eq!(scene.state("SECOND").await, State::NeedsReview);
    assert_eq!(rival().await, None, "once");
    assert_eq!(scene.text("FIRST").await, None, "the job itself is left as it is");
}

/// A journal has sends that need review: nothing is sent while two restorations race with workers.
#[tokio::test]
async fn a_restore_racing_with_a_claim_stops_the_rival_or_lets_it_go() {
    for _ in 0..30 {
        let scene = scene().await;
        scene.accept(&[bill("SECOND", "order-1")]).await;
        let (claimed, restored) = tokio::join!(scene.claim("w", 5), restore_first(&scene, "order-1"));
        assert_eq!(restored, Restored::WithRival("SECOND".into()));
        assert_eq!(scene.state("FIRST").await, State::NeedsReview);
        let second = scene.job("SECOND").await;
        match claimed.jobs.as_slice() {
            [] => assert_eq!(second.state, State::NeedsReview),
            [out] => assert_eq!(
                (out.key.as_str(), second.state, second.worker.as_deref()),
                ("SECOND", State::InDoubt, Some("w"))
            ),
            more => panic!("{more:?}"),
        }
        assert_eq!(scene.claim("v", 5).await.jobs, []);
    }
}
