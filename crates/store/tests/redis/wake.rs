//! Bringing the next query forward, on a notification's word.

use bursar_domain::{Call, Due, State};
use bursar_store::Wake;

use crate::scene::{LATER, Scene, key, then};

async fn wake(scene: &Scene, name: &str) -> bool {
    scene.store.wake(&scene.queue, &key(name)).await.unwrap()
}

#[tokio::test]
async fn a_job_that_waits_to_be_queried_is_queried_at_once() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    assert!(scene.claim("w", 5).await.jobs.is_empty());
    let mut wakeups = scene.store.wakeups().await.unwrap();
    assert!(wake(&scene, "k1").await);
    assert_eq!(wakeups.next().await, Some(Wake::Due(scene.queue.clone())));
    assert_eq!(scene.claim_one("w").await.call, Call::Query);
}

#[tokio::test]
async fn waking_never_puts_a_due_job_off() {
    let scene = Scene::new().await;
    scene.bring("k1", State::Pending).await;
    scene.set_due("due_queries", "k1", 1).await;
    assert!(!wake(&scene, "k1").await);
    assert_eq!(scene.due("due_queries", "k1").await, Some(1));
}

#[tokio::test]
async fn nothing_else_is_woken() {
    for state in [State::Queued, State::NeedsReview, State::Succeeded, State::Failed, State::Cancelled] {
        let scene = Scene::new().await;
        scene.bring("k1", state).await;
        let before = (scene.text("k1").await, scene.sets("k1").await);
        assert!(!wake(&scene, "k1").await, "{state}");
        assert_eq!((scene.text("k1").await, scene.sets("k1").await), before);
    }
    let scene = Scene::new().await;
    assert!(!wake(&scene, "nowhere").await);
    assert_eq!(scene.sets("nowhere").await, Vec::<&str>::new());
}

#[tokio::test]
async fn a_job_that_a_worker_has_claimed_keeps_its_lease() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let due = scene.due("due_queries", "k1").await;
    assert!(!wake(&scene, "k1").await);
    assert_eq!(scene.due("due_queries", "k1").await, due, "a lease cut short hands the job to a second worker");
    scene.commit(&then(&claimed, State::Pending, Due::Query(LATER))).await;
    assert!(wake(&scene, "k1").await);
}
