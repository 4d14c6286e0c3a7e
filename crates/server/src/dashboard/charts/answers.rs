//! The outcomes of responses: shares over time, and all of them by sends and queries.

use bursar_domain::{Call, Outcome};
use maud::{Markup, html};

use super::sampling::{CallSample, Seen, shares};
use super::{axis, by_column, count, covered, when};
use crate::dashboard::charts::svg::{Column, columns, rows};
use crate::dashboard::i18n::Words;

pub(super) fn chart(words: &Words, seen: &Seen) -> Markup {
    let given = given(seen);
    let names: Vec<(&str, &str)> = given.iter().map(|answer| (class_of(*answer), words.answer(*answer))).collect();
    let drawn: Vec<Column<u64>> = by_column(seen)
        .into_iter()
        .enumerate()
        .map(|(index, calls)| {
            let values: Vec<u64> =
                given.iter().map(|answer| count(&calls, |sample| sample.answer == *answer)).collect();
            let each = names.iter().zip(&values).filter(|(_, count)| **count > 0);
            let each: String = each.map(|((_, name), count)| format!(" · {name} {count}")).collect();
            // The sample has more calls of some times than of others: shares can be compared, counts cannot.
            Column { title: when(seen, index) + &each, values: shares(100, &values) }
        })
        .collect();
    let all: Vec<&CallSample> = seen.calls.iter().collect();
    let of = |answer: Outcome, call: Call| count(&all, |sample| sample.answer == answer && sample.call == call);
    let bars: Vec<(String, Vec<u64>)> = given
        .iter()
        .map(|answer| {
            let both = vec![of(*answer, Call::Send), of(*answer, Call::Query)];
            (words.answer(*answer).to_owned(), both)
        })
        .collect();
    let series = [("is-send", words.sends), ("is-query", words.queries)];
    html! {
        h2 { (words.answers) }
        @if given.is_empty() { p.soft { (words.nothing_here) } } @else {
            (columns(&axis(seen, words.answers, "%"), &names, &drawn))
            (rows(words.answers, &series, &bars))
        }
        p.soft { (covered(words, seen)) }
    }
}

/// The answers that were given, in the domain's order.
fn given(seen: &Seen) -> Vec<Outcome> {
    let was_given = |answer: &Outcome| seen.calls.iter().any(|sample| sample.answer == *answer);
    Outcome::ALL.into_iter().filter(was_given).collect()
}

/// Its colour.
const fn class_of(answer: Outcome) -> &'static str {
    match answer {
        Outcome::NotExecuted => "is-not_executed",
        Outcome::NotReady => "is-not_ready",
        Outcome::Misconfigured => "is-misconfigured",
        Outcome::Rejected => "is-rejected",
        Outcome::Accepted => "is-accepted",
        Outcome::Succeeded => "is-succeeded",
        Outcome::Failed => "is-failed",
        Outcome::Refunded => "is-refunded",
        Outcome::NoResponse => "is-no_response",
        Outcome::NotFound => "is-not_found",
        Outcome::Mismatch => "is-mismatch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_colour_of_its_own() {
        let style = include_str!("../assets/dashboard.css");
        let classes: std::collections::BTreeSet<&str> = Outcome::ALL.map(class_of).into();
        assert_eq!(classes.len(), Outcome::ALL.len());
        for class in classes {
            assert!(style.contains(&format!(".{class} {{ fill: ")), "{class}");
        }
    }
}
