//! Throughput, outcomes and latency over time. Ended jobs and their amounts are counted as they end; the outcomes and latencies of calls are
//! read from the histories of a sample of jobs, by all workers. Each chart says what it covers.

mod answers;
mod latency;
pub(super) mod sampling;
mod svg;
mod throughput;

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_domain::{Millis, csv_line};
use maud::{Markup, html};

use self::sampling::{CallSample, Seen};
use self::svg::Axis;
use super::i18n::{Words, filled};

/// Every chart.
pub(super) fn sections(words: &Words, seen: &Seen) -> Markup {
    html! {
        section { (throughput::chart(words, seen)) }
        section { (answers::chart(words, seen)) }
        section { (latency::chart(words, seen)) }
    }
}

/// The columns of the throughput as comma-separated values, each queue's apart; without sums where they are not exact.
pub(super) fn csv(seen: &Seen) -> String {
    let mut text = csv_line(&["from", "until", "queue", "state", "count", "amount_fen"]);
    for (queue, sums) in &seen.by_queue {
        for ((index, state), sum) in sums {
            let begin = seen.begin_of(*index);
            let fen = if seen.sums.is_some() { sum.fen.to_string() } else { String::new() };
            let times = [begin.rfc3339(), begin.plus(seen.step).rfc3339()];
            let [from, until] = times;
            text += &csv_line(&[from, until, queue.to_string(), (*state).to_owned(), sum.count.to_string(), fen]);
        }
    }
    text
}

/// A moment on an axis; a script writes it in the browser's own zone.
fn tick(seen: &Seen, at: Millis) -> Markup {
    let text = at.rfc3339();
    let is_long = seen.over() > Duration::from_secs(24 * 3_600);
    let (form, range) = if is_long { ("day", 5..16) } else { ("minute", 11..16) };
    html! { time datetime=(text) data-form=(form) { (text.get(range).unwrap_or_default().replace('T', " ")) "Z" } }
}

fn axis(seen: &Seen, label: &str, unit: &'static str) -> Axis {
    let ticks = [seen.since, seen.since.plus(seen.over() / 2), seen.now].map(|at| tick(seen, at));
    Axis { label: label.to_owned(), unit, ticks }
}

/// The span of a column.
fn when(seen: &Seen, index: usize) -> String {
    let begin = seen.begin_of(index);
    // A script writes both in the page's zone.
    format!("{} – {}", begin.rfc3339(), begin.plus(seen.step).rfc3339())
}

fn count(calls: &[&CallSample], fits: impl Fn(&CallSample) -> bool) -> u64 {
    u64::try_from(calls.iter().filter(|sample| fits(sample)).count()).unwrap_or(u64::MAX)
}

/// The calls of each column.
fn by_column(seen: &Seen) -> Vec<Vec<&CallSample>> {
    let mut columns: BTreeMap<usize, Vec<&CallSample>> = BTreeMap::new();
    for sample in &seen.calls {
        columns.entry(seen.column_of(sample.at)).or_default().push(sample);
    }
    (0..seen.columns.len()).map(|index| columns.remove(&index).unwrap_or_default()).collect()
}

fn covered(words: &Words, seen: &Seen) -> String {
    filled(words.calls_covered, &[&seen.calls.len().to_string(), &seen.jobs.to_string(), &sampling::LINES.to_string()])
}
