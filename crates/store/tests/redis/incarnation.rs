//! Which Redis this is, and what of earlier ones is on record in it.

use std::collections::BTreeSet;

use bursar_domain::{Key, Operation, State};
use bursar_store::{Incarnations, Operated, Operator};

use crate::scene::Scene;

#[tokio::test]
async fn a_redis_keeps_the_first_id_that_it_is_given_and_knows_those_whose_journals_were_reconciled() {
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

#[tokio::test]
async fn while_a_journal_knows_more_nothing_is_cancelled_or_sent_on_the_word_of_redis() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    assert!(scene.store.pause_for_a_journal(&scene.lane).await.unwrap());
    let key: Key = "k1".parse().unwrap();
    let operate = async |operation| {
        let operator = Operator { who: "li", why: "it was never sent" };
        scene.store.operate(&scene.lane, &key, operation, operator).await.unwrap()
    };
    for operation in [Operation::Cancel, Operation::Send] {
        let Operated::Refused(refused) = operate(operation).await else { panic!("{operation:?}") };
        assert!(refused.to_string().contains("a journal knows of sends"), "{refused}");
    }
    assert_eq!(scene.state("k1").await, State::Queued);
    scene.store.settle_lane(&scene.lane, 7).await.unwrap();
    assert_eq!(scene.store.epochs(std::slice::from_ref(&scene.lane)).await.unwrap(), [7]);
    assert_eq!(scene.store.lane_status(&scene.lane).await.unwrap().paused, None);
    assert!(matches!(operate(Operation::Cancel).await, Operated::Done(_)));
    // A person's pause is no journal's: it stays.
    scene.store.pause(&scene.lane, Operator { who: "li", why: "because" }).await.unwrap();
    assert!(!scene.store.pause_for_a_journal(&scene.lane).await.unwrap());
    scene.store.settle_lane(&scene.lane, 3).await.unwrap();
    assert_eq!(scene.store.epochs(std::slice::from_ref(&scene.lane)).await.unwrap(), [7], "it never falls");
    assert!(scene.store.lane_status(&scene.lane).await.unwrap().paused.is_some());
}
