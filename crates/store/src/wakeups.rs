//! The wake channel: announces, within about a millisecond, the queues in which work has become due, and the moments at
//! which Redis must be checked.

use std::marker::PhantomData;
use std::str::FromStr;

use bursar_domain::{IdError, Queue};
use redis::Pipeline;

use crate::connection::Switched;
use crate::subscription::Subscription;
use crate::{Store, StoreError};

/// A subscription. It ends with its connection: then subscribe again, and scan all queues, because a message may have
/// been missed. `T` is the type of a message.
pub struct Wakeups<T = Wake> {
    messages: Subscription,
    /// Ends when another server becomes the primary, because messages are published there.
    switched: Switched,
    named: PhantomData<T>,
}

/// A message to all workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something in this queue is due.
    Due(Queue),
    /// Redis was emptied or replaced: every worker that knows of earlier sends must report them.
    Look,
}

/// [`Wake::Look`] as a message. No queue has this name.
const LOOK: &str = "*";

impl FromStr for Wake {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == LOOK { Ok(Self::Look) } else { text.parse().map(Self::Due) }
    }
}

impl Store {
    /// Makes every worker check Redis and report its knowledge. Workers that are not subscribed at this moment are not
    /// reached.
    ///
    /// # Errors
    /// [`StoreError`]: the message may not have been published.
    pub async fn wake_to_recheck(&self) -> Result<(), StoreError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("PUBLISH").arg(self.queues.wake_channel()).arg(LOOK).ignore();
        self.query("PUBLISH", &pipeline).await
    }

    /// Subscribes to the wake channel, on a separate connection.
    ///
    /// # Errors
    /// [`StoreError`]: try again.
    pub async fn wakeups(&self) -> Result<Wakeups, StoreError> {
        self.subscribe(self.queues.wake_channel()).await
    }

    pub(crate) async fn subscribe<T>(&self, channel: String) -> Result<Wakeups<T>, StoreError> {
        let subscribe = async {
            let (client, switched) = self.server().client().await?;
            let messages = Subscription::open(&client, &channel).await?;
            Ok(Wakeups { messages, switched, named: PhantomData })
        };
        subscribe.await.map_err(|source| StoreError::of("SUBSCRIBE", source))
    }
}

impl<T: FromStr> Wakeups<T> {
    /// The next message. `None` once the connection is gone, at most ten seconds after it has died silently.
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
