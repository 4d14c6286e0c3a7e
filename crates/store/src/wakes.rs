//! The wake channel: tells, within about a millisecond, in which lane something has become due.

use bursar_domain::Lane;
use futures_util::StreamExt;
use redis::RedisError;

use crate::connection::{CONNECT_TIMEOUT, Switched};
use crate::{Store, StoreError};

/// A subscription. It ends with its connection: subscribe anew, and look at every lane, for a message may have been missed.
pub struct Wakes {
    pubsub: redis::aio::PubSub,
    /// Ends when another server is the primary: whoever wakes somebody speaks there.
    switched: Switched,
}

impl Store {
    /// Subscribes to the wake channel, on a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`]: try again.
    pub async fn wakes(&self) -> Result<Wakes, StoreError> {
        let subscribe = async {
            let (client, switched) = self.server().client().await?;
            let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
            let connect = tokio::time::timeout(CONNECT_TIMEOUT, client.get_async_pubsub());
            let mut pubsub = connect.await.map_err(late)??;
            pubsub.subscribe(self.keys.wake_channel()).await?;
            Ok(Wakes { pubsub, switched })
        };
        subscribe.await.map_err(|source| StoreError::of("SUBSCRIBE", source))
    }
}

impl Wakes {
    /// The next lane with something due. `None` when the connection is gone.
    pub async fn next(&mut self) -> Option<Lane> {
        loop {
            let mut messages = self.pubsub.on_message();
            let message = tokio::select! {
                message = messages.next() => message?,
                () = self.switched.wait() => return None,
            };
            let lane: Option<Lane> = message.get_payload::<String>().ok().and_then(|name| name.parse().ok());
            if lane.is_some() {
                return lane;
            }
        }
    }
}
