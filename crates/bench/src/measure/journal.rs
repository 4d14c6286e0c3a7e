//! The cost of a journal outside Redis: the drain and the pickup, alternately with and without one.

use std::path::Path;
use std::time::Duration;

use bursar_journal::{Journal, Room, Settings};

use super::{drain, pickup};
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::repeat;
use crate::report::{Figure, Report};

/// With and without a journal: the names and the texts of the figures.
const SIDES: [(bool, [&str; 5], &str); 2] = [
    (
        false,
        ["journal.off.jobs", "journal.off.cpu", "journal.off.at_once", "journal.off.p50", "journal.off.p99"],
        "without a journal",
    ),
    (true, ["journal.on.jobs", "journal.on.cpu", "journal.on.at_once", "journal.on.p50", "journal.on.p99"], "with one"),
];

/// Calls in flight in the drain: a job takes this many times the time between two jobs.
const IN_FLIGHT: f64 = 100.0;

pub(crate) async fn measure(options: &Options, redis: &mut Observed, report: &mut Report<'_>) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (drained, picked) = (options.jobs_or(20_000), options.jobs_or(500).min(2_000));
    for (with, [jobs, cpu, at_once, p50, p99], says) in SIDES {
        report.measuring(&format!("a journal: {says}"));
        let journal = || with.then(|| open(folder.path())).transpose();
        let runs = repeat(options.runs, async || drain::once(redis, drained, journal()?).await).await?;
        report.add(Figure::of_runs(jobs, format!("no-op drain {says}"), "jobs/s", &runs, |run| run.measured))?;
        report.add(Figure::of_runs(cpu, "  worker CPU", "µs/job", &runs, |run| {
            run.usage.own.as_secs_f64() * 1e6 / f64::from(drained)
        }))?;
        report.add(Figure::of_runs(at_once, "  a job's way through, 100 at once", "ms", &runs, |run| {
            IN_FLIGHT * 1e3 / run.measured
        }))?;
        let runs = repeat(options.runs, async || pickup::once(redis, picked, journal()?).await).await?;
        report
            .add(Figure::of_runs(p50, "  idle, submission to the gateway, p50", "ms", &runs, |run| run.measured.p50))?;
        report.add(Figure::of_runs(p99, "  idle, p99", "ms", &runs, |run| run.measured.p99))?;
    }
    Ok(())
}

/// A separate journal for each run, with the configuration's default bounds.
fn open(folder: &Path) -> anyhow::Result<Journal> {
    let worker = format!("bench-{:08x}", fastrand::u32(..));
    let (folder, incarnation, file_bytes) = (folder.to_path_buf(), "bench".to_owned(), 64 << 20);
    let room = Room { bytes: 16 * file_bytes, age: Duration::from_secs(90 * 86_400) };
    let settings = Settings { folder, worker, incarnation, file_bytes, room, passing: |_| {} };
    Ok(Journal::open(settings)?)
}
