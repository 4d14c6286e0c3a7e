//! A send from a journal is restored as one that may have been executed: in doubt, under a fence above all earlier
//! ones.

use bursar_domain::{Call, Due, Millis, Outcome, Reason, RestoredFromJournal, State, Transition};
use bursar_store::{Commit, Committed, JobRecord, JournalDiff, JournalView, Restored, StoreError, Submission};
use bursar_test_support::private_redis;
use serde_json::json;

use crate::scene::{
    LATER, Scene, answered, key, known_by, parse, then, transfer, transfer_json, transfer_with_webhook,
};

const SENT: Millis = Millis(1_700_000_000_000);

pub(crate) fn remembered<'a>(hash: &'a [u8], content: &'a str, business_key: &'a str) -> JournalView<'a> {
    JournalView {
        hash,
        content,
        business_key,
        fence: 7,
        sends: 2,
        resends: 1,
        first_sent: SENT,
        last_sent: Millis(SENT.0 + 5),
        trade_nos: &[],
    }
}

fn in_doubt(due: Due) -> Transition {
    Transition { state: State::InDoubt, due, reason: Some(Reason::RestoredFromJournal), pause_queue: false }
}

pub(crate) async fn restore(
    scene: &Scene,
    name: &str,
    seen: Option<&JobRecord>,
    journal: &JournalView<'_>,
    due: Due,
) -> Restored {
    restore_as(scene, name, seen, journal, &in_doubt(due)).await.unwrap()
}

pub(crate) async fn restore_as(
    scene: &Scene,
    name: &str,
    seen: Option<&JobRecord>,
    journal: &JournalView<'_>,
    next: &Transition,
) -> Result<Restored, StoreError> {
    let event = RestoredFromJournal {
        at: Millis(0),
        operator: "li".into(),
        was: None,
        sends: 2,
        response: None,
        more: serde_json::Map::new(),
    };
    scene.store.restore(&scene.queue, &key(name), seen, journal, next, event).await
}

#[tokio::test]
async fn a_forgotten_job_has_its_content_hash_and_name_again() {
    let scene = Scene::new().await;
    let job = transfer("K1");
    scene.submit(&["K1"]).await;
    let mut submitted = scene.record("K1").await;
    let _: u64 = scene.command(&["DEL", &scene.job_name("K1"), &scene.name("sends")]).await;

    let hash = job.content.hash();
    let known = remembered(&hash, job.content.text(), "K1");
    assert_eq!(restore(&scene, "K1", None, &known, Due::Query(LATER)).await, Restored::Done);
    let mut back = scene.record("K1").await;
    for (field, value) in [
        ("state", json!("in_doubt")),
        ("fence", json!(8)),
        ("sends", json!(2)),
        ("resends", json!(1)),
        ("created_at", json!(SENT.0)),
        ("first_sent_at", json!(SENT.0)),
        ("last_sent_at", json!(SENT.0 + 5)),
        ("reason", json!({"code": "restored_from_journal"})),
    ] {
        assert_eq!(back.as_object_mut().unwrap().remove(field), Some(value), "{field}");
    }
    for field in ["updated_at", "history"] {
        assert!(back.as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    submitted.as_object_mut().unwrap().retain(|name, _| !["state", "created_at"].contains(&name.as_str()));
    assert_eq!(back, submitted, "the rest is as submit writes it");
    assert_eq!(
        (scene.sets("K1").await, scene.story("K1").await),
        (vec!["due_queries"], vec!["restored_from_journal".to_owned()])
    );
    assert_eq!(scene.due("due_queries", "K1").await, Some(LATER.0));
    assert_eq!(scene.accept(&[job]).await, [Submission::Existing(State::InDoubt)]);
    assert_eq!(scene.events().await, ["K1 in_doubt"]);
    assert_eq!(scene.outbox("K1").await, Vec::<serde_json::Value>::new(), "the journal does not know the receiver");
}

#[tokio::test]
async fn a_restored_resend_waits_its_turn_and_is_possibly_sent() {
    let scene = Scene::of("shop/transfer").await; // by payer
    let mut job = transfer_json("K1");
    job["account"] = json!("shop");
    let job = parse(&job);
    let hash = job.content.hash();
    restore(&scene, "K1", None, &remembered(&hash, job.content.text(), "K1"), Due::Send(Millis(1))).await;
    let members: Vec<String> = scene.command(&["ZRANGE", &scene.name("due_sends"), "0", "-1"]).await;
    assert_eq!(members, ["K1 amy99a"]);
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.state, claimed.sends, claimed.resends), (State::InDoubt, 3, 2));
    assert_eq!((claimed.fence, claimed.content.as_str()), (9, job.content.text()));
}

