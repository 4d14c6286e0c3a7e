//! `bursar healthcheck --role` asks the process: an outage of Redis ends no worker that holds responses, and a frozen one is noticed.

use std::process::Command;

use bursar_test_support::{Listen, Options, eventually, free_port, private_redis};
use serde_json::json;

use crate::http;
use crate::jobs::transfer;
use crate::metrics::{listener, sample, scraped};
use crate::plan::Plan;
use crate::world::{SOON, World};

const WORKER: [&str; 3] = ["healthcheck", "--role", "worker"];
const SERVE: [&str; 3] = ["healthcheck", "--role", "serve"];

/// The same command under a limit of open files, which a process may lower and not raise again.
fn with_files(limit: u32, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\"")).arg(command.get_program());
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}

async fn code(world: &World, arguments: &[&str]) -> Option<i32> {
    world.run(arguments).await.code
}

#[tokio::test]
async fn the_check_is_of_the_process_and_not_of_redis() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let world = Plan::new().on_redis(redis.url()).start().await;
    let finished = world.run(&WORKER).await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("worker.listen"), "{finished:?}");
    world.set("worker.listen", toml::Value::from(format!("127.0.0.1:{}", free_port().unwrap())));
    world.set("server.admin_listen", toml::Value::from(format!("127.0.0.1:{}", free_port().unwrap())));
    assert_eq!(code(&world, &WORKER).await, Some(1), "no worker runs");
    let worker = world.worker().await;
    listener(&worker).await;
    let server = world.serve().await;
    assert_eq!((code(&world, &WORKER).await, code(&world, &SERVE).await), (Some(0), Some(0)));

    redis.kill().unwrap();
    assert_eq!((code(&world, &WORKER).await, code(&world, &SERVE).await), (Some(0), Some(0)), "both live");
    assert_eq!(code(&world, &["healthcheck"]).await, Some(3), "Redis is asked without a role");
    redis.start_again().unwrap();

    worker.freeze();
    server.process.freeze();
    for arguments in [&WORKER, &SERVE] {
        let finished = world.run(arguments).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("does not answer"), "{finished:?}");
    }
    worker.thaw();
    server.process.thaw();
    assert_eq!((code(&world, &WORKER).await, code(&world, &SERVE).await), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_flood_at_a_worker_s_listener_stops_no_payment() {
    let world = Plan::new().start().await;
    world.set("worker.listen", toml::Value::from("127.0.0.1:0"));
    // The audit's limit: 1,000 idle connections took every file of the worker.
    let worker = world.worker_as(|command| *command = with_files(1_024, command)).await;
    let address = listener(&worker).await;
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(tokio::time::timeout(SOON, tokio::net::TcpStream::connect(&address)).await.unwrap().unwrap());
    }
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    let text = scraped(&address).await;
    let displaced = sample(&text, "bursar_connections_displaced_total", &["listener=\"worker.listen\""]);
    assert!(displaced.is_some_and(|displaced| displaced >= 900.0), "{text}");
    assert!(worker.stderr().contains("all connections of worker.listen are taken"), "{}", worker.stderr());
    assert_eq!(worker.stderr().matches("are taken").count(), 1, "one line for the flood: {}", worker.stderr());
    assert_eq!(http::read(&address, "/healthz").await, (200, "ok\n".into()));
    drop(idle);
    world.books_agree().await;
}

#[tokio::test]
async fn a_server_is_not_ready_on_a_redis_that_loses_money() {
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options }.setting("appendonly", "no"));
    let world = Plan::new().set("redis.preflight", "refuse").on_redis(redis.url()).start().await;
    let server = world.serve().await;
    let ready = async || http::read(&server.address, "/readyz").await;
    let (status, text) = ready().await;
    assert!(status == 503 && text.contains("bursar doctor"), "{status} {text}");
    assert!(server.process.stderr().contains("redis.appendonly"), "{}", server.process.stderr());
    assert_eq!(http::read(&server.address, "/healthz").await.0, 200, "a restart would not help");
    redis.configure("appendonly", "yes").await;
    eventually(SOON * 2, "the server to be ready", async || match ready().await {
        (200, _) => Ok(()),
        other => Err(other),
    })
    .await;
}

/// The server verifies notifications by the platform's public key. No private key and no secret is mounted for it.
#[tokio::test]
async fn a_server_needs_no_private_key() {
    let world = Plan::new().start().await;
    for key in ["accounts.main.private_key_file", "accounts.shop.secret_file"] {
        world.set(key, toml::Value::from("/nonexistent/key"));
    }
    let server = world.serve().await;
    assert_eq!(server.submit(&transfer("T")).await.status, 201);
    assert_eq!(server.post("/notify/main", "", &json!({})).await.status, 400, "the public key is read");
    server.process.terminate();
    assert_eq!(server.process.finished(SOON).await.code, Some(0));
}
