//! The outcomes of responses: shares over time, and all of them by sends and queries.

use bursar_domain::{Answer, Call};
use maud::{Markup, html};

use super::sampling::{Seen, Told, shares};
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
            let values: Vec<u64> = given.iter().map(|answer| count(&calls, |told| told.answer == *answer)).collect();
            let each = names.iter().zip(&values).filter(|(_, count)| **count > 0);
            let each: String = each.map(|((_, name), count)| format!(" · {name} {count}")).collect();
            // The sample has more calls of some times than of others: shares can be compared, counts cannot.
            Column { title: when(seen, index) + &each, values: shares(100, &values) }
        })
        .collect();
    let all: Vec<&Told> = seen.calls.iter().collect();
    let of = |answer: Answer, call: Call| count(&all, |told| told.answer == answer && told.call == call);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_colour_of_its_own() {
        let style = include_str!("../assets/dashboard.css");
        let classes: std::collections::BTreeSet<&str> = Answer::ALL.map(class_of).into();
        assert_eq!(classes.len(), Answer::ALL.len());
        for class in classes {
            assert!(style.contains(&format!(".{class} {{ fill: ")), "{class}");
        }
    }
}