#[tokio::test]
async fn a_content_that_is_no_json_is_no_job_s() {
    let scene = Scene::new().await;
    let known = remembered(&[1; 32], "no JSON", "K1");
    let error = restore_as(&scene, "K1", None, &known, &in_doubt(Due::Query(LATER))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    assert_eq!(scene.text("K1").await, None);
}

#[tokio::test]
async fn an_outdated_record_is_in_doubt_and_late_commits_are_evidence() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let before = scene.job("K1").await;
    assert_eq!(JournalDiff::of(Some(&before), &before.hash, 7, 2), JournalDiff::Behind);
    let numbers = ["T1".to_owned(), "T2".to_owned()];
    let known = JournalView { trade_nos: &numbers, ..remembered(&before.hash, "", "K1") };
    assert_eq!(restore(&scene, "K1", Some(&before), &known, Due::Query(Millis(1))).await, Restored::Done);
    let after = scene.job("K1").await;
    assert_eq!((after.state, after.fence, after.sends), (State::InDoubt, 8, 2));
    assert_eq!((after.trade_nos.as_slice(), after.created), (numbers.as_slice(), before.created));
    assert_eq!(scene.sets("K1").await, ["due_queries"]);
    assert_eq!(JournalDiff::of(Some(&after), &after.hash, 7, 2), JournalDiff::Agrees, "repeated, it changes nothing");
    assert_eq!(after.content.as_deref(), Some(transfer("K1").content.text()), "its own content stays");
    assert!(scene.claim_one("w").await.fence > 8, "no claim to come has its fence");
}

#[tokio::test]
async fn a_send_in_flight_during_a_restore_keeps_its_intent() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let out = scene.claim_one("w").await;
    let seen = scene.job("K1").await;
    let known = remembered(&seen.hash, "", "K1");
    assert_eq!(restore(&scene, "K1", Some(&seen), &known, Due::Query(LATER)).await, Restored::Done);
    assert_eq!(scene.story("K1").await, ["send_intent", "restored_from_journal"]);
    let intent = &scene.job("K1").await.recent[0];
    assert_eq!(intent.claim(), Some((1, "w")));
    let late = answered(&out, Outcome::NoResponse, State::InDoubt, Due::Send(Millis(1)));
    assert_eq!(scene.commit(&late).await, Committed::Late);
    let story = scene.story("K1").await;
    assert_eq!(story, ["send_intent", "restored_from_journal", "response"], "what came too late is evidence");
    let job = scene.job("K1").await;
    assert_eq!((job.state, job.sends, job.worker), (State::InDoubt, 2, None));
    assert_eq!((scene.sets("K1").await, scene.era().await), (vec!["due_queries"], None), "nothing was lost");
}

#[tokio::test]
async fn what_a_late_response_said_before_is_kept() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("slow").await;
    scene.claim_one("w").await;
    let late =
        Commit { trade_nos: vec!["T1".into()], ..answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&late).await, Committed::Late);
    let seen = scene.job("K1").await;
    let known = remembered(&seen.hash, "", "K1");
    assert_eq!(restore(&scene, "K1", Some(&seen), &known, Due::Query(Millis(1))).await, Restored::Done);
    let next = scene.claim_one("v").await;
    assert_eq!((next.call, next.late_response, next.claims_lost), (Call::Query, Some(Outcome::Succeeded), 1));
    assert_eq!(next.trade_nos, ["T1"]);
}

