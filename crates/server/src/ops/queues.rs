//! Pausing and resuming a queue.

use bursar_domain::{ActionKind, Queue};
use bursar_store::{Operator, QueueStatus, StoreError};

use crate::state::App;
use crate::state::refusal::Refusal;

/// What an act that got no answer from Redis means.
const UNKNOWN: &str = "it may have been done; look at the queue before you repeat it";

/// What an operator can do about a queue's sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Stop them.
    Pause,
    /// Let them go on.
    Resume,
}

impl Turn {
    /// The word for it in paths.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// Why a queue was not paused or resumed.
#[derive(Debug)]
pub(crate) enum NotTurned {
    /// Somebody was faster; the queue as it is.
    Already(Box<QueueStatus>),
    /// Anything else.
    Refused(Refusal),
}

impl From<StoreError> for NotTurned {
    fn from(error: StoreError) -> Self {
        Self::Refused(Refusal::from(error))
    }
}

/// Pauses or resumes a queue; the queue as it is then.
///
/// # Errors
/// [`NotTurned`]: nothing was done, or nobody knows whether it was.
pub(crate) async fn turn(
    app: &App,
    queue: &Queue,
    wanted: Turn,
    operator: Operator<'_>,
) -> Result<Box<QueueStatus>, NotTurned> {
    let changed = match wanted {
        Turn::Pause => app.store.pause(queue, &operator.reason(ActionKind::Pause)).await,
        Turn::Resume => app.store.resume(queue, &operator.reason(ActionKind::Resume)).await,
    };
    let changed = changed.map_err(|error| NotTurned::Refused(Refusal::of_store(error, UNKNOWN)))?;
    let status = Box::new(app.store.status(queue).await?);
    if changed { Ok(status) } else { Err(NotTurned::Already(status)) }
}
