//! JSON logs: fields by stable names, and whatever speaks of a job names its queue, its key and the attempt.

use std::collections::BTreeSet;

use bursar_test_support::Process;
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::SOON;

#[tokio::test]
async fn every_line_about_a_job_has_queue_key_and_attempt() {
    let plan = Plan::new().set("log.format", "json").set("log.level", "debug");
    let world = plan.start().await;
    world.faults(json!([{"key": "LOST", "fault": "lost-answer"}, {"key": "REFUSED", "fault": "refused"}])).await;
    let worker = world.worker().await;
    world.submit_new(&[transfer("LOST"), transfer("REFUSED")]).await;
    world.settled().await;
    worker.terminate();
    let finished = worker.finished(SOON).await;
    let (mut attempts, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for line in finished.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for name in ["timestamp", "level", "message", "target"] {
            assert!(event[name].is_string(), "{name}: {line}");
        }
        if line.contains("LOST") || line.contains("REFUSED") {
            assert_eq!(event["queue"], "main/transfer", "{line}");
            keys.insert(event["key"].as_str().unwrap_or_else(|| panic!("no key: {line}")).to_owned());
            attempts.insert(event["fence"].as_u64().unwrap_or_else(|| panic!("no attempt: {line}")));
        }
    }
    assert_eq!(keys.len(), 2, "{finished:?}");
    assert!(attempts.len() >= 2, "the lost answer cost a second attempt: {finished:?}");
    world.books_agree().await;
}

/// A full disk under the log file. What is said on standard error about standard error would end the worker by a panic.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_that_cannot_be_written_ends_no_worker_and_no_payment() {
    let world = Plan::new().start().await;
    let mut command = std::process::Command::new("sh");
    let worker = world.command(&["worker"]);
    command.args(["-c", r#"exec "$0" "$@" 2>/dev/full"#]).arg(worker.get_program()).args(worker.get_args());
    command.env_remove("REDIS_URL").env_remove("RUST_LOG");
    let worker = Process::start("a worker whose log cannot be written", command);
    world.submit_new(&[transfer("QUIET")]).await;
    world.until("QUIET", "succeeded").await;
    assert!(worker.is_running());
    worker.terminate();
    let finished = worker.finished(SOON).await;
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "drained, and nothing was written");
    world.books_agree().await;
}
