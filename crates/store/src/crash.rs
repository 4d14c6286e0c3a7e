//! Crash points: named places at which a debug build ends its process, as a power cut would, or stops, as a suspended
//! machine does, so that tests can check recovery. `BURSAR_CRASH_AT=before_send:3` ends it at the third pass of that
//! place; `BURSAR_STOP_AT` stops it (SIGSTOP) until it gets a SIGCONT; `BURSAR_HANG_AT` blocks the passing thread
//! without end, as a disk that does not answer blocks a writer. A release build has none of this.

/// Ends or stops the process, or blocks this thread, if the environment names this place and this pass.
#[cfg(debug_assertions)]
pub fn crash_point(name: &str) {
    use std::sync::LazyLock;

    static CRASH: LazyLock<Option<Place>> = LazyLock::new(|| Place::of("BURSAR_CRASH_AT"));
    static HANG: LazyLock<Option<Place>> = LazyLock::new(|| Place::of("BURSAR_HANG_AT"));
    static STOP: LazyLock<Option<Place>> = LazyLock::new(|| Place::of("BURSAR_STOP_AT"));

    if CRASH.as_ref().is_some_and(|place| place.is_reached(name)) {
        std::process::abort();
    }
    if HANG.as_ref().is_some_and(|place| place.is_reached(name)) {
        loop {
            std::thread::park();
        }
    }
    if STOP.as_ref().is_some_and(|place| place.is_reached(name)) {
        // The test notices if the process was not stopped.
        std::process::Command::new("kill").arg("-STOP").arg(std::process::id().to_string()).status().ok();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub const fn crash_point(_name: &str) {}

/// A place, and the number of passes before it takes effect.
#[cfg(debug_assertions)]
struct Place {
    name: String,
    pass: u64,
    passes: std::sync::atomic::AtomicU64,
}

#[cfg(debug_assertions)]
impl Place {
    fn of(variable: &str) -> Option<Self> {
        let chosen = std::env::var(variable).ok()?;
        let (name, pass) = chosen.split_once(':').unwrap_or((&chosen, "1"));
        Some(Self { name: name.to_owned(), pass: pass.parse().ok()?, passes: 0.into() })
    }

    fn is_reached(&self, name: &str) -> bool {
        self.name == name && self.passes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == self.pass
    }
}
