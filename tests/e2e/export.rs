//! `bursar export`: what is known of jobs, to be kept before it expires.

use serde_json::{Value, json};

use crate::jobs::{self, bill, split, transfer};
use crate::plan::Plan;
use crate::world::World;

async fn export(world: &World, arguments: &[&str]) -> Vec<Value> {
    let text = world.ok(&[&["export"], arguments].concat()).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keys(jobs: &[Value]) -> Vec<&str> {
    let mut keys: Vec<&str> = jobs.iter().map(jobs::key).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn an_export_has_attempts_and_content_on_request() {
    let world = Plan::new().start().await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("T"), bill("B", "100010001"), split("S", "P1")]).await;
    world.settled().await;
    worker.terminate();
    worker.finished(crate::world::SOON).await;
    let later = jobs::having(transfer("LATER"), "run_at", json!(jobs::in_days(300).rfc3339()));
    world.submit_new(&[later]).await;

    let exported = export(&world, &[]).await;
    assert_eq!(keys(&exported), ["B", "LATER", "S", "T"]);
    for job in &exported {
        assert_eq!(job, &world.job(jobs::key(job)).await, "as `bursar show --json` prints it");
    }
    let with_content =
        export(&world, &["--account", "main", "--kind", "transfer", "--state", "succeeded", "--content"]).await;
    assert_eq!(keys(&with_content), ["T"]);
    let content: Value = serde_json::from_str(with_content[0]["content"].as_str().unwrap()).unwrap();
    assert_eq!((&content["platform_no"], &content["total_amount"]), (&json!("T"), &json!(10)));
    world.books_agree().await;
}

#[tokio::test]
async fn an_export_is_bounded_by_the_time_of_the_last_change() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("FIRST")]).await;
    world.until("FIRST", "succeeded").await;
    world.submit_new(&[transfer("SECOND")]).await;
    let second = world.until("SECOND", "succeeded").await;
    let at = second["updated_at"].as_str().unwrap();
    assert_eq!(keys(&export(&world, &["--before", at]).await), ["FIRST"]);
    assert_eq!(keys(&export(&world, &["--after", at]).await), ["SECOND"]);
    assert_eq!(export(&world, &["--after", at, "--before", at]).await.len(), 0);
    let wrong = world.run(&["export", "--before", "yesterday"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    world.books_agree().await;
}
