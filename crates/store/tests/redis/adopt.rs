//! A queue whose account was renamed is handed over job by job; no crash in between duplicates or loses a job.

mod crash;
mod duplicates;

use std::time::Duration;

use bursar_domain::{Call, Due, Job, Millis, Outcome, Reason, State};
use bursar_store::{Adopted, Committed, Operator, Submission};
use serde_json::{Value, json};

use crate::scene::{
    LATER, LEASE, Scene, answered, bill_json, known_by, parse, then, transfer, transfer_json, transfer_with_webhook,
};

const RENAMED: Operator<'_> = Operator { who: "li", why: "renamed" };

/// The same job under the account's new name.
fn renamed(mut job: Value) -> Job {
    job["account"] = json!("pay");
    parse(&job)
}

/// The scene as seen from the new name.
fn as_new(scene: &Scene) -> Scene {
    scene.on(&format!("pay/{}", scene.queue.kind))
}

async fn adopt(scene: &Scene) -> Adopted {
    scene.store.adopt(&scene.queue, &as_new(scene).queue, RENAMED).await.unwrap()
}

async fn state_of(scene: &Scene, key: &str) -> Option<State> {
    scene.find(key).await.map(|job| job.state)
}

/// The rest of single jobs under the old name.
async fn left_of(scene: &Scene) -> Vec<String> {
    let left: Vec<String> = scene.command(&["KEYS", &format!("{}*:{}:*", scene.base(), scene.queue)]).await;
    left.into_iter().filter(|name| !name.contains(":receipt:")).collect()
}

#[tokio::test]
async fn every_state_moves_and_a_resubmission_is_recognised() {
    let old = Scene::new().await;
    let states = [
        State::InDoubt,
        State::Pending,
        State::NeedsReview,
        State::Succeeded,
        State::Failed,
        State::Refunded,
        State::Cancelled,
        State::Queued, // last: a claim would take it
    ];
    let mut before = Vec::new();
    for state in states {
        old.bring(state.as_str(), state).await;
        before.push(old.job(state.as_str()).await);
    }
    for (set, ended) in [("done", "succeeded"), ("review", "needs_review")] {
        old.set_due(set, ended, 12_345).await;
    }
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt, adopted.is_whole()), (8, 1, true), "{adopted:?}");
    assert!(old.store.list(&old.queue, None, &Default::default(), 100).await.unwrap().jobs.is_empty());
    assert!(old.claims().await.is_empty() && !old.store.has_jobs(&old.queue).await.unwrap());
    let new = as_new(&old);
    for was in &before {
        let is = new.job(was.key.as_str()).await;
        assert_eq!(
            (was.state, was.due, was.fence, was.sends, was.created, &was.content),
            (is.state, is.due, is.fence, is.sends, is.created, &is.content)
        );
        let resubmitted = new.store.submit(&[renamed(transfer_json(was.key.as_str()))]).await.unwrap();
        assert_eq!(resubmitted, [Submission::Existing(was.state)], "{}", was.key);
        let story = new.story(was.key.as_str()).await;
        assert_eq!(story.last().unwrap(), "adopted", "{story:?}");
        let sets = new.sets(was.key.as_str()).await;
        assert_eq!(sets.len(), 1, "{} {sets:?}", was.key);
    }
    let listed = new.store.list(&new.queue, None, &Default::default(), 100).await.unwrap();
    assert_eq!(listed.jobs.len(), before.len());
    for (set, ended) in [("done", "succeeded"), ("review", "needs_review")] {
        assert_eq!(new.due(set, ended).await, Some(12_345), "since when it is there");
    }
    // Only changes are published: nothing has ended a second time.
    let published: Vec<String> = new.events_of_queue().await;
    assert_eq!(published, Vec::<String>::new());
    assert_eq!(adopt(&old).await, Adopted::default(), "done twice, it changes nothing more");
}

