//! The latency of calls: over time, and by classes.

use bursar_domain::Call;
use maud::{Markup, html};

use super::sampling::{CallSample, Seen};
use super::{axis, by_column, covered, when};
use crate::dashboard::charts::svg::{Column, lines, rows};
use crate::dashboard::i18n::Words;

/// Upper ends of the latency's classes, in milliseconds.
const CLASSES: [u64; 9] = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

pub(super) fn chart(words: &Words, seen: &Seen) -> Markup {
    let both = [(words.sends, Call::Send), (words.queries, Call::Query)];
    let moments: Vec<Column<Option<u64>>> = by_column(seen)
        .into_iter()
        .enumerate()
        .map(|(index, calls)| {
            let measured = both.map(|(name, call)| (name, Measured::of(calls.iter().copied(), call)));
            let each: String = measured
                .iter()
                .filter_map(|(name, measured)| Some(format!(" · {name} {}", measured.summary()?)))
                .collect();
            let values = measured.iter().flat_map(|(_, measured)| [measured.at(50), measured.at(95)]).collect();
            Column { title: when(seen, index) + &each, values }
        })
        .collect();
    let names = [
        ("is-send", words.sends, "p50"),
        ("is-send is-p95", words.sends, "p95"),
        ("is-query", words.queries, "p50"),
        ("is-query is-p95", words.queries, "p95"),
    ]
    .map(|(class, name, quantile)| (class, format!("{name} {quantile}")));
    let names = names.each_ref().map(|(class, name)| (*class, name.as_str()));
    let mut counts = vec![vec![0_u64, 0]; CLASSES.len() + 1];
    for sample in &seen.calls {
        let class = CLASSES.iter().position(|end| sample.ms <= *end).unwrap_or(CLASSES.len());
        let count = counts.get_mut(class).and_then(|both| both.get_mut(usize::from(sample.call == Call::Query)));
        if let Some(count) = count {
            *count += 1;
        }
    }
    let name = |index: usize| match CLASSES.get(index) {
        Some(end) => format!("≤ {end} ms"),
        None => format!("> {} ms", CLASSES.last().unwrap_or(&0)),
    };
    let bars: Vec<(String, Vec<u64>)> =
        counts.into_iter().enumerate().map(|(index, values)| (name(index), values)).collect();
    let series = [("is-send", words.sends), ("is-query", words.queries)];
    html! {
        h2 { (words.latency) }
        @if seen.calls.is_empty() { p.soft { (words.nothing_here) } } @else {
            (lines(&axis(seen, words.latency, "ms"), &names, &moments))
            (rows(words.latency, &series, &bars))
            dl.facts {
                @for (name, call) in both {
                    @if let Some(summary) = Measured::of(&seen.calls, call).summary() { div { dt { (name) } dd { (summary) } } }
                }
            }
        }
        p.soft { (covered(words, seen)) }
    }
}

/// The latencies of calls, shortest first.
struct Measured(Vec<u64>);

impl Measured {
    fn of<'a>(calls: impl IntoIterator<Item = &'a CallSample>, call: Call) -> Self {
        let mut ms: Vec<u64> = calls.into_iter().filter(|sample| sample.call == call).map(|sample| sample.ms).collect();
        ms.sort_unstable();
        Self(ms)
    }

    /// The percentile: a value that was measured.
    fn at(&self, hundredths: usize) -> Option<u64> {
        self.0.get((self.0.len() * hundredths).div_ceil(100).saturating_sub(1)).copied()
    }

    fn summary(&self) -> Option<String> {
        let (p50, p95, p99, max) = (self.at(50)?, self.at(95)?, self.at(99)?, self.0.last()?);
        Some(format!("p50 {p50} ms · p95 {p95} ms · p99 {p99} ms · max {max} ms"))
    }
}

#[cfg(test)]
mod tests {
    use bursar_domain::{Millis, Outcome};

    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let call = |ms| CallSample { call: Call::Send, answer: Outcome::Accepted, ms, at: Millis(0) };
        let calls: Vec<CallSample> = (1..=100).map(call).collect();
        let of = |calls: &[CallSample], call| Measured::of(calls, call).summary();
        assert_eq!(of(&calls, Call::Send).unwrap(), "p50 50 ms · p95 95 ms · p99 99 ms · max 100 ms");
        assert_eq!(of(&calls, Call::Query), None);
        assert_eq!(of(&calls[..1], Call::Send).unwrap(), "p50 1 ms · p95 1 ms · p99 1 ms · max 1 ms");
    }
}
