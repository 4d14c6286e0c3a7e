//! Whatever is written, at whatever level, no secret is in it.

use std::process::Command;

use bursar_test_support::{Finished, Listen, Options, Process, private_redis};
use serde_json::{Value, json};

use crate::http;
use crate::jobs::{bill, split, transfer};
use crate::metrics;
use crate::plan::Plan;
use crate::world::{SOON, World};

const PASSWORD: &str = "hunter2hunter2";
const TOKEN: &str = "01c9a4191bfd4609d26-app-auth-token";

/// Texts that must not be seen: each line of the key, the secret, the token, the password.
fn secrets(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.config()).unwrap();
    let settings: toml::Table = text.parse().unwrap();
    let file = |account: &str, key: &str| {
        std::fs::read_to_string(settings["accounts"][account][key].as_str().unwrap()).unwrap()
    };
    let key = file("main", "private_key_file");
    let mut secrets: Vec<String> = key.lines().filter(|line| line.len() > 40).map(str::to_owned).collect();
    assert!(secrets.len() > 20, "a PEM key has many lines");
    secrets.extend([file("shop", "secret_file").trim().to_owned(), TOKEN.into(), PASSWORD.into()]);
    secrets
}

async fn traced(name: &str, mut command: Command) -> Finished {
    command.env("RUST_LOG", "trace");
    Process::run(name, command, SOON).await
}

/// Jobs that meet no fault, one for each fault, and the orders for these faults.
fn good_and_faulty() -> (Vec<Value>, Vec<Value>) {
    let mut orders = Vec::new();
    let mut jobs = vec![transfer("GOOD"), bill("BILL", "100010001"), split("SPLIT", "P1")];
    for fault in ["bad-signature", "html", "refused", "invalid-timestamp", "lost-answer", "unknown-refusal", "cut-body"]
    {
        jobs.push(transfer(&format!("T-{fault}")));
        orders.push(json!({"key": format!("T-{fault}"), "fault": fault}));
        if fault != "invalid-timestamp" {
            // At BeingFi that is this machine's clock and pauses the queue.
            jobs.push(split(&format!("S-{fault}"), &format!("P-{fault}")));
            orders.push(json!({"key": format!("P-{fault}"), "fault": fault}));
        }
    }
    (jobs, orders)
}

#[tokio::test]
async fn a_full_run_at_the_finest_level_shows_no_secret() {
    let users = tempfile::NamedTempFile::new().unwrap();
    let acl = format!("user default on nopass ~* &* +@all\nuser app on >{PASSWORD} ~* &* +@all\n");
    std::fs::write(users.path(), acl).unwrap();
    let redis = private_redis(|options| {
        Options { listen: Listen::Loopback, ..options }.setting("aclfile", users.path().display().to_string())
    });
    let url = redis.url().replace("redis://", &format!("redis://app:{PASSWORD}@"));
    let plan = Plan::new().on_redis(&url).set("accounts.shop.poll_deadline", "3s").set("worker.listen", "127.0.0.1:0");
    let world = plan.start().await;
    world.set("accounts.main.app_auth_token_file", toml::Value::from(world.file(TOKEN).display().to_string()));
    let (jobs, orders) = good_and_faulty();
    world.faults(Value::from(orders)).await;
    let mut workers = Vec::new();
    for format in ["text", "json"] {
        world.set("log.format", toml::Value::from(format));
        let worker = world.worker_as(|command| {
            command.env("RUST_LOG", "trace");
        });
        workers.push(worker.await);
    }
    world.submit_new(&jobs).await;
    world.settled().await;

    let receiver = world.file(r#"{"ifCode": "wxpay", "accNo": "o1", "relationType": "USER", "receiverGroupId": 1, "accType": 0, "divisionProfit": "0.1"}"#);
    let receiver = receiver.display().to_string();
    let commands: [&[&str]; 9] = [
        &["show", "S-bad-signature"],
        &["list"],
        &["config", "show"],
        &["config", "check"],
        &["config", "show", "--json"],
        &["doctor"],
        &["balance", "--node-id", "00061783"],
        &["bind", &receiver],
        &["queues"],
    ];
    let mut written = String::new();
    for arguments in commands {
        let finished = traced(&arguments.join(" "), world.command(arguments)).await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        written += &format!("{}\n{}\n", finished.stdout, finished.stderr);
    }
    for worker in workers {
        let (status, metrics) = http::read(&metrics::listener(&worker).await, "/metrics").await;
        assert!(status == 200 && metrics.contains("bursar_answers_total{"), "{metrics}");
        written += &metrics;
        worker.terminate();
        let finished = worker.finished(SOON).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stderr.contains("TRACE"), "the finest level is on");
        written += &format!("{}\n{}\n", finished.stdout, finished.stderr);
    }
    world.set("redis.url", toml::Value::from(url.replace(PASSWORD, &format!("{PASSWORD}-wrong"))));
    let refused = traced("list with a wrong password", world.command(&["list"])).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    written += &format!("{}\n{}\n", refused.stdout, refused.stderr);
    for secret in secrets(&world) {
        if let Some(at) = written.find(&secret) {
            let line = written[..at].rfind('\n').map_or(0, |end| end + 1);
            panic!("a secret is shown in: {}", &written[line..at]);
        }
    }
    world.set("redis.url", toml::Value::from(url));
    world.books_agree().await;
}
