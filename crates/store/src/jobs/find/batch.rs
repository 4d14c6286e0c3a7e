//! The next rows of many sets, merged: one round trip, whatever their number.

use std::collections::HashMap;

use bursar_domain::{Millis, Queue};
use futures_util::future::try_join_all;
use redis::{Cmd, Value};

use super::cursor::NEWEST;
use super::{Position, Score};
use crate::Store;
use crate::StoreError;
use crate::jobs::StoredAs;
use crate::jobs::rows::Row;
use crate::reply::from_reply;

/// One set of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    /// The queue's place among those that are searched.
    pub(super) index: usize,
    pub(super) set: &'static str,
}

/// A row that may be a wanted job.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) at: Position,
    pub(super) index: usize,
    set: &'static str,
    row: Row,
    /// The job, once it was read; `None` after it was looked for, if there is none.
    pub(super) job: Option<StoredAs>,
}

impl Candidate {
    /// The job's key.
    pub(super) fn key(&self) -> &str {
        self.row.member.split(' ').next().unwrap_or_default()
    }
}

/// The next rows of some sets.
pub(super) struct Batch {
    /// The rows, newest first: no set has another one between them.
    pub(super) candidates: Vec<Candidate>,
    /// The sets that may have more.
    pub(super) live: Vec<Stream>,
    /// The oldest row up to which all sets were read; `None` if every set was read to its end.
    pub(super) reached: Option<Position>,
}

impl Store {
    /// The rows of these sets after a position whose scores are within the bounds, `rows` of each set.
    pub(super) async fn batch(
        &self,
        queues: &[Queue],
        streams: Vec<Stream>,
        after: Option<&Position>,
        (since, until): (Option<Millis>, Option<Millis>),
        rows: usize,
    ) -> Result<Batch, StoreError> {
        let high = after.map(|after| after.score.to_string());
        let high = high.or_else(|| until.map(|until| format!("({}", until.0))).unwrap_or_else(|| "+inf".to_owned());
        let low = since.map_or_else(|| "-inf".to_owned(), |since| since.0.to_string());
        let (mut batch, mut requested) = (Batch { candidates: Vec::new(), live: Vec::new(), reached: None }, streams);
        let mut limit = rows;
        while !requested.is_empty() {
            let command = |stream: &Stream| {
                let mut command = redis::cmd("ZRANGE");
                let queue = queues.get(stream.index).map(|queue| self.queues.of(queue).set(stream.set));
                command.arg(queue.unwrap_or_default()).arg(&high).arg(&low).arg("BYSCORE").arg("REV");
                command.arg("LIMIT").arg(0).arg(limit).arg("WITHSCORES");
                command
            };
            let commands: Vec<Cmd> = requested.iter().map(command).collect();
            let (replies, _) = self.many("ZRANGE", commands).await?;
            let mut again = Vec::new();
            for (stream, reply) in requested.into_iter().zip(&replies) {
                let (new, is_full) = new_rows(queues, stream, reply, after, limit)?;
                match new.last() {
                    // Many rows can have the same score: more are read until one is new.
                    None if is_full => again.push(stream),
                    Some(last) if is_full => {
                        batch.reached = batch.reached.max(Some(last.at.clone()));
                        batch.live.push(stream);
                    }
                    Some(_) | None => {}
                }
                batch.candidates.extend(new);
            }
            (requested, limit) = (again, limit.saturating_mul(2));
        }
        batch.candidates.sort_by(|one, other| other.at.cmp(&one.at));
        if let Some(reached) = &batch.reached {
            // A set with rows behind this one was not ended: it is read again, from here.
            let behind: Vec<Candidate> = batch.candidates.extract_if(.., |candidate| candidate.at < *reached).collect();
            for candidate in behind {
                let is_live = batch.live.iter().any(|live| live.index == candidate.index && live.set == candidate.set);
                if !is_live {
                    batch.live.push(Stream { index: candidate.index, set: candidate.set });
                }
            }
        }
        Ok(batch)
    }

