//! `fair_by` and `fair_weights` of an account: which jobs of a queue share its turns, and by what weight.

use bursar_domain::{FairBy, FairOrder};
use toml::{Table, Value as Toml};

use super::rules;
use super::section::Section;

/// The keys of an account that this file reads.
const KEYS: [&str; 2] = ["fair_by", "fair_weights"];

/// The lightest and the heaviest group: beyond that one group's jobs would never come, or nobody else's.
const WEIGHTS: std::ops::RangeInclusive<f64> = 0.001..=1_000.0;

/// Groups with a weight of their own, at most: every claim names them all.
const MAX_WEIGHTS: usize = 100;

/// The longest name of a group, in characters: what is longer in a job is cut, and would never be meant.
const MAX_GROUP_CHARS: usize = 64;

pub(super) fn read(section: &mut Section<'_>) -> FairOrder {
    let [by, weights] = KEYS;
    let by = section.read(by, |value| rules::text(value).map(|text| FairBy::read(&text))).unwrap_or_default();
    let weights = section.read_entries(weights, rules::number(WEIGHTS));
    let is_long = |group: &&String| group.chars().count() > MAX_GROUP_CHARS || group.chars().any(char::is_control);
    if let Some(group) = weights.keys().find(is_long) {
        let rule =
            format!("must name groups of at most {MAX_GROUP_CHARS} characters: {} is none", group.escape_debug());
        section.wrong(KEYS[1], &rule);
    } else if weights.len() > MAX_WEIGHTS {
        section.wrong(KEYS[1], &format!("must have at most {MAX_WEIGHTS} groups"));
    } else if by == FairBy::Nothing && !weights.is_empty() {
        section.wrong(KEYS[1], "has no meaning where fair_by is \"none\"");
    }
    FairOrder { by, weights }
}

pub(super) fn shown(order: &FairOrder) -> Table {
    let weights: Table =
        order.weights.iter().map(|(group, weight)| (group.clone(), super::show::number(*weight))).collect();
    let shown: [(&str, Toml); 2] = [(KEYS[0], order.by.to_string().into()), (KEYS[1], weights.into())];
    shown.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
