//! The wake channel: tells, within about a millisecond, in which lane something has become due.

use bursar_domain::Lane;
use futures_util::StreamExt;

use crate::{Store, StoreError};

/// A subscription. It ends with its connection: subscribe anew, and look at every lane, for a message may have been missed.
pub struct Wakes {
    pubsub: redis::aio::PubSub,
}

impl Store {
    /// Subscribes to the wake channel, on a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`]: try again.
    pub async fn wakes(&self) -> Result<Wakes, StoreError> {
        let subscribe = async {
            let mut pubsub = self.client().get_async_pubsub().await?;
            pubsub.subscribe(self.keys.wake_channel()).await?;
            Ok(Wakes { pubsub })
        };
        subscribe.await.map_err(|source| StoreError::of("SUBSCRIBE", source))
    }
}

impl Wakes {
    /// The next lane with something due. `None` when the connection is gone.
    pub async fn next(&mut self) -> Option<Lane> {
        loop {
            let message = self.pubsub.on_message().next().await?;
            let lane: Option<Lane> = message.get_payload::<String>().ok().and_then(|name| name.parse().ok());
            if lane.is_some() {
                return lane;
            }
        }
    }
}
