//! Crash points: named places at which a debug build ends its process, as a power cut would, or stands still, as a suspended
//! machine does, so that tests can look at what comes of it. `BURSAR_CRASH_AT=before_send:3` ends it when it comes by there
//! for the third time; `BURSAR_STOP_AT` stops it (SIGSTOP) until somebody continues it; `BURSAR_HANG_AT` lets the thread that
//! comes by hang for ever, as a disk that does not answer does to whoever writes. A release build has none of this.

/// Ends or stops the process or this thread here, if the environment names this place and it is the time to.
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
        // Whether it could be stopped shows in what the test sees of it.
        std::process::Command::new("kill").arg("-STOP").arg(std::process::id().to_string()).status().ok();
    }
}

/// Nothing, in a release build.
#[cfg(not(debug_assertions))]
pub const fn crash_point(_name: &str) {}

/// A place, and how often it is passed before something happens there.
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
