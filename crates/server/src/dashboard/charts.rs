//! `GET /charts`: throughput, answers and latency over time. Ends are counted where the store has them by time, however many there
//! are; what calls came to is read from the logs of some jobs, by all workers, whichever process answers. Each chart says what
//! it covers.

mod look;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State as Handed;
use axum::http::Uri;
use bursar_domain::{Answer, Call, Lane, Millis, State, yuan};
use maud::{Markup, html};

use self::look::{Looked, Seen, Told, look};
use super::fragments::span;
use super::page::{Answered, Live, Tab, page, refuse_problem};
use super::svg::{Axis, Column, columns, lines, rows};
use super::visitor::Visitor;
use super::words::{Words, filled};
use crate::app::Shared;
use crate::query::Query;

/// Lanes that one page looks at; beyond that, one is to be chosen.
const LANES: usize = 20;

/// Over which time a page looks, by the word in its address; the first if none is said.
const PERIODS: [(&str, Duration); 4] = [
    ("1h", Duration::from_secs(3_600)),
    ("6h", Duration::from_secs(6 * 3_600)),
    ("24h", Duration::from_secs(24 * 3_600)),
    ("7d", Duration::from_secs(7 * 24 * 3_600)),
];

/// Upper ends of the latency's classes, in milliseconds.
const CLASSES: [u64; 9] = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// The states that are counted, with the classes of their colours.
const COUNTED: [(State, &str); 5] = [
    (State::Succeeded, "is-succeeded"),
    (State::Failed, "is-failed"),
    (State::Refunded, "is-refunded"),
    (State::Cancelled, "is-cancelled"),
    (State::NeedsReview, "is-needs_review"),
];

pub(super) async fn show(visitor: Visitor, Handed(app): Handed<Shared>, uri: Uri) -> Answered {
    let mut query = Query::of(&uri);
    let chosen = query.take("lane", |lane| match lane {
        "" => Ok(None),
        lane => lane.parse::<Lane>().map(Some).map_err(|error| error.to_string()),
    });
    let over = query.take("over", |word| {
        let known = PERIODS.into_iter().find(|(known, _)| *known == word);
        known.ok_or_else(|| format!("must be {}", PERIODS.map(|(known, _)| known).join(", ")))
    });
    query.finish().map_err(|wrong| refuse_problem(&visitor, &wrong))?;
    let known = app.lanes.of(visitor.bearer());
    let chosen = chosen.flatten().filter(|lane| known.contains(&lane));
    let lanes: Vec<&Lane> = match &chosen {
        Some(lane) => vec![lane],
        None => known.iter().copied().take(LANES).collect(),
    };
    let [shortest, ..] = PERIODS;
    let (word, over) = over.unwrap_or(shortest);
    let seen = look(&app, &lanes, over).await.map_err(|error| refuse_problem(&visitor, &error))?;
    let words = visitor.words();
    let content = html! {
        h1 { (words.charts) }
        form.filter action="/charts" method="get" {
            label { (words.lane) " " select name="lane" {
                option value="" { (words.every_lane) }
                @for lane in &known { option value=(lane) selected[chosen.as_ref() == Some(lane)] { (lane) } }
            } }
            label { (words.over) " " select name="over" {
                @for (name, over) in PERIODS { option value=(name) selected[name == word] { (span(words, over)) } }
            } }
            button type="submit" { (words.show) }
        }
        @if chosen.is_none() && known.len() > LANES { p.notice { (filled(words.lanes_of_many, &[&LANES.to_string()])) } }
        section { (throughput(words, &seen)) }
        section { (answers(words, &seen)) }
        section { (latency(words, &seen)) }
    };
    // Over a longer time nothing changes that somebody would wait for.
    let live = if word == shortest.0 { Live::Yes } else { Live::No };
    Ok(page(&visitor, Tab::Charts, live, words.charts, &content))
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

/// From when to when a column goes.
fn when(seen: &Seen, index: usize) -> String {
    let begin = seen.begin_of(index);
    let minute = |at: Millis| at.rfc3339().get(5..16).unwrap_or_default().replace('T', " ");
    let end = begin.plus(seen.step).rfc3339().get(11..16).unwrap_or_default().to_owned();
    format!("{} – {end} UTC", minute(begin))
}

fn throughput(words: &Words, seen: &Seen) -> Markup {
    let names: Vec<(&str, &str)> = COUNTED.iter().map(|(state, class)| (*class, words.state(*state))).collect();
    let drawn: Vec<Column<u64>> = seen
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let values: Vec<u64> = COUNTED.iter().map(|(state, _)| column.of(*state)).collect();
            let each = names.iter().zip(&values).filter(|(_, count)| **count > 0);
            let each: String = each.map(|((_, name), count)| format!(" · {name} {count}")).collect();
            Column { title: when(seen, index) + &each, values }
        })
        .collect();
    let ended: u64 = seen.columns.iter().map(Looked::ended).sum();
    let in_review: u64 = seen.columns.iter().map(|column| column.of(State::NeedsReview)).sum();
    let amounts: Vec<(State, u128)> =
        COUNTED.iter().filter_map(|(state, _)| Some((*state, *seen.amounts.get(state.as_str())?))).collect();
    let told = [&ended.to_string(), &span(words, seen.over()), &span(words, seen.step), &in_review.to_string()];
    html! {
        h2 { (words.throughput) }
        (columns(&axis(seen, words.throughput, ""), &names, &drawn))
        p.soft {
            (filled(words.throughput_covers, &told.map(String::as_str)))
            @if seen.ends_looked_at < ended { " " (filled(words.states_of_some, &[&seen.ends_looked_at.to_string()])) }
        }
        @if !amounts.is_empty() {
            dl.facts.amounts { @for (state, fen) in amounts { div { dt { (words.amount) " · " (words.state(state)) } dd.amount { (yuan(fen)) } } } }
            p.soft { (filled(words.amounts_of, &[&seen.ends_looked_at.to_string(), &ended.to_string()])) }
        }
    }
}

