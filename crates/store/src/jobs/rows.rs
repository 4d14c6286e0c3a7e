//! The rows of a queue's sorted sets, read on from any row: never by position, so that concurrent changes shift
//! nothing.

use std::cmp::Ordering;
use std::str::FromStr;

use bursar_domain::{IdError, Key, Millis, Queue, State};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::StoreError;

/// Every set that a job can be in, in the order of a job's life.
pub(crate) const SETS: [&str; 5] = ["due_sends", "sends", "due_queries", "review", "done"];

/// The sets of [`SETS`] in which jobs of a state are.
pub(crate) const fn sets_of(state: State) -> &'static [&'static str] {
    match state {
        State::Queued => &["due_sends", "sends"],
        State::InDoubt | State::Pending => &["due_sends", "sends", "due_queries"],
        State::NeedsReview => &["review"],
        State::Succeeded | State::Failed | State::Refunded | State::Cancelled => &["done"],
    }
}

/// A row's score: a time (ms), or a rank in the fair order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")] // JSON's numbers may lose a rank's last bit
pub(crate) struct Score(f64);

impl Score {
    /// The score of a time.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are exact up to the year 287000")]
    pub(crate) const fn of(at: Millis) -> Self {
        Self(at.0 as f64)
    }

    /// The time that it is.
    pub(crate) fn time(self) -> Millis {
        crate::reply::score(self.0)
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Score {}

impl std::fmt::Display for Score {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, out) // the shortest text that reads as the same number
    }
}

impl From<Score> for String {
    fn from(score: Score) -> Self {
        score.to_string()
    }
}

impl TryFrom<String> for Score {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl FromStr for Score {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let score = text.parse::<f64>().ok().filter(|score| score.is_finite() && score.is_sign_positive());
        score.map(Self).ok_or(IdError::new("is no score"))
    }
}

/// A member of a set with its score. Redis sorts alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) score: Score,
    /// A job's key; in the sets of sends its group may follow, behind a space.
    pub(crate) member: String,
}

impl Row {
    /// A member with its score, as Redis replies.
    pub(crate) fn of((member, score): (Vec<u8>, f64)) -> Self {
        Self { score: Score(score), member: String::from_utf8_lossy(&member).into_owned() }
    }

    /// The job's key; `None` for a member that cannot be one.
    pub(crate) fn key(&self) -> Option<Key> {
        key_of(&self.member)
    }
}

/// The key that a set's member begins with.
pub(crate) fn key_of(member: &str) -> Option<Key> {
    member.split(' ').next().and_then(|key| key.parse().ok())
}

/// A position in a queue's sets: after this row of this set, or at the set's beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub(crate) struct Behind {
    pub(crate) set: &'static str,
    pub(crate) row: Option<Row>,
}

impl std::fmt::Display for Behind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.set)?;
        let Some(Row { score, member }) = &self.row else { return Ok(()) };
        write!(out, ":{score}:{member}")
    }
}

impl FromStr for Behind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let read = || {
            let (name, row) = text.split_once(':').map_or((text, None), |(name, row)| (name, Some(row)));
            let set = SETS.into_iter().find(|known| *known == name)?;
            let Some(row) = row else { return Some(Self { set, row: None }) };
            let (score, member) = row.split_once(':')?;
            key_of(member)?;
            Some(Self { set, row: Some(Row { score: score.parse().ok()?, member: member.to_owned() }) })
        };
        read().ok_or(IdError::new("is no place in a listing"))
    }
}

impl From<Behind> for String {
    fn from(behind: Behind) -> Self {
        behind.to_string()
    }
}

impl<'de> Deserialize<'de> for Behind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Rows of one set, and where to go on.
pub(crate) struct Rows {
    pub(crate) set: &'static str,
    pub(crate) rows: Vec<Row>,
    /// `None` behind the last set.
    pub(crate) next: Option<Behind>,
}

impl Store {
    /// About `limit` rows at most of these sets after a position, all of one set. Ends before `ended_from` are skipped.
    pub(crate) async fn rows(
        &self,
        queue: &Queue,
        sets: &[&'static str],
        from: Option<&Behind>,
        ended_from: Millis,
        limit: usize,
    ) -> Result<Rows, StoreError> {
        let at = from.and_then(|from| sets.iter().position(|set| *set == from.set)).unwrap_or(0);
        let Some(set) = sets.get(at).copied() else { return Ok(Rows { set: "done", rows: Vec::new(), next: None }) };
        let after = from.filter(|from| from.set == set).and_then(|from| from.row.as_ref());
        let low = match (after, set) {
            (Some(after), _) => after.score.to_string(),
            (None, "done") => ended_from.0.to_string(),
            (None, _) => "-inf".to_owned(),
        };
        let (rows, is_full) = self.rows_after(queue, set, &low, after, limit).await?;
        let next = match rows.last() {
            Some(last) if is_full => Some(Behind { set, row: Some(last.clone()) }),
            Some(_) | None => sets.get(at + 1).map(|set| Behind { set, row: None }),
        };
        Ok(Rows { set, rows, next })
    }

    /// The rows of the set after that row, and whether there may be more. Many rows can have the same score: then more
    /// are read until one is new.
    pub(crate) async fn rows_after(
        &self,
        queue: &Queue,
        set: &str,
        low: &str,
        after: Option<&Row>,
        mut limit: usize,
    ) -> Result<(Vec<Row>, bool), StoreError> {
        let set = self.queues.of(queue).set(set);
        loop {
            let mut command = redis::cmd("ZRANGE");
            command.arg(&set).arg(low).arg("+inf").arg("BYSCORE").arg("LIMIT").arg(0).arg(limit).arg("WITHSCORES");
            let mut connection = self.connection();
            let rows: Vec<(Vec<u8>, f64)> =
                command.query_async(&mut connection).await.map_err(|source| StoreError::of("ZRANGE", source))?;
            let is_full = rows.len() == limit;
            let new: Vec<Row> =
                rows.into_iter().map(Row::of).filter(|row| after.is_none_or(|after| row > after)).collect();
            if !new.is_empty() || !is_full {
                return Ok((new, is_full));
            }
            limit = limit.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written_and_nothing_else_is_one() {
        for text in ["done", "due_sends:17:A-1", "done:1732571335000:a:b", "sends:12.333333333333334:A-1 shop 7:x"] {
            let place: Behind = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            let json = serde_json::to_string(&place).unwrap();
            assert_eq!(serde_json::from_str::<Behind>(&json).unwrap(), place);
        }
        for wrong in
            ["", "x", "done:", "done:1", "queue:1:A", "done:x:A", "done:1:", "done:1: A", "done:-1:A", "done:inf:A"]
        {
            assert!(wrong.parse::<Behind>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn rows_sort_by_score_and_then_by_bytes() {
        let row = |score: f64, member: &str| Row { score: Score(score), member: member.to_owned() };
        let sorted = [row(1.0, "b"), row(1.5, "a"), row(2.0, "A"), row(2.0, "a"), row(10.0, "é")];
        assert!(sorted.is_sorted());
        assert_eq!(row(1.0, "K1 shop 7").key().unwrap().as_str(), "K1");
        assert_eq!(row(1.0, " K1").key(), None);
    }
}
