//! Who works: `bursar workers`, queues that no one serves, and a log that says why calls fail.

use bursar_test_support::eventually;
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::{SOON, World};

async fn workers(world: &World) -> Vec<Value> {
    let text = world.run(&["workers", "--json"]).await.stdout;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn queue(world: &World, name: &str) -> Value {
    let text = world.ok(&["queues", "--json"]).await;
    let queues = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    queues.into_iter().find(|queue| queue["queue"] == name).unwrap()
}

#[tokio::test]
async fn a_worker_is_seen_from_its_start_to_its_drain() {
    let world = Plan::new().start().await;
    let none = world.run(&["workers"]).await;
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stderr.contains("no worker is alive") && none.stderr.contains("bursar worker"), "{none:?}");
    let doctor = world.run(&["doctor"]).await;
    let said = doctor.stdout.lines().find(|line| line.contains("0 alive")).unwrap_or_default().to_owned();
    assert!(said.starts_with("warn") && said.contains("bursar workers"), "{doctor:?}");
    let idle = queue(&world, "main/transfer").await;
    assert_eq!((&idle["is_served"], &idle["served_at"]), (&json!(false), &json!(null)), "{idle}");

    let worker = world.worker().await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    let seen = eventually(SOON, "a heartbeat with a claim", async || {
        let workers = workers(&world).await;
        if workers.iter().any(|worker| worker["last_claim_at"].is_string()) { Ok(workers) } else { Err(workers) }
    })
    .await;
    let [seen] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&seen["status"], &seen["pid"]), (&json!("alive"), &json!(worker.pid())), "{seen}");
    assert_eq!((&seen["concurrency"], &seen["sends_allowed"]), (&json!(8), &json!(true)), "{seen}");
    assert_eq!(seen["version"], env!("CARGO_PKG_VERSION"));
    assert!(seen["queues"].as_array().unwrap().contains(&json!("main/transfer")), "{seen}");
    assert!(!seen["host"].as_str().unwrap().is_empty() && seen["last_error"].is_null(), "{seen}");
    let table = world.ok(&["workers"]).await;
    assert!(table.contains("alive") && table.contains(&worker.pid().to_string()), "{table}");
    eventually(SOON, "the queue to be served", async || {
        let queue = queue(&world, "main/transfer").await;
        if queue["is_served"] == true { Ok(()) } else { Err(queue) }
    })
    .await;
    assert!(world.run(&["doctor"]).await.stdout.contains("1 alive"));

    worker.terminate();
    worker.finished(SOON).await;
    assert_eq!(workers(&world).await, Vec::<Value>::new(), "a drained worker is not missed");
}

#[tokio::test]
async fn a_killed_worker_is_gone_and_its_last_error_stays() {
    let world = Plan::new().start().await;
    world.stop_gateway();
    let worker = world.worker().await;
    world.submit_new(&[transfer("T")]).await;
    let host = world.gateway.clone();
    let line = worker.wait_line(SOON, "the reason", |line| line.contains("got no reliable response")).await;
    assert!(line.contains(&host) && line.contains("main/transfer") && line.contains("refused"), "{line}");
    let seen = eventually(SOON, "the error in a heartbeat", async || {
        let workers = workers(&world).await;
        if workers.iter().any(|worker| worker["last_error"].is_object()) { Ok(workers) } else { Err(workers) }
    })
    .await;
    let error = &seen[0]["last_error"];
    assert_eq!((&error["host"], &error["queue"]), (&json!(host), &json!("main/transfer")), "{error}");
    // Ten failures open the circuit.
    worker.wait_line(SOON, "the circuit to open", |line| line.contains("sends pause, then one probe")).await;
    let said = |process: &bursar_test_support::Process| process.stderr().matches("got no reliable response").count();
    assert_eq!(said(&worker), 1, "a line a change, not a failure: {}", worker.stderr());

    worker.kill();
    let gone = eventually(SOON * 2, "the worker to be gone", async || {
        let workers = workers(&world).await;
        if workers.iter().all(|worker| worker["status"] == "gone") { Ok(workers) } else { Err(workers) }
    })
    .await;
    assert_eq!(gone.len(), 1, "it is shown for ten more minutes: {gone:?}");
    assert_eq!(&gone[0]["last_error"]["host"], &json!(host));
    assert!(world.run(&["workers"]).await.stdout.contains("gone"));
}