/// The answers that were given, in the domain's order.
fn given(seen: &Seen) -> Vec<Answer> {
    let was_given = |answer: &Answer| seen.calls.iter().any(|told| told.answer == *answer);
    Answer::ALL.into_iter().filter(was_given).collect()
}

/// Its colour.
const fn class_of(answer: Answer) -> &'static str {
    match answer {
        Answer::NotExecuted => "is-not_executed",
        Answer::NotReady => "is-not_ready",
        Answer::ConfigFault => "is-config_fault",
        Answer::Refused => "is-refused",
        Answer::Accepted => "is-accepted",
        Answer::Succeeded => "is-succeeded",
        Answer::Failed => "is-failed",
        Answer::Refunded => "is-refunded",
        Answer::Silent => "is-silent",
        Answer::Unseen => "is-unseen",
        Answer::Contradiction => "is-contradiction",
    }
}

fn answers(words: &Words, seen: &Seen) -> Markup {
    let given = given(seen);
    let names: Vec<(&str, &str)> =
        given.iter().map(|answer| (class_of(*answer), words.answer(answer.as_str()))).collect();
    let drawn: Vec<Column<u64>> = by_column(seen)
        .into_iter()
        .enumerate()
        .map(|(index, calls)| {
            let values: Vec<u64> = given.iter().map(|answer| count(&calls, |told| told.answer == *answer)).collect();
            let each = names.iter().zip(&values).filter(|(_, count)| **count > 0);
            let each: String = each.map(|((_, name), count)| format!(" · {name} {count}")).collect();
            // Of some times more calls were looked at than of others: shares can be compared, counts cannot.
            Column { title: when(seen, index) + &each, values: look::shares(100, &values) }
        })
        .collect();
    let all: Vec<&Told> = seen.calls.iter().collect();
    let of = |answer: Answer, call: Call| count(&all, |told| told.answer == answer && told.call == call);
    let bars: Vec<(String, Vec<u64>)> = given
        .iter()
        .map(|answer| {
            let both = vec![of(*answer, Call::Send), of(*answer, Call::Ask)];
            (words.answer(answer.as_str()).to_owned(), both)
        })
        .collect();
    let series = [("is-send", words.sends), ("is-ask", words.asks)];
    html! {
        h2 { (words.answers) }
        @if given.is_empty() { p.soft { (words.nothing_here) } } @else {
            (columns(&axis(seen, words.answers, "%"), &names, &drawn))
            (rows(words.answers, &series, &bars))
        }
        p.soft { (covered(words, seen)) }
    }
}

fn count(calls: &[&Told], fits: impl Fn(&Told) -> bool) -> u64 {
    u64::try_from(calls.iter().filter(|told| fits(told)).count()).unwrap_or(u64::MAX)
}

