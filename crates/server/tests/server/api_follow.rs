//! Following jobs over HTTP: paging through many, and the events of all.

use std::collections::BTreeSet;

use bursar_test_support::events::{Event, Events};
use bursar_test_support::{SOON, eventually};
use serde_json::{Value, json};

use crate::jobs::{self, bill, having, transfer, transfers};
use crate::world::{Server, World};

/// All pages of a listing; the keys in their order, and how many pages there were.
async fn pages(server: &Server, query: &str) -> (Vec<String>, usize) {
    let (mut keys, mut pages, mut after) = (Vec::new(), 0, String::new());
    loop {
        let page = server.read(&format!("/v1/jobs?{query}&after={after}")).await;
        pages += 1;
        let jobs = page["jobs"].as_array().expect("a page has jobs");
        keys.extend(jobs.iter().map(|job| job["platform_no"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return (keys, pages),
        }
        assert!(pages < 1_000, "the pages do not end");
    }
}

#[tokio::test]
async fn pages_show_every_job_once_also_those_of_one_moment() {
    let world = World::start().await;
    let server = world.serve().await;
    // One batch, one due time: only their keys differ.
    let at_once: Vec<Value> =
        transfers("T", 730).into_iter().map(|job| having(job, "run_at", json!(jobs::in_days(300).rfc3339()))).collect();
    world.submit_new(&at_once).await;
    world.submit_new(&[bill("B1", "o1"), bill("B2", "o2")]).await;
    for limit in [1_000, 100, 7] {
        let (keys, pages) = pages(&server, &format!("limit={limit}")).await;
        let once: BTreeSet<&String> = keys.iter().collect();
        assert_eq!((keys.len(), once.len()), (732, 732), "limit {limit}");
        assert!(pages >= 732 / limit, "{pages} pages of {limit}");
    }
    assert_eq!(pages(&server, "kind=bill_upload").await.0.len(), 2);
    assert_eq!(pages(&server, "account=shop").await.0.len(), 0);
    assert_eq!(pages(&server, "state=queued&account=main&kind=transfer&limit=300").await.0.len(), 730);
    assert_eq!(pages(&server, "state=succeeded").await.0.len(), 0);
    let page = server.read("/v1/jobs?kind=bill_upload&limit=1").await;
    let listed: Vec<Value> = world.list().await;
    assert!(listed.contains(&page["jobs"][0]), "the same as the store lists: {page}");
    world.books_agree().await;
}

#[tokio::test]
async fn jobs_that_leave_between_two_pages_hide_no_others() {
    let world = World::start().await;
    let server = world.serve().await;
    let jobs: Vec<Value> =
        transfers("T", 60).into_iter().map(|job| having(job, "run_at", json!(jobs::in_days(300).rfc3339()))).collect();
    world.submit_new(&jobs).await;
    let first = server.read("/v1/jobs?state=queued&limit=20").await;
    let key = |job: &Value| job["platform_no"].as_str().unwrap().to_owned();
    let mut seen: BTreeSet<String> = first["jobs"].as_array().unwrap().iter().map(key).collect();
    for job in first["jobs"].as_array().unwrap() {
        let path = format!("/v1/jobs/main/transfer/{}/cancel", key(job));
        assert_eq!(server.act(&path, &json!({"reason": "x"})).await.status, 200);
    }
    let mut after = first["next"].as_str().map(str::to_owned);
    while let Some(next) = after {
        let page = server.read(&format!("/v1/jobs?state=queued&limit=20&after={next}")).await;
        seen.extend(page["jobs"].as_array().unwrap().iter().map(key));
        after = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 60, "{seen:?}");
    world.books_agree().await;
}

async fn cancel(world: &World, server: &Server, key: &str) {
    world.submit_new(&[transfer(key)]).await;
    let done = server.act(&format!("/v1/jobs/main/transfer/{key}/cancel"), &json!({"reason": "x"})).await;
    assert_eq!(done.status, 200, "{done:?}");
}

#[tokio::test]
async fn events_arrive_live_and_resume_after_the_last_one_seen() {
    let world = World::start().await;
    let server = world.serve().await;
    cancel(&world, &server, "BEFORE").await;
    let mut events = Events::of(&server, "", None).await;
    cancel(&world, &server, "A").await;
    server.act("/v1/queues/main/bill_upload/pause", &json!({"reason": "maintenance"})).await;
    let seen = events.take(2).await;
    assert_eq!(
        (seen[0].1.as_str(), &seen[0].2["platform_no"], &seen[0].2["state"]),
        ("job", &json!("A"), &json!("cancelled")),
        "{seen:?}"
    );
    assert_eq!(
        (seen[1].1.as_str(), &seen[1].2["queue"], &seen[1].2["reason"]["message"]),
        ("queue", &json!("paused"), &json!("li: maintenance")),
        "{seen:?}"
    );
    assert_eq!(seen[1].2["kind"], "bill_upload", "{seen:?}");
    drop(events);

    for key in ["B", "C"] {
        cancel(&world, &server, key).await;
    }
    let keys = |events: &[Event]| events.iter().map(|event| event.2["platform_no"].clone()).collect::<Vec<_>>();
    let mut again = Events::of(&server, "", Some(&seen[1].0)).await;
    assert_eq!(keys(&again.take(2).await), ["B", "C"], "what happened meanwhile, once");
    let mut from_a = Events::of(&server, "", Some(&seen[0].0)).await;
    let missed = from_a.take(3).await;
    assert_eq!((missed[0].1.as_str(), keys(&missed[1..])), ("queue", vec![json!("B"), json!("C")]));
    let mut all = Events::of(&server, "?kind=transfer&last_event_id=0", None).await;
    assert_eq!(keys(&all.take(4).await), ["BEFORE", "A", "B", "C"]);
    cancel(&world, &server, "D").await;
    for events in [&mut again, &mut from_a, &mut all] {
        assert_eq!(events.next().await.2["platform_no"], "D");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_client_learns_that_missed_events_are_gone() {
    let world = World::start().await;
    let server = world.serve().await;
    cancel(&world, &server, "T").await;
    let (id, _, _) = Events::of(&server, "", Some("0")).await.next().await;
    let (partition, _) = id.split_once('=').unwrap();
    let place = format!("{partition}=1-0");
    let mut events = Events::of(&server, "", Some(&place)).await;
    let (_, name, data) = events.next().await;
    assert_eq!((name.as_str(), &data["kind"]), ("gap", &json!("transfer")));
    assert_eq!(events.next().await.2["platform_no"], "T");
    world.books_agree().await;
}

#[tokio::test]
async fn a_tokens_streams_are_bounded_and_closed_ones_make_room() {
    let world = World::start().await;
    let server = world.serve().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(Events::of(&server, "", None).await);
    }
    server.get("/v1/events").await.refuses(429, "rate-limited");
    open.truncate(15);
    // The server learns of the end when it writes, or reads that the client has closed.
    eventually(SOON, "room for another", async || {
        let request = server.request("GET", "/v1/events", &server.tokens.reader).send().await.unwrap();
        let status = request.status().as_u16();
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
}