    /// Reads the candidates' jobs, in their order; `None` where there is none any more.
    pub(super) async fn read_candidates(
        &self,
        queues: &[Queue],
        mut candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut rows: HashMap<(usize, &'static str), Vec<Row>> = HashMap::new();
        for candidate in candidates.iter().filter(|candidate| candidate.job.is_none()) {
            rows.entry((candidate.index, candidate.set)).or_default().push(candidate.row.clone());
        }
        // The commands of all queues are on their way at once.
        let reads = rows.iter().filter_map(|((index, set), rows)| {
            let queue = queues.get(*index)?;
            Some(async move { Ok::<_, StoreError>((*index, self.jobs_of_rows(queue, set, rows).await?)) })
        });
        let mut jobs: HashMap<(usize, String), StoredAs> = HashMap::new();
        for (index, read) in try_join_all(reads).await? {
            jobs.extend(read.into_iter().map(|(row, job)| ((index, row.member), job)));
        }
        for candidate in &mut candidates {
            if candidate.job.is_none() {
                candidate.job = jobs.remove(&(candidate.index, candidate.row.member.clone()));
            }
        }
        Ok(candidates)
    }

    /// The jobs of these sets by the time at which they were accepted, newest first; `None` if there are more than `most`.
    pub(super) async fn open_candidates(
        &self,
        queues: &[Queue],
        sets: &[&'static str],
        most: usize,
    ) -> Result<Option<Vec<Candidate>>, StoreError> {
        let streams: Vec<Stream> =
            sets.iter().flat_map(|set| (0..queues.len()).map(move |index| Stream { index, set })).collect();
        let set_of = |stream: &Stream| queues.get(stream.index).map(|queue| self.queues.of(queue).set(stream.set));
        let counts = streams.iter().filter_map(set_of).map(Cmd::zcard).collect();
        let (counts, _) = self.many("ZCARD", counts).await?;
        let counts: Vec<usize> =
            counts.iter().map(|count| from_reply("ZCARD", Some(count))).collect::<Result<_, StoreError>>()?;
        if counts.iter().sum::<usize>() > most {
            return Ok(None);
        }
        let streams: Vec<Stream> =
            streams.into_iter().zip(counts).filter(|(_, count)| *count > 0).map(|(stream, _)| stream).collect();
        let bound = isize::try_from(most).unwrap_or(isize::MAX); // jobs may be added meanwhile
        let commands = streams.iter().filter_map(set_of).map(|set| Cmd::zrange_withscores(set, 0, bound)).collect();
        let (replies, _) = self.many("ZRANGE", commands).await?;
        let mut candidates = Vec::new();
        for (stream, reply) in streams.into_iter().zip(&replies) {
            candidates.extend(new_rows(queues, stream, reply, None, usize::MAX)?.0);
        }
        let mut open = self.read_candidates(queues, candidates).await?;
        open.retain(|candidate| candidate.job.is_some());
        for candidate in &mut open {
            let accepted = match &candidate.job {
                Some(StoredAs::Job(job)) => job.created.unwrap_or(NEWEST),
                Some(StoredAs::Unreadable { .. }) | None => NEWEST,
            };
            candidate.at =
                Position { score: Score::of(accepted), member: candidate.key().to_owned(), ..candidate.at.clone() };
        }
        open.sort_by(|one, other| other.at.cmp(&one.at));
        open.dedup_by(|one, other| one.at == other.at); // a job that moved while it was read
        Ok(Some(open))
    }
}

/// The rows of a reply that come after the position, and whether the set may have more.
fn new_rows(
    queues: &[Queue],
    stream: Stream,
    reply: &Value,
    after: Option<&Position>,
    limit: usize,
) -> Result<(Vec<Candidate>, bool), StoreError> {
    let rows: Vec<(Vec<u8>, f64)> = from_reply("ZRANGE", Some(reply))?;
    let is_full = rows.len() == limit;
    let queue = queues.get(stream.index).map(ToString::to_string).unwrap_or_default();
    let candidates = rows.into_iter().map(Row::of).map(|row| Candidate {
        at: Position { score: row.score, queue: queue.clone(), member: row.member.clone() },
        index: stream.index,
        set: stream.set,
        row,
        job: None,
    });
    Ok((candidates.filter(|new| after.is_none_or(|after| new.at < *after)).collect(), is_full))
}