/// The calls of each column.
fn by_column(seen: &Seen) -> Vec<Vec<&Told>> {
    let mut columns: BTreeMap<usize, Vec<&Told>> = BTreeMap::new();
    for told in &seen.calls {
        columns.entry(seen.column_of(told.at)).or_default().push(told);
    }
    (0..seen.columns.len()).map(|index| columns.remove(&index).unwrap_or_default()).collect()
}

fn latency(words: &Words, seen: &Seen) -> Markup {
    let both = [(words.sends, Call::Send), (words.asks, Call::Ask)];
    let moments: Vec<Column<Option<u64>>> = by_column(seen)
        .into_iter()
        .enumerate()
        .map(|(index, calls)| {
            let measured = both.map(|(name, call)| (name, Measured::of(calls.iter().copied(), call)));
            let each: String = measured
                .iter()
                .filter_map(|(name, measured)| Some(format!(" · {name} {}", measured.told()?)))
                .collect();
            let values = measured.iter().flat_map(|(_, measured)| [measured.at(50), measured.at(95)]).collect();
            Column { title: when(seen, index) + &each, values }
        })
        .collect();
    let names = [
        ("is-send", words.sends, "p50"),
        ("is-send is-p95", words.sends, "p95"),
        ("is-ask", words.asks, "p50"),
        ("is-ask is-p95", words.asks, "p95"),
    ]
    .map(|(class, name, quantile)| (class, format!("{name} {quantile}")));
    let names = names.each_ref().map(|(class, name)| (*class, name.as_str()));
    let mut counts = vec![vec![0_u64, 0]; CLASSES.len() + 1];
    for told in &seen.calls {
        let class = CLASSES.iter().position(|end| told.ms <= *end).unwrap_or(CLASSES.len());
        let count = counts.get_mut(class).and_then(|both| both.get_mut(usize::from(told.call == Call::Ask)));
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
    let series = [("is-send", words.sends), ("is-ask", words.asks)];
    html! {
        h2 { (words.latency) }
        @if seen.calls.is_empty() { p.soft { (words.nothing_here) } } @else {
            (lines(&axis(seen, words.latency, "ms"), &names, &moments))
            (rows(words.latency, &series, &bars))
            dl.facts {
                @for (name, call) in both {
                    @if let Some(told) = Measured::of(&seen.calls, call).told() { div { dt { (name) } dd { (told) } } }
                }
            }
        }
        p.soft { (covered(words, seen)) }
    }
}

fn covered(words: &Words, seen: &Seen) -> String {
    filled(words.calls_covered, &[&seen.calls.len().to_string(), &seen.jobs.to_string(), &look::LINES.to_string()])
}

/// How long calls took, shortest first.
struct Measured(Vec<u64>);

impl Measured {
    fn of<'a>(calls: impl IntoIterator<Item = &'a Told>, call: Call) -> Self {
        let mut ms: Vec<u64> = calls.into_iter().filter(|told| told.call == call).map(|told| told.ms).collect();
        ms.sort_unstable();
        Self(ms)
    }

    /// What so many in a hundred did not exceed: a value that was measured.
    fn at(&self, hundredths: usize) -> Option<u64> {
        self.0.get((self.0.len() * hundredths).div_ceil(100).saturating_sub(1)).copied()
    }

    fn told(&self) -> Option<String> {
        let (p50, p95, p99, max) = (self.at(50)?, self.at(95)?, self.at(99)?, self.0.last()?);
        Some(format!("p50 {p50} ms · p95 {p95} ms · p99 {p99} ms · max {max} ms"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let call = |ms| Told { call: Call::Send, answer: Answer::Accepted, ms, at: Millis(0) };
        let calls: Vec<Told> = (1..=100).map(call).collect();
        let of = |calls: &[Told], call| Measured::of(calls, call).told();
        assert_eq!(of(&calls, Call::Send).unwrap(), "p50 50 ms · p95 95 ms · p99 99 ms · max 100 ms");
        assert_eq!(of(&calls, Call::Ask), None);
        assert_eq!(of(&calls[..1], Call::Send).unwrap(), "p50 1 ms · p95 1 ms · p99 1 ms · max 1 ms");
    }

    #[test]
    fn every_answer_has_a_colour_of_its_own() {
        let style = include_str!("assets/dashboard.css");
        let classes: std::collections::BTreeSet<&str> = Answer::ALL.map(class_of).into();
        assert_eq!(classes.len(), Answer::ALL.len());
        for class in classes {
            assert!(style.contains(&format!(".{class} {{ fill: ")), "{class}");
        }
    }
}
