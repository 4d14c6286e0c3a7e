//! Heartbeats of workers, and the results of reconciliations.

use bursar_domain::{AccountName, Millis, WorkerStatus};
use bursar_store::{Heartbeat, Reconciled};

use crate::scene::Scene;

#[tokio::test]
async fn workers_come_stay_for_a_while_and_leave() {
    let scene = Scene::new().await;
    let now = Millis(scene.now().await);
    let beat = |ago_s: u64| Heartbeat { at: Millis(now.0 - ago_s * 1_000), pid: 7, ..Heartbeat::default() };
    for (name, ago_s) in [("b", 1), ("a", 30), ("old", 3_600)] {
        scene.store.heartbeat(name, &beat(ago_s)).await.unwrap();
    }
    let workers = scene.store.workers().await.unwrap();
    let names: Vec<&str> = workers.heartbeats.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(WorkerStatus::ALL.map(|status| workers.count(status)), [1, 0, 1]);
    let name = format!("{}:workers", scene.prefix);
    assert_eq!(scene.command::<Vec<String>>(&["HKEYS", &name]).await.len(), 2, "the old one is removed");
    assert!((1..=600_000).contains(&scene.command::<i64>(&["PTTL", &name]).await));
    scene.store.remove_worker("b").await.unwrap();
    assert_eq!(scene.store.workers().await.unwrap().count(WorkerStatus::Alive), 0);
    scene.command::<()>(&["HSET", &name, "newer", "not JSON"]).await;
    assert_eq!(scene.store.workers().await.unwrap().heartbeats.len(), 1, "a record of another build hides no worker");
}

#[tokio::test]
async fn the_last_reconciliation_that_covers_a_time_is_found() {
    let scene = Scene::new().await;
    let account: AccountName = "main".parse().unwrap();
    let period = |from: u64, until: u64, differ: u64| Reconciled {
        from: Millis(from),
        until: Millis(until),
        differ,
        ..Reconciled::default()
    };
    let last = async |from: u64, until: u64| {
        let found = scene.store.last_reconciled(&account, (Millis(from), Millis(until))).await.unwrap();
        found.map(|run| run.differ)
    };
    assert_eq!(last(0, 100).await, None);
    for (from, until, differ) in [(0, 100, 1), (100, 200, 2), (50, 150, 3)] {
        scene.store.record_reconciled(&account, period(from, until, differ)).await.unwrap();
        scene.next_millisecond().await;
    }
    assert_eq!(last(0, 50).await, Some(1), "the last one does not reach it");
    assert_eq!(last(0, 100).await, Some(3));
    assert_eq!(last(150, 200).await, Some(2));
    assert_eq!(last(200, 300).await, None);
    let other = "shop".parse().unwrap();
    assert_eq!(scene.store.last_reconciled(&other, (Millis(0), Millis(100))).await.unwrap(), None);
}
