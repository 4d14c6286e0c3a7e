//! Scanning a queue while workers change it, and the due sends.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_domain::{Due, Millis, State};
use bursar_store::{Commit, MAX_CLAIM, NewRecord, ScanCursor, StoredAs};

use crate::scene::{LATER, Scene, key, names, then, transfer};

/// Brings `count` jobs to their end, many of them in one and the same millisecond.
async fn end(scene: &Scene, prefix: &str, count: usize) {
    scene.submit_many(prefix, count).await;
    let mut left = count;
    while left > 0 {
        let claimed = scene.claim("w", MAX_CLAIM).await;
        let ends: Vec<Commit> = claimed.jobs.iter().map(|job| then(job, State::Succeeded, Due::Never)).collect();
        left -= scene.store.commit(&scene.queue, &ends).await.unwrap().len();
    }
}

/// The whole scan, with an action between its steps; returns how often each job was seen.
async fn scanned(scene: &Scene, state: Option<State>, between: impl AsyncFn()) -> BTreeMap<String, u32> {
    let (mut met, mut steps, mut next) = (BTreeMap::new(), 0, Some(ScanCursor::default()));
    while let Some(from) = next {
        let text = serde_json::to_string(&from).unwrap();
        let from: ScanCursor = serde_json::from_str(&text).unwrap();
        let step = scene.store.scan(&scene.queue, state, &from, 200).await.unwrap();
        for key in names(&step.jobs) {
            *met.entry(key.to_owned()).or_default() += 1;
        }
        next = step.next;
        steps += 1;
        assert!(steps < 200, "the scan does not end");
        between().await;
    }
    met
}

#[tokio::test]
async fn every_job_is_visited_once_though_thousands_share_a_time() {
    let scene = Scene::new().await;
    end(&scene, "ended", 1_500).await;
    for number in 0..1_500 {
        scene.set_due("done", &format!("ended{number:06}"), 77).await;
    }
    scene.submit_many("queued", 450).await;
    let met = scanned(&scene, None, async || {}).await;
    assert_eq!(met.len(), 1_950);
    assert!(met.values().all(|times| *times == 1));
    assert_eq!(scanned(&scene, Some(State::Queued), async || {}).await.len(), 450);
}

#[tokio::test]
async fn no_ended_job_is_missed_while_others_expire_and_end() {
    let scene = Scene::new().await;
    end(&scene, "old", 600).await;
    for number in 0..600 {
        scene.set_due("done", &format!("old{number:06}"), 5).await;
    }
    end(&scene, "kept", 900).await;
    let age = Duration::from_millis(scene.now().await - 100);
    let met = scanned(&scene, None, async || {
        scene.store.purge(&scene.queue, age, 150).await.unwrap();
    })
    .await;
    let kept: Vec<_> = met.iter().filter(|(key, _)| key.starts_with("kept")).collect();
    assert_eq!(kept.len(), 900, "each of them");
    assert!(kept.iter().all(|(_, times)| **times == 1));
    let left: u64 = scene.command(&["ZCARD", &scene.name("done")]).await;
    assert!(left < 1_500, "some have left");
}

#[tokio::test]
async fn a_job_that_moves_ahead_of_the_scan_is_visited_again() {
    let scene = Scene::new().await;
    scene.bring("later", State::Queued).await;
    let first = scene.store.scan(&scene.queue, None, &ScanCursor::default(), 200).await.unwrap();
    assert_eq!(names(&first.jobs), ["later"]);
    scene.set_due("due_sends", "later", 1).await;
    let job = scene.claim_one("w").await;
    scene.commit(&then(&job, State::Succeeded, Due::Never)).await;
    let (mut later, mut next) = (Vec::new(), first.next);
    while let Some(from) = next {
        let step = scene.store.scan(&scene.queue, None, &from, 200).await.unwrap();
        later.extend(step.jobs.into_iter().map(|job| match job {
            StoredAs::Job(job) => (job.key.to_string(), job.state),
            StoredAs::Unreadable { key, why } => panic!("{key}: {why}"),
        }));
        next = step.next;
    }
    assert_eq!(later, [("later".to_owned(), State::Succeeded)]);
}

#[tokio::test]
async fn a_scan_may_leave_out_what_ended_before_a_moment() {
    let scene = Scene::new().await;
    end(&scene, "k", 5).await;
    for number in 0..5 {
        scene.set_due("done", &format!("k{number:06}"), number).await;
    }
    scene.submit_many("queued", 1).await;
    let (mut met, mut next) = (Vec::new(), Some(ScanCursor::ended_from(Millis(3))));
    while let Some(from) = next {
        let step = scene.store.scan(&scene.queue, None, &from, 1).await.unwrap();
        met.extend(names(&step.jobs).into_iter().map(str::to_owned));
        next = step.next;
    }
    assert_eq!(met, ["queued000000", "k000003", "k000004"]);
}

/// The keys on all pages of the sends that have been due since before `until`.
async fn due_sends(scene: &Scene, until: Millis, limit: usize) -> Vec<String> {
    let (mut due, mut next, mut pages) = (Vec::new(), Some(ScanCursor::default()), 0);
    while let Some(from) = next {
        let page = scene.store.due_sends(&scene.queue, &from, until, limit).await.unwrap();
        due.extend(names(&page.jobs).into_iter().map(str::to_owned));
        next = page.next;
        pages += 1;
        assert!(pages < 50, "the pages do not end");
    }
    due.sort_unstable();
    due
}

#[tokio::test]
async fn due_sends_are_found_in_both_sets_and_what_is_not_due_is_not() {
    let scene = Scene::new().await;
    let timed = [("timed1", 5), ("timed2", 5), ("timed3", 7), ("timed4", LATER.0)];
    for (key, _) in timed {
        scene.bring(key, State::InDoubt).await;
    }
    for (key, due) in timed {
        let _: u64 = scene.command(&["ZREM", &scene.name("due_queries"), key]).await;
        let _: u64 = scene.command(&["ZADD", &scene.name("due_sends"), &due.to_string(), key]).await;
    }
    for number in 1..=3 {
        let (job, group) = (transfer(&format!("ranked{number}")), format!("shop {number}"));
        scene.store.submit_to(&scene.queue, &[NewRecord { job: &job, group: &group, step: 1.0 }]).await.unwrap();
    }
    let created = scene.job("ranked3").await.created.unwrap();
    for limit in [1, 2, 100] {
        let behind = Millis(created.0 + 1);
        let all = ["ranked1", "ranked2", "ranked3", "timed1", "timed2", "timed3"];
        assert_eq!(due_sends(&scene, behind, limit).await, all, "{limit}");
        assert_eq!(due_sends(&scene, Millis(7), limit).await, ["timed1", "timed2"], "{limit}");
    }
    let page = scene.store.due_sends(&scene.queue, &ScanCursor::default(), Millis(7), 1).await.unwrap();
    let StoredAs::Job(job) = &page.jobs[0] else { panic!("{page:?}") };
    assert_eq!((job.due, job.content.is_some(), job.progress(false).state), (Some(Millis(5)), true, State::InDoubt));
    let _: String = scene.command(&["SET", &scene.job_name("timed1"), "damaged"]).await;
    assert_eq!(due_sends(&scene, Millis(6), 1).await, ["timed1", "timed2"], "named, and no obstacle");
    assert!(matches!(scene.store.job(&scene.queue, &key("timed1")).await.unwrap(), Some(StoredAs::Unreadable { .. })));
}
