//! Many queues read at once: each as it is read alone, in their order, over several round trips.

use bursar_domain::{AccountName, Due, Lane, State};
use bursar_store::{BalanceParts, Claim, Operator, Origin};
use bursar_test_support::{redis, unique_prefix};
use serde_json::json;

use crate::scene::{Scene, parse, sent, told_transfer, transfer_json};

/// Lanes whose reading takes several round trips, of a thousand commands each.
const LANES: usize = 250;

fn lanes() -> Vec<Lane> {
    (0..LANES).map(|number| format!("m{number:03}/transfer").parse().unwrap()).collect()
}

/// One lane of many that share a prefix.
async fn scene_of(prefix: &str, lane: &Lane) -> Scene {
    let url = redis().await.url.clone();
    Scene { lane: lane.clone(), ..Scene::between(&url, &url, prefix).await }
}

impl Scene {
    /// Takes jobs by these keys in, for its own account, and ends their first send in this state.
    async fn bring_all(&self, keys: &[&str], state: State) {
        let job = |key: &&str| {
            let mut job = transfer_json(key);
            job["account"] = json!(self.lane.account.as_str());
            parse(&job)
        };
        self.store.submit(&keys.iter().map(job).collect::<Vec<_>>()).await.unwrap();
        for claimed in self.claim("w", keys.len()).await.jobs {
            let due =
                if state == State::InDoubt { Due::Ask(bursar_domain::Millis(99_999_999_999_999)) } else { Due::Never };
            self.commit(&sent(&claimed, state, due)).await;
        }
    }
}

#[tokio::test]
async fn each_lane_is_as_it_is_read_alone() {
    let (prefix, lanes) = (unique_prefix(), lanes());
    let all = scene_of(&prefix, &lanes[0]).await;
    let empty = all.store.lane_statuses(&lanes).await.unwrap();
    assert_eq!(empty.len(), LANES);
    assert!(empty.iter().all(|status| status.open_jobs() + status.done == 0 && status.paused.is_none()));

    // The first, the last, and those around the borders of round trips.
    for (at, keys, state) in [
        (0, &["k1", "k2"][..], State::InDoubt),
        (99, &["k1"], State::NeedsReview),
        (100, &["k1", "k2", "k3"], State::Succeeded),
        (LANES - 1, &["k1"], State::InDoubt),
    ] {
        scene_of(&prefix, &lanes[at]).await.bring_all(keys, state).await;
    }
    all.store.pause(&lanes[101], Operator { who: "li", why: "because" }).await.unwrap();

    let statuses = all.store.lane_statuses(&lanes).await.unwrap();
    for (lane, status) in lanes.iter().zip(&statuses) {
        let alone = all.store.lane_status(lane).await.unwrap();
        assert_eq!(bursar_store::LaneStatus { now: alone.now, ..status.clone() }, alone, "{lane}");
    }
    let open: Vec<(usize, u64)> =
        statuses.iter().map(|status| status.open_jobs()).enumerate().filter(|(_, open)| *open > 0).collect();
    assert_eq!(open, [(0, 2), (99, 1), (LANES - 1, 1)]);
    let why = statuses[101].paused.as_ref().map(ToString::to_string);
    assert_eq!((statuses[100].done, why.as_deref()), (3, Some("li: because")));

    let doubtful: Vec<&Lane> = [0, 1, 99, 100, LANES - 1].map(|at| &lanes[at]).into_iter().collect();
    assert_eq!(all.store.in_doubt_in(&doubtful).await.unwrap(), [2, 0, 0, 0, 1]);
    assert_eq!(all.store.in_doubt_in(&[]).await.unwrap(), [0; 0]);
    assert_eq!(all.store.lane_statuses(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn jobs_in_doubt_are_counted_among_many_lanes_as_in_one() {
    let (prefix, lanes) = (unique_prefix(), lanes());
    let all = scene_of(&prefix, &lanes[0]).await;
    let mut expected = vec![0; LANES];
    for (at, count) in [(3, 1), (120, 2), (200, 3)] {
        let keys: Vec<String> = (0..count).map(|number| format!("k{number}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        scene_of(&prefix, &lanes[at]).await.bring_all(&keys, State::InDoubt).await;
        expected[at] = count;
    }
    assert_eq!(all.store.in_doubt_in(&lanes.iter().collect::<Vec<_>>()).await.unwrap(), expected);
}

#[tokio::test]
async fn each_lane_s_gateway_and_nobody_s_is_told() {
    let (scene, lanes) = (Scene::new().await, lanes());
    for (at, gateway) in [(1, "here"), (249, "there")] {
        let none = Claim { gateway, ..scene.wish("w", 0) };
        scene.store.claim(&lanes[at], &none).await.unwrap();
    }
    let gateways = scene.store.gateways(&lanes).await.unwrap();
    let named: Vec<(usize, &str)> =
        gateways.iter().enumerate().filter_map(|(at, gateway)| Some((at, gateway.as_deref()?))).collect();
    assert_eq!((gateways.len(), named), (LANES, vec![(1, "here"), (249, "there")]));
}

#[tokio::test]
async fn what_each_origin_has_to_tell_is_known_among_many_that_have_nothing() {
    let scene = Scene::new().await;
    scene.store.submit(&[told_transfer("k1"), told_transfer("k2")]).await.unwrap();
    for claimed in scene.claim("w", 2).await.jobs {
        scene.commit(&sent(&claimed, State::NeedsReview, Due::Never)).await;
    }
    let mut origins: Vec<Origin> = lanes().into_iter().map(Origin::Jobs).collect();
    origins.insert(100, Origin::Jobs(scene.lane.clone()));
    origins.push(Origin::Notifications("main".parse().unwrap()));
    let taken = scene.store.claim_callbacks(&origins[100], crate::scene::LEASE, 1).await.unwrap().due;
    let statuses = scene.store.callback_statuses(&origins).await.unwrap();
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
    let accounts: Vec<AccountName> = lanes().into_iter().map(|lane| lane.account).collect();
    let parts = BalanceParts { available: Some(7), ..BalanceParts::default() };
    scene.store.keep_balance(&accounts[5], "paying", Some(parts)).await.unwrap();
    let wanted: Vec<(&AccountName, &str)> =
        accounts.iter().flat_map(|account| [(account, "collecting"), (account, "paying")]).collect();
    let balances = scene.store.balances(&wanted).await.unwrap();
    assert_eq!(balances.len(), LANES * 2);
    let told: Vec<usize> = (0..balances.len()).filter(|at| balances[*at].parts == parts).collect();
    assert_eq!(told, [11]);
    assert!(balances.iter().enumerate().all(|(at, balance)| balance.told_at.is_some() == (at == 11)));
}
