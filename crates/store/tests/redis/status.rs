//! Queues at a glance.

use std::time::Duration;

use bursar_domain::{ActionKind, Due, Millis, Queue, Reason, State};
use bursar_store::{Claim, NewRecord, QueueDemand, QueueStatus, Sends};

use crate::scene::{LATER, Scene, holding, pause, then, transfer};

async fn status(scene: &Scene) -> QueueStatus {
    scene.store.status(&scene.queue).await.unwrap()
}

#[tokio::test]
async fn a_queues_status_has_counts_ages_and_reasons() {
    let scene = Scene::new().await;
    let empty = status(&scene).await;
    assert_eq!((empty.open_jobs(), empty.counts.done, empty.next_due, empty.paused), (0, 0, None, None));
    scene.bring("asked", State::Pending).await;
    scene.bring("review", State::NeedsReview).await;
    scene.bring("done", State::Succeeded).await;
    scene.bring("later", State::Queued).await;
    let seen = status(&scene).await;
    assert_eq!((seen.next_send, seen.next_query, seen.next_due), (Some(LATER), Some(LATER), Some(LATER)));
    scene.submit(&["due1", "due2"]).await;
    let _: u64 = scene.command(&["HSET", &scene.name("quarantine"), "x", "{}"]).await;
    let _: u64 = scene.command(&["ZADD", &scene.name("due_deliveries"), "1", "done"]).await;
    let reason = Reason::operator_action(ActionKind::Pause, "li", "a look");
    scene.store.pause(&scene.queue, &reason).await.unwrap();
    let created = scene.job("due1").await.created;
    let seen = status(&scene).await;
    assert_eq!((seen.counts.to_send, seen.counts.to_query, seen.counts.review, seen.counts.done), (3, 1, 1, 1));
    assert_eq!((seen.counts.undelivered, seen.quarantined, seen.open_jobs()), (1, 1, 5));
    assert_eq!((seen.next_send, seen.next_due, seen.paused.as_ref()), (created, created, Some(&reason)));
    assert_eq!(seen.view(&scene.queue).paused, Some(reason));
    assert!(seen.now >= created.unwrap());
}

