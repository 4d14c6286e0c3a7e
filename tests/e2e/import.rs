//! The import from apalis-redis, with the producer's example as the service that pushes.

use std::collections::BTreeSet;
use std::time::Duration;

use apalis::prelude::TaskSink;
use bursar_producer::NewJob;
use bursar_test_support::{eventually, redis, unique_prefix};
use serde_json::{Value, json};

use crate::plan::Plan;
use crate::world::{SOON, World, system_user};

#[path = "../../crates/producer/examples/apalis_redis.rs"]
pub(crate) mod example;

/// A backlog far above the 8,000 tasks at which apalis-redis itself stops.
const MANY: usize = 20_000;

/// Workers that are killed while they drain it.
const KILLS: u64 = 5;

/// The time that draining may take, also on a busy machine.
const DRAINED_WITHIN: Duration = Duration::from_secs(180);

/// A world with an import queue.
struct Import {
    world: World,
    import_queue: String,
}

impl Import {
    async fn start() -> Self {
        let import_queue = unique_prefix();
        let world = Plan::new().set("import.queues", vec![import_queue.clone()]).start().await;
        Self { world, import_queue }
    }

    /// The service pushes `count` payments.
    async fn push(&self, prefix: &str, count: usize) {
        example::push(&redis().await.url, &self.import_queue, prefix, count).await.unwrap();
    }

    /// It pushes what is no payment.
    async fn push_job(&self, job: NewJob) {
        let mut storage = example::storage(&redis().await.url, &self.import_queue).await.unwrap();
        storage.push(job).await.unwrap();
    }

    /// The queue and the queue of its jobs, as `bursar queues` shows them.
    async fn queues(&self) -> (Value, Value) {
        let queues = self.world.ok(&["queues", "--json"]).await;
        let lines: Vec<Value> = queues.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let find = |name: &str, value: &str| lines.iter().find(|line| line[name] == value).unwrap().clone();
        (find("import_queue", &self.import_queue), find("queue", "main/transfer"))
    }

    async fn until_waiting(&self, at_most: u64) {
        eventually(DRAINED_WITHIN, &format!("at most {at_most} tasks to wait"), async || {
            let (import_queue, _) = self.queues().await;
            if import_queue["waiting"].as_u64().unwrap() <= at_most { Ok(()) } else { Err(import_queue) }
        })
        .await;
    }

