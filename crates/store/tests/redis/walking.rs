//! Walking through a lane while others work in it.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_domain::{Due, State};
use bursar_store::{MAX_CLAIM, Mark, Record};

use crate::scene::{Scene, sent};

/// Brings `count` jobs to their end, many of them in one and the same millisecond.
async fn end(scene: &Scene, prefix: &str, count: usize) {
    scene.submit_many(prefix, count).await;
    let mut left = count;
    while left > 0 {
        let claims = scene.claim("w", MAX_CLAIM).await;
        let ends: Vec<_> = claims.jobs.iter().map(|job| sent(job, State::Succeeded, Due::Never)).collect();
        left -= scene.store.commit(&scene.lane, &ends).await.unwrap().len();
    }
}

/// The whole walk, with something done between its steps; how often each job was met.
async fn walked(scene: &Scene, state: Option<State>, between: impl AsyncFn()) -> BTreeMap<String, u32> {
    let (mut met, mut steps, mut next) = (BTreeMap::new(), 0, Some(Mark::default()));
    while let Some(from) = next {
        let step = scene.store.walk(&scene.lane, state, &from, 200).await.unwrap();
        let keys = step.jobs.iter().map(|record: &Record| record.key.to_string());
        keys.for_each(|key| *met.entry(key).or_default() += 1);
        next = step.next;
        steps += 1;
        assert!(steps < 200, "the walk does not end");
        between().await;
    }
    met
}

#[tokio::test]
async fn every_job_is_met_once_although_thousands_have_one_and_the_same_time() {
    let scene = Scene::new().await;
    end(&scene, "ended", 1_500).await;
    for number in 0..1_500 {
        let _: u64 = scene.command(&["ZADD", &scene.name("done"), "XX", "77", &format!("ended{number:06}")]).await;
    }
    scene.submit_many("queued", 450).await;
    let met = walked(&scene, None, async || {}).await;
    assert_eq!(met.len(), 1_950);
    assert!(met.values().all(|times| *times == 1));
    assert_eq!(walked(&scene, Some(State::Queued), async || {}).await.len(), 450);
    assert_eq!(walked(&scene, Some(State::Failed), async || {}).await.len(), 0);
}

#[tokio::test]
async fn no_ended_job_is_missed_while_older_ones_expire_and_new_ones_end() {
    let scene = Scene::new().await;
    end(&scene, "old", 600).await;
    let old_until = scene.now().await;
    bursar_test_support::eventually(Duration::from_secs(5), "the next millisecond", async || {
        (scene.now().await > old_until).then_some(())
    })
    .await;
    end(&scene, "kept", 900).await;
    let met = walked(&scene, None, async || {
        let age = Duration::from_millis(scene.now().await - old_until);
        scene.store.purge(&scene.lane, age, 150).await.unwrap();
        let claims = scene.claim("w", 1).await;
        assert!(claims.jobs.is_empty());
    })
    .await;
    let kept = met.iter().filter(|(key, _)| key.starts_with("kept")).collect::<Vec<_>>();
    assert_eq!(kept.len(), 900, "each of them");
    assert!(kept.iter().all(|(_, times)| **times == 1));
}

#[tokio::test]
async fn a_job_that_moves_on_ahead_of_the_walk_is_met_again_as_it_is_then() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    let first = scene.store.walk(&scene.lane, None, &Mark::default(), 200).await.unwrap();
    assert_eq!(first.jobs.len(), 0, "nothing waits to be sent");
    let second = scene.store.walk(&scene.lane, None, &first.next.unwrap(), 200).await.unwrap();
    assert_eq!(second.jobs[0].state, State::Pending);
    scene.let_come_due("to_ask", "k1").await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&crate::scene::asked(&claimed, State::Succeeded, Due::Never)).await;
    let (mut later, mut next) = (Vec::new(), second.next);
    while let Some(from) = next {
        let step = scene.store.walk(&scene.lane, None, &from, 200).await.unwrap();
        later.extend(step.jobs.into_iter().map(|job| (job.key.to_string(), job.state)));
        next = step.next;
    }
    assert_eq!(later, [("k1".to_owned(), State::Succeeded)]);
    assert!(scene.store.walk(&scene.lane, None, &Mark::default(), 200).await.unwrap().next.is_some());
}

#[tokio::test]
async fn a_walk_may_leave_out_what_ended_before_a_moment() {
    let scene = Scene::new().await;
    end(&scene, "k", 5).await;
    for number in 0..5 {
        let _: u64 =
            scene.command(&["ZADD", &scene.name("done"), "XX", &number.to_string(), &format!("k{number:06}")]).await;
    }
    scene.submit_many("queued", 1).await;
    let (mut met, mut next) = (Vec::new(), Some(Mark::ended_from(bursar_domain::Millis(3))));
    while let Some(from) = next {
        let step = scene.store.walk(&scene.lane, None, &from, 1).await.unwrap();
        met.extend(step.jobs.iter().map(|job| job.key.to_string()));
        next = step.next;
    }
    assert_eq!(met, ["queued000000", "k000003", "k000004"]);
}