#[tokio::test]
async fn a_tombstone_and_a_business_key_are_recognised_after_adoption() {
    let old = Scene::of("main/bill_upload").await;
    let accepted = old.accept(&[parse(&bill_json("B1", "order-1")), parse(&bill_json("B3", "order-3"))]).await;
    assert_eq!(accepted, [Submission::New, Submission::New]);
    let claimed = old.claim_one("w").await;
    old.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    assert_eq!(old.store.purge(&old.queue, Duration::ZERO, 10).await.unwrap(), 1);
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (2, 0));
    let new = as_new(&old);
    let again: Vec<Job> = [("B1", "order-1"), ("B2", "order-1"), ("B3", "order-3"), ("B4", "order-3")]
        .map(|(key, order)| renamed(bill_json(key, order)))
        .to_vec();
    let conflict = |first: &str| Submission::Conflict { first: first.into(), fields: Vec::new() };
    assert_eq!(
        new.store.submit(&again).await.unwrap(),
        [Submission::Existing(State::Succeeded), conflict("B1"), Submission::Existing(State::Queued), conflict("B3")]
    );
    assert_eq!(new.sets("B1").await, Vec::<&str>::new());
    assert_eq!(left_of(&old).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_dead_workers_send_is_in_doubt_and_a_live_one_is_left() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    old.claim_one("alive").await;
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.claimed.as_slice()), (0, ["k1".to_owned()].as_slice()));
    assert!(!adopted.is_whole());

    let gone = Scene::new().await;
    gone.submit(&["k1"]).await;
    let claimed = gone.lose("gone").await;
    let adopted = adopt(&gone).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (1, 1), "{adopted:?}");
    let new = as_new(&gone);
    let job = new.job("k1").await;
    assert_eq!((job.state, job.sends, job.fence, job.claims_lost), (State::InDoubt, 1, claimed.fence, 1));
    assert_eq!((job.first_sent, job.last_sent), (claimed.last_sent, claimed.last_sent));
    assert_eq!(new.story("k1").await, ["send_intent", "worker_lost", "adopted"]);
    assert_eq!((new.sets("k1").await, new.claims().await), (vec!["due_queries"], vec![]));
    // The one that is gone comes back: its word is for a queue that has the job no more.
    let late = answered(&claimed, Outcome::NotExecuted, State::Queued, Due::Send(Millis(1)));
    assert_eq!(gone.commit(&late).await, Committed::Late);
    assert_eq!((state_of(&gone, "k1").await, state_of(&new, "k1").await), (None, Some(State::InDoubt)));
    let next = new.claim_one("w").await;
    assert_eq!((next.call, next.state, next.sends), (Call::Query, State::InDoubt, 1));
    assert!(next.fence > claimed.fence, "no claim has the fence of one that was made before");
}

#[tokio::test]
async fn a_query_whose_worker_is_gone_leaves_the_job_what_it_was() {
    let old = Scene::new().await;
    old.bring("k1", State::Pending).await;
    old.set_due("due_queries", "k1", 1).await;
    old.lose("gone").await;
    assert_eq!(adopt(&old).await.moved, 1);
    let job = as_new(&old).job("k1").await;
    assert_eq!((job.state, job.sends, job.claims_lost), (State::Pending, 1, 1));
}

#[tokio::test]
async fn a_queue_has_jobs_until_its_last_tombstone_is_handed_on() {
    let old = Scene::new().await;
    let has_jobs = async || old.store.has_jobs(&old.queue).await.unwrap();
    assert!(!has_jobs().await);
    old.bring("k1", State::Succeeded).await;
    assert!(has_jobs().await);
    assert_eq!(old.store.purge(&old.queue, Duration::ZERO, 10).await.unwrap(), 1);
    assert!(has_jobs().await);
    assert_eq!(adopt(&old).await.moved, 1);
    assert!(!has_jobs().await);
}

#[tokio::test]
async fn what_the_old_queue_doubted_or_paused_stays_so() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    old.store.lost_writes(&old.queue, 0).await.unwrap();
    let reason = RENAMED.reason(bursar_domain::ActionKind::Pause);
    old.store.pause(&old.queue, &reason).await.unwrap();
    let new = as_new(&old);
    // The new queue's eras are its own.
    new.store.lost_writes(&new.queue, 0).await.unwrap();
    new.store.lost_writes(&new.queue, 1).await.unwrap();
    let before = old.now().await;
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (1, 1));
    let job = new.job("k1").await;
    assert_eq!((job.state, new.sets("k1").await), (State::InDoubt, vec!["due_queries"]));
    assert!(job.last_sent >= Some(Millis(before)), "waits count from the latest moment at which it can have been sent");
    assert_eq!(new.events_of_queue().await.last().unwrap(), "k1 in_doubt");
    let paused = new.store.status(&new.queue).await.unwrap().paused;
    let expected = Reason::AdoptedPause { queue: "main/transfer".into(), pause: Box::new(reason) };
    assert_eq!(paused, Some(expected));
    // Queued in both, and certainly not sent: that is known in the new queue's present era.
    let sure = Scene::new().await;
    let new = as_new(&sure);
    sure.submit(&["k1"]).await;
    new.store.lost_writes(&new.queue, 0).await.unwrap();
    assert_eq!(adopt(&sure).await.in_doubt, 0);
    assert_eq!((state_of(&new, "k1").await, new.sets("k1").await), (Some(State::Queued), vec!["due_sends"]));
}