    /// The entries of `bursar import list`.
    async fn dead_letters(&self) -> Vec<Value> {
        let listed = self.world.ok(&["import", "list", "--json"]).await;
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn without_amount(platform_no: &str) -> NewJob {
    let mut job = example::payment(platform_no);
    job.body.remove("total_amount");
    job
}

fn of_unknown_account(platform_no: &str) -> NewJob {
    NewJob { account: "unknown".into(), ..example::payment(platform_no) }
}

#[tokio::test]
async fn twenty_thousand_tasks_enter_once_each_while_workers_die() {
    let import = Import::start().await;
    // Only the import is tested: nothing is sent.
    import.world.ok(&["pause", "main/transfer", "--reason", "a test of the import"]).await;
    import.push_job(without_amount("WRONG-1")).await;
    import.push("TASK", MANY).await;
    import.push_job(of_unknown_account("WRONG-2")).await;
    let all = u64::try_from(MANY).unwrap() + 2;
    let mut worker = import.world.worker().await;
    for kill in 1..=KILLS {
        import.until_waiting(all - all * kill / (KILLS + 1)).await;
        worker.kill();
        worker.finished(SOON).await;
        worker = import.world.worker().await;
    }
    import.until_waiting(0).await;
    let (import_queue, queue) = import.queues().await;
    assert_eq!((&import_queue["dead_letters"], &queue["to_send"]), (&json!(2), &json!(MANY)));
    let keys: BTreeSet<String> =
        import.world.list().await.iter().map(|job| job["platform_no"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, (1..=MANY).map(|number| format!("TASK-{number:05}")).collect());
    let wrong: BTreeSet<String> = import.dead_letters().await.iter().map(|entry| entry["why"].to_string()).collect();
    let reasons = ["\"account names no configured account: unknown\"", "\"body.total_amount is required\""];
    assert_eq!(wrong, reasons.map(str::to_owned).into());
    assert!(import.world.ledger().await.keys.is_empty());
}

#[tokio::test]
async fn what_is_pushed_is_paid_once_each_though_workers_are_killed() {
    let import = Import::start().await;
    import.push("PAID", 60).await;
    for number in 1..=60 {
        import.world.accepted(serde_json::to_value(example::payment(&format!("PAID-{number:05}"))).unwrap());
    }
    for executed in [10, 30] {
        let worker = import.world.worker().await;
        eventually(SOON * 2, &format!("{executed} payments to be executed"), async || {
            let keys = import.world.ledger().await.keys.len();
            if keys >= executed { Ok(()) } else { Err(keys) }
        })
        .await;
        worker.kill();
        worker.finished(SOON).await;
    }
    let _worker = import.world.worker().await;
    import.until_waiting(0).await;
    import.world.settled().await;
    assert_eq!(import.world.books_agree().await.executed, 60);
}

#[tokio::test]
async fn an_operator_sees_dead_letters_and_retries_or_drops_them() {
    let import = Import::start().await;
    import.push_job(without_amount("WRONG")).await;
    import.push_job(of_unknown_account("EARLY")).await;
    let _worker = import.world.worker().await;
    import.until_waiting(0).await;
    let doctor = import.world.run(&["doctor"]).await.stdout;
    assert!(
        doctor.contains(&format!(
            "{}: 0 tasks wait, 2 are dead letters: `bursar import list` says why",
            import.import_queue
        )),
        "{doctor}"
    );
    let listed = import.world.ok(&["import", "list"]).await;
    assert!(listed.contains("body.total_amount is required"), "{listed}");

    let dead_letters = import.dead_letters().await;
    let name = |reason: &str| {
        let entry = dead_letters.iter().find(|entry| entry["why"].as_str().unwrap().contains(reason));
        entry.unwrap()["name"].as_str().unwrap().to_owned()
    };
    let (wrong, early) = (name("total_amount"), name("unknown"));
    let bytes = import.world.ok(&["import", "show", &wrong]).await;
    assert_eq!(serde_json::from_str::<Value>(&bytes).unwrap(), serde_json::to_value(without_amount("WRONG")).unwrap());
    let finished = import.world.run(&["import", "retry", "--all", "--reason", "once more"]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains(&format!("refused {wrong}: body.total_amount is required")), "{finished:?}");

    for key in ["gateway", "app_id", "base_url", "private_key_file", "platform_public_key_file"] {
        let of_main = import.world.setting(&format!("accounts.main.{key}"));
        import.world.set(&format!("accounts.unknown.{key}"), of_main);
    }
    let finished = import.world.run(&["import", "retry", &early, "--reason", "the account exists now"]).await;
    assert_eq!((finished.code, finished.stdout), (Some(0), format!("submitted {early}")));
    assert_eq!(import.world.job("EARLY").await["state"], "queued");
    assert_eq!(
        import.world.ok(&["import", "drop", &wrong, "--reason", "a test of the shop"]).await,
        format!("dropped {wrong}")
    );
    for gone in [["import", "show", &wrong], ["import", "show", &early]] {
        import.world.refused(&gone).await;
    }
    assert_eq!(import.dead_letters().await, [] as [Value; 0]);
    let acts = import.world.ok(&["import", "actions"]).await;
    let acts: Vec<&str> = acts.lines().collect();
    assert!(
        acts[0].contains(&format!("dropped {wrong} task "))
            && acts[0].ends_with(&format!(" by {}: a test of the shop", system_user())),
        "{acts:?}"
    );
    assert!(acts[1].contains(&format!("submitted {early} task ")), "{acts:?}");
    import.world.accepted(serde_json::to_value(of_unknown_account("EARLY")).unwrap());
    import.world.books_agree().await;
}

#[tokio::test]
async fn a_name_that_no_queue_has_is_wrong_use() {
    let import = Import::start().await;
    for arguments in
        [&["import", "list", "--queue", "other"][..], &["import", "show", "other/1"], &["import", "show", "17"]]
    {
        let finished = import.world.run(arguments).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
    }
    import.world.refused(&["import", "drop", &format!("{}/1", import.import_queue), "--reason", "x"]).await;
}
