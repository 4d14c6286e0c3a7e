//! A queue whose account was renamed is handed on job by job, and no crash in between makes two jobs of one or none of it.

use std::time::Duration;

use bursar_domain::{Answer, Call, Due, Job, Millis, Reason, State};
use bursar_store::{Adopted, Claim, ClaimedJob, Committed, Operator, Settings, Store, Submission};
use bursar_test_support::redis;
use serde_json::{Value, json};

use crate::scene::{
    LATER, LEASE, SHORT_LEASE, Scene, answered, bill_json, key, known_by, names, parse, then, told_transfer, transfer,
    transfer_json,
};

const RENAMED: Operator<'_> = Operator { who: "li", why: "renamed" };

/// The crash points of one job, in their order.
const POINTS: [&str; 3] = ["before_adopt", "between_queues", "before_leaving"];

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

/// What is kept of single jobs under the old name.
async fn left_of(scene: &Scene) -> Vec<String> {
    let left: Vec<String> = scene.command(&["KEYS", &format!("{}*:{}:*", scene.base(), scene.queue)]).await;
    left.into_iter().filter(|name| !name.contains(":receipt:")).collect()
}

/// Adopts in a process of its own that dies at this crash point when it comes by there for the `pass`th time.
async fn adopt_and_die(scene: &Scene, point: &str, pass: usize) {
    let queues = [("ADOPT_FROM", scene.queue.to_string()), ("ADOPT_TO", as_new(scene).queue.to_string())];
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adopt::the_process_that_dies", "--nocapture"])
        .env("ADOPT_URL", &redis().await.url)
        .env("ADOPT_PREFIX", &scene.prefix)
        .envs(queues)
        .env("BURSAR_CRASH_AT", format!("{point}:{pass}"))
        .output()
        .await
        .unwrap()
        .status;
    assert!(!status.success(), "it came to its end: {point}:{pass}");
}

/// Does nothing unless another test runs it in a process of its own.
#[tokio::test]
async fn the_process_that_dies() {
    let Ok(url) = std::env::var("ADOPT_URL") else { return };
    let of = |name: &str| std::env::var(name).unwrap();
    let store = Store::connect(&Settings { url, prefix: of("ADOPT_PREFIX") }).await.unwrap();
    store.adopt(&of("ADOPT_FROM").parse().unwrap(), &of("ADOPT_TO").parse().unwrap(), RENAMED).await.unwrap();
}

#[tokio::test]
async fn every_state_goes_on_under_the_new_name_and_a_resubmission_is_recognised() {
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
    // Only what changed is published: nothing has ended a second time.
    let published: Vec<String> = new.events_of_queue().await;
    assert_eq!(published, Vec::<String>::new());
    assert_eq!(adopt(&old).await, Adopted::default(), "done twice, it changes nothing more");
}

