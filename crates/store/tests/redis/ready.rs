//! An idle worker reads 32 sets, however many queues there are, and finds every queue with due work.

use bursar_domain::{ActionKind, Due, Millis, Queue, Reason, State};
use bursar_store::Claim;

use crate::scene::{LATER, Scene, then};

async fn ready(scene: &Scene) -> Option<u64> {
    let (ready, more) = scene.store.ready(LATER).await.unwrap();
    assert!(!more);
    ready.iter().find(|ready| ready.queue == scene.queue).map(|ready| ready.due.0)
}

#[tokio::test]
async fn a_queue_is_ready_when_its_next_job_is_due() {
    let scene = Scene::new().await;
    assert_eq!(ready(&scene).await, None);
    scene.submit(&["K1", "K2"]).await;
    let now = scene.now().await;
    assert!(ready(&scene).await.unwrap() <= now);
    let first = scene.claim_one("w").await;
    assert!(ready(&scene).await.unwrap() <= scene.now().await, "K2 is due");
    let second = scene.claim_one("w").await;
    assert!(ready(&scene).await.unwrap() > now + 20_000, "the end of a lease");
    scene.commit(&then(&first, State::Pending, Due::Query(Millis(now + 5_000)))).await;
    assert_eq!(ready(&scene).await, Some(now + 5_000));
    scene.commit(&then(&second, State::Succeeded, Due::Never)).await;
    scene.claim("w", 1).await;
    assert_eq!(ready(&scene).await, Some(now + 5_000));
    scene.store.wake(&scene.queue, &first.key).await.unwrap();
    assert!(ready(&scene).await.unwrap() <= scene.now().await);
    let query = scene.claim_one("w").await;
    scene.commit(&then(&query, State::Succeeded, Due::Never)).await;
    scene.claim("w", 1).await;
    assert_eq!(ready(&scene).await, None, "nothing waits");
}

#[tokio::test]
async fn a_paused_queue_is_checked_each_minute_and_due_on_resume() {
    let scene = Scene::new().await;
    let reason = Reason::operator_action(ActionKind::Pause, "li", "a look");
    assert!(scene.store.pause(&scene.queue, &reason).await.unwrap());
    assert!(!scene.store.pause(&scene.queue, &reason).await.unwrap());
    scene.submit(&["K1"]).await;
    let claimed = scene.claim("w", 1).await;
    assert!(claimed.sends_left && claimed.jobs.is_empty());
    assert_eq!(ready(&scene).await, Some(claimed.now.0 + 60_000));
    assert!(scene.store.resume(&scene.queue, &reason).await.unwrap());
    assert!(ready(&scene).await.unwrap() <= scene.now().await);
    assert_eq!(scene.claim("w", 1).await.jobs.len(), 1);
}

#[tokio::test]
async fn a_rate_puts_the_queue_off_until_the_next_call() {
    let scene = Scene::new().await;
    scene.submit(&["K1", "K2"]).await;
    let claimed = scene.claim_as(Claim { rate_per_second: 2.0, ..scene.wish("w", 2) }).await;
    assert_eq!(claimed.jobs.len(), 1);
    assert_eq!(ready(&scene).await, claimed.next_due.map(|due| due.0));
    assert!(claimed.next_due.unwrap().0 > claimed.now.0 + 300);
}

#[tokio::test]
async fn one_look_reads_the_queues_of_all_partitions() {
    let scene = Scene::new().await;
    let queues: Vec<Queue> = (0..200).map(|number| format!("a{number}/transfer").parse().unwrap()).collect();
    for queue in &queues {
        let job = crate::scene::transfer("K1");
        let new = [bursar_store::NewRecord { job: &job, group: "", step: 1.0 }];
        scene.store.submit_to(queue, &new).await.unwrap();
    }
    let (ready, more) = scene.store.ready(LATER).await.unwrap();
    assert!(!more && ready.len() == 200, "{}", ready.len());
    assert_eq!(scene.store.ready(Millis(1)).await.unwrap().0, []);
}
