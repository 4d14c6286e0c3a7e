//! A job's record: the fields of its hash, and how they read.
//!
//! | field | holds |
//! |---|---|
//! | `s` | state |
//! | `m` | marks: created, last changed, last intent to send (ms), fence (how often it was claimed), sends |
//! | `h` | SHA-256 of the content, 32 bytes |
//! | `rs`, `a` | sends while an earlier might have executed, asks |
//! | `l` | workers lost while they held it |
//! | `t1` | first intent to send (ms) |
//! | `o` | when an operator last ordered a call (ms) |
//! | `no` | the gateway's numbers, newest last, separated by spaces |
//! | `g` | the gateway's status as it wrote it |
//! | `r` | reason: a JSON object, `{"code": …}` |
//! | `1`, `2`, … | the canonical content, in pieces; a long one stands in `body:KEY` instead |
//! | `x1`, `x2`, … | what became of the first claim, if it was a send: the line of its log, in pieces; see `log.rs` |
//! | `cb1`, `cb2`, … | the callback URL, in pieces |
//! | `tp` | the producer's `traceparent`; absent when it gave none |
//! | `cn` | how many events there were to tell so far |
//! | `cf`, `ch` | how often one was taken to be told; there while one is |
//! | `ca`, `ct` | failed attempts at the one that is next, and when it was first tried (ms) |
//! | `cx` | there once the receiver wants no more |
//! | `nt` | the number of the last notification that named it |
//! | `k` | the token of the claim that ended last: whose a repeated commit is |
//! | `e` | the lane's era in which it was accepted; absent in the first: see `lua/shared/eras.lua` |
//! | `lr` | what a response said that came after its claim was gone |
//!
//! `m` has the first of its marks alone until the first claim. `l`, `rs`, `a` are absent while they are 0, `t1` while there
//! was no second send. A tombstone has `z` only: the final state's first letter and the first half of the hash.
//!
//! While a worker holds a job its record stays as it was before the claim, and the lane's `held` says the rest: [`Held`].
//!
//! The marks share a field because what Redis does for a claim and a commit is mostly to look for fields and to write them. Texts
//! are kept in pieces of 64 bytes because one longer value makes Redis keep the hash at several times the size.

use std::collections::HashMap;
use std::str::FromStr;

use bursar_domain::{Call, Facts, JobView, Key, Lane, Millis, Names, Reason, Received, State, TraceParent};

use crate::StoreError;
use crate::held::Held;

/// A piece's length, and how many of a content stand in the record: `submit.lua` cuts alike.
const PIECE_BYTES: usize = 64;
const MAX_PIECES: usize = 16;

/// One job's record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Account and kind.
    pub lane: Lane,
    /// The key.
    pub key: Key,
    /// State.
    pub state: State,
    /// SHA-256 of the content; of a tombstone, its first half.
    pub hash: Vec<u8>,
    /// When it was accepted; `None` for a tombstone.
    pub created: Option<Millis>,
    /// When it last changed.
    pub updated: Option<Millis>,
    /// How often it was claimed.
    pub fence: u64,
    /// Sends.
    pub sends: u32,
    /// Sends while an earlier might have executed.
    pub resends: u32,
    /// Asks.
    pub asks: u32,
    /// Workers lost while they held it.
    pub losses: u32,
    /// The first intent to send.
    pub first_sent: Option<Millis>,
    /// The last intent to send.
    pub last_sent: Option<Millis>,
    /// When an operator last ordered a call.
    pub ordered: Option<Millis>,
    /// Who holds it.
    pub worker: Option<String>,
    /// The gateway's numbers, newest last.
    pub trade_nos: Vec<String>,
    /// The gateway's status as it wrote it.
    pub gateway_status: Option<String>,
    /// Why it stands where it stands.
    pub reason: Option<Reason>,
    /// Where its end is to be reported.
    pub callback_url: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
    /// When it is looked at next; while it is held, when the lease ends.
    pub due: Option<Millis>,
}

