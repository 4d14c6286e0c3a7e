//! A job's history as it is read: the lines of `log:KEY`, the attempt that its record tells, and the claim that stands.
//!
//! What became of the first claim stands in the record (`x1`, `x2`, …): most jobs have no other attempt. The intent of a send
//! that is out stands in the lane's `held`, and gets its line when its end is known.

use bursar_domain::{Call, ClaimEvent, HistoryEvent, Key, Lane, Millis};

use crate::held::Held;
use crate::record::Marks;
use crate::{Store, StoreError};

/// Histories in one call of the script: a bound on how long it holds Redis.
const LOGS_AT_ONCE: usize = 50;

/// What a record tells of attempts, in the order of `attempts.lua`; from the third on, pieces of the first claim's end.
type Told = Vec<Option<Vec<u8>>>;

/// A job as `attempts.lua` tells it: of its record, the lines of its list, its claim.
type Read = (Told, Vec<Vec<u8>>, Option<Vec<u8>>);

/// What the response to a first send always says: where a first claim's end begins with the worker's name, it stands for this.
const RESPONSE: &[u8] = br#"{"event":"response","fence":1,"call":"send","worker":"#;

impl Store {
    /// A job's history, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, lane: &Lane, key: &Key) -> Result<Vec<HistoryEvent>, StoreError> {
        Ok(self.histories(lane, std::slice::from_ref(key), 0).await?.pop().unwrap_or_default())
    }

    /// The newest `lines` of each of these jobs' histories, oldest first; in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent_history(
        &self,
        lane: &Lane,
        keys: &[Key],
        lines: usize,
    ) -> Result<Vec<Vec<HistoryEvent>>, StoreError> {
        let mut histories = self.histories(lane, keys, -isize::try_from(lines).unwrap_or(isize::MAX)).await?;
        for history in &mut histories {
            history.drain(..history.len().saturating_sub(lines));
        }
        Ok(histories)
    }

    /// Each job's history, from the line of its list that `from` names in the manner of `LRANGE`.
    async fn histories(&self, lane: &Lane, keys: &[Key], from: isize) -> Result<Vec<Vec<HistoryEvent>>, StoreError> {
        let mut histories = Vec::with_capacity(keys.len());
        for batch in keys.chunks(LOGS_AT_ONCE) {
            let mut call = self.scripts.attempts.on(&self.keys.base(lane));
            call.push(from);
            for key in batch {
                call.push(key.as_str());
            }
            let read: Vec<Read> = call.run(self).await?;
            histories.extend(read.into_iter().map(|(told, lines, held)| whole(&told, &lines, held.as_deref())));
        }
        Ok(histories)
    }
}

fn whole(told: &Told, lines: &[Vec<u8>], held: Option<&[u8]>) -> Vec<HistoryEvent> {
    let mut history: Vec<HistoryEvent> = lines.iter().map(|line| HistoryEvent::read(line)).collect();
    let Some(([marks, first], pieces)) = told.split_first_chunk() else { return history };
    let text = |field: &Option<Vec<u8>>| field.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let Some(marks) = text(marks).as_deref().and_then(Marks::read) else { return history };
    let mut first_claim: Vec<u8> = pieces.iter().flatten().flatten().copied().collect();
    if !first_claim.is_empty() {
        if first_claim.starts_with(b"\"") {
            first_claim.splice(..0, RESPONSE.iter().copied());
        }
        let end = HistoryEvent::read(&first_claim);
        let worker = end.claim().map(|(_, worker)| worker.to_owned()).unwrap_or_default();
        let sent = text(first).and_then(|first| first.parse().ok()).map(Millis);
        put(&mut history, [intent(sent.or(marks.sent), 1, worker), end]);
    }
    if let Some(held) = Held::standing(held, marks.fence)
        && held.call == Call::Send
    {
        put(&mut history, [intent(held.sent, held.fence, held.worker)]);
    }
    history
}

/// Ahead of the first event that is later, by its claim or its time.
fn put<const EVENTS: usize>(history: &mut Vec<HistoryEvent>, attempt: [HistoryEvent; EVENTS]) {
    let fence = |event: &HistoryEvent| event.claim().map(|(fence, _)| fence);
    let later = |event: &HistoryEvent| {
        attempt.first().is_some_and(|first| fence(event) > fence(first) || event.at() > first.at())
    };
    let place = history.iter().position(later).unwrap_or(history.len());
    history.splice(place..place, attempt);
}

fn intent(at: Option<Millis>, fence: u64, worker: String) -> HistoryEvent {
    HistoryEvent::SendIntent(ClaimEvent { at: at.unwrap_or_default(), fence, worker, ..ClaimEvent::default() })
}
