//! Waiting for a state with a deadline, and saying what was seen last when it does not come.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

/// Long against anything that a test waits for without measuring it, also on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Short against anything a test waits for, long against one look.
const LOOK: Duration = Duration::from_millis(3);

/// The result of one look at the world: the thing waited for, or what was there instead.
pub trait Seen {
    /// The thing waited for.
    type Goal;
    /// The thing, or a description of what was there instead.
    fn seen(self) -> Result<Self::Goal, String>;
}

impl<T> Seen for Option<T> {
    type Goal = T;
    fn seen(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing yet".into())
    }
}

impl<T, Other: Debug> Seen for Result<T, Other> {
    type Goal = T;
    fn seen(self) -> Result<T, String> {
        self.map_err(|other| format!("{other:?}"))
    }
}

/// Looks until `look` finds the thing, and returns it. `look` answers `Option<T>`, or `Result<T, what was there instead>` so
/// that a test that fails says what it saw last.
///
/// # Panics
/// When `within` has passed, naming `what` and the last thing seen. One look may take that long too.
#[track_caller]
pub fn eventually<Look, Found>(within: Duration, what: &str, mut look: Look) -> impl Future<Output = Found::Goal>
where
    Look: AsyncFnMut() -> Found,
    Found: Seen,
{
    let caller = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        let mut last = "nothing: the first look did not come back".to_owned();
        loop {
            let left = within.saturating_sub(began.elapsed());
            match tokio::time::timeout(left.max(LOOK), look()).await.map(Seen::seen) {
                Ok(Ok(found)) => return found,
                Ok(Err(instead)) => last = instead,
                Err(_) => {}
            }
            assert!(began.elapsed() < within, "waited {within:?} for {what} at {caller}; last seen: {last}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_is_returned() {
        let mut looks = 0;
        let third = eventually(Duration::from_secs(5), "the third look", async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(third.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "for the job to succeed at ")]
    async fn what_does_not_come_is_named() {
        let job = async || Err::<(), _>("pending");
        eventually(Duration::from_millis(20), "the job to succeed", job).await;
    }

    #[tokio::test]
    #[should_panic(expected = "last seen: \"pending\"")]
    async fn the_last_thing_seen_is_reported() {
        let job = async || Err::<(), _>("pending");
        eventually(Duration::from_millis(20), "the job to succeed", job).await;
    }

    #[tokio::test]
    #[should_panic(expected = "the first look did not come back")]
    async fn a_look_that_hangs_does_not_hang_the_test() {
        eventually(Duration::from_millis(20), "an answer", std::future::pending::<Option<()>>).await;
    }
}
