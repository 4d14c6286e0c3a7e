//! The new queue has a job by the same key, or by the same business key.

use std::time::Duration;

use bursar_domain::{Due, State};
use bursar_store::Submission;
use serde_json::json;

use super::{adopt, as_new, renamed, state_of};
use crate::scene::{Scene, bill_json, parse, then, transfer, transfer_json, transfer_with_webhook};

#[tokio::test]
async fn an_unsent_duplicate_gives_way_and_another_needs_review() {
    let old = Scene::new().await;
    old.accept(&[transfer_with_webhook("k1")]).await;
    let claimed = old.claim_one("w").await;
    old.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    old.bring("k2", State::Pending).await;
    let new = as_new(&old);
    let mut reported = transfer_json("k2");
    reported["callback_url"] = json!("https://shop.example/new");
    let again = [renamed(transfer_json("k1")), renamed(reported)];
    assert_eq!(new.store.submit(&again).await.unwrap(), [Submission::New, Submission::New]);
    let sent_there = new.claim_one("w").await;
    assert_eq!(sent_there.key.as_str(), "k1");
    let adopted = adopt(&old).await;
    assert_eq!(adopted.conflicts, [("k1".to_owned(), "k1".to_owned())]);
    assert_eq!(adopted.moved, 1);
    assert_eq!(
        (state_of(&old, "k1").await, state_of(&new, "k2").await),
        (Some(State::Succeeded), Some(State::Pending))
    );
    assert_eq!(new.sets("k2").await, ["due_queries"], "it must not be sent a second time");
    let url = new.job("k2").await.callback_url;
    assert_eq!(url.as_deref(), Some("https://shop.example/new"), "its webhook is delivered");
}

#[tokio::test]
async fn a_tombstone_replaces_an_unsent_duplicate() {
    let old = Scene::new().await;
    old.bring("k1", State::Failed).await;
    old.store.purge(&old.queue, Duration::ZERO, 10).await.unwrap();
    let new = as_new(&old);
    assert_eq!(new.store.submit(&[renamed(transfer_json("k1"))]).await.unwrap(), [Submission::New]);
    assert_eq!(adopt(&old).await.moved, 1);
    assert_eq!((new.sets("k1").await, state_of(&new, "k1").await), (vec![], Some(State::Failed)));
    let claimed = new.claim("w", 5).await;
    assert_eq!((claimed.jobs.len(), claimed.quarantined.len()), (0, 0), "{claimed:?}");
}

#[tokio::test]
async fn an_unsent_old_job_gives_way_to_the_new_one() {
    let old = Scene::new().await;
    let new = as_new(&old);
    let jobs = ["k1", "k2", "k3"].map(|key| renamed(transfer_json(key)));
    assert_eq!(new.store.submit(&jobs).await.unwrap(), vec![Submission::New; 3]);
    for claimed in new.claim("w", 3).await.jobs {
        new.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
    }
    // A producer is late with the new name, and says something else of one of them.
    let mut other = transfer_json("k2");
    other["body"]["total_amount"] = json!(7);
    old.submit(&["k1"]).await;
    assert_eq!(old.accept(&[parse(&other), transfer("k3")]).await, [Submission::New, Submission::New]);
    new.set_due("done", "k3", 1).await;
    assert_eq!(new.store.purge(&new.queue, Duration::from_secs(3600), 10).await.unwrap(), 1);
    let adopted = adopt(&old).await;
    assert_eq!((adopted.moved, adopted.in_doubt), (2, 0), "{adopted:?}");
    assert_eq!(adopted.conflicts, [("k2".to_owned(), "k2".to_owned())]);
    assert_eq!((state_of(&old, "k1").await, state_of(&new, "k1").await), (None, Some(State::Succeeded)));
    assert_eq!((old.sets("k1").await, new.sets("k1").await), (vec![], vec!["done"]));
    assert_eq!(new.story("k1").await.last().unwrap(), "adopted");
    assert_eq!((state_of(&old, "k3").await, state_of(&new, "k3").await), (None, Some(State::Succeeded)));
    let history: u64 = new.command(&["EXISTS", &format!("{}:k3", new.name("history"))]).await;
    assert_eq!(history, 0, "a tombstone has no history");
    // A conflict is left unchanged for the operator.
    assert_eq!((old.sets("k2").await, state_of(&old, "k2").await), (vec!["sends"], Some(State::Queued)));
}

#[tokio::test]
async fn another_job_with_the_same_business_key_is_a_person_s() {
    let old = Scene::of("main/bill_upload").await;
    let new = as_new(&old);
    assert_eq!(
        old.accept(&[parse(&bill_json("B1", "order-1")), parse(&bill_json("B2", "order-2"))]).await,
        [Submission::New, Submission::New]
    );
    // One has the business key by another key, and one is named like it.
    let theirs = [renamed(bill_json("N1", "order-1")), renamed(bill_json("order-2/1", "order-2"))];
    assert_eq!(new.store.submit(&theirs).await.unwrap(), [Submission::New, Submission::New]);
    let mut conflicts = adopt(&old).await.conflicts;
    conflicts.sort();
    assert_eq!(conflicts, [("B1".to_owned(), "N1".to_owned()), ("B2".to_owned(), "order-2/1".to_owned())]);
    for left in ["B1", "B2"] {
        assert_eq!((state_of(&old, left).await, old.sets(left).await), (Some(State::Queued), vec!["sends"]), "{left}");
        assert_eq!(new.text(left).await, None, "{left}");
    }
    assert!(old.claims().await.is_empty());
}
