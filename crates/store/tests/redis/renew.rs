//! Leases.

use std::time::Duration;

use bursar_domain::{Due, Millis, State};
use bursar_store::MAX_CLAIM;

use crate::scene::{LEASE, Scene, asked, held, sent};

#[tokio::test]
async fn the_leases_of_held_jobs_move() {
    let scene = Scene::new().await;
    scene.submit(&["k1"]).await;
    let claimed = scene.claim_one("w").await;
    let hour = Duration::from_secs(3600);
    assert_eq!(
        scene.store.renew(&scene.lane, &bursar_store::Renewal::new("w", hour), &[held(&claimed)]).await.unwrap().gone,
        Vec::<String>::new()
    );
    let due = scene.due("to_ask", "k1").await.unwrap();
    assert!(due >= claimed.last_sent.unwrap().plus(hour).0, "{due}");
    scene.let_come_due("to_ask", "k1").await; // over, but nobody has taken it
    assert!(
        scene
            .store
            .renew(&scene.lane, &bursar_store::Renewal::new("w", hour), &[held(&claimed)])
            .await
            .unwrap()
            .gone
            .is_empty()
    );
    assert_eq!(scene.claim("other", 1).await.jobs.len(), 0);
}

#[tokio::test]
async fn what_is_no_longer_held_is_named_and_never_raised_from_the_dead() {
    let scene = Scene::new().await;
    scene.submit(&["ended", "given-back", "taken", "held"]).await;
    let claims = scene.claim("w", 4).await;
    let all: Vec<_> = claims.jobs.iter().map(held).collect();
    let of = |key: &str| claims.jobs.iter().find(|job| job.key.as_str() == key).unwrap();
    scene.commit(&sent(of("ended"), State::Succeeded, Due::Never)).await;
    scene.store.release(&scene.lane, &[held(of("given-back"))]).await.unwrap();
    scene.let_come_due("to_ask", "taken").await;
    let taken = scene.claim("other", 1).await.jobs;
    // A queued job comes first by turns; make sure that it is the one meant.
    let taken = taken.into_iter().find(|job| job.key.as_str() == "taken");
    let taken = match taken {
        Some(taken) => taken,
        None => scene.claim_one("other").await,
    };
    let ghost =
        [bursar_store::ClaimId { key: "ghost".to_owned(), fence: 1, token: bursar_store::ClaimId::token("w", 1) }];
    let mut lost = scene
        .store
        .renew(&scene.lane, &bursar_store::Renewal::new("w", LEASE), &[&all[..], &ghost[..]].concat())
        .await
        .unwrap()
        .gone;
    lost.sort_unstable();
    assert_eq!(lost, ["ended", "ghost", "given-back", "taken"]);
    assert_eq!(scene.sets("ended").await, ["done"]);
    assert_eq!(scene.due("to_ask", "ghost").await, None);
    let lost = scene
        .renew(
            "stranger",
            &[bursar_store::ClaimId { token: bursar_store::ClaimId::token("stranger", 1), ..held(&taken) }],
        )
        .await;
    assert_eq!(lost, ["taken"], "a fence alone does not make it ours");
    scene.commit(&asked(&taken, State::Pending, Due::Ask(Millis(5)))).await;
    scene.store.renew(&scene.lane, &bursar_store::Renewal::new("other", LEASE), &[held(&taken)]).await.unwrap();
    assert_eq!(scene.due("to_ask", "taken").await, Some(5), "a late renewal must not put off the next look");
}

#[tokio::test]
async fn more_leases_than_one_script_takes_move_all() {
    let scene = Scene::new().await;
    scene.submit_many("k", MAX_CLAIM + 20).await;
    let mut all: Vec<_> = scene.claim("w", MAX_CLAIM).await.jobs.iter().map(held).collect();
    all.extend(scene.claim("w", MAX_CLAIM).await.jobs.iter().map(held));
    assert_eq!(
        scene
            .store
            .renew(&scene.lane, &bursar_store::Renewal::new("w", Duration::from_secs(600)), &all)
            .await
            .unwrap()
            .gone,
        Vec::<String>::new()
    );
    let soon = (scene.now().await + 500_000).to_string();
    let short: u64 = scene.command(&["ZCOUNT", &scene.name("to_ask"), "-inf", &soon]).await;
    assert_eq!(short, 0);
}
