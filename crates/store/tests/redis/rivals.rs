//! Another key's job about the same thing, which a Redis took that had forgotten the first, is not sent once a journal speaks.

use bursar_domain::{Call, Due, Millis, State};
use bursar_store::{Committed, PutBack, Standing};
use serde_json::json;

use crate::put_back::{put_back, record, remembered};
use crate::scene::{Scene, bill, parse, sent};

#[tokio::test]
async fn a_job_whose_order_another_one_has_taken_meanwhile_goes_before_a_person() {
    let mut scene = Scene::new().await;
    scene.lane = "main/bill_upload".parse().unwrap();
    let lost = parse(&bill("FIRST", "order-1"));
    let mut second = bill("SECOND", "order-1");
    second["callback_url"] = json!("https://shop.example/bursar");
    scene.store.submit(&[parse(&second)]).await.unwrap();
    let hash = lost.content.hash();
    let known = remembered(&hash, lost.content.text(), lost.content.about());
    let outcome = put_back(&scene, "FIRST", None, &known, Due::Send(Millis(1))).await;
    assert_eq!(outcome, PutBack::Beside("SECOND".into()));
    for key in ["FIRST", "SECOND"] {
        assert_eq!((scene.state(key).await, scene.sets(key).await), (State::NeedsReview, vec!["review"]), "{key}");
    }
    assert_eq!(scene.story("SECOND").await, ["business_key_conflict"]);
    assert_eq!(scene.log("SECOND").await[0]["key"], "FIRST");
    assert_eq!(scene.claim("w", 5).await.jobs.len(), 0, "neither is sent");
    let told: Vec<String> = scene.command(&["LRANGE", &scene.name("tell:SECOND"), "0", "-1"]).await;
    assert!(told.len() == 1 && told[0].contains("needs_review"), "its producer hears of it: {told:?}");

    let alone = parse(&bill("ALONE", "order-2"));
    let hash = alone.content.hash();
    put_back(
        &scene,
        "ALONE",
        None,
        &remembered(&hash, alone.content.text(), alone.content.about()),
        Due::Send(Millis(1)),
    )
    .await;
    let again = scene.store.submit(&[parse(&bill("OTHER", "order-2"))]).await.unwrap();
    assert_eq!(again, [bursar_store::Submission::Conflict { first: "ALONE".into() }], "its order is its own again");
}

#[tokio::test]
async fn a_rival_is_kept_back_while_it_may_still_be_sent_and_otherwise_goes_on() {
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
        let mut scene = Scene::new().await;
        scene.lane = "main/bill_upload".parse().unwrap();
        scene.store.submit(&[parse(&bill("SECOND", "order-1"))]).await.unwrap();
        scene.take_to("SECOND", state).await;
        let lost = parse(&bill("FIRST", "order-1"));
        let hash = lost.content.hash();
        let known = remembered(&hash, lost.content.text(), lost.content.about());
        assert_eq!(
            put_back(&scene, "FIRST", None, &known, Due::Send(Millis(1))).await,
            PutBack::Beside("SECOND".into())
        );
        assert_eq!((scene.state("FIRST").await, scene.state("SECOND").await), (NeedsReview, expected), "{state}");
    }
}

#[tokio::test]
async fn a_rival_that_is_out_keeps_its_claim_and_one_that_is_asked_about_loses_it() {
    for (call, expected, outcome) in
        [(Call::Send, State::InDoubt, Committed::Ok), (Call::Ask, State::NeedsReview, Committed::Stale)]
    {
        let mut scene = Scene::new().await;
        scene.lane = "main/bill_upload".parse().unwrap();
        scene.store.submit(&[parse(&bill("SECOND", "order-1"))]).await.unwrap();
        let mut out = scene.claim_one("w").await;
        if call == Call::Ask {
            scene.commit(&sent(&out, State::InDoubt, Due::Ask(Millis(1)))).await;
            out = scene.claim_one("w").await;
        }
        assert_eq!(out.call, call);
        let lost = parse(&bill("FIRST", "order-1"));
        let hash = lost.content.hash();
        let known = remembered(&hash, lost.content.text(), lost.content.about());
        put_back(&scene, "FIRST", None, &known, Due::Send(Millis(1))).await;
        assert_eq!(record(&scene, "SECOND").await.unwrap().state, expected, "{call:?}");
        let ended = sent(&out, State::Succeeded, Due::Never);
        assert_eq!(scene.commit(&ended).await, outcome, "{call:?}");
        let era: Option<u64> = scene.command(&["HGET", &scene.name("lane"), "era"]).await;
        assert_eq!(era, None, "{call:?}: nothing was lost");
    }
}

#[tokio::test]
async fn a_key_that_was_used_again_for_something_else_does_not_open_what_it_was_about_to_another() {
    let mut scene = Scene::new().await;
    scene.lane = "main/bill_upload".parse().unwrap();
    scene.store.submit(&[parse(&bill("FIRST", "order-2")), parse(&bill("SECOND", "order-1"))]).await.unwrap();
    let seen = record(&scene, "FIRST").await.unwrap();
    let sent_before = parse(&bill("FIRST", "order-1"));
    let hash = sent_before.content.hash();
    let known = remembered(&hash, sent_before.content.text(), sent_before.content.about());
    assert_eq!(Standing::of(Some(&seen), &hash, 7, 2), Standing::OtherContent);
    let outcome = put_back(&scene, "FIRST", Some(&seen), &known, Due::Never).await;
    assert_eq!(outcome, PutBack::Beside("SECOND".into()));
    assert_eq!((scene.state("FIRST").await, scene.state("SECOND").await), (State::NeedsReview, State::NeedsReview));

    let other = parse(&bill("THIRD", "order-3"));
    scene.store.submit(&[other]).await.unwrap();
    let seen = record(&scene, "THIRD").await.unwrap();
    let sent_before = parse(&bill("THIRD", "order-4"));
    let hash = sent_before.content.hash();
    let known = remembered(&hash, sent_before.content.text(), sent_before.content.about());
    assert_eq!(put_back(&scene, "THIRD", Some(&seen), &known, Due::Never).await, PutBack::Done);
    let rival = scene.store.submit(&[parse(&bill("FOURTH", "order-4"))]).await.unwrap();
    assert_eq!(rival, [bursar_store::Submission::Conflict { first: "THIRD".into() }]);
}

#[tokio::test]
async fn the_rival_of_a_job_that_ended_or_waits_is_kept_back_too() {
    let mut scene = Scene::new().await;
    scene.lane = "main/bill_upload".parse().unwrap();
    scene.store.submit(&[parse(&bill("SECOND", "order-1"))]).await.unwrap();
    let sent_before = parse(&bill("FIRST", "order-1"));
    let hash = sent_before.content.hash();
    let known = remembered(&hash, sent_before.content.text(), sent_before.content.about());
    let key = "FIRST".parse().unwrap();
    let rival = || async { scene.store.set_rival_aside(&scene.lane, &key, &known, "li").await.unwrap() };
    assert_eq!(rival().await.as_deref(), Some("SECOND"));
    assert_eq!(scene.state("SECOND").await, State::NeedsReview);
    assert_eq!(rival().await, None, "once");
}
