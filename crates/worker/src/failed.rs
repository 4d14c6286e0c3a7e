//! The reason why a round of a worker's housekeeping failed; the next round tries again.

/// An error with its causes.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

impl Failed {
    pub(crate) fn of(error: impl std::error::Error) -> Self {
        Self(bursar_store::chain(&error))
    }
}
