//! Failed webhooks are kept for a resend, which keeps their names.

use std::sync::atomic::{AtomicU64, Ordering};

use bursar_domain::{Due, HistoryEvent, Millis, State, WebhookState};
use bursar_store::{
    ClaimedDelivery, DeliveryClaim, DeliveryCommit, DeliveryResult, Operator, Origin, ResendOutcome, WebhookFilter,
};

use crate::scene::{LEASE, Scene, then, transfer_with_webhook};

static NUMBER: AtomicU64 = AtomicU64::new(1);

const LI: Operator<'static> = Operator { who: "li", why: "the receiver is back", identity: None };

fn origin(scene: &Scene) -> Origin {
    Origin::Jobs(scene.queue.clone())
}

/// The event that is due.
async fn due(scene: &Scene) -> Option<ClaimedDelivery> {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let claim = DeliveryClaim { dispatcher: "d", number, lease: LEASE, most: 100 };
    scene.store.claim_deliveries(&origin(scene), &claim).await.unwrap().due.pop()
}

async fn end(scene: &Scene, delivery: &ClaimedDelivery, result: DeliveryResult) {
    let commit = DeliveryCommit::new(delivery, Millis(scene.now().await), result);
    scene.store.commit_deliveries(&origin(scene), std::slice::from_ref(&commit)).await.unwrap();
}

/// A job that has succeeded, with a webhook that is due.
async fn succeeded(scene: &Scene, key: &str) {
    scene.accept(&[transfer_with_webhook(key)]).await;
    let claimed = scene.claim_one("w").await;
    scene.commit(&then(&claimed, State::Succeeded, Due::Never)).await;
}

async fn listed(scene: &Scene, state: WebhookState, receiver: Option<&str>) -> Vec<bursar_domain::WebhookView> {
    scene.store.undelivered(&origin(scene), WebhookFilter { state, receiver }, 100).await.unwrap()
}

async fn resend(scene: &Scene, key: &str) -> ResendOutcome {
    scene.store.resend_webhooks(&origin(scene), key, LI).await.unwrap()
}

#[tokio::test]
async fn one_that_was_given_up_is_delivered_again_as_it_was() {
    let scene = Scene::new().await;
    succeeded(&scene, "k1").await;
    let waiting = listed(&scene, WebhookState::Waiting, None).await;
    let first = due(&scene).await.unwrap();
    end(&scene, &first, DeliveryResult::GivenUp).await;
    assert!(listed(&scene, WebhookState::Waiting, None).await.is_empty());
    let failed = listed(&scene, WebhookState::Failed, Some("shop.example")).await;
    assert_eq!((failed.len(), failed[0].events, failed[0].event_type.as_deref()), (1, 1, Some("job.succeeded")));
    assert_eq!(failed[0].webhook_id, waiting[0].webhook_id);
    assert!(failed[0].failed_at.is_some() && failed[0].webhook_id.is_some());
    assert!(listed(&scene, WebhookState::Failed, Some("other.example")).await.is_empty());

    assert_eq!(resend(&scene, "k1").await, ResendOutcome::Due(1));
    assert!(listed(&scene, WebhookState::Failed, None).await.is_empty());
    assert_eq!(listed(&scene, WebhookState::Waiting, None).await[0].webhook_id, waiting[0].webhook_id);
    let again = due(&scene).await.unwrap();
    assert_eq!((again.sequence, again.at, &again.what, again.failures), (first.sequence, first.at, &first.what, 0));
    end(&scene, &again, DeliveryResult::Delivered).await;
    assert_eq!(resend(&scene, "k1").await, ResendOutcome::NothingToResend);

    let job = scene.job("k1").await;
    let history = scene.store.history(&job).await.unwrap();
    let resent: Vec<_> = history
        .iter()
        .filter_map(|event| match event {
            HistoryEvent::WebhookResent(resent) => {
                Some((resent.operator.as_str(), resent.comment.as_str(), resent.events))
            }
            _ => None,
        })
        .collect();
    assert_eq!(resent, [("li", "the receiver is back", 1)]);
}

#[tokio::test]
async fn a_receiver_that_wanted_no_more_gets_all_on_an_operators_word() {
    let scene = Scene::new().await;
    succeeded(&scene, "k1").await;
    end(&scene, &due(&scene).await.unwrap(), DeliveryResult::Gone).await;
    assert!(due(&scene).await.is_none());
    assert_eq!(listed(&scene, WebhookState::Failed, None).await.len(), 1);
    assert_eq!(resend(&scene, "k1").await, ResendOutcome::Due(1));
    let again = due(&scene).await.expect("the receiver is asked again");
    end(&scene, &again, DeliveryResult::Delivered).await;
    assert!(listed(&scene, WebhookState::Failed, None).await.is_empty());
}

#[tokio::test]
async fn a_waiting_one_is_tried_now_and_one_under_way_is_left_alone() {
    let scene = Scene::new().await;
    succeeded(&scene, "k1").await;
    let first = due(&scene).await.unwrap();
    assert_eq!(resend(&scene, "k1").await, ResendOutcome::UnderWay);
    end(&scene, &first, DeliveryResult::Failed(Millis(scene.now().await + 3_600_000))).await;
    assert!(due(&scene).await.is_none());
    let waiting = listed(&scene, WebhookState::Waiting, None).await;
    assert_eq!((waiting[0].failed_attempts, waiting[0].failed_at.is_some()), (1, false));
    assert_eq!(resend(&scene, "k1").await, ResendOutcome::Due(1));
    assert_eq!(due(&scene).await.unwrap().failures, 1, "its attempts still count");
    assert_eq!(resend(&scene, "unknown").await, ResendOutcome::NothingToResend);
}

#[tokio::test]
async fn failed_webhooks_leave_with_their_job() {
    let scene = Scene::new().await;
    succeeded(&scene, "k1").await;
    end(&scene, &due(&scene).await.unwrap(), DeliveryResult::GivenUp).await;
    let purged = scene.store.purge(&scene.queue, std::time::Duration::ZERO, 10).await.unwrap();
    assert_eq!(purged, 1);
    assert!(listed(&scene, WebhookState::Failed, None).await.is_empty());
    let left: u64 = scene.command(&["EXISTS", &format!("{}:k1", scene.name("failed"))]).await;
    assert_eq!((left, resend(&scene, "k1").await), (0, ResendOutcome::NothingToResend));
}
