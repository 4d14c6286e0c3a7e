//! Repeating: a first run to warm up, then the runs that count, each repeated when something else disturbed it.

use crate::span::Usage;

/// Cores busy with something else from which a run counts as disturbed.
const DISTURBED: f64 = 0.2;

/// The number of repetitions of a disturbed run before the quietest is taken.
const REPEATS: u32 = 3;

/// One run that counts.
pub(crate) struct Run<T> {
    pub(crate) measured: T,
    pub(crate) usage: Usage,
}

impl<T> Run<T> {
    /// True if even the quietest of its repetitions was disturbed.
    pub(crate) fn disturbed(&self) -> bool {
        self.usage.other_cores > DISTURBED
    }
}

/// Warms up once, then measures `runs` times.
pub(crate) async fn repeat<T>(
    runs: u32,
    mut once: impl AsyncFnMut() -> anyhow::Result<(T, Usage)>,
) -> anyhow::Result<Vec<Run<T>>> {
    once().await?;
    let mut counted = Vec::new();
    for _ in 0..runs {
        let (measured, usage) = once().await?;
        let mut quietest = Run { measured, usage };
        for _ in 0..REPEATS {
            if !quietest.disturbed() {
                break;
            }
            let (measured, usage) = once().await?;
            if usage.other_cores < quietest.usage.other_cores {
                quietest = Run { measured, usage };
            }
        }
        counted.push(quietest);
    }
    Ok(counted)
}

/// Measures `runs` times, neither warming up nor repeating: for runs of a minute, which are marked when they were disturbed.
pub(crate) async fn repeat_long<T>(
    runs: u32,
    mut once: impl AsyncFnMut() -> anyhow::Result<(T, Usage)>,
) -> anyhow::Result<Vec<Run<T>>> {
    let mut counted = Vec::new();
    for _ in 0..runs {
        let (measured, usage) = once().await?;
        counted.push(Run { measured, usage });
    }
    Ok(counted)
}
