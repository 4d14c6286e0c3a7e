//! Many queues read at once: each as it is read alone, in their order, over several round trips.

use bursar_domain::{AccountName, ActionKind, Due, Queue, State};
use bursar_store::{BalanceParts, Claim, DeliveryClaim, Origin, QueueStatus};
use serde_json::json;

use crate::scene::{LATER, LEASE, OPERATOR, Scene, parse, then, transfer_json, transfer_with_webhook};

/// Queues whose reading takes several round trips.
const QUEUES: usize = 250;

fn queues() -> Vec<Queue> {
    (0..QUEUES).map(|number| format!("m{number:03}/transfer").parse().unwrap()).collect()
}

impl Scene {
    /// Takes jobs by these keys in, for its own account, and ends their first send in this state.
    async fn bring_all(&self, keys: &[&str], state: State) {
        let job = |key: &&str| {
            let mut job = transfer_json(key);
            job["account"] = json!(self.queue.account.as_str());
            parse(&job)
        };
        self.accept(&keys.iter().map(job).collect::<Vec<_>>()).await;
        for claimed in self.claim("w", keys.len()).await.jobs {
            let due = if state == State::InDoubt { Due::Query(LATER) } else { Due::Never };
            self.commit(&then(&claimed, state, due)).await;
        }
    }
}

#[tokio::test]
async fn each_queue_is_as_it_is_read_alone() {
    let (scene, queues) = (Scene::new().await, queues());
    let empty = scene.store.statuses(&queues).await.unwrap();
    assert_eq!(empty.len(), QUEUES);
    assert!(empty.iter().all(|status| status.open_jobs() + status.counts.done == 0 && status.paused.is_none()));

    // The first, the last, and those around the borders of round trips.
    for (at, keys, state) in [
        (0, &["k1", "k2"][..], State::InDoubt),
        (99, &["k1"], State::NeedsReview),
        (100, &["k1", "k2", "k3"], State::Succeeded),
        (QUEUES - 1, &["k1"], State::InDoubt),
    ] {
        scene.on(&queues[at].to_string()).bring_all(keys, state).await;
    }
    let reason = OPERATOR.reason(ActionKind::Pause);
    scene.store.pause(&queues[101], &reason).await.unwrap();

    let statuses = scene.store.statuses(&queues).await.unwrap();
    for (queue, status) in queues.iter().zip(&statuses) {
        let alone = scene.store.status(queue).await.unwrap();
        assert_eq!(QueueStatus { now: alone.now, ..status.clone() }, alone, "{queue}");
    }
    let open: Vec<(usize, u64)> =
        statuses.iter().map(QueueStatus::open_jobs).enumerate().filter(|(_, open)| *open > 0).collect();
    assert_eq!(open, [(0, 2), (99, 1), (QUEUES - 1, 1)]);
    assert_eq!((statuses[100].counts.done, &statuses[101].paused), (3, &Some(reason)));

    let in_doubt = [0, 1, 99, 100, QUEUES - 1].map(|at| queues[at].clone());
    assert_eq!(scene.store.in_doubt_of(&in_doubt).await.unwrap(), [2, 0, 0, 0, 1]);
    let all = scene.store.in_doubt_of(&queues).await.unwrap();
    assert_eq!((all.len(), all.iter().sum::<usize>(), all[0]), (QUEUES, 3, 2));
    assert_eq!(scene.store.in_doubt_of(&[]).await.unwrap(), [0; 0]);
}

#[tokio::test]
async fn each_queues_gateway_and_fence_are_returned() {
    let (scene, queues) = (Scene::new().await, queues());
    for (at, gateway) in [(1, "here"), (249, "there")] {
        scene.store.claim(&queues[at], &Claim { gateway, ..scene.wish("w", 0) }).await.unwrap();
        scene.store.raise_fence(&queues[at], at as u64).await.unwrap();
    }
    let gateways = scene.store.gateways(&queues).await.unwrap();
    let named: Vec<(usize, &str)> =
        gateways.iter().enumerate().filter_map(|(at, gateway)| Some((at, gateway.as_deref()?))).collect();
    assert_eq!((gateways.len(), named), (QUEUES, vec![(1, "here"), (249, "there")]));
    let fences = scene.store.fences(&queues).await.unwrap();
    assert_eq!((fences.len(), fences[1], fences[249], fences.iter().sum::<u64>()), (QUEUES, 1, 249, 250));
}

#[tokio::test]
async fn each_origins_deliveries_are_found_among_many_idle_ones() {
    let scene = Scene::new().await;
    scene.accept(&[transfer_with_webhook("k1"), transfer_with_webhook("k2")]).await;
    for claimed in scene.claim("w", 2).await.jobs {
        scene.commit(&then(&claimed, State::NeedsReview, Due::Never)).await;
    }
    let mut origins: Vec<Origin> = queues().into_iter().map(Origin::Jobs).collect();
    origins.insert(100, Origin::Jobs(scene.queue.clone()));
    origins.push(Origin::Notifications("main".parse().unwrap()));
    let claim = DeliveryClaim { dispatcher: "d", number: 1, lease: LEASE, most: 1 };
    let taken = scene.store.claim_deliveries(&origins[100], &claim).await.unwrap().due;
    let statuses = scene.store.delivery_statuses(&origins).await.unwrap();
    assert_eq!(statuses.len(), origins.len());
    for (at, status) in statuses.iter().enumerate() {
        let expected = if at == 100 { (2, Some(taken[0].first_tried)) } else { (0, None) };
        assert_eq!((status.waiting, status.first_tried), expected, "{at}");
        assert_eq!(status.next_due.is_some(), at == 100, "{at}");
    }
}

#[tokio::test]
async fn each_balance_is_as_it_is_read_alone() {
    let scene = Scene::new().await;
    let accounts: Vec<AccountName> = queues().into_iter().map(|queue| queue.account).collect();
    let parts = BalanceParts { available: Some(7), ..BalanceParts::default() };
    scene.store.store_balance(&accounts[5], "paying", Some(parts)).await.unwrap();
    let wanted: Vec<(&AccountName, &str)> =
        accounts.iter().flat_map(|account| [(account, "collecting"), (account, "paying")]).collect();
    let balances = scene.store.balances(&wanted).await.unwrap();
    assert_eq!(balances.len(), QUEUES * 2);
    let reported: Vec<usize> = (0..balances.len()).filter(|at| balances[*at].parts == parts).collect();
    assert_eq!(reported, [11]);
    assert!(balances.iter().enumerate().all(|(at, balance)| balance.answered_at.is_some() == (at == 11)));
}
