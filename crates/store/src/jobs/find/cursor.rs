//! A place in a list of jobs of many queues, as clients carry it.

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bursar_domain::{IdError, Millis};

use super::{SECTIONS, Score, key_of};

/// A row of any queue. Rows sort by their scores, and among equal scores by queue and member: newest first is the order from the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) score: Score,
    pub(super) queue: String,
    pub(super) member: String,
}

impl Position {
    /// A place before every row.
    pub(super) const fn newest() -> Self {
        Self { score: Score::of(NEWEST), queue: String::new(), member: String::new() }
    }
}

/// Later than every time, and a number that a score has exactly: the time of a job whose record cannot be read.
pub(super) const NEWEST: Millis = Millis((1 << 53) - 1);

/// The place of the open jobs in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Among all others, by the time at which they were accepted.
    ByTime,
    /// Before all others, set by set.
    BySet,
}

/// A place in a list. A job that keeps its state is on one page; a job that changes its state between two pages may be on two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindCursor {
    pub(super) order: Order,
    pub(super) section: usize,
    pub(super) at: Position,
}

impl FindCursor {
    /// The name of the queue that the place is in; empty where it is in none.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.at.queue
    }
}

/// An opaque text that the caller passes back.
impl std::fmt::Display for FindCursor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { order, section, at: Position { score, queue, member } } = self;
        let order = match order {
            Order::ByTime => 't',
            Order::BySet => 's',
        };
        out.write_str(&BASE64_URL_SAFE_NO_PAD.encode(format!("{order}:{section}:{score}:{queue}:{member}")))
    }
}

impl FromStr for FindCursor {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let mut parts = text.splitn(5, ':');
            let order = match parts.next()? {
                "t" => Order::ByTime,
                "s" => Order::BySet,
                _ => return None,
            };
            let section = parts.next()?.parse().ok().filter(|section| *section < SECTIONS.len())?;
            let score = parts.next()?.parse().ok()?;
            let (queue, member) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            (member.is_empty() || key_of(&member).is_some()).then_some(())?;
            Some(Self { order, section, at: Position { score, queue, member } })
        };
        read().ok_or(IdError::new("must be the next of a page before"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let position = |member: &str| Position {
            score: Score::of(Millis(1_732_571_335_000)),
            queue: "main/transfer".to_owned(),
            member: member.to_owned(),
        };
        for (order, section, at) in [
            (Order::ByTime, 3, position("A:1")),
            (Order::BySet, 0, position("A-1 shop 7:x")),
            (Order::ByTime, 3, Position::newest()),
        ] {
            let cursor = FindCursor { order, section, at };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        for wrong in [
            "",
            "x",
            "t:3:1:q:K",
            &encoded("t:4:1:q:K"),
            &encoded("x:3:1:q:K"),
            &encoded("t:3:-1:q:K"),
            &encoded("t:3:1:q"),
        ] {
            assert!(wrong.parse::<FindCursor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_of_several_queues_sort_by_score_queue_and_member() {
        let row = |score, queue: &str, member: &str| Position {
            score: Score::of(Millis(score)),
            queue: queue.into(),
            member: member.into(),
        };
        let sorted = [row(1, "b", "a"), row(2, "a", "b"), row(2, "a", "c"), row(2, "b", "a"), Position::newest()];
        assert!(sorted.is_sorted());
    }
}
