//! The accounts' balances: the lock for querying, and the stored amounts.

use std::time::Duration;

use bursar_domain::AccountName;
use bursar_store::BalanceParts;
use bursar_test_support::eventually;

use crate::scene::{SOON, Scene};

const HOUR: Duration = Duration::from_secs(3_600);

fn main_account() -> AccountName {
    "main".parse().unwrap()
}

#[tokio::test]
async fn one_of_many_queries_at_a_time_until_the_next_is_due() {
    let scene = Scene::new().await;
    let account = main_account();
    let every = Duration::from_millis(200);
    let turn = || scene.store.balance_lock(&account, every);
    let turns = tokio::join!(turn(), turn(), turn());
    let waits: Vec<Option<Duration>> = [turns.0, turns.1, turns.2].map(Result::unwrap).to_vec();
    assert_eq!(waits.iter().filter(|wait| wait.is_none()).count(), 1, "{waits:?}");
    assert!(waits.iter().flatten().all(|wait| *wait <= every), "{waits:?}");
    eventually(SOON, "the next turn", async || turn().await.unwrap().is_none().then_some(())).await;
    let other = "shop".parse().unwrap();
    assert_eq!(scene.store.balance_lock(&other, HOUR).await.unwrap(), None, "each account has its own");
}

#[tokio::test]
async fn a_turn_taken_for_longer_than_is_waited_now_is_cut_short() {
    let scene = Scene::new().await;
    let account = main_account();
    assert_eq!(scene.store.balance_lock(&account, HOUR).await.unwrap(), None);
    let minute = Duration::from_secs(60);
    for _ in 0..2 {
        let wait = scene.store.balance_lock(&account, minute).await.unwrap();
        assert!(wait.is_some_and(|wait| wait <= minute), "{wait:?}");
    }
}

#[tokio::test]
async fn the_last_balance_is_kept_with_its_time() {
    let scene = Scene::new().await;
    let account = main_account();
    let known = async || scene.store.balance(&account, "paying").await.unwrap();
    let nothing = known().await;
    assert_eq!((nothing.parts, nothing.answered_at, nothing.since), (BalanceParts::default(), None, None));

    let keep = |reported| scene.store.store_balance(&account, "paying", reported);
    keep(None).await.unwrap();
    let requested = known().await;
    assert_eq!((requested.parts, requested.answered_at), (BalanceParts::default(), None));
    assert!(requested.since.is_some_and(|since| since <= requested.now), "{requested:?}");

    let all = BalanceParts { available: Some(-5), frozen: Some(0), retained: Some(7), total: Some(i64::MAX) };
    keep(Some(all)).await.unwrap();
    let reported = known().await;
    assert_eq!((reported.parts, reported.since), (all, requested.since));
    assert!(reported.answered_at >= requested.since, "{reported:?}");

    keep(None).await.unwrap();
    let silent = known().await;
    assert_eq!((silent.parts, silent.answered_at), (all, reported.answered_at), "a failure changes nothing");

    let fewer = BalanceParts { available: Some(1), ..BalanceParts::default() };
    keep(Some(fewer)).await.unwrap();
    assert_eq!(known().await.parts, fewer);
    let other = scene.store.balance(&account, "collecting").await.unwrap();
    assert_eq!(other.since, None, "each has its own");
}
