//! `GET /charts`: throughput, answers and latency, from the lanes' newest events and the logs of the jobs that changed last:
//! what all workers did, whichever process answers. Each chart says what it covers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::extract::State as Handed;
use axum::http::Uri;
use bursar_domain::{Answer, AttemptView, Call, Key, Lane, Millis, State};
use bursar_store::{Event, Recent};
use maud::{Markup, html};
use serde_json::Value;

use super::fragments::span;
use super::page::{Answered, Live, Tab, page, refuse_problem};
use super::svg::{Column, columns, rows};
use super::visitor::Visitor;
use super::words::{Words, filled};
use crate::app::{App, Shared};
use crate::problem::Problem;
use crate::query::Query;

/// Events of each lane that a page looks at: a few milliseconds of Redis.
const EVENTS: usize = 2_000;

/// Jobs of each lane whose logs a page looks at, and lines of each.
const JOBS: usize = 100;
const LINES: usize = 20;

/// Lanes that one page looks at; beyond that, one is to be chosen.
const LANES: usize = 20;

/// The longest time that the throughput covers, and in how many columns.
const HOUR: Duration = Duration::from_secs(60 * 60);
const COLUMNS: u64 = 30;

/// The time that a lane's rate covers at most.
const RATE_OVER: Duration = Duration::from_secs(10 * 60);

