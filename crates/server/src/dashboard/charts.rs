//! `GET /charts`: throughput, answers and latency over time. Ends are counted where the store has them by time, however many there
//! are; what calls came to is read from the logs of some jobs, by all workers, whichever process answers. Each chart says what
//! it covers.

mod answers;
mod latency;
mod sampling;
mod svg;
mod throughput;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State as Handed;
use axum::http::Uri;
use bursar_domain::{Lane, Millis};
use maud::{Markup, html};

use self::sampling::{Seen, Told, look};
use super::charts::svg::Axis;
use super::components::span;
use super::i18n::{Words, filled};
use super::page::{Answered, Live, Tab, page, refuse_problem};
use super::signed_in::Visitor;
use crate::http::query::Query;
use crate::state::Shared;

/// Lanes that one page looks at; beyond that, one is to be chosen.
const LANES: usize = 20;

/// Over which time a page looks, by the word in its address; the first if none is said.
const PERIODS: [(&str, Duration); 4] = [
    ("1h", Duration::from_secs(3_600)),
    ("6h", Duration::from_secs(6 * 3_600)),
    ("24h", Duration::from_secs(24 * 3_600)),
    ("7d", Duration::from_secs(7 * 24 * 3_600)),
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
        section { (throughput::chart(words, &seen)) }
        section { (answers::chart(words, &seen)) }
        section { (latency::chart(words, &seen)) }
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

fn covered(words: &Words, seen: &Seen) -> String {
    filled(words.calls_covered, &[&seen.calls.len().to_string(), &seen.jobs.to_string(), &sampling::LINES.to_string()])
}
