//! Crash points: named places at which a debug build ends its process, as a power cut would, so that tests can look at what
//! is left behind. `BURSAR_CRASH_AT=before_send:3` ends it when it comes by there for the third time. A release build has
//! none of this.

/// Ends the process here, if `BURSAR_CRASH_AT` names this place and it is the time to.
#[cfg(debug_assertions)]
pub fn crash_point(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let chosen = std::env::var("BURSAR_CRASH_AT").ok()?;
        let (name, pass) = chosen.split_once(':').unwrap_or((&chosen, "1"));
        Some((name.to_owned(), pass.parse().ok()?))
    });
    static PASSES: AtomicU64 = AtomicU64::new(0);

    if let Some((chosen, pass)) = &*CHOSEN
        && chosen == name
        && PASSES.fetch_add(1, Ordering::SeqCst) + 1 == *pass
    {
        std::process::abort();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub const fn crash_point(_name: &str) {}
