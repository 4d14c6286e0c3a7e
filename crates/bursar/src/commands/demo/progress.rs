//! The demo's progress: a bar on a terminal, plain lines elsewhere, nothing with --json.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Global;

/// Without a terminal, a line each time another tenth of the jobs has ended.
const LINES: u32 = 10;

pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    plain: bool,
    jobs: u32,
    reported: AtomicU32,
}

impl Progress {
    pub(super) fn start(jobs: u32, global: &Global) -> Self {
        let plain = !std::io::stderr().is_terminal();
        let bar = if plain || global.json { ProgressBar::hidden() } else { ProgressBar::new(u64::from(jobs)) };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} jobs ended, {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, quiet: global.json, plain, jobs, reported: AtomicU32::new(0) }
    }

    pub(super) fn say(&self, text: std::fmt::Arguments<'_>) {
        if self.quiet {
            return;
        }
        if self.plain { eprintln!("{text}") } else { self.bar.println(text.to_string()) }
    }

    pub(super) fn at(&self, ended: u32) {
        self.bar.set_position(u64::from(ended));
        let tenth = ended * LINES / self.jobs;
        if self.plain && tenth > self.reported.swap(tenth, Ordering::Relaxed) {
            self.say(format_args!("{ended} of {} jobs ended", self.jobs));
        }
    }

    pub(super) fn finish(&self, ended: u32) {
        self.at(ended);
        self.bar.finish_and_clear();
    }
}