#[tokio::test]
async fn a_tombstone_and_a_business_key_are_recognised_under_the_new_name() {
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
    let conflict = |first: &str| Submission::Conflict { first: first.into() };
    assert_eq!(
        new.store.submit(&again).await.unwrap(),
        [Submission::Existing(State::Succeeded), conflict("B1"), Submission::Existing(State::Queued), conflict("B3")]
    );
    assert_eq!(new.sets("B1").await, Vec::<&str>::new());
    assert_eq!(left_of(&old).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_send_whose_worker_is_gone_is_in_doubt_with_its_attempt_on_record_and_one_that_lives_is_left() {
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
    let late = answered(&claimed, Answer::NotExecuted, State::Queued, Due::Send(Millis(1)));
    assert_eq!(gone.commit(&late).await, Committed::Late);
    assert_eq!((state_of(&gone, "k1").await, state_of(&new, "k1").await), (None, Some(State::InDoubt)));
    let next = new.claim_one("w").await;
    assert_eq!((next.call, next.state, next.sends), (Call::Ask, State::InDoubt, 1));
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
async fn a_duplicate_that_was_never_sent_gives_way_and_one_that_may_have_been_is_a_person_s() {
    let old = Scene::new().await;
    old.accept(&[told_transfer("k1")]).await;
    let claimed = old.claim_one("w").await;
    old.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    old.bring("k2", State::Pending).await;
    let new = as_new(&old);
    let mut told = transfer_json("k2");
    told["callback_url"] = json!("https://shop.example/new");
    let again = [renamed(transfer_json("k1")), renamed(told)];
    assert_eq!(new.store.submit(&again).await.unwrap(), [Submission::New, Submission::New]);
    let sent_there = new.claim_one("w").await;
    assert_eq!(sent_there.key.as_str(), "k1");
    let adopted = adopt(&old).await;
    assert_eq!(adopted.conflicts, [("k1".to_owned(), "k1".to_owned())]);
    assert_eq!(adopted.moved, 1);
    assert_eq!(
        (state_of(&old, "k1").await, state_of(&new, "k2").await),
        (Some(State::Succeeded), Some(State::Pending))
    );
    assert_eq!(new.sets("k2").await, ["due_queries"], "it must not be sent a second time");
    let url = new.job("k2").await.callback_url;
    assert_eq!(url.as_deref(), Some("https://shop.example/new"), "whoever asked to be told is told");
}

#[tokio::test]
async fn a_tombstone_takes_the_place_of_a_duplicate_that_was_never_sent() {
    let old = Scene::new().await;
    old.bring("k1", State::Failed).await;
    old.store.purge(&old.queue, Duration::ZERO, 10).await.unwrap();
    let new = as_new(&old);
    assert_eq!(new.store.submit(&[renamed(transfer_json("k1"))]).await.unwrap(), [Submission::New]);
    assert_eq!(adopt(&old).await.moved, 1);
    assert_eq!((new.sets("k1").await, state_of(&new, "k1").await), (vec![], Some(State::Failed)));
    let claimed = new.claim("w", 5).await;
    assert_eq!((claimed.jobs.len(), claimed.quarantined.len()), (0, 0), "{claimed:?}");
}

#[tokio::test]
async fn what_was_never_sent_under_the_old_name_gives_way_to_the_same_job_of_the_new_one() {
    let old = Scene::new().await;
    let new = as_new(&old);
    let jobs = ["k1", "k2", "k3"].map(|key| renamed(transfer_json(key)));
    assert_eq!(new.store.submit(&jobs).await.unwrap(), vec![Submission::New; 3]);
    for claimed in new.claim("w", 3).await.jobs {
        new.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    }
    // A producer is late with the new name, and says something else of one of them.
    let mut other = transfer_json("k2");
    other["body"]["total_amount"] = json!(7);
    old.submit(&["k1"]).await;
    assert_eq!(old.accept(&[parse(&other), transfer("k3")]).await, [Submission::New, Submission::New]);
    new.set_due("done", "k3", 1).await;
    assert_eq!(new.store.purge(&new.queue, Duration::from_secs(3600), 10).await.unwrap(), 1);
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (2, 0), "{adopted:?}");
    assert_eq!(adopted.conflicts, [("k2".to_owned(), "k2".to_owned())]);
    assert_eq!((state_of(&old, "k1").await, state_of(&new, "k1").await), (None, Some(State::Succeeded)));
    assert_eq!((old.sets("k1").await, new.sets("k1").await), (vec![], vec!["done"]));
    assert_eq!(new.story("k1").await.last().unwrap(), "adopted");
    assert_eq!((state_of(&old, "k3").await, state_of(&new, "k3").await), (None, Some(State::Succeeded)));
    let history: u64 = new.command(&["EXISTS", &format!("{}:k3", new.name("history"))]).await;
    assert_eq!(history, 0, "a tombstone has no history");
    // What a person must decide about is as it was.
    assert_eq!((old.sets("k2").await, state_of(&old, "k2").await), (vec!["sends"], Some(State::Queued)));
}

#[tokio::test]
async fn another_job_with_the_same_business_key_is_a_person_s() {
    let old = Scene::of("main/bill_upload").await;
    let new = as_new(&old);
    assert_eq!(
        old.accept(&[parse(&bill_json("B1", "order-1")), parse(&bill_json("B2", "order-2"))]).await,
        [Submission::New, Submission::New]
    );
    // One has the business key by another key, and one is named like it.
    let theirs = [renamed(bill_json("N1", "order-1")), renamed(bill_json("order-2/1", "order-2"))];
    assert_eq!(new.store.submit(&theirs).await.unwrap(), [Submission::New, Submission::New]);
    let mut conflicts = adopt(&old).await.conflicts;
    conflicts.sort();
    assert_eq!(conflicts, [("B1".to_owned(), "N1".to_owned()), ("B2".to_owned(), "order-2/1".to_owned())]);
    for left in ["B1", "B2"] {
        assert_eq!((state_of(&old, left).await, old.sets(left).await), (Some(State::Queued), vec!["sends"]), "{left}");
        assert_eq!(new.text(left).await, None, "{left}");
    }
    assert!(old.claims().await.is_empty());
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
async fn what_a_newer_build_wrote_or_nobody_can_read_stays() {
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
    // And so does what cannot be read in the new queue: whether it is the same is not known.
    let old = Scene::new().await;
    let new = as_new(&old);
    old.submit(&["k1"]).await;
    let _: () = new.command(&["SET", &new.job_name("k1"), "{"]).await;
    assert_eq!(adopt(&old).await.conflicts, [("k1".to_owned(), "k1".to_owned())]);
    assert_eq!((new.text("k1").await.as_deref(), state_of(&old, "k1").await), (Some("{"), Some(State::Queued)));
}

#[tokio::test]
async fn webhooks_history_and_what_responses_are_known_by_go_with_the_job() {
    let old = Scene::new().await;
    old.accept(&[told_transfer("k1"), transfer("k2")]).await;
    let jobs = old.claim("w", 2).await.jobs;
    let mut commit = answered(&jobs[0], Answer::Accepted, State::NeedsReview, Due::Never);
    (commit.trade_nos, commit.response) = (vec!["T1".into()], known_by("T1"));
    old.commit(&commit).await;
    // The other one's response is the first one's, and nothing of it is its own.
    let mut mismatch = answered(&jobs[1], Answer::Accepted, State::Pending, Due::Ask(LATER));
    mismatch.response = known_by("T1");
    assert_eq!(old.commit(&mismatch).await, Committed::Mismatch);
    for _ in 0..10 {
        old.operate("k1", bursar_domain::Operation::Ask).await;
        let claimed = old.claim_one("w").await;
        old.commit(&answered(&claimed, Answer::Unseen, State::NeedsReview, Due::Never)).await;
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

/// Jobs in all states, the first of them with a webhook that waits.
async fn busy() -> Scene {
    let old = Scene::new().await;
    old.accept(&[told_transfer("ended")]).await;
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

/// What may be sent or queried now of a queue, as far as anybody gives it out.
async fn claimable(scene: &Scene) -> Vec<ClaimedJob> {
    scene.claim("anybody", 100).await.jobs
}

#[tokio::test]
async fn a_crash_at_any_step_of_any_job_leaves_it_in_one_queue_and_the_next_adoption_goes_on() {
    for point in POINTS {
        for pass in [1, 2, 4, 6] {
            let old = busy().await;
            let new = as_new(&old);
            adopt_and_die(&old, point, pass).await;
            let at = format!("{point}:{pass}");
            // Whoever looks meanwhile: no job may be sent from both.
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
async fn what_an_adoption_has_claimed_is_nobody_s_until_it_goes_on() {
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
async fn a_resubmission_after_a_crash_is_no_proof_that_the_job_was_handed_over() {
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
                new.commit(&then(&claimed, State::Pending, Due::Ask(LATER))).await;
            }
            let adopted = adopt(&old).await;
            let what = format!("sent there: {sent_there}, perhaps sent before: {lost}");
            match (sent_there, lost) {
                // It is in doubt, and not sent as if it were new.
                (false, true) => {
                    assert_eq!((adopted.moved, adopted.in_doubt), (1, 1), "{what}");
                    let seen = (state_of(&new, "k1").await, new.sets("k1").await);
                    assert_eq!(seen, (Some(State::InDoubt), vec!["due_queries"]), "{what}");
                    assert_eq!(claimable(&new).await[0].call, Call::Ask, "{what}");
                }
                (false, false) => {
                    assert_eq!((adopted.moved, adopted.in_doubt), (1, 0), "{what}");
                    assert_eq!(new.sets("k1").await, ["due_sends"], "{what}");
                }
                (true, false) => {
                    assert_eq!((adopted.moved, state_of(&new, "k1").await), (1, Some(State::Pending)), "{what}");
                }
                // Both may have been executed: a person must look at both.
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
async fn a_response_that_comes_in_the_middle_of_an_adoption_is_used_in_the_new_queue() {
    for point in ["between_queues", "before_leaving"] {
        for claimed_there in [false, true] {
            let old = Scene::new().await;
            let new = as_new(&old);
            old.submit(&["k1"]).await;
            let lost = old.lose("slow").await;
            adopt_and_die(&old, point, 1).await;
            let at = format!("{point}, claimed there: {claimed_there}");
            let there = point == "before_leaving";
            let standing = if there && claimed_there { Some(new.claim_one("w").await) } else { None };
            let mut late = answered(&lost, Answer::Succeeded, State::Succeeded, Due::Never);
            late.trade_nos = vec!["T1".into()];
            assert_eq!(old.commit(&late).await, Committed::Late, "{at}");
            assert_eq!(old.era().await, None, "{at}: nothing was lost");
            assert_eq!(adopt(&old).await.moved, 1, "{at}");
            if let Some(standing) = standing {
                new.commit(&answered(&standing, Answer::Silent, State::InDoubt, Due::Send(LATER))).await;
            }
            let job = new.job("k1").await;
            assert_eq!((job.state, job.late_outcome), (State::InDoubt, Some(Answer::Succeeded)), "{at}");
            assert_eq!((job.trade_nos.as_slice(), job.sends), (["T1".to_owned()].as_slice(), 1), "{at}");
            assert_eq!(new.sets("k1").await, ["due_queries"], "{at}: it is looked at, and not sent");
            assert!(new.story("k1").await.contains(&"response".to_owned()), "{at}");
            assert_eq!(new.claim_one("v").await.late_response, Some(Answer::Succeeded), "{at}");
        }
    }
}

#[tokio::test]
async fn a_worker_that_renews_its_lease_in_time_keeps_its_job() {
    let old = Scene::new().await;
    old.submit(&["k1"]).await;
    let claimed = old.claim_one("slow").await;
    old.set_due("due_queries", "k1", 1).await;
    let renewal = bursar_store::Renewal::new("slow", LEASE);
    old.store.renew(&old.queue, &renewal, &[crate::scene::held(&claimed)]).await.unwrap();
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

#[tokio::test]
async fn queues_are_known_from_their_first_submission_and_served_while_a_worker_says_so() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.known_queues().await.unwrap(), []);
    scene.submit(&["k1"]).await;
    let known = scene.store.known_queues().await.unwrap();
    assert_eq!((known[0].queue.clone(), known[0].served, known[0].is_served), (scene.queue.clone(), None, false));
    scene.store.serves(std::slice::from_ref(&scene.queue)).await.unwrap();
    assert!(scene.store.known_queues().await.unwrap()[0].is_served);
    let long_ago = (scene.now().await - 61_000).to_string();
    let queues = format!("{}:queues", scene.prefix);
    let _: u64 = scene.command(&["ZADD", &queues, &long_ago, "main/transfer"]).await;
    assert!(!scene.store.known_queues().await.unwrap()[0].is_served);
    // A submission does not make it one that is served, or not served.
    let url = &redis().await.url;
    let other = Scene::between(url, url, &scene.prefix).await;
    other.accept(&[transfer("k2")]).await;
    assert!(scene.store.known_queues().await.unwrap()[0].served.is_some());
}

#[tokio::test]
async fn a_queue_is_the_first_worker_s_gateway_s_and_one_with_another_takes_nothing_until_a_person_says_so() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claim = async |gateway: &str| {
        let claimed = scene.claim_as(Claim { gateway, ..scene.wish("w", 1) }).await;
        (claimed.jobs.len(), claimed.other_gateway, claimed.fence)
    };
    scene.claim_as(Claim { gateway: "production", slots: 0, ..scene.wish("w", 1) }).await;
    assert_eq!(scene.store.gateway(&scene.queue).await.unwrap().as_deref(), Some("production"));
    assert_eq!(claim("staging").await, (0, true, 0));
    assert_eq!(scene.sets("k1").await, ["sends"]);
    assert!(!scene.store.set_gateway(&scene.queue, Some("other"), "staging", RENAMED).await.unwrap());
    assert!(scene.store.set_gateway(&scene.queue, Some("production"), "moved", RENAMED).await.unwrap());
    assert_eq!(claim("production").await, (0, true, 0));
    assert_eq!(claim("moved").await, (1, false, 1));
}