impl Record {
    /// Reads a record's fields, and beside them what `held` had for it before. `None` when there are none: no such job.
    /// `era` is the lane's, read before the record.
    pub(crate) fn read(
        lane: &Lane,
        key: &Key,
        mut fields: HashMap<String, Vec<u8>>,
        held: Option<&[u8]>,
        due: Option<Millis>,
        era: u64,
    ) -> Result<Option<Self>, StoreError> {
        if fields.is_empty() {
            return Ok(None);
        }
        let tombstone = fields.remove("z").unwrap_or_default();
        let hash = fields.remove("h").unwrap_or_else(|| tombstone.get(1..).unwrap_or_default().to_vec());
        let fields = Texts { lane, key, fields };
        let state = fields
            .text("s")
            .unwrap_or_else(|| tombstone.first().map(|letter| char::from(*letter)).into_iter().collect());
        let Some(state) = state_of(&state) else { return Err(fields.unreadable("s")) };
        let marks = fields.text("m").as_deref().and_then(Marks::read);
        // A claim puts such a record aside. To show it without them would tell of a job whose detail has expired.
        if marks.is_none() && tombstone.is_empty() {
            return Err(fields.unreadable("m"));
        }
        let held = Held::standing(held, marks.map_or(0, |marks| marks.fence));
        let record = Self {
            lane: lane.clone(),
            key: key.clone(),
            state,
            hash,
            created: marks.map(|marks| marks.created),
            updated: marks.map(|marks| marks.changed),
            fence: marks.map_or(0, |marks| marks.fence),
            sends: marks.map_or(0, |marks| marks.sends),
            resends: fields.parsed("rs")?.unwrap_or_default(),
            asks: fields.parsed("a")?.unwrap_or_default(),
            losses: fields.parsed("l")?.unwrap_or_default(),
            first_sent: fields.parsed("t1")?.map(Millis).or(marks.and_then(|marks| marks.sent)),
            last_sent: marks.and_then(|marks| marks.sent),
            ordered: fields.parsed("o")?.map(Millis),
            worker: None,
            trade_nos: fields.text("no").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            gateway_status: fields.text("g"),
            reason: fields.text("r").as_deref().filter(|reason| !reason.is_empty()).map(Reason::read),
            callback_url: fields.pieces("cb").and_then(|url| String::from_utf8(url).ok()),
            trace: fields.text("tp").and_then(|text| text.parse().ok()),
            due,
        };
        let record = record.in_era(fields.parsed("e")?.unwrap_or(0), era);
        Ok(Some(match held {
            Some(held) => record.held_by(held),
            None => record,
        }))
    }

    /// The same in the lane's present era: what was queued in an earlier one may have been sent, and Redis has forgotten it.
    fn in_era(mut self, accepted_in: u64, era: u64) -> Self {
        if self.state == State::Queued && accepted_in < era {
            self.state = State::InDoubt;
            self.reason = Some(Reason::LostWrites);
        }
        self
    }

    /// The same with a claim that stands.
    fn held_by(mut self, held: Held) -> Self {
        self.fence = held.fence;
        self.worker = Some(held.worker);
        if held.call == Call::Send {
            self.state = State::InDoubt;
            (self.updated, self.sends, self.resends) = (held.sent, held.sends, held.resends);
            (self.first_sent, self.last_sent) = (self.first_sent.or(held.sent), held.sent);
        }
        self
    }

    /// The facts by which deadlines are judged without a call. What was queued when writes were lost may have been sent at any time
    /// since it was accepted.
    #[must_use]
    pub fn facts(&self, next_day: bool) -> Facts {
        let may_have_been_sent = (self.state != State::Queued).then_some(self.created).flatten();
        Facts {
            state: self.state,
            sends: self.sends,
            resends: self.resends,
            asks: self.asks,
            losses: self.losses,
            first_sent: self.first_sent.or(may_have_been_sent),
            last_sent: self.last_sent,
            sent_before: None,
            ordered: self.ordered,
            late_response: None,
            can_ask: false,
            names: Names::Nothing,
            received: Received::Nothing,
            not_ready: matches!(self.reason, Some(Reason::OrderNotReady(_))),
            resend_tells: false,
            next_day,
            seed: self.key.seed(),
        }
    }

