//! Jobs that Redis has forgotten, wholly or in part, and that a journal remembers.

use bursar_domain::{BusinessKeyConflict, HistoryEvent, Key, Lane, Millis, Next, Reason, RestoredFromJournal, State};

use crate::commit::due_set;
use crate::record::cut;
use crate::scripts::EVENTS_KEPT;
use crate::{Record, Store, StoreError};

/// What a journal knows of one job's sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered<'a> {
    /// SHA-256 of the content that was sent.
    pub hash: &'a [u8],
    /// The content; written only where Redis has no record.
    pub content: &'a str,
    /// What the job is about at the gateway.
    pub about: &'a str,
    /// The highest fence of a send.
    pub fence: u64,
    /// Sends.
    pub sends: u32,
    /// Of them those made while an earlier one might have been executed.
    pub resends: u32,
    /// The first one that is known.
    pub first_sent: Millis,
    /// The last one.
    pub last_sent: Millis,
    /// The gateway's numbers, newest last; none where nothing new is known.
    pub trade_nos: &'a [String],
}

impl<'a> Remembered<'a> {
    /// What it is about, where that is not its own key.
    fn about_unless(&self, key: &Key) -> &'a str {
        if self.about == key.as_str() { "" } else { self.about }
    }
}

/// How a record stands to what a journal knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It knows as much, or has ended.
    Agrees,
    /// There is none.
    Missing,
    /// It has forgotten a send.
    Behind,
    /// It has forgotten a send, and its content is not the one that was sent.
    OtherContent,
    /// It has ended as never executed, and a send is known that it does not count: a person looks.
    EndedUnsent,
}

impl Standing {
    /// Compares: a record that has forgotten nothing has a fence and a number of sends at least as high as any send had.
    #[must_use]
    pub fn of(record: Option<&Record>, hash: &[u8], fence: u64, sends: u32) -> Self {
        let Some(record) = record else { return Self::Missing };
        if record.created.is_none() {
            return Self::Agrees; // a tombstone
        }
        let fewer = record.sends < sends;
        match record.state {
            State::Succeeded | State::Refunded => Self::Agrees,
            State::Failed | State::Cancelled if fewer => Self::EndedUnsent,
            State::Failed | State::Cancelled => Self::Agrees,
            State::Queued | State::InDoubt | State::Pending | State::NeedsReview => {
                let behind = record.fence < fence || (record.state == State::Queued && fewer);
                match (record.hash == hash, behind) {
                    // A person has it already.
                    (false, false) if record.state == State::NeedsReview => Self::Agrees,
                    // A record's content never changes: this one was accepted after the other had been forgotten. Its fences
                    // began again at 1, and say nothing of the other's.
                    (false, _) => Self::OtherContent,
                    (true, true) => Self::Behind,
                    (true, false) => Self::Agrees,
                }
            }
        }
    }
}

/// What became of a job that was to be put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutBack {
    /// It stands as was asked for.
    Done,
    /// Another job, by this key, is about the same thing: a person must decide about both, unless the other one was sent already.
    Beside(String),
    /// It is not what was seen any more; nothing was written.
    Changed,
}

impl Store {
    /// Puts one job back as `next`, if Redis has of it what `seen` says. Its fence rises above the journal's.
    ///
    /// `event` is for the job's history: who did it, and what the journal knows.
    ///
    /// A rival, another job about the same thing that may still be sent, is put before a person in the same step.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; look before repeating.
    pub async fn put_back(
        &self,
        lane: &Lane,
        key: &Key,
        seen: Option<&Record>,
        remembered: &Remembered<'_>,
        next: &Next,
        event: RestoredFromJournal,
    ) -> Result<PutBack, StoreError> {
        // A full Redis takes no new name, and takes back what it has forgotten.
        if let Err(error @ StoreError::Cluster) = self.introduce(&[lane]).await {
            return Err(error);
        }
        let (set, due) = due_set(next.due);
        let mut call = self.scripts.put_back.on(&self.keys.base(lane));
        call.push(self.keys.wake_channel())
            .push(lane.to_string())
            .push(EVENTS_KEPT)
            .push(key.as_str())
            .push(seen.map(|record| record.fence.to_string()).unwrap_or_default())
            .push(seen.map(|record| record.state.as_str()).unwrap_or_default())
            .push(next.state.as_str())
            .push(set)
            .push(due)
            .push(next.reason.as_ref().map(Reason::recorded).unwrap_or_default())
            .push(remembered.fence)
            .push(remembered.sends)
            .push(remembered.resends)
            .push(remembered.first_sent.0)
            .push(remembered.last_sent.0)
            .push(remembered.trade_nos.join(" "))
            .push(HistoryEvent::RestoredFromJournal(event.clone()).recorded())
            .push(remembered.about_unless(key))
            .push(Reason::RestoredBesideAnotherJob { key: "{1}".into() }.recorded());
        for of_rival in kept_back(key, &event.operator) {
            call.push(of_rival);
        }
        if seen.is_none() {
            let pieces = cut(remembered.content);
            call.push(remembered.hash).push(if pieces.is_some() { "" } else { remembered.content });
            for (name, piece) in pieces.into_iter().flatten() {
                call.push(name).push(piece);
            }
        }
        let since = self.since();
        let reply: Vec<String> = call.run(self).await?;
        self.kept(since).await?;
        match reply.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["ok"] => Ok(PutBack::Done),
            ["beside", other] => Ok(PutBack::Beside(other.to_owned())),
            ["changed"] => Ok(PutBack::Changed),
            _ => Err(StoreError::Unreadable {
                what: "the reply of put_back".into(),
                detail: format!("{reply:?} is no answer"),
            }),
        }
    }

    /// Puts the rival of a job before a person, if it may still be sent, and leaves the job itself as it is: a journal knows a send by
    /// `key`, about what `remembered` says, of which the record of that key tells nothing. Returns the rival's key.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; repeating it is safe.
    pub async fn set_rival_aside(
        &self,
        lane: &Lane,
        key: &Key,
        remembered: &Remembered<'_>,
        who: &str,
    ) -> Result<Option<String>, StoreError> {
        let mut call = self.scripts.set_rival_aside.on(&self.keys.base(lane));
        call.push(EVENTS_KEPT).push(key.as_str()).push(remembered.about_unless(key));
        for of_rival in kept_back(key, who) {
            call.push(of_rival);
        }
        let since = self.since();
        let rival: String = call.run(self).await?;
        self.kept(since).await?;
        Ok(Some(rival).filter(|rival| !rival.is_empty()))
    }
}

/// The reason of a rival of `key`, and the line of its history.
fn kept_back(key: &Key, who: &str) -> [String; 2] {
    let conflict = BusinessKeyConflict {
        at: Millis::default(),
        operator: who.to_owned(),
        key: key.to_string(),
        more: serde_json::Map::new(),
    };
    let reason = Reason::BusinessKeySent { key: key.to_string() };
    [reason.recorded(), HistoryEvent::BusinessKeyConflict(conflict).recorded()]
}
