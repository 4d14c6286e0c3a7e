//! Recent activity, for charts and rates.

use std::time::Duration;

use bursar_domain::{Due, Key, Millis, Queue, State};
use bursar_store::{Commit, Event, NewRecord, Stretch};

use crate::scene::{Scene, then, transfer};

fn keys(events: &[Event]) -> Vec<String> {
    events.iter().filter_map(|event| Some(event.key()?.to_string())).collect()
}

#[tokio::test]
async fn ended_jobs_are_counted_by_interval_and_waiting_ones_found() {
    let scene = Scene::new().await;
    for (key, state) in [
        ("done1", State::Succeeded),
        ("done2", State::Failed),
        ("done3", State::Cancelled),
        ("review", State::NeedsReview),
        ("asked", State::Pending),
        ("later", State::Queued),
    ] {
        scene.bring(key, state).await;
    }
    scene.submit(&["first"]).await;
    let second = Duration::from_secs(1);
    let since = Millis(scene.now().await - 60_000);
    let stretches = scene.store.stretches(&scene.queue, since, second * 40, 3, 2).await.unwrap();
    assert_eq!((stretches[0].in_review, stretches[0].some.len()), (0, 0));
    assert_eq!(stretches[1].in_review, 1);
    assert_eq!(stretches[1].some.iter().map(Key::as_str).collect::<Vec<_>>(), ["done1", "done2"]);
    assert_eq!(stretches[2], Stretch::default());
    assert!(scene.store.stretches(&scene.queue, since, second, 0, 2).await.unwrap().is_empty());
    for (most, expected) in [(5, &["first", "later", "asked"][..]), (1, &["first", "asked"]), (0, &[])] {
        let waiting = scene.store.waiting(&scene.queue, most).await.unwrap();
        assert_eq!(waiting.iter().map(Key::as_str).collect::<Vec<_>>(), expected, "{most}");
    }
}

/// A queue other than the scene's, in the same partition or in another one.
fn neighbour(scene: &Scene, is_same: bool) -> Queue {
    let mut queues = (0..).map(|number| format!("n{number}/transfer").parse::<Queue>().unwrap());
    queues.find(|queue| (scene.store.base_of(queue) == scene.base()) == is_same).unwrap()
}

#[tokio::test]
async fn a_quiet_queue_s_events_are_found_behind_a_busy_neighbour_s() {
    let scene = Scene::new().await;
    scene.bring("quiet1", State::Succeeded).await;
    scene.bring("quiet2", State::Succeeded).await;
    let (busy, far) = (neighbour(&scene, true), neighbour(&scene, false));
    let stream = format!("{}events", scene.base());
    for number in 0..600 {
        let (queue, key) = (busy.to_string(), format!("busy{number}"));
        let words = ["XADD", &stream, "*", "queue", &queue, "key", &key, "state", "failed"];
        let _: String = scene.command(&words).await;
    }
    let job = transfer("far");
    scene.store.submit_to(&far, &[NewRecord { job: &job, group: "", step: 1.0 }]).await.unwrap();
    let claimed = scene.store.claim(&far, &scene.wish("w", 1)).await.unwrap();
    scene.store.commit(&far, &[then(&claimed.jobs[0], State::Failed, Due::Never)]).await.unwrap();

    let queues = [far, scene.queue.clone(), busy, "none/transfer".parse().unwrap()];
    let recent = scene.store.recent_events(&queues, 3).await.unwrap();
    let reported: Vec<Vec<String>> = recent.events.iter().map(|events| keys(events)).collect();
    assert_eq!(reported[0], ["far"]);
    assert_eq!(reported[1], ["quiet2", "quiet1"], "newest first");
    assert_eq!(reported[2], ["busy599", "busy598", "busy597"]);
    assert!(reported[3].is_empty() && recent.now.0 <= scene.now().await && recent.now > Millis(0));
    assert_eq!(scene.store.recent_events(&[], 3).await.unwrap().events, Vec::<Vec<Event>>::new());
}

#[tokio::test]
async fn the_newest_events_of_one_commit_come_newest_first() {
    let scene = Scene::new().await;
    scene.submit_many("k", 40).await;
    let claimed = scene.claim("w", 40).await;
    let commits: Vec<Commit> = claimed.jobs.iter().map(|job| then(job, State::Succeeded, Due::Never)).collect();
    scene.store.commit(&scene.queue, &commits).await.unwrap();
    let recent = scene.store.recent_events(std::slice::from_ref(&scene.queue), 20).await.unwrap();
    let mut newest = keys(&recent.events[0]);
    newest.reverse();
    assert_eq!(newest, (20..40).map(|number| format!("k{number:06}")).collect::<Vec<_>>());
}
