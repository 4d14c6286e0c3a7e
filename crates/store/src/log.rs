//! A job's log as it is read: the lines of `log:KEY`, the attempt that its record tells, and the claim that stands.
//!
//! What became of the first claim stands in the record (`x1`, `x2`, …): most jobs have no other attempt. The intent of a send
//! that is out stands in the lane's `held`, and gets its line when its end is known.

use bursar_domain::{AttemptView, Call, Key, Lane, Millis};
use serde_json::{Map, Value};

use crate::held::Held;
use crate::record::Marks;
use crate::{Store, StoreError};

/// Logs in one call of the script: a bound on how long it holds Redis.
const LOGS_AT_ONCE: usize = 50;

/// What a record tells of attempts, in the order of `attempts.lua`; from the third on, pieces of the first claim's end.
type Told = Vec<Option<Vec<u8>>>;

/// A job as `attempts.lua` tells it: of its record, the lines of its list, its claim.
type Read = (Told, Vec<Vec<u8>>, Option<Vec<u8>>);

/// What an answer to a first send always says: where a first claim's end begins with the worker's name, it stands for this.
const ANSWER: &[u8] = br#"{"e":"answer","f":1,"call":"send","w":"#;

impl Store {
    /// A job's log, oldest first. A line that cannot be read is told as it stands, as event `unreadable`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attempts(&self, lane: &Lane, key: &Key) -> Result<Vec<AttemptView>, StoreError> {
        Ok(self.logs(lane, std::slice::from_ref(key), 0).await?.pop().unwrap_or_default())
    }

    /// The newest `lines` of each of these jobs' logs, oldest first; in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent_attempts(
        &self,
        lane: &Lane,
        keys: &[Key],
        lines: usize,
    ) -> Result<Vec<Vec<AttemptView>>, StoreError> {
        let mut logs = self.logs(lane, keys, -isize::try_from(lines).unwrap_or(isize::MAX)).await?;
        for log in &mut logs {
            log.drain(..log.len().saturating_sub(lines));
        }
        Ok(logs)
    }

    /// Each job's log, from the line of its list that `from` names in the manner of `LRANGE`.
    async fn logs(&self, lane: &Lane, keys: &[Key], from: isize) -> Result<Vec<Vec<AttemptView>>, StoreError> {
        let mut logs = Vec::with_capacity(keys.len());
        for batch in keys.chunks(LOGS_AT_ONCE) {
            let mut call = self.scripts.attempts.on(&self.keys.base(lane));
            call.push(from);
            for key in batch {
                call.push(key.as_str());
            }
            let read: Vec<Read> = call.run(self).await?;
            logs.extend(read.into_iter().map(|(told, lines, held)| whole(&told, &lines, held.as_deref())));
        }
        Ok(logs)
    }
}

fn whole(told: &Told, lines: &[Vec<u8>], held: Option<&[u8]>) -> Vec<AttemptView> {
    let mut log: Vec<AttemptView> = lines.iter().map(|line| read_line(line)).collect();
    let Some(([marks, first], pieces)) = told.split_first_chunk() else { return log };
    let text = |field: &Option<Vec<u8>>| field.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let Some(marks) = text(marks).as_deref().and_then(Marks::read) else { return log };
    let mut first_claim: Vec<u8> = pieces.iter().flatten().flatten().copied().collect();
    if !first_claim.is_empty() {
        if first_claim.starts_with(b"\"") {
            first_claim.splice(..0, ANSWER.iter().copied());
        }
        let mut end = read_line(&first_claim);
        let worker = end.detail.remove("worker").unwrap_or_default();
        let sent = text(first).and_then(|first| first.parse().ok()).map(Millis);
        put(&mut log, [intent(sent.or(marks.sent), 1, worker), end]);
    }
    if let Some(held) = Held::standing(held, marks.fence)
        && held.call == Call::Send
    {
        put(&mut log, [intent(held.sent, held.fence, held.worker.into())]);
    }
    log
}

/// Ahead of the first line that is later, by its claim or its time (whose text sorts as times do).
fn put<const LINES: usize>(log: &mut Vec<AttemptView>, attempt: [AttemptView; LINES]) {
    let fence = |line: &AttemptView| line.detail.get("fence").and_then(Value::as_u64);
    let later =
        |line: &AttemptView| attempt.first().is_some_and(|first| fence(line) > fence(first) || line.at > first.at);
    let place = log.iter().position(later).unwrap_or(log.len());
    log.splice(place..place, attempt);
}

fn intent(at: Option<Millis>, fence: u64, worker: Value) -> AttemptView {
    let detail = Map::from_iter([("fence".to_owned(), fence.into()), ("worker".to_owned(), worker)]);
    AttemptView { at: at.unwrap_or_default().rfc3339(), event: "intent".to_owned(), detail }
}

/// A line as outsiders read it.
pub(crate) fn read_line(line: &[u8]) -> AttemptView {
    attempt(line).unwrap_or_else(|| unreadable(line))
}

fn attempt(line: &[u8]) -> Option<AttemptView> {
    let mut detail: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let at = detail.remove("t")?.as_u64()?;
    let event = detail.remove("e")?.as_str()?.to_owned();
    for (short, long) in [("f", "fence"), ("w", "worker")] {
        if let Some(value) = detail.remove(short) {
            detail.insert(long.to_owned(), value);
        }
    }
    Some(AttemptView { at: Millis(at).rfc3339(), event, detail })
}

fn unreadable(line: &[u8]) -> AttemptView {
    let detail = Map::from_iter([("line".to_owned(), String::from_utf8_lossy(line).into())]);
    AttemptView { at: String::new(), event: "unreadable".to_owned(), detail }
}
