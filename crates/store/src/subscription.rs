//! A subscription to one channel, on a separate connection, that notices a dead connection.
//!
//! A listener never learns by itself of a path that has died silently, so it pings the server.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, Msg, RedisError, RedisResult, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::connection::{CONNECT_TIMEOUT, RESPONSE_TIMEOUT};

/// The interval between pings. With the time limit of a reply, a dead path is noticed within ten seconds.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// It ends with its connection.
pub(crate) struct Subscription {
    messages: PubSubStream,
    /// Closed when the server gave no sign of life.
    lost: watch::Receiver<()>,
    asking: JoinHandle<()>,
}

impl Subscription {
    pub(crate) async fn open(client: &Client, channel: &str) -> RedisResult<Self> {
        let subscribe = async {
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.subscribe(channel).await?;
            Ok::<_, RedisError>(pubsub)
        };
        let late = |_| RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        let (sink, messages) = timeout(CONNECT_TIMEOUT, subscribe).await.map_err(late)??.split();
        let (alive, lost) = watch::channel(());
        Ok(Self { messages, lost, asking: tokio::spawn(query(sink, alive)) })
    }

    /// The next message; `None` when the connection is gone.
    pub(crate) async fn next(&mut self) -> Option<Msg> {
        tokio::select! {
            message = self.messages.next() => message,
            _ = self.lost.changed() => None, // nothing is ever sent
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// Pings until there is no reply.
async fn query(mut sink: PubSubSink, alive: watch::Sender<()>) {
    loop {
        sleep(SIGN_OF_LIFE).await;
        match timeout(RESPONSE_TIMEOUT, sink.ping::<Value>()).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return drop(alive),
        }
    }
}