#[tokio::test]
async fn a_newer_or_unreadable_record_stays() {
    let old = Scene::new().await;
    old.submit(&["newer", "damaged", "fine"]).await;
    let _: () = old.command(&["SET", &old.job_name("newer"), r#"{"v":3,"state":"dreaming"}"#]).await;
    let _: () = old.command(&["SET", &old.job_name("damaged"), "{"]).await;
    let _: () = old.command(&["SET", &old.job_name("no key at all"), "{"]).await;
    let mut adopted = adopt(&old).await;
    adopted.unreadable.sort();
    assert_eq!(
        (adopted.moved, adopted.unreadable),
        (1, vec!["damaged".to_owned(), "newer".into(), "no key at all".into()])
    );
    assert_eq!(old.text("damaged").await.as_deref(), Some("{"));
    // The same for a job that cannot be read in the new queue: it may or may not be the same job.
    let old = Scene::new().await;
    let new = as_new(&old);
    old.submit(&["k1"]).await;
    let _: () = new.command(&["SET", &new.job_name("k1"), "{"]).await;
    assert_eq!(adopt(&old).await.conflicts, [("k1".to_owned(), "k1".to_owned())]);
    assert_eq!((new.text("k1").await.as_deref(), state_of(&old, "k1").await), (Some("{"), Some(State::Queued)));
}

#[tokio::test]
async fn webhooks_history_and_response_ids_move_with_the_job() {
    let old = Scene::new().await;
    old.accept(&[transfer_with_webhook("k1"), transfer("k2")]).await;
    let jobs = old.claim("w", 2).await.jobs;
    let mut commit = answered(&jobs[0], Outcome::Accepted, State::NeedsReview, Due::Never);
    (commit.trade_nos, commit.response) = (vec!["T1".into()], known_by("T1"));
    old.commit(&commit).await;
    // The other one's response is the first one's, and nothing of it is its own.
    let mut mismatch = answered(&jobs[1], Outcome::Accepted, State::Pending, Due::Query(LATER));
    mismatch.response = known_by("T1");
    assert_eq!(old.commit(&mismatch).await, Committed::Mismatch);
    for _ in 0..10 {
        old.operate("k1", bursar_domain::Operation::Query).await;
        let claimed = old.claim_one("w").await;
        old.commit(&answered(&claimed, Outcome::NotFound, State::NeedsReview, Due::Never)).await;
    }
    let (story, outbox) = (old.story("k1").await, old.outbox("k1").await);
    assert!(outbox.len() > 1 && story.len() > 8, "some of it is in the list: {story:?}");
    let _: () = old.command(&["SET", &format!("{}:k1", old.name("delivery")), r#"{"v":2,"failures":3}"#]).await;
    assert_eq!(adopt(&old).await.moved, 2);
    let new = as_new(&old);
    assert_eq!(new.outbox("k1").await, outbox);
    let (adoptions, others): (Vec<String>, _) = new.story("k1").await.into_iter().partition(|event| event == "adopted");
    assert_eq!((adoptions.len(), others), (1, story));
    let delivery: String = new.command(&["GET", &format!("{}:k1", new.name("delivery"))]).await;
    assert_eq!(delivery, r#"{"v":2,"failures":3}"#, "it is not tried for longer than it would have been");
    assert!(new.due("due_deliveries", "k1").await.is_some() && old.due("due_deliveries", "k1").await.is_none());
    let known: Vec<String> = new.command(&["HGETALL", &new.name("responses")]).await;
    assert_eq!(known, ["trade_no:T1", "k1"]);
    let known: u64 = old.command(&["HLEN", &old.name("responses")]).await;
    assert_eq!(known, 0);
    assert_eq!(left_of(&old).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_worker_that_renews_its_lease_in_time_keeps_its_job() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    let claimed = old.claim_one("slow").await;
    old.set_due("due_queries", "k1", 1).await;
    let renewal = bursar_store::Renewal::new("slow", LEASE);
    old.store.renew(&old.queue, &renewal, &[crate::scene::leased_claim(&claimed)]).await.unwrap();
    assert_eq!(adopt(&old).await.claimed, ["k1"]);
    assert_eq!(old.commit(&then(&claimed, State::Succeeded, Due::Never)).await, Committed::Done);
}

#[tokio::test]
async fn jobs_in_quarantine_go_with_the_others() {
    let old = Scene::new().await;
    old.bring("k1", State::Pending).await;
    let whole = old.text("k1").await.unwrap();
    old.set_due("due_queries", "k1", 1).await;
    let _: () = old.command(&["SET", &old.job_name("k1"), "{"]).await;
    assert_eq!(old.claim("w", 1).await.quarantined.len(), 1);
    let _: () = old.command(&["SET", &old.job_name("k1"), &whole]).await;
    assert_eq!(adopt(&old).await.moved, 1);
    assert_eq!(old.store.quarantined(&old.queue, 10).await.unwrap(), []);
    assert_eq!(as_new(&old).sets("k1").await, ["due_queries"]);
}
