//! Quarantined jobs are listed with the reason, and leave quarantine only by an operator's action.

use bursar_domain::{Call, Due, HistoryEvent, Outcome, QuarantineOutcome, State};
use bursar_store::{Committed, Dropped, Operator, Quarantined, Retried, StoredAs, Submission, Unreadable};

use crate::scene::{Scene, answered, key, then, transfer};

const LI: Operator<'_> = Operator { who: "li", why: "mended by hand", identity: None };

async fn set(scene: &Scene, key: &str, text: &str) {
    let _: String = scene.command(&["SET", &scene.job_name(key), text]).await;
}

/// Lets a worker find the job's record damaged; returns the original record.
async fn damage(scene: &Scene, key: &str) -> String {
    let whole = scene.text(key).await.unwrap();
    set(scene, key, "{\"v\":2,").await;
    assert!(scene.claim("w", 5).await.quarantined.iter().any(|(quarantined, _)| quarantined == key));
    assert_eq!(scene.sets(key).await, Vec::<&str>::new());
    whole
}

async fn retry(scene: &Scene, key: &str) -> Retried {
    scene.store.retry_quarantined(&scene.queue, key, LI).await.unwrap()
}

async fn listed(scene: &Scene) -> Vec<Quarantined> {
    scene.store.quarantined(&scene.queue, 100).await.unwrap()
}

#[tokio::test]
async fn keys_are_listed_with_since_when_and_why() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    damage(&scene, "K1").await;
    let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "odd key", "no JSON"]).await;
    let found = listed(&scene).await;
    assert_eq!(
        found[0],
        Quarantined {
            key: "odd key".into(),
            code: "unreadable".into(),
            detail: "no JSON".into(),
            ..Quarantined::default()
        }
    );
    assert_eq!((found[1].key.as_str(), found[1].code.as_str()), ("K1", "unreadable_record"));
    assert!(found[1].detail.contains("EOF") && found[1].since.0.abs_diff(scene.now().await) < 60_000, "{found:?}");
    for number in 0..1_200 {
        let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), &format!("K{number:04}"), "{}"]).await;
    }
    assert_eq!(scene.store.quarantined(&scene.queue, 5_000).await.unwrap().len(), 1_202);
    assert_eq!(scene.store.quarantined(&scene.queue, 7).await.unwrap().len(), 7);
}

#[tokio::test]
async fn a_mended_job_goes_back_where_its_state_belongs() {
    for (state, due, expected) in [
        (State::Queued, Due::Send(bursar_domain::Millis(1)), "due_sends"),
        (State::InDoubt, Due::Query(bursar_domain::Millis(1)), "due_queries"),
        (State::Pending, Due::Query(bursar_domain::Millis(1)), "due_queries"),
    ] {
        let scene = Scene::new().await;
        scene.submit(&["K1"]).await;
        let job = scene.claim_one("w").await;
        scene.commit(&then(&job, state, due)).await;
        let whole = damage(&scene, "K1").await;
        assert!(matches!(retry(&scene, "K1").await, Retried::Unreadable(Unreadable::Damaged(_))), "{state}");
        set(&scene, "K1", &whole).await;
        assert_eq!(retry(&scene, "K1").await, Retried::Back(state));
        assert_eq!((scene.sets("K1").await, listed(&scene).await), (vec![expected], vec![]), "{state}");
        let last = scene.job("K1").await.recent.pop();
        let Some(HistoryEvent::Quarantine(event)) = last else { panic!("{last:?}") };
        assert_eq!((event.outcome, event.operator.as_str()), (QuarantineOutcome::Retried, "li"));
        assert_eq!((event.code.as_str(), event.comment.as_str()), ("unreadable_record", "mended by hand"));
        assert_eq!(retry(&scene, "K1").await, Retried::NotThere);
        let again = scene.claim_one("w").await;
        assert_eq!((again.state, again.sends), (state, job.sends + u32::from(state == State::Queued)));
    }
}

#[tokio::test]
async fn a_job_in_any_other_state_is_found_where_it_belongs_too() {
    for (state, set_name) in [
        (State::NeedsReview, "review"),
        (State::Succeeded, "done"),
        (State::Failed, "done"),
        (State::Cancelled, "done"),
    ] {
        let scene = Scene::new().await;
        scene.bring("K1", state).await;
        let _: u64 = scene.command(&["ZREM", &scene.name(set_name), "K1"]).await;
        let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "K1", "{\"at\":5,\"code\":\"x\"}"]).await;
        assert_eq!(retry(&scene, "K1").await, Retried::Back(state));
        assert_eq!(scene.sets("K1").await, [set_name]);
        let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "K1", "{\"at\":5,\"code\":\"x\"}"]).await;
        let before = scene.text("K1").await;
        assert_eq!(retry(&scene, "K1").await, Retried::WasBack(state), "it died before it took the key out");
        assert_eq!((scene.text("K1").await, listed(&scene).await), (before, vec![]));
    }
}

