//! Ended jobs that are to be archived, the marks of those that are, and retention.

use std::time::Duration;

use bursar_archive::ArchivedJob;
use bursar_domain::{Due, Millis, Operation, State};
use bursar_store::{ArchiveCursor, ArchiveLease, ArchiveMark, ArchiveProgress, ArchiveSet, Operated, UnarchivedJob};

use crate::scene::{LATER, Scene, then, transfer};

const LONG: Duration = Duration::from_secs(60);

async fn lease(scene: &Scene, worker: &str) -> Option<ArchiveLease> {
    let partition = scene.store.partition_of(&scene.queue);
    scene.store.archive_lease(partition, worker, LONG).await.unwrap()
}

async fn found(scene: &Scene, set: ArchiveSet) -> Vec<UnarchivedJob> {
    let step = scene.store.to_archive(&scene.queue, set, &ArchiveCursor::default(), LATER, 100).await.unwrap();
    assert!(step.is_end);
    step.jobs
}

fn mark(scene: &Scene, job: &UnarchivedJob) -> ArchiveMark {
    ArchiveMark {
        queue: scene.queue.to_string(),
        key: job.key.to_string(),
        version: job.version,
        fingerprint: ArchivedJob::fingerprint(job.record.as_bytes(), &job.history),
    }
}

/// Archives all that was found, as a worker would.
async fn archive(scene: &Scene, jobs: &[UnarchivedJob]) {
    let lease = lease(scene, "w").await.unwrap();
    let marks: Vec<ArchiveMark> = jobs.iter().map(|job| mark(scene, job)).collect();
    assert!(scene.store.mark_archived(&lease, &marks, &ArchiveProgress::default()).await.unwrap());
}

async fn purge(scene: &Scene) -> usize {
    scene.store.purge(&scene.queue, Duration::ZERO, 100).await.unwrap()
}

#[tokio::test]
async fn only_jobs_in_the_archive_are_reduced() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.begin_archive("one").await.unwrap(), "one");
    assert_eq!(scene.store.begin_archive("two").await.unwrap(), "one", "a Redis is archived in one archive");
    for key in ["k1", "k2"] {
        scene.bring(key, State::Succeeded).await;
    }
    assert_eq!(purge(&scene).await, 0, "nothing is in the archive yet");
    let jobs = found(&scene, ArchiveSet::Ended).await;
    assert_eq!(jobs.iter().map(|job| (job.key.as_str(), job.version)).collect::<Vec<_>>(), [("k1", 1), ("k2", 1)]);
    assert!(jobs[0].record.contains(transfer("k1").content.text()), "{}", jobs[0].record);

    archive(&scene, &jobs[..1]).await;
    let left = found(&scene, ArchiveSet::Ended).await;
    assert_eq!(left, jobs[1..], "what is marked is not found again");
    assert_eq!(found(&scene, ArchiveSet::Noted).await, left, "and retention noted the rest");
    assert_eq!(purge(&scene).await, 1);
    assert!(scene.job("k1").await.created.is_none() && scene.job("k2").await.created.is_some());
    let marks: Vec<String> = scene.command(&["KEYS", &format!("{}*", scene.name("archived"))]).await;
    assert_eq!(marks, Vec::<String>::new(), "a mark goes with the details");

    archive(&scene, &left).await;
    assert_eq!(found(&scene, ArchiveSet::Noted).await, []);
    assert_eq!(purge(&scene).await, 1);
}

#[tokio::test]
async fn a_mark_is_made_for_no_job_that_was_reduced_meanwhile() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    let jobs = found(&scene, ArchiveSet::Ended).await;
    assert_eq!(purge(&scene).await, 1, "this Redis is not archived");
    archive(&scene, &jobs).await;
    let marked: u64 = scene.command(&["EXISTS", &format!("{}:k1", scene.name("archived"))]).await;
    assert_eq!(marked, 0);
    assert_eq!(found(&scene, ArchiveSet::Ended).await, []);
}

