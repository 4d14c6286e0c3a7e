//! The port of asynq. Its broker opens a connection for each call, which Go's does not: see the README.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use asynq::backend::RedisConnectionType;
use asynq::client::Client;
use asynq::error::Error;
use asynq::server::{AsyncHandlerFunc, Server, ServerConfig};
use asynq::task::Task;

use crate::handler::Handler;
use crate::job::Job;
use crate::producer::{Queue, enqueue, produce};
use crate::role::{Role, Work};

/// As in the program for Go's asynq.
const RETRIES: i32 = 3;
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn play(url: &str, role: &Role) -> Result<()> {
    let redis = RedisConnectionType::single(url)?;
    match role {
        Role::Enqueue(arguments) => enqueue(&Producer(Client::new(redis).await?), arguments).await,
        Role::Produce(arguments) => produce(&Producer(Client::new(redis).await?), arguments).await,
        Role::Work(arguments) => work(redis, arguments).await,
    }
}

#[derive(Clone)]
struct Producer(Client);

impl Queue for Producer {
    /// One after the other: asynq has no call for many.
    async fn submit(&self, jobs: Vec<Job>) -> Result<()> {
        for job in jobs {
            let task = Task::new("pay", &serde_json::to_vec(&job)?)?;
            self.0.enqueue(task.with_max_retry(RETRIES).with_timeout(TIMEOUT)).await?;
        }
        Ok(())
    }
}

async fn work(redis: RedisConnectionType, work: &Work) -> Result<()> {
    let mut server = Server::new(redis, ServerConfig::new().concurrency(work.conc)).await?;
    let handler = Arc::new(Handler::new(work)?);
    let handling = handler.clone();
    let function = AsyncHandlerFunc::new(move |task: Task| {
        let handler = handling.clone();
        async move {
            let job = serde_json::from_slice(task.get_payload()).map_err(|error| Error::other(error.to_string()))?;
            handler.handle(&job).await.map_err(|error| Error::other(error.to_string()))
        }
    });
    let worker = async {
        // It returns when the process gets a signal to end.
        tokio::spawn(async move { server.start(function).await });
        Ok(())
    };
    handler.serve(worker).await
}