#[tokio::test]
async fn an_earlier_lost_send_survives_and_its_response_is_used() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let lost = scene.lose("a").await;
    let whole = damage(&scene, "K1").await;
    set(&scene, "K1", &whole).await;
    assert_eq!(retry(&scene, "K1").await, Retried::Back(State::InDoubt));
    assert_eq!((scene.sets("K1").await, scene.claims().await), (vec!["due_queries"], vec![]));
    let seen = scene.job("K1").await;
    assert_eq!((seen.state, seen.sends, seen.claims_lost), (State::InDoubt, 1, 1));
    assert_eq!(scene.story("K1").await, ["send_intent", "worker_lost", "quarantine"]);
    let late = answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never);
    assert_eq!(scene.commit(&late).await, Committed::Late);
    assert_eq!(scene.era().await, None, "nothing was lost of Redis");
    let next = scene.claim_one("b").await;
    assert_eq!((next.call, next.late_response, next.sends), (Call::Query, Some(Outcome::Succeeded), 1));
    assert!(next.fence > lost.fence);
}

#[tokio::test]
async fn a_job_that_workers_died_of_starts_with_its_losses_counted() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let mut lost = 0;
    while scene.claim_as(scene.wish("w", 1)).await.quarantined.is_empty() {
        scene.set_due("due_queries", "K1", 1).await;
        lost += 1;
        assert!(lost < 200, "it is never quarantined");
    }
    assert_eq!(listed(&scene).await[0].code, "workers_lost");
    assert_eq!(retry(&scene, "K1").await, Retried::Back(State::InDoubt));
    let next = scene.claim("w", 1).await;
    assert_eq!((next.jobs.len(), next.quarantined.len()), (1, 0), "it can be claimed again");
    assert_eq!((next.jobs[0].claims_lost, next.jobs[0].sends), (lost, 1), "one send, and queries after it");
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_keeps_the_job_in_quarantine() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let whole = damage(&scene, "K1").await;
    set(&scene, "K1", &whole).await;
    let _: u64 = scene.command(&["HSET", &scene.name("claims"), "K1", "what"]).await;
    assert!(matches!(retry(&scene, "K1").await, Retried::Unreadable(_)), "it may be a send");
    assert_eq!((scene.claims().await, listed(&scene).await.len()), (vec!["K1".to_owned()], 1));
}

#[tokio::test]
async fn a_drop_is_recorded_and_leaves_what_the_key_holds() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2", "K3"]).await;
    let whole = damage(&scene, "K1").await;
    let dropped = async |key: &str| scene.store.drop_quarantined(&scene.queue, key, LI).await.unwrap();
    assert_eq!(dropped("K2").await, Dropped::NotThere);
    set(&scene, "K1", r#"{"v":3,"state":"dreaming"}"#).await;
    assert_eq!(dropped("K1").await, Dropped::Readable, "by a newer build");
    set(&scene, "K1", &whole).await;
    assert_eq!(dropped("K1").await, Dropped::Readable, "no open job may be lost from sight");
    let bytes: &[u8] = &[b'{', 0xff];
    let _: () = redis::cmd("SET").arg(scene.job_name("K1")).arg(bytes).query_async(&mut scene.raw()).await.unwrap();
    assert_eq!(dropped("K1").await, Dropped::Done);
    assert_eq!((listed(&scene).await, dropped("K1").await), (vec![], Dropped::NotThere));
    let left: Vec<u8> = scene.command(&["GET", &scene.job_name("K1")]).await;
    assert_eq!(left, bytes);
    let lines: Vec<String> = scene.command(&["LRANGE", &format!("{}:K1", scene.name("history")), "0", "-1"]).await;
    let event = HistoryEvent::read(lines[0].as_bytes());
    let HistoryEvent::Quarantine(event) = event else { panic!("{event:?}") };
    assert_eq!((event.outcome, event.operator.as_str()), (QuarantineOutcome::Dropped, "li"));
    assert!(matches!(scene.accept(&[transfer("K1")]).await[..], [Submission::Unreadable(_)]), "never answered for");
    let stored = scene.store.job(&scene.queue, &key("K1")).await.unwrap();
    assert!(matches!(stored, Some(StoredAs::Unreadable { .. })));
}

#[tokio::test]
async fn a_key_without_a_job_is_dropped_and_a_tombstone_needs_nothing() {
    let scene = Scene::new().await;
    for ghost in ["ghost", "not a key"] {
        let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), ghost, "{\"at\":5,\"code\":\"x\"}"]).await;
        assert!(matches!(retry(&scene, ghost).await, Retried::Unreadable(_)));
        assert_eq!(scene.store.drop_quarantined(&scene.queue, ghost, LI).await.unwrap(), Dropped::Done);
    }
    scene.bring("K1", State::Succeeded).await;
    scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap();
    let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "K1", "{\"at\":5,\"code\":\"x\"}"]).await;
    assert_eq!(retry(&scene, "K1").await, Retried::WasBack(State::Succeeded));
    assert_eq!((scene.sets("K1").await, listed(&scene).await), (Vec::<&str>::new(), vec![]));
}