    /// The job as outsiders read it.
    #[must_use]
    pub fn view(&self) -> JobView {
        JobView {
            account: self.lane.account.to_string(),
            kind: self.lane.kind.to_string(),
            platform_no: self.key.to_string(),
            state: self.state,
            trade_no: self.trade_nos.last().cloned(),
            gateway_status: self.gateway_status.clone(),
            attempts: self.sends,
            asks: self.asks,
            created_at: JobView::time(self.created),
            updated_at: JobView::time(self.updated),
            due_at: JobView::time(self.due),
            reason: self.reason.clone(),
        }
    }
}

/// What the field `m` says: `marks.lua` writes and reads alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(crate) created: Millis,
    pub(crate) changed: Millis,
    /// The last intent to send.
    pub(crate) sent: Option<Millis>,
    pub(crate) fence: u64,
    pub(crate) sends: u32,
}

impl Marks {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let created = Millis(words.next()?.parse().ok()?);
        let Some(changed) = words.next() else {
            return Some(Self { created, changed: created, sent: None, fence: 0, sends: 0 });
        };
        let marks = Self {
            created,
            changed: Millis(changed.parse().ok()?),
            sent: Some(words.next()?.parse().ok()?).filter(|sent| *sent > 0).map(Millis),
            fence: words.next()?.parse().ok()?,
            sends: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(marks)
    }
}

/// A state by its word, or by its first letter, which is how a tombstone has it.
pub(crate) fn state_of(text: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.as_str() == text || (text.len() == 1 && state.as_str().starts_with(text)))
}

/// The text that stands in pieces under `name`; `None` when there is none.
pub(crate) fn pieces(fields: &HashMap<String, Vec<u8>>, name: &str) -> Option<Vec<u8>> {
    let pieces: Vec<&[u8]> =
        (1..).map_while(|piece| fields.get(&format!("{name}{piece}"))).map(Vec::as_slice).collect();
    (!pieces.is_empty()).then(|| pieces.concat())
}

/// A content as the fields that hold it; `None` when it is too long for the record.
pub(crate) fn cut(content: &str) -> Option<Vec<(String, &[u8])>> {
    let pieces = content.as_bytes().chunks(PIECE_BYTES).enumerate();
    (content.len() <= PIECE_BYTES * MAX_PIECES)
        .then(|| pieces.map(|(at, piece)| ((at + 1).to_string(), piece)).collect())
}

struct Texts<'a> {
    lane: &'a Lane,
    key: &'a Key,
    fields: HashMap<String, Vec<u8>>,
}

impl Texts<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn pieces(&self, name: &str) -> Option<Vec<u8>> {
        pieces(&self.fields, name)
    }

    fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.text(name).map(|text| text.parse().map_err(|_| self.unreadable(name))).transpose()
    }

    fn unreadable(&self, name: &str) -> StoreError {
        StoreError::Unreadable {
            what: format!("the record of job {} in {}", self.key, self.lane),
            detail: format!("field {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_the_first_alone_or_all() {
        let queued = Marks { created: Millis(5), changed: Millis(5), sent: None, fence: 0, sends: 0 };
        let ended = Marks { created: Millis(5), changed: Millis(7), sent: Some(Millis(6)), fence: 2, sends: 1 };
        for (text, marks) in [
            ("5", Some(queued)),
            ("5 7 6 2 1", Some(ended)),
            ("5 7 0 2 0", Some(Marks { sent: None, sends: 0, ..ended })),
            ("", None),
            ("5 7", None),
            ("5 7 6 2", None),
            ("5 7 6 2 1 in_doubt", None),
            ("5 x 6 2 1", None),
        ] {
            assert_eq!(Marks::read(text), marks, "{text}");
        }
    }

    #[test]
    fn every_state_is_told_by_its_first_letter() {
        for state in State::ALL {
            assert_eq!(state_of(&state.as_str()[..1]), Some(state));
            assert_eq!(state_of(state.as_str()), Some(state));
        }
        assert_eq!(state_of(""), None);
        assert_eq!(state_of("que"), None);
    }
}
