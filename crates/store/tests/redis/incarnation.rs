//! The identity of a Redis, and its record of earlier ones.

use std::collections::BTreeSet;

use bursar_domain::{Call, State};
use bursar_store::{Claim, Claimed, Incarnations, Sends, Wake};

use crate::scene::Scene;

#[tokio::test]
async fn a_redis_keeps_its_first_id_and_the_reconciled_ones() {
    let scene = Scene::new().await;
    assert_eq!(scene.store.incarnations().await.unwrap(), Incarnations::default(), "to look gives it none");
    assert_eq!(scene.store.incarnate("one").await.unwrap(), "one");
    assert_eq!(scene.store.incarnate("two").await.unwrap(), "one");
    scene.store.settle_incarnations(&BTreeSet::new()).await.unwrap();
    scene.store.settle_incarnations(&BTreeSet::from(["before".to_owned(), "long before".to_owned()])).await.unwrap();
    let found = scene.store.incarnations().await.unwrap();
    for (id, known) in [("one", true), ("before", true), ("long before", true), ("two", false), ("", false)] {
        assert_eq!(found.knows(id), known, "{id}");
    }
}

fn calls(claimed: &Claimed) -> Vec<(&str, Call)> {
    claimed.jobs.iter().map(|job| (job.key.as_str(), job.call)).collect()
}

#[tokio::test]
async fn no_send_is_claimed_on_an_unknown_redis() {
    let scene = Scene::new().await;
    scene.bring("asked", State::Pending).await;
    scene.let_come_due("asked").await;
    scene.submit(&["k1", "k2"]).await;
    let here = |incarnation| Claim { incarnation, ..scene.wish("w", 1) };
    let first = scene.claim_as(here("one")).await;
    assert!(first.other_redis && first.jobs.is_empty(), "no worker has checked: {first:?}");
    let queries = scene.claim_as(Claim { sends: Sends::NotYet, ..here("one") }).await;
    assert_eq!((calls(&queries), queries.other_redis), (vec![("asked", Call::Query)], false), "a query pays no one");
    let looked = scene.claim_as(Claim { looked: true, ..here("one") }).await;
    assert_eq!((calls(&looked), looked.other_redis), (vec![("k1", Call::Send)], false));

    let other = scene.claim_as(here("two")).await;
    assert!(other.other_redis && other.jobs.is_empty(), "it has looked at another one: {other:?}");
    assert_eq!(calls(&scene.claim_as(here("one")).await), [("k2", Call::Send)], "and the others go on");
}

#[tokio::test]
async fn who_finds_redis_emptied_can_have_every_worker_look() {
    let scene = Scene::new().await;
    let mut wakeups = scene.store.wakeups().await.unwrap();
    scene.store.wake_to_recheck().await.unwrap();
    assert_eq!(wakeups.next().await, Some(Wake::Look));
}
