//! The examples for producers in `deploy/examples` and `clients/`, each as its reader runs it, against a real `bursar up`.

use std::path::{Path, PathBuf};
use std::process::Command;

use bursar_test_support::{Fault, FaultProxy, Finished, Listen, Options, Process, eventually, private_redis, redis};
use serde_json::Value;

use crate::clients::{ENDED_WITHIN, Language, is_installed};
use crate::jobs::transfer;
use crate::plan::Plan;
use crate::server::Server;
use crate::world::World;

#[path = "../../crates/producer/examples/submit.rs"]
mod library;

/// Where the examples are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples")
}

/// The environment of an example.
pub(crate) fn at(command: &mut Command, url: &str, server: &Server) {
    command.env("BURSAR_URL", url).env("BURSAR_TOKEN", &server.tokens.producer).env("BURSAR_TIMEOUT", "3");
}

/// One example over HTTP.
enum Example {
    Shell,
    Client(Language),
}

impl Example {
    fn is_installed(&self) -> bool {
        match self {
            Self::Shell => is_installed("curl"),
            Self::Client(language) => language.is_installed(),
        }
    }

    async fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Shell => {
                let mut command = Command::new("sh");
                command.arg(folder().join("http/submit.sh")).stdin(std::process::Stdio::null());
                command.env_remove("BURSAR_URL").env_remove("BURSAR_TOKEN");
                command
            }
            Self::Client(language) => language.example().await,
        };
        command.args(arguments);
        command
    }

    async fn start(&self, url: &str, server: &Server, key: &str) -> Process {
        let mut command = self.command(&[key]).await;
        at(&mut command, url, server);
        Process::start("the example", command)
    }

    async fn run(&self, url: &str, server: &Server, key: &str) -> Finished {
        self.start(url, server, key).await.finished(ENDED_WITHIN).await
    }
}

fn paid(finished: &Finished, key: &str) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.ends_with(&format!("{key} succeeded")), "{finished:?}");
}

/// Its first answers are lost: it submits the same again, and the payment is executed once.
async fn repeats_what_was_not_answered(example: &Example, world: &World, server: &Server) {
    let wire = FaultProxy::start(&server.address).await;
    wire.set(Fault::DropReplies);
    let running = example.start(&wire.http_url(), server, "LOST").await;
    eventually(ENDED_WITHIN, "the first request to be executed", async || (wire.lost_reply_bytes() > 0).then_some(()))
        .await;
    world.accepted(transfer("LOST"));
    wire.set(Fault::None);
    paid(&running.finished(ENDED_WITHIN).await, "LOST");
}

/// Redis is away: the example gets an error, and Redis comes back.
async fn repeats_what_cannot_be_taken(example: &Example, world: &World, redis_url: &str) {
    let redis = FaultProxy::start(redis_url).await;
    let away = world.serve_with("serve", |command| {
        command.env("BURSAR_REDIS__URL", redis.redis_url());
    });
    let away = away.await;
    redis.set(Fault::Reset);
    let wire = FaultProxy::start(&away.address).await;
    let running = example.start(&wire.http_url(), &away, "AWAY").await;
    eventually(ENDED_WITHIN, "a request to arrive", async || (wire.request_bytes() > 0).then_some(())).await;
    let refused = away.submit(&transfer("PROBE")).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    redis.set(Fault::None);
    world.accepted(transfer("AWAY"));
    paid(&running.finished(ENDED_WITHIN).await, "AWAY");
}

async fn prints_the_end(example: &Example, server: &Server) {
    let url = format!("http://{}", server.address);
    paid(&example.run(&url, server, "LOST").await, "LOST"); // submitted before
    let refused = example.run(&url, server, "a b").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("refused (422): platform_no must"), "{refused:?}");
    let misused = Process::run("the example", example.command(&[]).await, ENDED_WITHIN).await;
    assert_eq!(misused.code, Some(2), "{misused:?}");
    let mut command = example.command(&["GONE"]).await;
    at(&mut command, "http://127.0.0.1:1", server);
    command.env("BURSAR_REPEAT_FOR", "1");
    let unreachable = Process::run("the example", command, ENDED_WITHIN).await;
    assert_eq!(unreachable.code, Some(3), "{unreachable:?}");
}

async fn an_example_pays_once(example: Example) {
    if !example.is_installed() {
        return;
    }
    let redis = private_redis(|options| Options { listen: Listen::Loopback, ..options });
    let world = Plan::new().on_redis(redis.url()).start().await;
    let server = world.serve_as("up").await;
    repeats_what_was_not_answered(&example, &world, &server).await;
    repeats_what_cannot_be_taken(&example, &world, redis.url()).await;
    prints_the_end(&example, &server).await;
    world.settled().await;
    assert_eq!(world.books_agree().await.executed, 2);
}

#[tokio::test]
async fn the_shell_s_example_pays_once_whatever_is_lost() {
    an_example_pays_once(Example::Shell).await;
}

#[tokio::test]
async fn python_s_example_pays_once_whatever_is_lost() {
    an_example_pays_once(Example::Client(Language::Python)).await;
}

#[tokio::test]
async fn node_s_example_pays_once_whatever_is_lost() {
    an_example_pays_once(Example::Client(Language::Node)).await;
}

#[tokio::test]
async fn java_s_example_pays_once_whatever_is_lost() {
    an_example_pays_once(Example::Client(Language::Java)).await;
}

#[tokio::test]
async fn go_s_example_pays_once_whatever_is_lost() {
    an_example_pays_once(Example::Client(Language::Go)).await;
}

#[tokio::test]
async fn php_s_example_pays_once_whatever_is_lost() {
    an_example_pays_once(Example::Client(Language::Php)).await;
}

#[tokio::test]
async fn the_library_s_example_pays_once_however_often_it_is_run() {
    let world = Plan::new().start().await;
    let _worker = world.worker().await;
    let prefix = world.setting("redis.prefix").and_then(|prefix| Some(prefix.as_str()?.to_owned())).unwrap();
    for _ in 0..2 {
        let job = library::pay(&redis().await.url, &prefix, "RUST").await.unwrap();
        assert_eq!(Value::from(job.state.as_str()), "succeeded");
    }
    world.accepted(transfer("RUST"));
    assert_eq!(world.books_agree().await.executed, 1);
}
