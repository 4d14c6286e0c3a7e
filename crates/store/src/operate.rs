//! Operators' hands: each act is recorded with who and why.

use std::time::Duration;

use bursar_domain::{
    ActionKind, DeadlinePassed, HistoryEvent, Key, Lane, Millis, Next, Operation, OperationRefused, OperatorAction,
    Reason, State,
};
use serde_json::Map;

use crate::claim::whole_millis;
use crate::commit::due_set;
use crate::read::only;
use crate::scripts::EVENTS_KEPT;
use crate::{Record, Store, StoreError, crash_point};

/// How often an operation is tried anew when the job changes under it.
const TRIES: usize = 5;

/// Who acts, and why.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// A name: a login, a token's name.
    pub who: &'a str,
    /// The reason in the operator's words.
    pub why: &'a str,
}

impl Operator<'_> {
    pub(crate) fn reason(&self, action: ActionKind) -> Reason {
        Reason::operator_action(action, self.who, self.why)
    }
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operated {
    /// Done; the job as it is now.
    Done(Box<Record>),
    /// There is no such job.
    Unknown,
    /// A worker is calling the gateway about it at this moment; try again when it has finished.
    Held(Box<Record>),
    /// It is not what the operator saw: nothing was done.
    Changed,
    /// Its state does not allow it.
    Refused(OperationRefused),
}

impl Store {
    /// Does `operation` to one job, if its state allows it; returns once that is kept as the configured durability says.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; look before repeating.
    pub async fn operate(
        &self,
        lane: &Lane,
        key: &Key,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        let since = self.since();
        let operated = self.operate_repeatedly(lane, key, operation, operator).await?;
        // A refusal vouches for the state that it names, as an act does for what it did.
        self.kept(since).await?;
        Ok(operated)
    }

    async fn operate_repeatedly(
        &self,
        lane: &Lane,
        key: &Key,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        for _ in 0..TRIES {
            let Some(record) = self.job(lane, key).await? else { return Ok(Operated::Unknown) };
            let operated = self.operate_on(&record, operation, operator, ["", ""]).await?;
            if operated != Operated::Changed {
                return Ok(operated);
            } // its state has changed since we looked: look again
        }
        // It changes as fast as we look: workers are at it.
        Ok(self.job(lane, key).await?.map_or(Operated::Unknown, |record| Operated::Held(Box::new(record))))
    }

    /// Does `operation` to a job that still is what the operator `saw`: of two who decide at once, the second has not
    /// decided about what there is then.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; look before repeating.
    pub async fn operate_as_seen(
        &self,
        saw: &Record,
        operation: Operation,
        operator: Operator<'_>,
    ) -> Result<Operated, StoreError> {
        let (since, updated) = (self.since(), saw.updated.unwrap_or_default().0);
        let seen = [saw.fence.to_string(), updated.to_string()];
        let operated = self.operate_on(saw, operation, operator, [&seen[0], &seen[1]]).await?;
        self.kept(since).await?;
        Ok(operated)
    }

    async fn operate_on(
        &self,
        record: &Record,
        operation: Operation,
        operator: Operator<'_>,
        seen: [&str; 2],
    ) -> Result<Operated, StoreError> {
        let next = match operation.on_job(record.state, record.reason.as_ref(), Millis(0)) {
            Ok(next) => next,
            Err(refused) => return Ok(Operated::Refused(refused)),
        };
        if record.created.is_none() {
            return Ok(Operated::Refused(expired(record.state)));
        }
        let Record { lane, key, .. } = record;
        let event = HistoryEvent::OperatorAction(OperatorAction {
            at: Millis::default(),
            action: operation.into(),
            from: record.state,
            to: next.state,
            operator: operator.who.to_owned(),
            comment: operator.why.to_owned(),
            more: Map::new(),
        });
        let certain = needs_certainty(operation);
        let next = Next { reason: Some(operator.reason(operation.into())), ..next };
        let unless = certain.map(|_| Reason::JournalAhead);
        match self.apply_unclaimed(record, &next, &event, seen, unless).await?.as_str() {
            "ok" => {
                let record = self.job(lane, key).await?;
                Ok(record.map_or(Operated::Unknown, |record| Operated::Done(Box::new(record))))
            }
            "gone" => Ok(Operated::Unknown),
            "held" => Ok(Operated::Held(Box::new(record.clone()))),
            "ahead" => Ok(Operated::Refused(OperationRefused {
                state: record.state,
                what: certain.unwrap_or_default(),
                rule: "a journal knows of sends that Redis has forgotten: run `bursar reconcile --journal` first",
            })),
            _ => Ok(Operated::Changed),
        }
    }

    /// Applies what its deadline makes of a job that waits to be sent, if it still is what was `seen` and no worker holds it. `false`
    /// when it is not.
    ///
    /// # Errors
    /// [`StoreError`]: it may have been done; look before repeating.
    pub async fn end_overdue(&self, seen: &Record, next: &Next) -> Result<bool, StoreError> {
        let (from, to, reason) = (seen.state, next.state, next.reason.clone());
        let event = DeadlinePassed { at: Millis::default(), from, to, reason, more: Map::new() };
        let event = HistoryEvent::DeadlinePassed(event);
        let changed = seen.updated.unwrap_or_default().0.to_string();
        let place = [seen.fence.to_string(), changed];
        let place = [place[0].as_str(), place[1].as_str()];
        let answer = self.apply_unclaimed(seen, next, &event, place, Some(Reason::JournalAhead)).await?;
        Ok(answer == "ok")
    }

