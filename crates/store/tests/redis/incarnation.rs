//! Which Redis this is, and what of earlier ones is on record in it.

use std::collections::BTreeSet;

use bursar_store::Incarnations;

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
