//! One action on many jobs, and webhooks that are delivered again, at the command line.

use bursar_test_support::{Answer, Receiver, eventually};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::jobs::{having, transfer, with};
use crate::plan::Plan;
use crate::world::SOON;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn many_jobs_are_previewed_and_then_acted_on_one_by_one() {
    let world = Plan::new().start().await;
    let jobs: Vec<Value> = [("A", 999_999_999_u64), ("B", 1), ("C", 12_345)]
        .map(|(key, fen)| with(transfer(key), "total_amount", json!(fen)))
        .into();
    world.submit_new(&jobs).await;
    let reason = ["--reason", "ordered twice"];

    let preview = world.run(&[&["cancel", "A", "B", "C", "--preview", "--json"], &reason[..]].concat()).await;
    assert_eq!(preview.code, Some(0), "{preview:?}");
    assert!(preview.stderr.contains("3 would be done (¥10,000,123.45)"), "{preview:?}");
    let planned = lines(&preview.stdout);
    assert!(planned.iter().all(|job| job["effect"] == "done" && job["to"] == "cancelled"), "{planned:?}");
    assert!(world.list().await.iter().all(|job| job["state"] == "queued"), "a preview changes nothing");

    let unconfirmed = world.run(&[&["cancel", "A", "B"], &reason[..]].concat()).await;
    assert_eq!((unconfirmed.code, unconfirmed.stdout.as_str()), (Some(2), ""), "{unconfirmed:?}");
    assert!(unconfirmed.stderr.contains("nothing was done to 2 jobs"), "{unconfirmed:?}");
    let unknown = world.run(&[&["cancel", "A", "NONE", "--yes"], &reason[..]].concat()).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(world.list().await.iter().all(|job| job["state"] == "queued"), "one that is unknown stops all");

    let file = world.file("A\n\n B \nA\n").display().to_string();
    let done = world.run(&[&["cancel", "--keys", &file, "--yes", "--json"], &reason[..]].concat()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let results = lines(&done.stdout);
    assert_eq!(results.len(), 2, "each once: {results:?}");
    assert!(results.iter().all(|job| job["outcome"] == "done" && job["state"] == "cancelled"), "{results:?}");
    let again = world.run(&[&["cancel", "A", "C", "--yes"], &reason[..]].concat()).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stdout.contains("refused") && again.stdout.contains("done"), "{again:?}");
    assert!(again.stderr.contains("1 done, 0 proposed, 1 refused"), "{again:?}");
    let history = world.job("C").await["history"].clone();
    assert_eq!(history.as_array().map(Vec::len), Some(1), "{history}");
    let audit = world.ok(&["audit", "--json"]).await;
    assert_eq!(
        lines(&audit).iter().filter(|event| event["action"] == "cancel" && event["result"] == "done").count(),
        3
    );

    world.submit_new(&[transfer("D"), transfer("E")]).await;
    world
        .ok(&["cancel", "--in-state", "queued", "--account", "main", "--kind", "transfer", "--yes", "--reason", "all"])
        .await;
    assert!(world.list().await.iter().all(|job| job["state"] == "cancelled"));
    world.books_agree().await;
}

#[tokio::test]
async fn failed_webhooks_are_delivered_again_with_their_ids() {
    let plan = Plan::new().set("webhooks.allow", vec!["127.0.0.1:*"]).set("webhooks.retry_for", "1s");
    let world = plan.start().await;
    let status = std::sync::Arc::new(AtomicU16::new(500));
    let answers = std::sync::Arc::clone(&status);
    let receiver = Receiver::start(move |_| Answer::Status(answers.load(Ordering::Relaxed))).await;
    let job = |key: &str| having(transfer(key), "callback_url", json!(receiver.url("hook?secret=x")));
    let _worker = world.worker().await;
    let _server = world.serve().await;
    world.submit_new(&[job("A"), job("B")]).await;
    world.settled().await;
    let failed = eventually(SOON, "both webhooks to be given up", async || {
        let failed = lines(&world.ok(&["callbacks", "list", "--json"]).await);
        if failed.len() == 2 { Ok(failed) } else { Err(failed) }
    })
    .await;
    assert!(failed.iter().all(|entry| !entry["receiver"].as_str().unwrap().contains("secret")), "{failed:?}");
    let before = receiver.received().len();
    let ids: Vec<String> = failed.iter().map(|entry| entry["webhook_id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.iter().all(|id| receiver.received().iter().any(|message| message.id == *id)), "{ids:?}");

    status.store(200, Ordering::Relaxed);
    let elsewhere = world.run(&["callbacks", "resend", "--receiver", "shop.example", "--reason", "x"]).await;
    assert_eq!(elsewhere.code, Some(1), "{elsewhere:?}");
    let resent =
        world.ok(&["callbacks", "resend", "--receiver", "127.0.0.1", "--reason", "it is back", "--json"]).await;
    assert!(lines(&resent).iter().all(|result| result["outcome"] == "resent" && result["events"] == 1), "{resent}");
    eventually(SOON, "both webhooks to arrive", async || (receiver.received().len() >= before + 2).then_some(())).await;
    let again: Vec<String> = receiver.received().iter().skip(before).map(|message| message.id.clone()).collect();
    assert!(ids.iter().all(|id| again.contains(id)), "{ids:?} {again:?}");
    assert!(world.ok(&["callbacks", "list"]).await.is_empty());
    eventually(SOON, "the delivery to be in the history", async || {
        let shown = world.ok(&["callbacks", "show", "A", "--queue", "main/transfer"]).await;
        if shown.contains("webhook_resent") && shown.contains("outcome=delivered") { Ok(()) } else { Err(shown) }
    })
    .await;
    let audit = lines(&world.ok(&["audit", "--json"]).await);
    assert_eq!(audit.iter().filter(|event| event["action"] == "webhook_resend").count(), 2, "{audit:?}");
    world.books_agree().await;
}