    /// Runs `operate`: `event` is what the job's history says of it, `seen` the fence and last change that were seen, or nothing. Nothing is
    /// done in a lane that is paused for the reason `unless_paused`.
    async fn apply_unclaimed(
        &self,
        record: &Record,
        next: &Next,
        event: &HistoryEvent,
        seen: [&str; 2],
        unless_paused: Option<Reason>,
    ) -> Result<String, StoreError> {
        let lane = &record.lane;
        let mut call = self.scripts.operate.on(&self.keys.base(lane));
        call.push(self.keys.wake_channel())
            .push(lane.to_string())
            .push(EVENTS_KEPT)
            .push(record.key.as_str())
            .push(record.state.as_str())
            .push(next.state.as_str())
            .push(due_set(next.due).0)
            .push(recorded(next.reason.as_ref()))
            .push(event.recorded());
        for seen in seen {
            call.push(seen);
        }
        call.push(recorded(unless_paused.as_ref()));
        call.run(self).await
    }

    /// Pauses a lane: nothing new is sent, what was sent is followed. `false` when it was paused already.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn pause(&self, lane: &Lane, operator: Operator<'_>) -> Result<bool, StoreError> {
        self.set_paused(lane, ActionKind::Pause, operator.reason(ActionKind::Pause)).await
    }

    /// Resumes a lane. `false` when it was not paused.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn resume(&self, lane: &Lane, operator: Operator<'_>) -> Result<bool, StoreError> {
        self.set_paused(lane, ActionKind::Resume, operator.reason(ActionKind::Resume)).await
    }

    /// Pauses a lane for this reason, or resumes it.
    pub(crate) async fn set_paused(&self, lane: &Lane, action: ActionKind, reason: Reason) -> Result<bool, StoreError> {
        let mut call = self.scripts.pause.on(&self.keys.base(lane));
        call.push(self.keys.wake_channel()).push(lane.to_string()).push(EVENTS_KEPT);
        call.push(action.as_str()).push(reason.recorded());
        let since = self.since();
        let changed: u8 = call.run(self).await?;
        self.kept(since).await?; // also what was so already: it may have been written a moment ago
        Ok(changed == 1)
    }

    /// The gateway that a lane's jobs are for, as the first worker that served it named its own; `None` before that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn gateway(&self, lane: &Lane) -> Result<Option<String>, StoreError> {
        only(self.gateways(std::slice::from_ref(lane)).await?)
    }

    /// Makes `gateway` that of a lane's jobs, if it still is the one that was `seen`: workers with any other claim none of them.
    /// `false` when it is another one by now.
    ///
    /// # Errors
    /// [`StoreError`]: look before repeating.
    pub async fn set_gateway(
        &self,
        lane: &Lane,
        seen: Option<&str>,
        gateway: &str,
        operator: Operator<'_>,
    ) -> Result<bool, StoreError> {
        let mut call = self.scripts.gateway.on(&self.keys.base(lane));
        call.push(self.keys.wake_channel()).push(lane.to_string()).push(EVENTS_KEPT);
        call.push(seen.unwrap_or_default()).push(gateway).push(operator.reason(ActionKind::ConfirmGateway).recorded());
        let changed: u8 = call.run(self).await?;
        Ok(changed == 1)
    }

    /// Brings forward the next look at a job that waits to be asked about. `false` when it does not wait for that.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn wake(&self, lane: &Lane, key: &Key) -> Result<bool, StoreError> {
        let mut call = self.scripts.wake.on(&self.keys.base(lane));
        call.push(self.keys.wake_channel()).push(lane.to_string()).push(key.as_str());
        let woken: u8 = call.run(self).await?;
        Ok(woken == 1)
    }

    /// Reduces at most `limit` jobs that ended longer than `retention` ago to tombstones; returns how many.
    ///
    /// # Errors
    /// [`StoreError`]: repeat.
    pub async fn purge(&self, lane: &Lane, retention: Duration, limit: usize) -> Result<usize, StoreError> {
        let mut call = self.scripts.purge.on(&self.keys.base(lane));
        call.push(whole_millis(retention)).push(limit.min(crate::MAX_BATCH));
        crash_point("before_purge");
        let reduced = call.run(self).await?;
        if reduced > 0 {
            crash_point("after_purge");
        }
        Ok(reduced)
    }
}

fn recorded(reason: Option<&Reason>) -> String {
    reason.map(Reason::recorded).unwrap_or_default()
}

/// The operations that rely on Redis's word that a job was not executed, in the words of [`OperationRefused`].
const fn needs_certainty(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Cancel => Some("cancelled"),
        Operation::Send => Some("sent"),
        Operation::Ask | Operation::Resolve(_) => None,
    }
}

/// Only what is asked about after its end comes here: every other operation is refused by the state already.
fn expired(state: State) -> OperationRefused {
    OperationRefused { state, what: "asked about", rule: "its detail has expired; only its end is still known" }
}
