//! No crash in the middle of an adoption duplicates or loses a job, and no worker gets a job meanwhile.

use std::time::Duration;

use bursar_domain::{Call, Due, Outcome, State};
use bursar_store::{ClaimedJob, Committed, Settings, Store, Submission};
use bursar_test_support::redis;

use super::{RENAMED, adopt, as_new, renamed, state_of};
use crate::scene::{LATER, SHORT_LEASE, Scene, answered, key, names, then, transfer_json, transfer_with_webhook};

/// The crash points of one job, in their order.
const POINTS: [&str; 3] = ["before_adopt", "between_queues", "before_leaving"];

/// Adopts in a child process that dies at the `pass`th pass of this crash point.
async fn adopt_and_die(scene: &Scene, point: &str, pass: usize) {
    let queues = [("ADOPT_FROM", scene.queue.to_string()), ("ADOPT_TO", as_new(scene).queue.to_string())];
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adopt::crash::the_process_that_dies", "--nocapture"])
        .env("ADOPT_URL", &redis().await.url)
        .env("ADOPT_PREFIX", &scene.prefix)
        .envs(queues)
        .env("BURSAR_CRASH_AT", format!("{point}:{pass}"))
        .output()
        .await
        .unwrap()
        .status;
    assert!(!status.success(), "it ended without the crash: {point}:{pass}");
}

/// Does nothing unless another test runs it in a child process.
#[tokio::test]
async fn the_process_that_dies() {
    let Ok(url) = std::env::var("ADOPT_URL") else { return };
    let of = |name: &str| std::env::var(name).unwrap();
    let store = Store::connect(&Settings { url, prefix: of("ADOPT_PREFIX") }).await.unwrap();
    store.adopt(&of("ADOPT_FROM").parse().unwrap(), &of("ADOPT_TO").parse().unwrap(), RENAMED).await.unwrap();
}

/// Jobs in all states, the first of them with a webhook that waits.
async fn busy() -> Scene {
    let old = Scene::new().await;
    old.accept(&[transfer_with_webhook("ended")]).await;
    let claimed = old.claim_one("w").await;
    old.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    old.bring("pending", State::Pending).await;
    old.bring("review", State::NeedsReview).await;
    old.submit(&["lost"]).await;
    old.lose("gone").await;
    old.bring("tombstone", State::Failed).await;
    let _: u64 = old.command(&["ZADD", &old.name("done"), "1", "tombstone"]).await;
    assert_eq!(old.store.purge(&old.queue, Duration::from_secs(3600), 10).await.unwrap(), 1);
    old.submit(&["queued"]).await;
    old
}

const EXPECTED: [(&str, State, u32, &[&str]); 6] = [
    ("ended", State::Succeeded, 1, &["done"]),
    ("pending", State::Pending, 1, &["due_queries"]),
    ("review", State::NeedsReview, 1, &["review"]),
    ("lost", State::InDoubt, 1, &["due_queries"]),
    ("tombstone", State::Failed, 0, &[]),
    ("queued", State::Queued, 0, &["due_sends"]),
];

/// The jobs of a queue that can be claimed now.
async fn claimable(scene: &Scene) -> Vec<ClaimedJob> {
    scene.claim("anybody", 100).await.jobs
}

#[tokio::test]
async fn after_a_crash_at_any_step_the_job_is_in_one_queue() {
    for point in POINTS {
        for pass in [1, 2, 4, 6] {
            let old = busy().await;
            let new = as_new(&old);
            adopt_and_die(&old, point, pass).await;
            let at = format!("{point}:{pass}");
            // At no moment may a job be sent from both queues.
            let sendable = async |scene: &Scene| {
                let listed = scene.store.list(&scene.queue, None, &Default::default(), 100).await.unwrap().jobs;
                let mut sendable = Vec::new();
                for name in names(&listed) {
                    let in_sends = scene.sets(name).await.iter().any(|set| ["sends", "due_sends"].contains(set));
                    if in_sends {
                        sendable.push(name.to_owned());
                    }
                }
                sendable
            };
            let both = [sendable(&old).await, sendable(&new).await].concat();
            assert!(both.iter().filter(|key| *key == "queued").count() <= 1, "{at}: {both:?}");
            let adopted = adopt(&old).await;
            assert!(adopted.is_whole(), "{at}: {adopted:?}");
            assert!(!old.store.has_jobs(&old.queue).await.unwrap(), "{at}");
            assert!(old.claims().await.is_empty() && new.claims().await.is_empty(), "{at}");
            for (name, state, sends, sets) in EXPECTED {
                let job = new.job(name).await;
                assert_eq!((job.state, job.sends, new.sets(name).await), (state, sends, sets.to_vec()), "{at} {name}");
                let adoptions = new.story(name).await.iter().filter(|event| *event == "adopted").count();
                assert_eq!(adoptions, usize::from(name != "tombstone"), "{at} {name}");
            }
            assert_eq!(new.job("lost").await.claims_lost, 1, "{at}: an adoption's claim is no worker's");
            assert_eq!((new.outbox("ended").await.len(), old.outbox("ended").await.len()), (1, 0), "{at}");
            new.set_due("due_sends", "queued", 1).await;
            let claimed = claimable(&new).await;
            let sends: Vec<&str> =
                claimed.iter().filter(|job| job.call == Call::Send).map(|job| job.key.as_str()).collect();
            assert_eq!(sends, ["queued"], "{at}: sent once");
            assert_eq!(claimable(&old).await, [], "{at}");
        }
    }
}

