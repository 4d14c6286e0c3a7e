//! Recording what became of claimed jobs.

use std::borrow::Cow;

use bursar_domain::{Answer, Due, Lane, Millis, Next, Reason, State};
use redis::Value;

use crate::scripts::{Call, EVENTS_KEPT, LOG_QUIET_AFTER};
use crate::submit::word_of;
use crate::{Store, StoreError};

/// The end of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The job.
    pub key: String,
    /// The claim's fence.
    pub fence: u64,
    /// Whose claim it is.
    pub token: String,
    /// The lane's era in which it was claimed.
    pub era: u64,
    /// The worker's idea of Redis's time when it set the due time.
    pub decided: Millis,
    /// SHA-256 of the content that was claimed; empty where the record had none.
    pub hash: Vec<u8>,
    /// What the response, or its absence, is worth should this come too late.
    pub evidence: Evidence,
    /// What follows.
    pub next: Next,
    /// Whether the gateway was asked.
    pub asked: Asked,
    /// Whether a repeated send certainly did nothing, and so does not count against `resend_max`.
    pub resend: Resend,
    /// All of the gateway's numbers for it, when one is new; newest last.
    pub trade_nos: Option<Vec<String>>,
    /// All of them that the worker knows, new or not: Redis may have forgotten them.
    pub known_trade_nos: Vec<String>,
    /// The gateway's status as it wrote it, when it wrote one.
    pub gateway_status: Option<String>,
    /// What the response is known by, where that must be no other's.
    pub response: Option<ResponseId>,
    /// The event as it is recorded; `None` when no call was made and nothing is to be told.
    pub line: Option<String>,
}

/// What tells a response from every other one of its lane. A second response by the same number is another's, or the same one
/// over again: a mismatch, which a person must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseId {
    /// The gateway's number for the job, named to it for the first time: no other job has it.
    TradeNo(String),
    /// The gateway's id of the request, where it named no number: no other response has it.
    RequestId(String),
}

impl ResponseId {
    /// The field of the lane's `ids` that it stands in.
    fn field(&self) -> String {
        match self {
            Self::TradeNo(number) => format!("n{number}"),
            Self::RequestId(id) => format!("r{id}"),
        }
    }
}

/// What a call taught, for a job that has moved on meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The call certainly took no effect, or none was made.
    None,
    /// A send that may have taken effect.
    MaybeExecuted,
    /// What the gateway said.
    Said(Answer),
}

impl Evidence {
    /// In `commit.lua`'s words.
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::MaybeExecuted => "maybe",
            Self::Said(answer) => answer.as_str(),
        }
    }
}

/// Whether a commit ends an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The gateway was asked.
    Yes,
    /// It was sent to, or not called.
    No,
}

/// Whether a send counts among the resends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// As the claim counted it.
    Counts,
    /// It certainly did nothing.
    GivenBack,
    /// It was not made at all, and counts among the sends no more than among the resends.
    Skipped,
}

/// What became of a commit or a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Done.
    Ok,
    /// Done before, under this claim: a repetition.
    Again,
    /// The job has moved on under another claim. The response is in the log, and used where nothing else decides.
    Stale,
    /// Done, but not as it was decided: the response is known by a number that another one has. A person must look.
    Mismatch,
}

impl Committed {
    pub(crate) const WORDS: &[(&'static str, Self)] =
        &[("ok", Self::Ok), ("again", Self::Again), ("stale", Self::Stale), ("mismatch", Self::Mismatch)];
}

impl Store {
    /// Commits the ends of claims of one lane; one answer per commit, in order. Safe to repeat under each claim.
    ///
    /// # Errors
    /// [`StoreError`]: repeat until Redis answers.
    pub async fn commit(&self, lane: &Lane, commits: &[Commit]) -> Result<Vec<Committed>, StoreError> {
        let mut answers = Vec::with_capacity(commits.len());
        for batch in commits.chunks(crate::MAX_CLAIM) {
            let mut call = self.scripts.commit.on(&self.keys.base(lane));
            call.push(EVENTS_KEPT).push(LOG_QUIET_AFTER);
            for reason in by_the_script() {
                call.push(reason.recorded());
            }
            for commit in batch {
                push(&mut call, commit);
            }
            let replies: Vec<Value> = call.run(self).await?;
            for reply in &replies {
                answers.push(word_of("commit", reply, Committed::WORDS)?);
            }
        }
        Ok(answers)
    }
}

/// The reasons that the script gives by what it finds: `{0}` is the response's number, `{1}` the key of the job that it is known by.
fn by_the_script() -> [Reason; 4] {
    let (number, key) = ("{0}".to_owned(), "{1}".to_owned());
    [
        Reason::OtherContentSent,
        Reason::TradeNoOfAnotherJob { trade_no: number.clone(), key: key.clone() },
        Reason::ResponseRepeated { request_id: number.clone(), key: Some(key) },
        Reason::ResponseRepeated { request_id: number, key: None },
    ]
}

fn push(call: &mut Call<'_>, commit: &Commit) {
    call.push(&commit.key)
        .push(commit.fence)
        .push(&commit.token)
        .push(what_follows(commit))
        .push(commit.trade_nos.as_ref().map(|numbers| numbers.join(" ")).unwrap_or_default())
        .push(commit.gateway_status.as_deref().unwrap_or_default())
        .push(commit.next.reason.as_ref().map(Reason::recorded).unwrap_or_default())
        .push(commit.line.as_deref().unwrap_or_default())
        .push(late(commit))
        .push(commit.response.as_ref().map(ResponseId::field).unwrap_or_default());
}

/// The bytes of a hash by which a late commit knows the content that it is about.
const HASH_BYTES: usize = 8;

/// What is used of a commit that comes too late, in `commit.lua`'s words.
fn late(commit: &Commit) -> String {
    let hash: String = commit.hash.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let numbers = commit.known_trade_nos.join(" ");
    format!("{} {} {hash} {numbers}", commit.era, commit.evidence.as_str())
}

/// In `commit.lua`'s words: the state alone where a send has ended the job, which is the usual case.
fn what_follows(commit: &Commit) -> Cow<'static, str> {
    let (state, (set, due)) = (commit.next.state, due_set(commit.next.due));
    let (asked, pause) = (commit.asked == Asked::Yes, commit.next.pause_lane);
    let given_back = match commit.resend {
        Resend::Counts => 0,
        Resend::GivenBack => 1,
        Resend::Skipped => 2,
    };
    if state.is_terminal() && set.is_empty() && !asked && given_back == 0 && !pause {
        return state.as_str().into();
    }
    let set = if set.is_empty() { "-" } else { set };
    let [asked, pause] = [asked, pause].map(u8::from);
    format!("{state} {set} {due} {asked} {given_back} {pause} {}", commit.decided.0).into()
}

/// The sorted set that a due time belongs to, and the time.
pub(crate) fn due_set(due: Due) -> (&'static str, u64) {
    match due {
        Due::Send(at) => ("to_send", at.0),
        Due::Ask(at) => ("to_ask", at.0),
        Due::Never => ("", 0),
    }
}

/// The set in which a job of this state is found.
pub(crate) const fn sets_of(state: State) -> &'static [&'static str] {
    match state {
        State::Queued => &["to_send"],
        State::InDoubt | State::Pending => &["to_ask", "to_send"],
        State::NeedsReview => &["review"],
        State::Succeeded | State::Failed | State::Refunded | State::Cancelled => &["done"],
    }
}
