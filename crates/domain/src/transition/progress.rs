//! The facts that the state machine decides by.

use crate::{Millis, Names, Outcome, Received, State};

/// The facts about one job that the record and the gateway have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobProgress {
    /// Before the call; while a send is out the record itself says `in_doubt`.
    pub state: State,
    /// Sends so far, this one included.
    pub sends: u32,
    /// Sends made while an earlier one might have executed, this one included.
    pub resends: u32,
    /// Queries so far, this one included.
    pub queries: u32,
    /// Workers lost while they held the job.
    pub losses: u32,
    /// The time of the first recorded intent to send.
    pub first_sent: Option<Millis>,
    /// The time of the last one, this one included.
    pub last_sent: Option<Millis>,
    /// The time of the last one before this one.
    pub sent_before: Option<Millis>,
    /// The time at which an operator last ordered a call: deadlines are counted from then.
    pub ordered: Option<Millis>,
    /// The outcome in a response that came when its claim was gone: evidence where the gateway cannot be queried.
    pub late_response: Option<Outcome>,
    /// True if the gateway can be queried about it, with what is known by now.
    pub can_query: bool,
    /// The job that the response at hand names. Without a response, nothing names one.
    pub names: Names,
    /// The arrival of a response to the last send that can be relied on, whatever it said.
    pub received: Received,
    /// True if the gateway has said that the order which it belongs to is not ready. Some say so of an order that was executed, so the job
    /// never ends as one that was not: a person looks.
    pub not_ready: bool,
    /// True if this gateway answers a repeated send with the first one's status.
    pub repeat_is_answered: bool,
    /// True if the money arrives the next working day only.
    pub next_day: bool,
    /// The seed of the job's jitter.
    pub seed: u64,
}
