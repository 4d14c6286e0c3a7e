//! What a journal remembers comes back as what may have been executed: in doubt, under a fence above all that was before.

use bursar_domain::{Due, Millis, Next, Reason, State};
use bursar_store::{Committed, PutBack, Record, Remembered, Standing};
use serde_json::json;

use crate::scene::{Scene, restored, sent, transfer};

const SENT: Millis = Millis(1_700_000_000_000);

pub(crate) fn remembered<'a>(hash: &'a [u8], content: &'a str, about: &'a str) -> Remembered<'a> {
    Remembered {
        hash,
        content,
        about,
        fence: 7,
        sends: 2,
        resends: 1,
        first_sent: SENT,
        last_sent: Millis(SENT.0 + 5),
        trade_nos: &[],
    }
}

fn in_doubt(due: Due) -> Next {
    Next { state: State::InDoubt, due, reason: Some(Reason::RestoredFromJournal), pause_lane: false }
}

pub(crate) async fn record(scene: &Scene, key: &str) -> Option<Record> {
    scene.store.job(&scene.lane, &key.parse().unwrap()).await.unwrap()
}

pub(crate) async fn put_back(
    scene: &Scene,
    key: &str,
    seen: Option<&Record>,
    remembered: &Remembered<'_>,
    due: Due,
) -> PutBack {
    let key = key.parse().unwrap();
    scene.store.put_back(&scene.lane, &key, seen, remembered, &in_doubt(due), restored()).await.unwrap()
}

#[tokio::test]
async fn a_job_that_redis_forgot_wholly_has_the_content_hash_and_name_that_it_was_submitted_with() {
    let scene = Scene::new().await;
    let job = transfer("K1");
    scene.submit(&["K1"]).await;
    let mut submitted = scene.record("K1").await;
    let _: u64 = scene.command(&["DEL", &scene.name("job:K1"), &scene.name("to_send")]).await;

    let hash = job.content.hash();
    let known = remembered(&hash, job.content.text(), "K1");
    assert_eq!(put_back(&scene, "K1", None, &known, Due::Ask(Millis(9_999_999_999_999))).await, PutBack::Done);
    let mut back = scene.record("K1").await;
    for (field, value) in [
        ("s", "in_doubt"),
        ("f", "8"),
        ("n", "2"),
        ("rs", "1"),
        ("t1", "1700000000000"),
        ("ts", "1700000000005"),
        ("r", r#"{"code":"restored_from_journal"}"#),
    ] {
        assert_eq!(back.remove(field).as_deref(), Some(value), "{field}");
    }
    for field in ["c", "u"] {
        back.remove(field);
    }
    submitted.retain(|name, _| !["s", "c"].contains(&name.as_str()));
    assert_eq!(back, submitted, "the rest is as submit writes it");
    assert_eq!(
        (scene.sets("K1").await, scene.story("K1").await),
        (vec!["to_ask"], vec!["restored_from_journal".to_owned()])
    );
    assert_eq!(scene.due("to_ask", "K1").await, Some(9_999_999_999_999));
    let submitted_again = scene.store.submit(&[job]).await.unwrap();
    assert_eq!(submitted_again, [bursar_store::Submission::Existing(State::InDoubt)]);
}

#[tokio::test]
async fn a_content_too_long_for_the_record_stands_beside_it() {
    let scene = Scene::new().await;
    let content = "长".repeat(2_000);
    put_back(&scene, "K1", None, &remembered(&[1; 32], &content, "K1"), Due::Send(Millis(1))).await;
    let key = "K1".parse().unwrap();
    assert_eq!(scene.store.content(&scene.lane, &key).await.unwrap(), Some(content));
    let claimed = scene.claim_one("w").await;
    assert_eq!(
        (claimed.state, claimed.sends, claimed.fence),
        (State::InDoubt, 3, 9),
        "sent as what may have been sent"
    );
}

#[tokio::test]
async fn a_record_that_lies_behind_is_put_in_doubt_and_what_comes_late_is_refused_and_kept_as_evidence() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let before = record(&scene, "K1").await.unwrap();
    assert_eq!(Standing::of(Some(&before), &before.hash, 7, 2), Standing::Behind);
    let known = Remembered { trade_nos: &["T1".to_owned(), "T2".to_owned()], ..remembered(&before.hash, "", "K1") };
    assert_eq!(put_back(&scene, "K1", Some(&before), &known, Due::Ask(Millis(1))).await, PutBack::Done);
    let after = record(&scene, "K1").await.unwrap();
    assert_eq!((after.state, after.fence, after.sends), (State::InDoubt, 8, 2));
    assert_eq!(after.trade_nos, ["T1", "T2"]);
    assert_eq!(scene.sets("K1").await, ["to_ask"]);
    assert_eq!(Standing::of(Some(&after), &after.hash, 7, 2), Standing::Agrees, "repeated, it changes nothing");
    let content = scene.store.content(&scene.lane, &"K1".parse().unwrap()).await.unwrap();
    assert_eq!(content.as_deref(), Some(transfer("K1").content.text()), "its own content stays");

    let claimed = scene.claim_one("w").await;
    let late =
        bursar_store::Commit { fence: 7, token: "lost/1".into(), ..sent(&claimed, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&late).await, Committed::Stale);
    assert_eq!(scene.state("K1").await, State::InDoubt);
    assert_eq!(scene.log("K1").await.last().unwrap()["late"], true);
}