#[tokio::test]
async fn a_job_claimed_by_an_adoption_waits_for_it() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    adopt_and_die(&old, "between_queues", 1).await;
    let new = as_new(&old);
    assert_eq!((old.sets("k1").await, state_of(&new, "k1").await), (vec!["due_queries"], None));
    assert_eq!(old.job("k1").await.worker.as_deref(), Some("adopted by pay/transfer"));
    assert_eq!(claimable(&old).await, []);
    assert!(!old.store.wake(&old.queue, &key("k1")).await.unwrap());
    let operated = old.operate("k1", bursar_domain::Operation::Cancel).await;
    assert!(matches!(operated, bursar_store::Operated::Claimed(_)), "{operated:?}");
    // Nor after Redis's clock was set back, which shortens leases.
    let before = old.due("due_queries", "k1").await;
    assert_eq!(old.store.set_clock_back(&old.queue, SHORT_LEASE).await.unwrap(), 0);
    assert_eq!(old.due("due_queries", "k1").await, before);
    // Another name than the one that it was going to cannot have it: it may be there already.
    let third = old.on("third/transfer");
    let adopted = old.store.adopt(&old.queue, &third.queue, RENAMED).await.unwrap();
    assert_eq!((adopted.moved, adopted.claimed), (0, vec!["k1".to_owned()]));
    assert_eq!(adopt(&old).await.moved, 1);
    assert_eq!(state_of(&new, "k1").await, Some(State::Queued));
}

/// Between the crash and the next adoption a producer submits the job by its new name.
#[tokio::test]
async fn a_resubmission_after_a_crash_does_not_prove_the_move() {
    for sent_there in [false, true] {
        for lost in [false, true] {
            let old = Scene::new().await;
            old.submit(&["k1"]).await;
            if lost {
                old.lose("gone").await;
            }
            adopt_and_die(&old, "between_queues", 1).await;
            let new = as_new(&old);
            let again = [renamed(transfer_json("k1"))];
            assert_eq!(new.store.submit(&again).await.unwrap(), [Submission::New]);
            if sent_there {
                let claimed = new.claim_one("w").await;
                new.commit(&then(&claimed, State::Pending, Due::Query(LATER))).await;
            }
            let adopted = adopt(&old).await;
            let what = format!("sent there: {sent_there}, perhaps sent before: {lost}");
            match (sent_there, lost) {
                // It is in doubt, and not sent as if it were new.
                (false, true) => {
                    assert_eq!((adopted.moved, adopted.in_doubt), (1, 1), "{what}");
                    let seen = (state_of(&new, "k1").await, new.sets("k1").await);
                    assert_eq!(seen, (Some(State::InDoubt), vec!["due_queries"]), "{what}");
                    assert_eq!(claimable(&new).await[0].call, Call::Query, "{what}");
                }
                (false, false) => {
                    assert_eq!((adopted.moved, adopted.in_doubt), (1, 0), "{what}");
                    assert_eq!(new.sets("k1").await, ["due_sends"], "{what}");
                }
                (true, false) => {
                    assert_eq!((adopted.moved, state_of(&new, "k1").await), (1, Some(State::Pending)), "{what}");
                }
                // Both may have been executed: both need review.
                (true, true) => {
                    assert_eq!(adopted.conflicts, [("k1".to_owned(), "k1".to_owned())], "{what}");
                    let left = old.job("k1").await;
                    assert_eq!((left.state, left.sends, left.worker), (State::InDoubt, 1, None), "{what}");
                    assert_eq!(old.sets("k1").await, ["due_queries"], "{what}");
                }
            }
            assert_eq!(state_of(&old, "k1").await.is_some(), sent_there && lost, "{what}");
        }
    }
}

#[tokio::test]
async fn a_response_during_an_adoption_is_used_in_the_new_queue() {
    for point in ["between_queues", "before_leaving"] {
        for claimed_there in [false, true] {
            let old = Scene::new().await;
            let new = as_new(&old);
            old.submit(&["k1"]).await;
            let lost = old.lose("slow").await;
            adopt_and_die(&old, point, 1).await;
            let at = format!("{point}, claimed there: {claimed_there}");
            let there = point == "before_leaving";
            let claimed = if there && claimed_there { Some(new.claim_one("w").await) } else { None };
            let mut late = answered(&lost, Outcome::Succeeded, State::Succeeded, Due::Never);
            late.trade_nos = vec!["T1".into()];
            assert_eq!(old.commit(&late).await, Committed::Late, "{at}");
            assert_eq!(old.era().await, None, "{at}: nothing was lost");
            assert_eq!(adopt(&old).await.moved, 1, "{at}");
            if let Some(claimed) = claimed {
                new.commit(&answered(&claimed, Outcome::NoResponse, State::InDoubt, Due::Send(LATER))).await;
            }
            let job = new.job("k1").await;
            assert_eq!((job.state, job.late_outcome), (State::InDoubt, Some(Outcome::Succeeded)), "{at}");
            assert_eq!((job.trade_nos.as_slice(), job.sends), (["T1".to_owned()].as_slice(), 1), "{at}");
            assert_eq!(new.sets("k1").await, ["due_queries"], "{at}: it is looked at, and not sent");
            assert!(new.story("k1").await.contains(&"response".to_owned()), "{at}");
            assert_eq!(new.claim_one("v").await.late_response, Some(Outcome::Succeeded), "{at}");
        }
    }
}