#[tokio::test]
async fn a_refund_after_success_is_another_version() {
    let scene = Scene::new().await;
    scene.store.begin_archive("one").await.unwrap();
    scene.bring("k1", State::Succeeded).await;
    archive(&scene, &found(&scene, ArchiveSet::Ended).await).await;
    assert!(matches!(scene.operate("k1", Operation::Query).await, Operated::Done(_)));
    assert_eq!(found(&scene, ArchiveSet::Ended).await, [], "it is being queried");
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::Refunded, Due::Never)).await;
    assert_eq!(purge(&scene).await, 0, "the archive has it as succeeded");
    let jobs = found(&scene, ArchiveSet::Noted).await;
    assert_eq!(jobs.iter().map(|job| job.version).collect::<Vec<_>>(), [2]);
    assert!(jobs[0].record.contains(r#""state":"refunded""#), "{}", jobs[0].record);
    archive(&scene, &jobs).await;
    assert_eq!(purge(&scene).await, 1);
    assert_eq!(scene.job("k1").await.state, State::Refunded);
}

#[tokio::test]
async fn jobs_that_have_not_settled_are_noted_for_later() {
    let scene = Scene::new().await;
    scene.store.begin_archive("one").await.unwrap();
    for key in ["claimed", "waiting", "settled"] {
        scene.bring(key, State::Succeeded).await;
    }
    for key in ["claimed", "waiting"] {
        scene.operate(key, Operation::Query).await;
        if key == "claimed" {
            assert_eq!(scene.claim_one("w").await.key.as_str(), "claimed");
        }
    }
    let jobs = found(&scene, ArchiveSet::Ended).await;
    assert_eq!(jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["settled"]);
    let mut noted: Vec<String> = scene.command(&["ZRANGE", &scene.name("unarchived"), "0", "-1"]).await;
    noted.sort();
    assert_eq!(noted, ["claimed", "waiting"]);
    let now = Millis(scene.now().await);
    let due =
        scene.store.to_archive(&scene.queue, ArchiveSet::Noted, &ArchiveCursor::default(), now, 100).await.unwrap();
    assert_eq!((due.jobs, due.is_end), (Vec::new(), true), "not at once");
}

#[tokio::test]
async fn steps_go_through_all_jobs_from_a_noted_position() {
    let scene = Scene::new().await;
    for number in 0..25 {
        scene.bring(&format!("k{number:02}"), State::Succeeded).await;
    }
    let queues = [scene.queue.clone()];
    let lease = lease(&scene, "w").await.unwrap();
    let mut at = scene.store.archive_cursors(&queues, LATER).await.unwrap()[0].clone().expect("there is work");
    let mut keys = Vec::new();
    loop {
        let step = scene.store.to_archive(&scene.queue, ArchiveSet::Ended, &at, LATER, 10).await.unwrap();
        keys.extend(step.jobs.iter().map(|job| job.key.to_string()));
        at = step.cursor;
        if step.is_end {
            break;
        }
    }
    assert_eq!(keys, (0..25).map(|number| format!("k{number:02}")).collect::<Vec<_>>());
    let progress = ArchiveProgress { head: Some((1, "seal".into())), cursors: vec![(scene.queue.clone(), at)] };
    assert!(scene.store.mark_archived(&lease, &[], &progress).await.unwrap());
    assert_eq!(scene.store.archive_cursors(&queues, LATER).await.unwrap(), [None], "nothing is behind the position");
    assert_eq!(scene.store.archive_heads().await.unwrap(), ["seal"]);

    scene.bring("k25", State::Succeeded).await;
    let at = scene.store.archive_cursors(&queues, LATER).await.unwrap()[0].clone().expect("one more has ended");
    let step = scene.store.to_archive(&scene.queue, ArchiveSet::Ended, &at, LATER, 10).await.unwrap();
    assert_eq!(step.jobs.iter().map(|job| job.key.as_str()).collect::<Vec<_>>(), ["k25"]);
}

#[tokio::test]
async fn one_worker_at_a_time_archives_a_partition() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Succeeded).await;
    let jobs = found(&scene, ArchiveSet::Ended).await;
    let first = lease(&scene, "first").await.unwrap();
    assert_eq!(lease(&scene, "second").await, None);
    assert!(lease(&scene, "first").await.is_some(), "a repeated request");

    // Its time is over.
    let name = format!("{}archive", scene.base());
    let _: u64 = scene.command(&["HSET", &name, "until", "1"]).await;
    let second = lease(&scene, "second").await.unwrap();
    let marks = [mark(&scene, &jobs[0])];
    let progress = ArchiveProgress { head: Some((7, "seal".into())), cursors: Vec::new() };
    assert!(!scene.store.mark_archived(&first, &marks, &progress).await.unwrap());
    assert_eq!(found(&scene, ArchiveSet::Ended).await, jobs, "nothing is marked by a worker that lost its lease");
    assert!(scene.store.mark_archived(&second, &marks, &progress).await.unwrap());
    scene.store.end_archive_lease(&second).await.unwrap();
    assert_eq!(lease(&scene, "third").await.unwrap().marked, 7);

    // A lease that ends after any that can be: Redis's clock was set back.
    let _: u64 = scene.command(&["HSET", &name, "until", &LATER.0.to_string()]).await;
    assert!(lease(&scene, "fourth").await.is_some());
}
