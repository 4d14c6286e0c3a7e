//! A queue's jobs a page at a time, of one state or of all.

use std::collections::HashSet;

use bursar_domain::{Due, Job, Millis, State};
use bursar_store::{Commit, Cursor, NewRecord, StoredAs};

use crate::scene::{LATER, Scene, due_of, key, names, then, transfer};

/// All pages; returns their number.
async fn all(scene: &Scene, state: Option<State>) -> (Vec<StoredAs>, usize) {
    let (mut jobs, mut pages, mut cursor) = (Vec::new(), 0, Some(Cursor::default()));
    while let Some(from) = cursor {
        let listed = scene.store.list(&scene.queue, state, &from, 500).await.unwrap();
        pages += 1;
        assert!(pages < 50, "the pages do not end");
        jobs.extend(listed.jobs);
        cursor = listed.next;
    }
    (jobs, pages)
}

#[tokio::test]
async fn thousands_of_jobs_are_listed_by_state_each_once() {
    let scene = Scene::new().await;
    scene.submit_many("k", 2_300).await;
    let states = [State::Succeeded, State::Pending, State::NeedsReview, State::Failed, State::Queued];
    let mut expected = vec![(State::InDoubt, 256)];
    for state in states {
        let claimed = scene.claim("w", 256).await;
        let commits: Vec<Commit> = claimed.jobs.iter().map(|job| then(job, state, due_of(state))).collect();
        scene.store.commit(&scene.queue, &commits).await.unwrap();
        expected.push((state, commits.len()));
    }
    scene.claim("w", 256).await; // they stay in doubt
    expected.iter_mut().find(|(state, _)| *state == State::Queued).unwrap().1 += 2_300 - 6 * 256;
    for (state, count) in expected {
        let (jobs, _) = all(&scene, Some(state)).await;
        assert!(jobs.iter().all(|job| matches!(job, StoredAs::Job(job) if job.state == state)), "{state}");
        assert_eq!((jobs.len(), names(&jobs).into_iter().collect::<HashSet<_>>().len()), (count, count), "{state}");
    }
    let (jobs, pages) = all(&scene, None).await;
    assert_eq!((jobs.len(), names(&jobs).into_iter().collect::<HashSet<_>>().len()), (2_300, 2_300));
    assert!(pages >= 5);
    assert!(all(&scene, Some(State::Refunded)).await.0.is_empty());
    let status = scene.store.status(&scene.queue).await.unwrap();
    assert_eq!(
        (status.counts.to_send, status.counts.to_query, status.counts.review, status.counts.done),
        (1_020, 512, 256, 512)
    );
}

#[tokio::test]
async fn a_page_goes_on_behind_a_job_that_has_left() {
    for gone in [None, Some(0), Some(57), Some(99)] {
        let scene = Scene::new().await;
        // Many groups have the same rank: only their keys define the order.
        for number in 0..300 {
            let (job, group) = (transfer(&format!("k{number:03}")), format!("shop {number}"));
            let new = [NewRecord { job: &job, group: &group, step: 1.0 }];
            scene.store.submit_to(&scene.queue, &new).await.unwrap();
        }
        let first = scene.store.list(&scene.queue, Some(State::Queued), &Cursor::default(), 100).await.unwrap();
        let next: Cursor = first.next.unwrap().to_string().parse().unwrap();
        if let Some(index) = gone {
            let member = format!("k{index:03} shop {index}");
            let removed: u64 = scene.command(&["ZREM", &scene.name("sends"), &member]).await;
            assert_eq!(removed, 1);
        }
        let rest = scene.store.list(&scene.queue, Some(State::Queued), &next, 1_000).await.unwrap();
        let seen: Vec<&str> = [names(&first.jobs), names(&rest.jobs)].concat();
        assert_eq!(seen.len(), 300, "{gone:?}");
        assert_eq!(seen.into_iter().collect::<HashSet<_>>().len(), 300, "none twice");
        assert_eq!(rest.next, None);
    }
}

#[tokio::test]
async fn a_page_has_the_requested_number_of_jobs() {
    let scene = Scene::new().await;
    scene.submit_many("k", 120).await;
    for limit in [1, 50, 119, 120] {
        let page = scene.store.list(&scene.queue, None, &Cursor::default(), limit).await.unwrap();
        assert_eq!(page.jobs.len(), limit);
    }
    let page = scene.store.list(&scene.queue, Some(State::Pending), &Cursor::default(), 10).await.unwrap();
    assert!(page.jobs.is_empty() && page.next.is_none());
}

#[tokio::test]
async fn every_job_says_when_it_is_due() {
    let scene = Scene::new().await;
    scene.bring("asked", State::Pending).await;
    scene.bring("later", State::Queued).await;
    let job = transfer("due");
    let new = [NewRecord { job: &job, group: "shop 1", step: 1.0 }];
    scene.store.submit_to(&scene.queue, &new).await.unwrap();
    let created = scene.job("due").await.created;
    for expected in [("asked", Some(LATER)), ("later", Some(LATER)), ("due", created)] {
        assert_eq!(scene.job(expected.0).await.due, expected.1, "{}", expected.0);
    }
    let (listed, _) = all(&scene, None).await;
    let due = |job: &StoredAs| if let StoredAs::Job(job) = job { job.due } else { None };
    assert_eq!(names(&listed), ["later", "due", "asked"]);
    assert_eq!(listed.iter().map(due).collect::<Vec<_>>(), [Some(LATER), created, Some(LATER)]);
    let claimed = scene.claim_one("w").await;
    assert!(scene.job("due").await.due > Some(Millis(scene.now().await)), "its lease");
    scene.commit(&then(&claimed, State::NeedsReview, Due::Never)).await;
    assert_eq!(scene.job("due").await.due, None);
}

#[tokio::test]
async fn an_unreadable_job_is_named_in_every_list() {
    let scene = Scene::new().await;
    let keys: [&str; 5] = ["newer", "damaged", "bytes", "foreign", "fine"];
    let jobs: Vec<Job> = keys.iter().map(|key| transfer(key)).collect();
    scene.accept(&jobs).await;
    let set = async |key: &str, text: &[u8]| {
        let _: () = redis::cmd("SET").arg(scene.job_name(key)).arg(text).query_async(&mut scene.raw()).await.unwrap();
    };
    set("newer", br#"{"v":3,"state":"dreaming"}"#).await;
    set("damaged", b"{\"v\":2,").await;
    set("bytes", &[0xff, 0xfe]).await;
    let _: u64 = scene.command(&["DEL", &scene.job_name("foreign")]).await;
    let _: u64 = scene.command(&["RPUSH", &scene.job_name("foreign"), "x"]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("sends"), "1", "ghost", "2", " is no key"]).await;
    for state in [None, Some(State::Queued), Some(State::InDoubt)] {
        let (listed, _) = all(&scene, state).await;
        let mut seen = names(&listed);
        seen.sort_unstable();
        let mut expected = vec!["bytes", "damaged", "foreign", "newer"];
        if state != Some(State::InDoubt) {
            expected.insert(2, "fine");
        }
        assert_eq!(seen, expected, "{state:?}");
        let unreadable = listed.iter().filter(|job| matches!(job, StoredAs::Unreadable { .. })).count();
        assert_eq!(unreadable, 4, "{state:?}");
    }
    let read = scene.store.jobs(&scene.queue, &keys.map(key)).await.unwrap();
    assert_eq!(names(&read), keys);
    assert_eq!(scene.store.in_doubt(&scene.queue).await.unwrap(), 0);
}
