//! The wake channel: tells, within about a millisecond, in which lane something has become due.

use std::marker::PhantomData;
use std::str::FromStr;

use bursar_domain::Lane;

use crate::connection::Switched;
use crate::subscription::Subscription;
use crate::{Store, StoreError};

/// A subscription. It ends with its connection: subscribe anew, and look at every lane, for a message may have been missed.
/// `T` is what is named.
pub struct Wakes<T = Lane> {
    messages: Subscription,
    /// Ends when another server is the primary: whoever wakes somebody speaks there.
    switched: Switched,
    named: PhantomData<T>,
}

impl Store {
    /// Subscribes to the wake channel, on a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`]: try again.
    pub async fn wakes(&self) -> Result<Wakes, StoreError> {
        self.subscribe(self.queues.wake_channel()).await
    }

    pub(crate) async fn subscribe<T>(&self, channel: String) -> Result<Wakes<T>, StoreError> {
        let subscribe = async {
            let (client, switched) = self.server().client().await?;
            let messages = Subscription::open(&client, &channel).await?;
            Ok(Wakes { messages, switched, named: PhantomData })
        };
        subscribe.await.map_err(|source| StoreError::of("SUBSCRIBE", source))
    }
}

impl<T: FromStr> Wakes<T> {
    /// The next lane with something due. `None` when the connection is gone, at the latest ten seconds after it has died without
    /// a word.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            let message = tokio::select! {
                message = self.messages.next() => message?,
                () = self.switched.wait() => return None,
            };
            let named = message.get_payload::<String>().ok().and_then(|name| name.parse().ok());
            if named.is_some() {
                return named;
            }
        }
    }
}
