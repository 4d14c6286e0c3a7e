//! One group's flood delays no other group's job, and no job waits while the queue is otherwise empty.

use std::time::Duration;

use bursar_domain::{Due, FairBy, FairOrder, Job, Millis, State};
use bursar_store::{Claim, NewRecord};

use crate::scene::{Scene, keys, then, transfer};

async fn submit(scene: &Scene, group: &str, step: f64, names: &[String]) {
    let jobs: Vec<Job> = names.iter().map(|name| transfer(name)).collect();
    let new: Vec<NewRecord<'_>> = jobs.iter().map(|job| NewRecord { job, group, step }).collect();
    scene.store.submit_to(&scene.queue, &new).await.unwrap();
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number:04}")).collect()
}

#[tokio::test]
async fn a_flood_of_one_group_delays_its_own_jobs_only() {
    let scene = Scene::new().await;
    submit(&scene, "merchant-a", 1.0, &names("A", 300)).await;
    assert_eq!(keys(&scene.claim("w", 5).await), ["A0000", "A0001", "A0002", "A0003", "A0004"]);
    submit(&scene, "merchant-b", 1.0, &names("B", 1)).await;
    submit(&scene, "", 1.0, &names("N", 1)).await;
    let next = scene.claim("w", 3).await;
    let mut next = keys(&next);
    next.sort_unstable();
    assert_eq!(next, ["A0005", "B0000", "N0000"], "each group has its turn");
    assert_eq!(scene.claim("w", 100).await.jobs.len(), 100, "and a single worker gets all of them");
}

#[tokio::test]
async fn a_newer_build_s_job_that_is_left_stays_its_group_s() {
    let scene = Scene::new().await;
    submit(&scene, "m", 1.0, &names("A", 1)).await;
    let _: String = scene.command(&["SET", &scene.job_name("A0000"), r#"{"v":3}"#]).await;
    let claimed = scene.claim_as(Claim { newer_left_for: Duration::from_secs(5), ..scene.wish("w", 1) }).await;
    assert_eq!(claimed.left, ["A0000"]);
    let due: Vec<String> = scene.command(&["ZRANGE", &scene.name("due_sends"), "0", "-1", "WITHSCORES"]).await;
    assert_eq!(due, ["A0000 m", &claimed.now.plus(Duration::from_secs(5)).0.to_string()]);
}

#[tokio::test]
async fn a_weight_is_a_share() {
    let scene = Scene::new().await;
    submit(&scene, "heavy", 0.25, &names("H", 40)).await;
    submit(&scene, "light", 1.0, &names("L", 40)).await;
    let claimed = scene.claim("w", 20).await;
    let heavy = keys(&claimed).iter().filter(|key| key.starts_with('H')).count();
    assert_eq!(heavy, 16);
}

#[tokio::test]
async fn what_comes_due_later_gets_its_rank_then() {
    let scene = Scene::new().await;
    submit(&scene, "a", 1.0, &names("A", 20)).await;
    submit(&scene, "b", 1.0, &names("B", 1)).await;
    for job in scene.claim("w", 21).await.jobs {
        scene.commit(&then(&job, State::InDoubt, Due::Send(Millis(1)))).await;
    }
    submit(&scene, "c", 1.0, &names("C", 2)).await;
    let claimed = scene.claim("w", 3).await;
    let mut first: Vec<&str> = keys(&claimed);
    first.sort_unstable();
    assert_eq!(first, ["A0000", "B0000", "C0000"]);
    assert_eq!(claimed.jobs.iter().find(|job| job.key.as_str() == "B0000").unwrap().group(), "b");
}

#[tokio::test]
async fn weights_count_for_what_comes_due_as_well() {
    let scene = Scene::new().await;
    submit(&scene, "a", 1.0, &names("A", 8)).await;
    submit(&scene, "b", 1.0, &names("B", 8)).await;
    for job in scene.claim("w", 16).await.jobs {
        scene.commit(&then(&job, State::InDoubt, Due::Send(Millis(1)))).await;
    }
    let order = FairOrder { by: FairBy::Payer, weights: [("a".to_owned(), 3.0)].into() };
    let store = scene.store.clone().with_fair_orders([(scene.queue.clone(), order)].into());
    let claimed = store.claim(&scene.queue, &scene.wish("w", 8)).await.unwrap();
    assert_eq!(keys(&claimed).iter().filter(|key| key.starts_with('A')).count(), 6, "{:?}", keys(&claimed));
}

#[tokio::test]
async fn only_groups_with_a_waiting_job_are_remembered() {
    let scene = Scene::new().await;
    for number in 0..50 {
        submit(&scene, &format!("group-{number}"), 1.0, &names(&format!("G{number}-"), 2)).await;
    }
    let ranks: u64 = scene.command(&["ZCARD", &scene.name("last_ranks")]).await;
    assert_eq!(ranks, 50);
    assert_eq!(scene.claim("w", 200).await.jobs.len(), 100);
    let ranks: u64 = scene.command(&["ZCARD", &scene.name("last_ranks")]).await;
    assert_eq!(ranks, 0);
}

#[tokio::test]
async fn what_is_given_back_is_its_group_s_again() {
    let scene = Scene::new().await;
    submit(&scene, "a", 1.0, &names("A", 1)).await;
    let job = scene.claim_one("w").await;
    scene.store.release(&scene.queue, &[&job]).await.unwrap();
    let wish = scene.wish("w", 1);
    let number = wish.number;
    assert_eq!(scene.claim_as(wish).await.jobs[0].group(), "a");
    assert_eq!(scene.store.recover_claim(&scene.queue, "w", number).await.unwrap(), 1);
    assert_eq!(scene.claim_one("w").await.group(), "a");
    let members: Vec<String> = scene.command(&["ZRANGE", &scene.name("due_sends"), "0", "-1"]).await;
    assert_eq!(members, Vec::<String>::new());
}