#[tokio::test]
async fn a_queues_demand_is_what_could_be_done_now() {
    let scene = Scene::new().await;
    let demand = async || scene.store.demands(std::slice::from_ref(&scene.queue)).await.unwrap()[0];
    assert_eq!(demand().await, QueueDemand::default());
    scene.bring("later", State::Queued).await;
    scene.bring("followed", State::Pending).await;
    assert_eq!(demand().await, QueueDemand::default(), "all is for later");
    scene.submit_many("k", 10).await;
    assert_eq!(demand().await, QueueDemand { due_sends: 10, ..QueueDemand::default() });
    let claimed = scene.claim_as(Claim { rate_per_second: 100.0, ..scene.wish("w", 3) }).await;
    let seen = demand().await;
    assert_eq!((seen.due_sends, seen.due_queries, seen.claimed), (7, 0, claimed.jobs.len() as u64));
    assert!(seen.rate_ahead > Duration::ZERO && seen.rate_ahead <= Duration::from_millis(50), "{seen:?}");
    let due_long_ago = ["ZADD", &scene.name("due_queries"), "1", "followed"];
    let _: u64 = scene.command(&due_long_ago).await;
    assert_eq!(demand().await.due_queries, 1);
    assert_eq!(scene.store.demands(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn a_head_that_cannot_be_read_hides_no_status() {
    let scene = Scene::new().await;
    scene.submit(&["K1"]).await;
    let name = scene.job_name("K1");
    for spoil in [&["SET", name.as_str(), "damaged"][..], &["DEL", name.as_str()]] {
        let _: redis::Value = scene.command(spoil).await;
        let seen = status(&scene).await;
        assert_eq!((seen.counts.to_send, seen.next_send), (1, Some(seen.now)));
    }
    let _: u64 = scene.command(&["RPUSH", &scene.job_name("K1"), "x"]).await;
    assert_eq!(status(&scene).await.counts.to_send, 1);
    let _: u64 = scene.command(&["HSET", &scene.name("queue"), "paused", "no JSON"]).await;
    assert!(status(&scene).await.paused.is_some());
}

#[tokio::test]
async fn many_queues_are_read_in_their_order() {
    let scene = Scene::new().await;
    let queues: Vec<Queue> = (0..250).map(|number| format!("a{number}/transfer").parse().unwrap()).collect();
    for (number, queue) in queues.iter().enumerate().filter(|(number, _)| number % 50 == 7) {
        let jobs: Vec<_> = (0..=number).map(|key| transfer(&format!("K{key}"))).collect();
        let new: Vec<NewRecord<'_>> = jobs.iter().map(|job| NewRecord { job, group: "", step: 1.0 }).collect();
        scene.store.submit_to(queue, &new).await.unwrap();
    }
    let statuses = scene.store.statuses(&queues).await.unwrap();
    let sends: Vec<u64> = statuses.iter().map(|status| status.counts.to_send).collect();
    let expected: Vec<u64> = (0..250).map(|number| if number % 50 == 7 { number + 1 } else { 0 }).collect();
    assert_eq!(sends, expected);
    assert!(statuses.iter().all(|status| status.next_send.is_some() == (status.counts.to_send > 0)));
    assert!(scene.store.statuses(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_jobs_in_doubt_without_a_claim_are_counted() {
    let scene = Scene::new().await;
    let in_doubt = async || scene.store.in_doubt(&scene.queue).await.unwrap();
    assert_eq!(in_doubt().await, 0);
    scene.bring("asked", State::Pending).await;
    scene.bring("doubt1", State::InDoubt).await;
    scene.submit(&["doubt2"]).await;
    let job = scene.claim_one("w").await;
    assert_eq!(in_doubt().await, 1, "a send that is out is its worker's");
    scene.commit(&then(&job, State::InDoubt, Due::Send(LATER))).await;
    assert_eq!(in_doubt().await, 2, "in both sets");
    scene.submit(&["queued"]).await;
    assert_eq!(in_doubt().await, 2);
    let lost = scene.claim_as(bursar_store::Claim { sends: Sends::NotYet, ..holding(scene.wish("w", 1), 7) }).await;
    assert!(lost.lost_writes);
    assert_eq!(in_doubt().await, 3, "what was queued may have been sent");
    let empty: Queue = "main/bill_upload".parse().unwrap();
    let counts = scene.store.in_doubt_of(&[empty.clone(), scene.queue.clone(), empty]).await.unwrap();
    assert_eq!(counts, [0, 3, 0]);
}

#[tokio::test]
async fn circuit_breakers_are_listed_until_their_workers_end() {
    let scene = Scene::new().await;
    let rest = Some(Duration::from_secs(20));
    scene.store.circuit(&scene.queue, "w1", rest).await.unwrap();
    scene.store.circuit(&scene.queue, "w2", rest).await.unwrap();
    let seen = status(&scene).await;
    assert_eq!(seen.circuits_open.len(), 2);
    assert!(seen.circuits_open.iter().all(|until| until.0.abs_diff(seen.now.0 + 20_000) < 5_000));
    scene.store.circuit(&scene.queue, "w1", None).await.unwrap();
    assert_eq!(status(&scene).await.circuits_open.len(), 1);
    let _: u64 = scene.command(&["HSET", &scene.name("circuits"), "w2", "5"]).await;
    assert!(status(&scene).await.circuits_open.is_empty(), "its worker has died");
    scene.store.circuit(&scene.queue, "w3", rest).await.unwrap();
    let known: Vec<String> = scene.command(&["HKEYS", &scene.name("circuits")]).await;
    assert_eq!(known, ["w3"]);
    let expires: i64 = scene.command(&["PTTL", &scene.name("circuits")]).await;
    assert!(expires > 20_000);
}

#[tokio::test]
async fn queues_without_a_worker_are_found_with_their_jobs() {
    let scene = Scene::new().await;
    let queues = ["main/transfer", "old/transfer", "empty/transfer"];
    let known = format!("{}:queues", scene.prefix);
    for queue in queues {
        let _: u64 = scene.command(&["ZADD", &known, "0", queue]).await;
    }
    let old: Queue = "old/transfer".parse().unwrap();
    let job = transfer("K1");
    for queue in [&scene.queue, &old] {
        scene.store.submit_to(queue, &[NewRecord { job: &job, group: "", step: 1.0 }]).await.unwrap();
    }
    let unserved = scene.store.unserved_queues(std::slice::from_ref(&scene.queue)).await.unwrap();
    let found: Vec<(&Queue, u64)> = unserved.iter().map(|(queue, status)| (queue, status.counts.to_send)).collect();
    assert_eq!(found, [(&old, 1)]);
    let _: u64 = scene.command(&["ZADD", &known, &scene.now().await.to_string(), "old/transfer"]).await;
    assert!(scene.store.unserved_queues(std::slice::from_ref(&scene.queue)).await.unwrap().is_empty());
    assert!(status(&scene).await.now > Millis(0));
}

#[tokio::test]
async fn work_is_overdue_after_a_minute_unless_paused() {
    let scene = Scene::new().await;
    assert_eq!((status(&scene).await.served_at, status(&scene).await.is_served()), (None, false));
    scene.store.serves(std::slice::from_ref(&scene.queue)).await.unwrap();
    let served = status(&scene).await;
    assert!(served.is_served() && served.served_at.is_some(), "{served:?}");

    scene.bring("query", State::Pending).await;
    scene.submit(&["send"]).await;
    let now = scene.now().await;
    let minutes = |count: u64| Millis(now - count * 60_000 - 1);
    assert_eq!(status(&scene).await.overdue_since(), None, "it has just become due");
    scene.set_due("due_queries", "query", minutes(1).0).await;
    assert_eq!(status(&scene).await.overdue_since(), Some(minutes(1)));
    scene.store.pause(&scene.queue, &pause()).await.unwrap();
    assert_eq!(status(&scene).await.overdue_since(), Some(minutes(1)), "sends wait for an operator, queries do not");
}
