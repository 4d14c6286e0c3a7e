//! Ended jobs over time, by their states, with their amounts.

use bursar_domain::{State, yuan};
use maud::{Markup, html};

use super::sampling::{Looked, Seen};
use super::{axis, when};
use crate::dashboard::charts::svg::{Column, columns};
use crate::dashboard::components::span;
use crate::dashboard::i18n::{Words, filled};

/// The states that are counted, with the classes of their colours.
const COUNTED: [(State, &str); 5] = [
    (State::Succeeded, "is-succeeded"),
    (State::Failed, "is-failed"),
    (State::Refunded, "is-refunded"),
    (State::Cancelled, "is-cancelled"),
    (State::NeedsReview, "is-needs_review"),
];

pub(super) fn chart(words: &Words, seen: &Seen) -> Markup {
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
    let sums = seen.sums.as_ref();
    let sum_of = |state: State| sums.and_then(|sums| u128::try_from(sums.get(state.as_str())?.fen).ok());
    let amounts: Vec<(State, u128)> = COUNTED.iter().filter_map(|(state, _)| Some((*state, sum_of(*state)?))).collect();
    let values = [&ended.to_string(), &span(words, seen.over()), &span(words, seen.step), &in_review.to_string()];
    html! {
        h2 { (words.throughput) }
        (columns(&axis(seen, words.throughput, ""), &names, &drawn))
        p.soft {
            (filled(words.throughput_covers, &values.map(String::as_str)))
        }
        @if !amounts.is_empty() {
            dl.facts.amounts { @for (state, fen) in amounts { div { dt { (words.amount) " · " (words.state(state)) } dd.amount { (yuan(fen)) } } } }
            p.soft { (words.report.sums_exact) }
        }
        @if sums.is_none() { p.notice { (words.report.sums_missing) } }
    }
}