#[tokio::test]
async fn a_job_ended_by_an_outdated_redis_needs_review() {
    let scene = Scene::new().await;
    scene.accept(&[transfer_with_webhook("K1")]).await;
    scene.take_to("K1", State::Cancelled).await;
    let seen = scene.job("K1").await;
    assert_eq!(JournalDiff::of(Some(&seen), &seen.hash, 7, 2), JournalDiff::EndedUnsent);
    let known = remembered(&seen.hash, "", "K1");
    let review = Transition::review(Reason::RestoredFromJournal);
    assert_eq!(restore_as(&scene, "K1", Some(&seen), &known, &review).await.unwrap(), Restored::Done);
    assert_eq!(scene.sets("K1").await, ["review"]);
    let after = scene.job("K1").await;
    assert_eq!((after.state, after.sends), (State::NeedsReview, 2));
    let reported: Vec<String> = scene.outbox("K1").await.iter().map(|event| event["state"].to_string()).collect();
    assert_eq!(reported, ["\"cancelled\"", "\"needs_review\""]);
    let diff = JournalDiff::of(Some(&after), &after.hash, 7, 2);
    assert_ne!(diff, JournalDiff::EndedUnsent, "repeated, it changes nothing");
}

#[tokio::test]
async fn an_end_that_is_in_doubt_again_is_among_the_ended_no_more() {
    for (due, set) in [(Due::Query(LATER), "due_queries"), (Due::Send(LATER), "due_sends")] {
        let scene = Scene::new().await;
        scene.bring("K1", State::Failed).await;
        let seen = scene.job("K1").await;
        let known = remembered(&seen.hash, "", "K1");
        assert_eq!(restore(&scene, "K1", Some(&seen), &known, due).await, Restored::Done);
        assert_eq!((scene.state("K1").await, scene.sets("K1").await), (State::InDoubt, vec![set]));
        assert_eq!(scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_job_that_has_changed_since_it_was_seen_is_left_as_it_is() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let seen = scene.job("K1").await;
    let hash = seen.hash.clone();
    let known = remembered(&hash, "{}", "K1");
    assert_eq!(restore(&scene, "K1", None, &known, Due::Query(Millis(1))).await, Restored::Changed);
    scene.claim_one("w").await;
    let claimed = (scene.text("K1").await, scene.claims().await);
    assert_eq!(restore(&scene, "K1", Some(&seen), &known, Due::Query(Millis(1))).await, Restored::Changed);
    assert_eq!((scene.text("K1").await, scene.claims().await), claimed);

    scene.bring("K2", State::Succeeded).await;
    scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap();
    let tombstone = scene.text("K2").await;
    let restored = restore(&scene, "K2", None, &known, Due::Query(Millis(1))).await;
    assert_eq!(restored, Restored::Changed, "a tombstone is an end");
    assert_eq!(scene.text("K2").await, tombstone);

    // A value that is no record is never overwritten.
    for (name, words) in [("damaged", ["SET", "{"]), ("foreign", ["RPUSH", "x"])] {
        let _: redis::Value = scene.command(&[words[0], &scene.job_name(name), words[1]]).await;
        assert_eq!(restore(&scene, name, None, &known, Due::Query(Millis(1))).await, Restored::Changed, "{name}");
        let kind: String = scene.command(&["TYPE", &scene.job_name(name)]).await;
        assert_eq!(kind, if name == "foreign" { "list" } else { "string" });
    }
}

#[tokio::test]
async fn only_a_record_that_has_forgotten_a_send_differs() {
    let scene = Scene::new().await;
    for state in State::ALL.into_iter().rev() {
        let name = format!("{state}");
        scene.bring(&name, state).await;
        let record = scene.job(&name).await;
        let (hash, fence, sends) = (record.hash.clone(), record.fence, record.sends);
        let of = |hash: &[u8], fence, sends| JournalDiff::of(Some(&record), hash, fence, sends);
        assert_eq!(of(&hash, fence, sends), JournalDiff::Agrees, "{state}");
        let (behind, fewer, other) = match state {
            State::Queued => (JournalDiff::Behind, JournalDiff::Behind, JournalDiff::OtherContent),
            State::InDoubt | State::Pending | State::NeedsReview => {
                (JournalDiff::Behind, JournalDiff::Agrees, JournalDiff::OtherContent)
            }
            State::Succeeded | State::Refunded => (JournalDiff::Agrees, JournalDiff::Agrees, JournalDiff::Agrees),
            State::Failed | State::Cancelled => (JournalDiff::Agrees, JournalDiff::EndedUnsent, JournalDiff::Agrees),
        };
        assert_eq!(of(&hash, fence + 1, sends), behind, "{state}");
        assert_eq!(of(&hash, fence, sends + 1), fewer, "{state}");
        assert_eq!(of(&[0; 32], fence + 1, sends), other, "{state}");
        // Fences restart in a Redis that has lost its data: a job accepted later with the same key may have the same
        // fence.
        let is_open = [State::Queued, State::InDoubt, State::Pending].contains(&state);
        let expected = if is_open { JournalDiff::OtherContent } else { JournalDiff::Agrees };
        assert_eq!(of(&[0; 32], fence, sends), expected, "{state}");
    }
    assert_eq!(JournalDiff::of(None, &[], 1, 1), JournalDiff::Missing);
    scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap();
    let tombstone = scene.job("cancelled").await;
    assert_eq!(JournalDiff::of(Some(&tombstone), &[0; 32], 9, 9), JournalDiff::Agrees, "nothing is known of it");
}

#[tokio::test]
async fn a_send_that_is_out_counts_in_the_comparison() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let out = scene.claim_one("w").await;
    let seen = scene.job("K1").await;
    assert_eq!(JournalDiff::of(Some(&seen), &seen.hash, out.fence, 1), JournalDiff::Agrees);
    assert_eq!(JournalDiff::of(Some(&seen), &seen.hash, out.fence + 1, 1), JournalDiff::Behind);
}

/// Redis came back empty: a number that a journal has for a job belongs to no other job either.
#[tokio::test]
async fn a_number_that_a_journal_brought_back_is_its_jobs() {
    let scene = Scene::new().await;
    let job = transfer("K1");
    let hash = job.content.hash();
    let numbers = ["T1".to_owned()];
    let known = JournalView { trade_nos: &numbers, ..remembered(&hash, job.content.text(), "K1") };
    assert_eq!(restore(&scene, "K1", None, &known, Due::Query(LATER)).await, Restored::Done);
    scene.submit(&["K2"]).await;
    let claimed = scene.claim_one("w").await;
    let commit = Commit { response: known_by("T1"), ..then(&claimed, State::Succeeded, Due::Never) };
    assert_eq!(scene.commit(&commit).await, Committed::Mismatch);
    assert_eq!(scene.state("K2").await, State::NeedsReview);
    // Restored once more by another journal, another job's number stays another job's.
    let seen = scene.job("K2").await;
    restore(
        &scene,
        "K2",
        Some(&seen),
        &JournalView { trade_nos: &numbers, ..remembered(&seen.hash, "", "K2") },
        Due::Query(LATER),
    )
    .await;
    let owner: String = scene.command(&["HGET", &scene.name("responses"), "trade_no:T1"]).await;
    assert_eq!(owner, "K1");
}

#[tokio::test]
async fn a_full_redis_takes_back_what_it_has_forgotten() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.submit(&["other"]).await;
    let _: () = scene.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let job = transfer("K1");
    let hash = job.content.hash();
    let known = remembered(&hash, job.content.text(), "K1");
    assert_eq!(restore(&scene, "K1", None, &known, Due::Query(LATER)).await, Restored::Done);
    assert_eq!(scene.state("K1").await, State::InDoubt);
}

#[tokio::test]
async fn a_restored_job_stays_in_doubt_after_more_lost_writes() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    scene.store.lost_writes(&scene.queue, 0).await.unwrap();
    let seen = scene.job("K1").await;
    assert_eq!(seen.state, State::InDoubt);
    // It may have been sent; the journal has the number of sends.
    assert_eq!(JournalDiff::of(Some(&seen), &seen.hash, 7, 2), JournalDiff::Behind);
    let known = remembered(&seen.hash, "", "K1");
    assert_eq!(restore(&scene, "K1", Some(&seen), &known, Due::Send(Millis(1))).await, Restored::Done);
    let claimed = scene.claim_one("w").await;
    assert_eq!((claimed.state, claimed.sends, claimed.ordered), (State::InDoubt, 3, None), "no person has ordered it");
}