/// Upper ends of the latency's classes, in milliseconds.
const CLASSES: [u64; 9] = [20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// The states whose beginnings are counted, with the classes of their colours.
const COUNTED: [(State, &str); 5] = [
    (State::Succeeded, "is-succeeded"),
    (State::Failed, "is-failed"),
    (State::Refunded, "is-refunded"),
    (State::Cancelled, "is-cancelled"),
    (State::NeedsReview, "is-needs_review"),
];

/// How many jobs of a lane ended, a minute.
pub(super) struct Rate {
    /// With one decimal.
    pub(super) per_minute: String,
    pub(super) over: Duration,
}

/// A lane's rate; `None` where nothing has happened.
pub(super) fn rate(recent: &Recent) -> Option<Rate> {
    let oldest = recent.events.last()?.id.at;
    let since = Millis(recent.now.0.saturating_sub(millis(RATE_OVER))).max(oldest);
    let ended =
        recent.events.iter().filter(|event| event.id.at >= since && state_of(event).is_some_and(State::is_terminal));
    let count = u64::try_from(ended.count()).unwrap_or(u64::MAX);
    // A burst a second ago is no rate: at least a minute counts.
    let over = recent.now.since(since).max(Duration::from_secs(60));
    let tenths = count.saturating_mul(600_000) / millis(over).max(1);
    Some(Rate { per_minute: format!("{}.{}", tenths / 10, tenths % 10), over })
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn state_of(event: &Event) -> Option<State> {
    event.fields.iter().find(|(name, _)| name == "state").and_then(|(_, state)| state.parse().ok())
}

/// What the page looked at.
#[derive(Default)]
struct Seen {
    now: Millis,
    /// From when on all events of every lane were seen.
    since: Millis,
    events: Vec<Event>,
    jobs: usize,
    calls: Vec<Told>,
}

/// One call, as its line in the log tells it.
struct Told {
    call: Call,
    answer: String,
    ms: u64,
}

pub(super) async fn show(visitor: Visitor, Handed(app): Handed<Shared>, uri: Uri) -> Answered {
    let problem = |problem: &Problem| refuse_problem(&visitor, problem);
    let mut query = Query::of(&uri);
    let chosen = query.take("lane", |lane| lane.parse::<Lane>().map_err(|error| error.to_string()));
    query.finish().map_err(|wrong| problem(&wrong))?;
    let known = app.lanes.of(visitor.bearer());
    let chosen = chosen.filter(|lane| known.contains(&lane));
    let lanes: Vec<&Lane> = match &chosen {
        Some(lane) => vec![lane],
        None => known.iter().copied().take(LANES).collect(),
    };
    let seen = look(&app, &lanes).await.map_err(|error| problem(&error))?;
    let words = visitor.words();
    let content = html! {
        h1 { (words.charts) }
        form.filter action="/charts" method="get" {
            label { (words.lane) " " select name="lane" {
                option value="" { (words.every_lane) }
                @for lane in &known { option value=(lane) selected[chosen.as_ref() == Some(lane)] { (lane) } }
            } }
            button type="submit" { (words.show) }
        }
        @if chosen.is_none() && known.len() > LANES { p.notice { (filled(words.lanes_of_many, &[&LANES.to_string()])) } }
        section { (throughput(words, &seen)) }
        section { (answers(words, &seen)) }
        section { (latency(words, &seen)) }
    };
    Ok(page(&visitor, Tab::Charts, Live::Yes, words.charts, &content))
}

async fn look(app: &App, lanes: &[&Lane]) -> Result<Seen, Problem> {
    let mut seen = Seen::default();
    for lane in lanes {
        let Recent { now, events } = app.store.recent_events(lane, EVENTS).await?;
        seen.now = seen.now.max(now);
        let hour_ago = Millis(now.0.saturating_sub(millis(HOUR)));
        let from = if events.len() >= EVENTS { events.last().map_or(hour_ago, |event| event.id.at) } else { hour_ago };
        seen.since = seen.since.max(from).max(hour_ago);
        let mut named = BTreeSet::new();
        let keys: Vec<Key> =
            events.iter().filter_map(Event::key).filter(|key| named.insert(key.clone())).take(JOBS).collect();
        let logs = app.store.recent_attempts(lane, &keys, LINES).await?;
        seen.jobs += keys.len();
        seen.calls.extend(logs.iter().flatten().filter_map(told));
        seen.events.extend(events);
    }
    Ok(seen)
}

fn told(attempt: &AttemptView) -> Option<Told> {
    let text = |name: &str| attempt.detail.get(name).and_then(Value::as_str);
    let call = match text("call")? {
        "send" => Call::Send,
        "ask" => Call::Ask,
        _ => return None,
    };
    Some(Told { call, answer: text("answer")?.to_owned(), ms: attempt.detail.get("ms")?.as_u64()? })
}

fn throughput(words: &Words, seen: &Seen) -> Markup {
    let width = (millis(seen.now.since(seen.since)) / COLUMNS).max(1);
    let mut counts = vec![vec![0_u64; COUNTED.len()]; usize::try_from(COLUMNS).unwrap_or_default()];
    let mut total = 0_u64;
    for event in seen.events.iter().filter(|event| event.id.at >= seen.since) {
        let series = state_of(event).and_then(|state| COUNTED.iter().position(|(counted, _)| *counted == state));
        let column = ((event.id.at.0 - seen.since.0) / width).min(COLUMNS - 1);
        let column = usize::try_from(column).ok().and_then(|column| counts.get_mut(column));
        if let Some(count) = series.zip(column).and_then(|(series, column)| column.get_mut(series)) {
            *count += 1;
            total += 1;
        }
    }
    let at =
        |column: u64| Millis(seen.since.0 + column * width).rfc3339().get(11..19).unwrap_or_default().to_owned() + "Z";
    let drawn: Vec<Column> = (0_u64..)
        .zip(counts)
        .map(|(index, values)| Column { title: format!("{}: {}", at(index), values.iter().sum::<u64>()), values })
        .collect();
    let names: Vec<(&str, &str)> = COUNTED.iter().map(|(state, class)| (*class, words.state(*state))).collect();
    let over = span(words, seen.now.since(seen.since));
    html! {
        h2 { (words.throughput) }
        (columns(words.throughput, &names, &drawn, &at(0), &at(COLUMNS)))
        p.soft { (filled(words.throughput_covers, &[&total.to_string(), &over, &span(words, Duration::from_millis(width))])) }
    }
}

fn answers(words: &Words, seen: &Seen) -> Markup {
    let mut counts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for told in &seen.calls {
        let both = counts.entry(&told.answer).or_insert_with(|| vec![0, 0]);
        if let Some(count) = both.get_mut(usize::from(told.call == Call::Ask)) {
            *count += 1;
        }
    }
    let known = Answer::ALL.map(Answer::as_str);
    let place = |answer: &str| known.iter().position(|known| *known == answer).unwrap_or(known.len());
    let mut drawn: Vec<(&str, Vec<u64>)> = counts.into_iter().collect();
    drawn.sort_by_key(|(answer, _)| place(answer));
    let drawn: Vec<(String, Vec<u64>)> =
        drawn.into_iter().map(|(answer, values)| (words.answer(answer).to_owned(), values)).collect();
    let series = [("is-send", words.sends), ("is-ask", words.asks)];
    html! {
        h2 { (words.answers) }
        @if drawn.is_empty() { p.soft { (words.nothing_here) } } @else { (rows(words.answers, &series, &drawn)) }
        p.soft { (covered(words, seen)) }
    }
}

fn latency(words: &Words, seen: &Seen) -> Markup {
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
    let drawn: Vec<(String, Vec<u64>)> =
        counts.into_iter().enumerate().map(|(index, values)| (name(index), values)).collect();
    let series = [("is-send", words.sends), ("is-ask", words.asks)];
    html! {
        h2 { (words.latency) }
        (rows(words.latency, &series, &drawn))
        dl.facts {
            @for (name, call) in [(words.sends, Call::Send), (words.asks, Call::Ask)] {
                @if let Some(told) = quantiles(&seen.calls, call) { div { dt { (name) } dd { (told) } } }
            }
        }
        p.soft { (covered(words, seen)) }
    }
}

fn covered(words: &Words, seen: &Seen) -> String {
    filled(words.calls_covered, &[&seen.calls.len().to_string(), &seen.jobs.to_string(), &LINES.to_string()])
}

/// Median, 95 and 99 in a hundred, and the slowest.
fn quantiles(calls: &[Told], call: Call) -> Option<String> {
    let mut ms: Vec<u64> = calls.iter().filter(|told| told.call == call).map(|told| told.ms).collect();
    ms.sort_unstable();
    let at = |hundredths: usize| ms.get((ms.len() * hundredths).div_ceil(100).saturating_sub(1));
    Some(format!("p50 {} ms · p95 {} ms · p99 {} ms · max {} ms", at(50)?, at(95)?, at(99)?, ms.last()?))
}

#[cfg(test)]
mod tests {
    use bursar_store::EventId;

    use super::*;

    fn ended(at: u64, state: &str) -> Event {
        let fields = vec![("key".into(), "A".into()), ("state".into(), state.to_owned())];
        Event { id: EventId { at: Millis(at), number: 0 }, origin: "main/transfer".parse().unwrap(), fields }
    }

    #[test]
    fn a_rate_counts_ends_over_the_time_that_its_events_cover() {
        let recent = |events| Recent { now: Millis(1_000_000), events };
        assert!(rate(&recent(vec![])).is_none());
        let five = vec![ended(999_000, "succeeded"), ended(880_000, "in_doubt"), ended(880_000, "failed")];
        let told = rate(&recent(five)).unwrap();
        assert_eq!((told.per_minute.as_str(), told.over), ("1.0", Duration::from_secs(120)));
        assert_eq!(rate(&recent(vec![ended(999_999, "succeeded")])).unwrap().per_minute, "1.0", "not 60,000");
        let old = vec![ended(999_000, "succeeded"), ended(1, "succeeded")];
        assert_eq!(rate(&recent(old)).unwrap().over, RATE_OVER);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let calls: Vec<Told> = (1..=100).map(|ms| Told { call: Call::Send, answer: "accepted".into(), ms }).collect();
        assert_eq!(quantiles(&calls, Call::Send).unwrap(), "p50 50 ms · p95 95 ms · p99 99 ms · max 100 ms");
        assert_eq!(quantiles(&calls, Call::Ask), None);
        assert_eq!(quantiles(&calls[..1], Call::Send).unwrap(), "p50 1 ms · p95 1 ms · p99 1 ms · max 1 ms");
    }
}
