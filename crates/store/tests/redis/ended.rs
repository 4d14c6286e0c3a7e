//! Counts of ended jobs: each job once, where it reached its present final state, whatever happens to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_domain::{AccountRules, Due, Fen, Job, Millis, Operation, Outcome, State};
use bursar_store::{Commit, Committed, EndedJobs, StoredAs, Sum};
use bursar_test_support::private_redis;
use serde_json::json;

use crate::scene::{LATER, Scene, answered, key, rules, then, transfer_json};

/// The counts of the queue, over all time.
async fn counts(scene: &Scene) -> EndedJobs {
    let now = Millis(scene.now().await);
    let (from, until) = (Millis(now.0 - 3 * 3_600_000), now.plus(Duration::from_secs(3_600)));
    scene.store.ended(std::slice::from_ref(&scene.queue), from, until).await.unwrap().pop().unwrap()
}

async fn by_state(scene: &Scene) -> BTreeMap<&'static str, Sum> {
    let counts = counts(scene).await;
    assert_eq!(counts.inexact, []);
    counts.by_state()
}

fn sums<const N: usize>(of: [(&'static str, i64, i128); N]) -> BTreeMap<&'static str, Sum> {
    of.into_iter().map(|(state, count, fen)| (state, Sum { count, fen })).collect()
}

/// A transfer of this amount, whatever the usual limit is.
fn transfer_of(key: &str, fen: i64) -> Job {
    let mut job = transfer_json(key);
    job["body"]["total_amount"] = json!(fen);
    let unlimited = |name: &str| rules(name).map(|rules| AccountRules { max_amount: Fen::new(i64::MAX), ..rules });
    Job::parse(job.to_string().as_bytes(), unlimited).unwrap()
}

fn ends(job: &bursar_store::ClaimedJob, state: State) -> Commit {
    let now = job.last_sent.or(job.created).unwrap();
    Commit { decided: now, ..then(job, state, Due::Never) }
}

#[tokio::test]
async fn a_batch_is_counted_by_state_beyond_what_a_double_holds() {
    let scene = Scene::new().await;
    // 100 times 10^16 + 1: a sum of doubles has lost the ones.
    let large: i64 = 10_000_000_000_000_001;
    let jobs: Vec<Job> = (0..100).map(|number| transfer_of(&format!("k{number:03}"), large)).collect();
    scene.accept(&jobs).await;
    let claimed = scene.claim("w", 100).await;
    let commits: Vec<Commit> = claimed
        .jobs
        .iter()
        .enumerate()
        .map(|(at, job)| ends(job, if at < 99 { State::Succeeded } else { State::Failed }))
        .collect();
    for _ in 0..3 {
        scene.store.commit(&scene.queue, &commits).await.unwrap(); // a repetition counts nothing
    }
    let expected = sums([("failed", 1, large.into()), ("succeeded", 99, 99 * i128::from(large))]);
    assert_eq!(by_state(&scene).await, expected);
    let hours: Vec<String> = scene.command(&["KEYS", &format!("{}:*", scene.name("ended"))]).await;
    let left: i64 = scene.command(&["PTTL", &hours[0]]).await;
    let kept = i64::try_from(scene.store.counts_keep().as_millis()).unwrap();
    assert!((kept - 60_000..=kept).contains(&left), "{left}");
}

#[tokio::test]
async fn another_end_moves_the_count_and_a_purge_does_not() {
    let scene = Scene::new().await;
    for (at, state) in ["a", "b", "c"].into_iter().zip([State::Succeeded, State::Failed, State::NeedsReview]) {
        scene.bring(at, state).await;
    }
    assert_eq!(by_state(&scene).await, sums([("failed", 1, 10), ("succeeded", 1, 10)]));
    // An operator asks the gateway about an ended job: it is counted while it is asked about, too.
    scene.operate("a", Operation::Query).await;
    assert_eq!(by_state(&scene).await["succeeded"].count, 1);
    let again = scene.claim_one("w").await;
    assert_eq!(again.key, key("a"));
    let refund = answered(&again, Outcome::Refunded, State::Refunded, Due::Never);
    assert_eq!(scene.commit(&Commit { decided: Millis(scene.now().await), ..refund }).await, Committed::Done);
    scene.operate("c", Operation::Resolve(State::Succeeded)).await;
    let all = sums([("failed", 1, 10), ("refunded", 1, 10), ("succeeded", 1, 10)]);
    assert_eq!(by_state(&scene).await, all);
    while scene.store.purge(&scene.queue, Duration::ZERO, 100).await.unwrap() > 0 {}
    assert!(
        matches!(scene.store.job(&scene.queue, &key("a")).await.unwrap(), Some(StoredAs::Job(job)) if job.created.is_none())
    );
    assert_eq!(by_state(&scene).await, all, "tombstones have no amount, and the counts keep it");
}

#[tokio::test]
async fn a_refused_write_and_an_hour_that_is_gone_count_nothing() {
    let scene = Scene::new().await;
    scene.submit(&["a", "b"]).await;
    let first = scene.claim_one("w").await;
    let second = scene.claim_one("w").await;
    scene.command::<()>(&["HDEL", &scene.name("claims"), second.key.as_str()]).await;
    assert_eq!(scene.commit(&ends(&second, State::Failed)).await, Committed::Late);
    assert_eq!(scene.commit(&ends(&first, State::Succeeded)).await, Committed::Done);
    assert_eq!(by_state(&scene).await, sums([("succeeded", 1, 10)]));
    let hours: Vec<String> = scene.command(&["KEYS", &format!("{}:*", scene.name("ended"))]).await;
    scene.command::<()>(&["DEL", &hours[0]]).await;
    scene.operate(first.key.as_str(), Operation::Query).await;
    let again = scene.claim_one("w").await;
    let refund = answered(&again, Outcome::Refunded, State::Refunded, Due::Never);
    let later = Millis(scene.now().await).plus(Duration::from_secs(3_600));
    scene.commit(&Commit { decided: later, ..refund }).await;
    let left: Vec<String> = scene.command(&["KEYS", &format!("{}:*", scene.name("ended"))]).await;
    assert!(!left.contains(&hours[0]), "no negative count");
}

#[tokio::test]
async fn a_count_that_cannot_be_written_is_marked_and_stops_no_end() {
    let redis = private_redis(|options| options);
    let scene = Scene::at(redis.url()).await;
    scene.submit(&["a", "b"]).await;
    scene.take_to("a", State::Succeeded).await;
    let hours: Vec<String> = scene.command(&["KEYS", &format!("{}:*", scene.name("ended"))]).await;
    let fields: Vec<String> = scene.command(&["HKEYS", &hours[0]]).await;
    let fen = fields.iter().find(|field| field.ends_with("fen")).unwrap();
    scene.command::<()>(&["HSET", &hours[0], fen, &i64::MAX.to_string()]).await;
    let job = scene.claim_one("w").await;
    let decided = scene.job("a").await.updated.unwrap();
    assert_eq!(scene.commit(&Commit { decided, ..ends(&job, State::Succeeded) }).await, Committed::Done);
    assert_eq!(scene.state("b").await, State::Succeeded);
    assert_eq!(counts(&scene).await.inexact.len(), 1);
    assert!(scene.due("done", "b").await.is_some_and(|at| at < LATER.0));
}