#[tokio::test]
async fn a_send_that_is_out_when_its_job_is_put_back_keeps_its_intent_on_record() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let out = scene.claim_one("w").await;
    let seen = record(&scene, "K1").await.unwrap();
    let known = remembered(&seen.hash, "", "K1");
    assert_eq!(put_back(&scene, "K1", Some(&seen), &known, Due::Ask(Millis(1))).await, PutBack::Done);
    assert_eq!(scene.story("K1").await, ["send_intent", "restored_from_journal"]);
    let intent = scene.log("K1").await.swap_remove(0);
    assert_eq!((&intent["fence"], &intent["worker"]), (&json!(1), &json!("w")));
    assert_eq!(scene.commit(&sent(&out, State::Failed, Due::Never)).await, Committed::Stale);
    assert_eq!(
        scene.story("K1").await,
        ["send_intent", "restored_from_journal", "response"],
        "what came too late is evidence"
    );
    assert_eq!(scene.state("K1").await, State::InDoubt);
}

#[tokio::test]
async fn what_ended_in_a_redis_that_had_forgotten_its_send_goes_before_a_person() {
    let scene = Scene::new().await;
    scene.bring("K1", State::Cancelled).await;
    let seen = record(&scene, "K1").await.unwrap();
    assert_eq!(Standing::of(Some(&seen), &seen.hash, 7, 2), Standing::EndedUnsent);
    let known = remembered(&seen.hash, "", "K1");
    assert_eq!(put_back(&scene, "K1", Some(&seen), &known, Due::Never).await, PutBack::Done);
    assert_eq!(scene.sets("K1").await, ["review"]);
    let after = record(&scene, "K1").await.unwrap();
    assert_eq!(after.sends, 2);
    assert_ne!(Standing::of(Some(&after), &after.hash, 7, 2), Standing::EndedUnsent, "repeated, it changes nothing");
}

#[tokio::test]
async fn a_job_that_has_changed_since_it_was_seen_is_left_as_it_is() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let seen = record(&scene, "K1").await.unwrap();
    let hash = seen.hash.clone();
    let known = remembered(&hash, "", "K1");
    assert_eq!(put_back(&scene, "K1", None, &known, Due::Ask(Millis(1))).await, PutBack::Changed);
    scene.claim_one("w").await;
    let claimed = scene.record("K1").await;
    assert_eq!(put_back(&scene, "K1", Some(&seen), &known, Due::Ask(Millis(1))).await, PutBack::Changed);
    assert_eq!(scene.record("K1").await, claimed);

    scene.bring("K2", State::Succeeded).await;
    scene.store.purge(&scene.lane, std::time::Duration::ZERO, 10).await.unwrap();
    assert_eq!(
        put_back(&scene, "K2", None, &known, Due::Ask(Millis(1))).await,
        PutBack::Changed,
        "a tombstone is an end"
    );
    assert!(scene.field("K2", "z").await.is_some());
}

#[tokio::test]
async fn only_a_record_that_has_forgotten_a_send_differs() {
    let scene = Scene::new().await;
    for state in State::ALL.into_iter().rev() {
        let key = format!("{state}");
        scene.bring(&key, state).await;
        let record = record(&scene, &key).await.unwrap();
        let (hash, fence, sends) = (record.hash.clone(), record.fence, record.sends);
        let of = |hash: &[u8], fence, sends| Standing::of(Some(&record), hash, fence, sends);
        assert_eq!(of(&hash, fence, sends), Standing::Agrees, "{state}");
        let (behind, fewer, other) = match state {
            State::Queued => (Standing::Behind, Standing::Behind, Standing::OtherContent),
            State::InDoubt | State::Pending | State::NeedsReview => {
                (Standing::Behind, Standing::Agrees, Standing::OtherContent)
            }
            State::Succeeded | State::Refunded => (Standing::Agrees, Standing::Agrees, Standing::Agrees),
            State::Failed | State::Cancelled => (Standing::Agrees, Standing::EndedUnsent, Standing::Agrees),
        };
        assert_eq!(of(&hash, fence + 1, sends), behind, "{state}");
        assert_eq!(of(&hash, fence, sends + 1), fewer, "{state}");
        assert_eq!(of(&[0; 32], fence + 1, sends), other, "{state}");
        // Fences begin again in a Redis that has forgotten: what was accepted since under the same key may have as many.
        let anew = [State::Queued, State::InDoubt, State::Pending].contains(&state);
        let expected = if anew { Standing::OtherContent } else { Standing::Agrees };
        assert_eq!(of(&[0; 32], fence, sends), expected, "{state}");
    }
    assert_eq!(Standing::of(None, &[], 1, 1), Standing::Missing);
}
