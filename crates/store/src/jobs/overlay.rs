//! A claim entry, and its effect on the job's record.
//!
//! A claim does not change the record: for a send its entry in `claims:QUEUE` is the intent, recorded before the first
//! byte leaves. If a claim is lost, the next claim of the job includes the lost entry (`after`), so that no send is
//! forgotten. All code that shows a job or decides about it reads record and entry through this module.

use bursar_domain::{Call, ClaimEvent, HistoryEvent, Millis, Outcome, Reason, State};
use serde::{Deserialize, Serialize};

use super::record::{StoredJob, Unreadable};

/// A worker's claim, in `claims:QUEUE`. `claim.lua` writes it, and the scripts identify a claim by the beginning of its
/// text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimEntry {
    /// The claim's token: the worker's name, a slash, and the number of that worker's claim call.
    #[serde(rename = "claim")]
    pub(crate) token: String,
    pub(crate) call: Call,
    pub(crate) fence: u64,
    pub(crate) at: Millis,
    /// The responses to earlier claims that arrived while this one was in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) late: Vec<LateResponse>,
    /// The claim before it, which was lost. It must be the last field: the scripts rely on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Box<ClaimEntry>>,
}

/// The used part of a response that arrived after its claim had ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LateResponse {
    /// Its outcome; absent if the send may have been executed without a response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trade_nos: Vec<String>,
    /// True if it answers a send of other content with the same key, which Redis had lost when it accepted this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) other_content: bool,
}

/// A queue's knowledge of lost writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Era {
    /// The number of times that Redis was found to have lost writes.
    pub(crate) number: u64,
    /// The era that a person answered for by resuming the queue.
    pub(crate) resumed: u64,
    /// The time (ms).
    pub(crate) resumed_at: Millis,
}

impl ClaimEntry {
    /// The entry of a job that had no claim before.
    pub(crate) fn new(token: &str, call: Call, fence: u64, at: Millis) -> Self {
        Self { token: token.to_owned(), call, fence, at, late: Vec::new(), after: None }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        // A record that was never claimed has an empty last claim, so a claim without a token would count as ended.
        serde_json::from_str(text).ok().filter(|claim: &Self| !claim.knows(""))
    }

    /// The claim from an entry's text: none for an empty one.
    pub(crate) fn of(text: &str) -> Result<Option<Self>, Unreadable> {
        match (text.is_empty(), Self::read(text)) {
            (true, _) => Ok(None),
            (false, Some(claim)) => Ok(Some(claim)),
            (false, None) => Err(Unreadable::Damaged("its claim cannot be read".into())),
        }
    }

    /// The text of the claim that was lost before a claim with this token, readable or not; empty for none.
    pub(crate) fn text_before<'a>(text: &'a str, token: &str) -> &'a str {
        let own = text.strip_prefix(Self::beginning(token).as_str()).and_then(|rest| rest.strip_suffix('}'));
        own.and_then(|own| own.split_once(",\"after\":")).map_or("", |(_, before)| before)
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }

    /// The beginning of the text of every claim with this token.
    pub(crate) fn beginning(token: &str) -> String {
        format!("{{\"claim\":{},", serde_json::Value::from(token))
    }

    /// The worker's name.
    pub(crate) fn worker(&self) -> &str {
        self.token.rsplit_once('/').map_or(self.token.as_str(), |(worker, _)| worker)
    }

    /// True if an adoption has claimed the job, and no worker: no claim call has the number 0.
    pub(crate) fn is_adoption(&self) -> bool {
        self.token.rsplit_once('/').is_some_and(|(_, number)| number == "0")
    }

    /// True if this claim, or one that was lost before it, has the token.
    pub(crate) fn knows(&self, token: &str) -> bool {
        self.token == token || self.after.as_ref().is_some_and(|after| after.knows(token))
    }

    /// The responses about other content that arrived during claims that were lost since the record's last one ended:
    /// whatever this claim's outcome, the job needs review.
    pub(crate) fn lost_other_content(&self, last_claim: &str) -> Vec<&LateResponse> {
        let mut found = Vec::new();
        let mut lost = self.after.as_deref();
        while let Some(claim) = lost.filter(|claim| claim.token != last_claim) {
            found.extend(claim.late.iter().filter(|late| late.other_content));
            lost = claim.after.as_deref();
        }
        found
    }

    fn event(&self, at: Millis) -> ClaimEvent {
        ClaimEvent { at, fence: self.fence, worker: self.worker().to_owned(), ..ClaimEvent::default() }
    }

    /// The intent of a send.
    pub(crate) fn intent(&self) -> HistoryEvent {
        HistoryEvent::SendIntent(self.event(self.at))
    }
}

/// A job's sends: how many, how many of them while an earlier one might have been executed, the first and the last.
pub(crate) struct SendCounts {
    pub(crate) sends: u32,
    pub(crate) resends: u32,
    pub(crate) first_sent_at: Option<Millis>,
    pub(crate) last_sent_at: Option<Millis>,
}

impl StoredJob {
    /// The claim in force; `None` if the record already includes its end.
    pub(crate) fn current_claim(&self, claim: Option<ClaimEntry>) -> Option<ClaimEntry> {
        claim.filter(|claim| claim.token != self.last_claim)
    }

    /// The same in the queue's current era: a job that was queued in an earlier one may have been sent, and Redis has
    /// lost the send.
    pub(crate) fn in_era(mut self, era: Era) -> Self {
        if self.state == State::Queued && self.era < era.number {
            self.state = State::InDoubt;
            self.reason = Some(Reason::LostWrites);
        }
        self
    }

    /// The job as this claim found it: in its era, and including the claims that were lost before.
    pub(crate) fn found_by(self, claim: &ClaimEntry, era: Era) -> Self {
        let mut found = self.in_era(era);
        found.lose_before(claim);
        found
    }

    fn lose_before(&mut self, claim: &ClaimEntry) {
        let Some(lost) = claim.after.as_deref().filter(|lost| lost.token != self.last_claim) else { return };
        self.lose_before(lost);
        self.fence = lost.fence;
        self.claims_lost = self.claims_lost.saturating_add(1);
        if lost.call == Call::Send && !self.has_ended() {
            self.count_send(lost.at, true);
            self.state = State::InDoubt;
            self.updated_at = Some(lost.at);
            self.history.push(lost.intent());
            self.history.push(HistoryEvent::WorkerLost(lost.event(claim.at)));
        }
        for late in &lost.late {
            self.heed(late);
        }
    }

    /// True if it has ended: a claim to send it was no send then, because no worker gets a send of such a job.
    const fn has_ended(&self) -> bool {
        !is_open(self.state)
    }

    /// Counts a send that was made at that time, or may have been.
    pub(crate) fn count_send(&mut self, at: Millis, is_resend: bool) {
        let SendCounts { sends, resends, first_sent_at, last_sent_at } = self.with_send(at, is_resend);
        (self.sends, self.resends) = (sends, resends);
        (self.first_sent_at, self.last_sent_at) = (first_sent_at, last_sent_at);
    }

    /// The counts once a send at that time is counted.
    pub(crate) fn with_send(&self, at: Millis, is_resend: bool) -> SendCounts {
        let counts_as_resend = is_resend && self.state != State::Queued;
        SendCounts {
            sends: self.sends.saturating_add(1),
            resends: self.resends.saturating_add(u32::from(counts_as_resend)),
            first_sent_at: self.first_sent_at(at),
            last_sent_at: Some(at),
        }
    }

    /// The counts as they are.
    pub(crate) fn send_counts(&self) -> SendCounts {
        SendCounts {
            sends: self.sends,
            resends: self.resends,
            first_sent_at: self.first_sent_at,
            last_sent_at: self.last_sent_at,
        }
    }

    /// The time of the first send, if it is sent now. A send that may have been made earlier, at an unknown time, was
    /// made after the job was accepted: deadlines count from there.
    fn first_sent_at(&self, now: Millis) -> Option<Millis> {
        let unknown = (self.state != State::Queued).then_some(self.created_at).flatten();
        Some(self.first_sent_at.or(unknown).unwrap_or(now))
    }

    /// Records a late response. `true` if it makes the job due again; a response about other content leaves the job to
    /// an operator.
    pub(crate) fn heed(&mut self, late: &LateResponse) -> bool {
        if late.other_content {
            let open = is_open(self.state);
            if open {
                self.state = State::NeedsReview;
                self.reason = Some(Reason::OtherContentSent);
            }
            return open;
        }
        let teaches = late.trade_nos.iter().any(|number| !self.trade_nos.contains(number));
        // Accepted under a known number: the operator in review learns nothing new from it.
        if self.state == State::NeedsReview && late.outcome == Some(Outcome::Accepted) && !teaches {
            return false;
        }
        self.learn(&late.trade_nos);
        if !is_open(self.state) {
            return false;
        }
        if late.outcome.is_some() {
            self.late_outcome = late.outcome;
        }
        // A response without information changes only a job that was believed unsent.
        if late.outcome.is_none() && self.state != State::Queued {
            return false;
        }
        if !matches!(self.state, State::Pending | State::InDoubt) {
            self.state = State::InDoubt;
            self.reason = None;
        }
        true
    }

    /// The job as it is seen while this claim is in force: a send in flight may have been executed.
    pub(crate) fn seen_under(self, claim: Option<&ClaimEntry>, era: Era) -> Self {
        let Some(claim) = claim else { return self.in_era(era) };
        let mut seen = self.found_by(claim, era);
        seen.fence = claim.fence;
        if claim.call == Call::Send && !seen.has_ended() {
            seen.count_send(claim.at, true);
            seen.state = State::InDoubt;
            seen.updated_at = Some(claim.at);
            seen.history.push(claim.intent());
        }
        for late in &claim.late {
            seen.learn(&late.trade_nos);
        }
        seen
    }
}

/// States in which a job has not ended, so that a late response makes it due again.
pub(crate) const fn is_open(state: State) -> bool {
    match state {
        State::Queued | State::InDoubt | State::Pending | State::NeedsReview => true,
        State::Succeeded | State::Failed | State::Refunded | State::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Hash;
    use super::*;

    const ERA: Era = Era { number: 0, resumed: 0, resumed_at: Millis(0) };

    fn queued() -> StoredJob {
        StoredJob { created_at: Some(Millis(5)), ..StoredJob::new(State::Queued, Hash(vec![1; 32])) }
    }

    fn entry(token: &str, call: Call, fence: u64, at: u64) -> ClaimEntry {
        ClaimEntry { token: token.into(), call, fence, at: Millis(at), late: Vec::new(), after: None }
    }

    fn after(claim: ClaimEntry, lost: ClaimEntry) -> ClaimEntry {
        ClaimEntry { after: Some(Box::new(lost)), ..claim }
    }

    fn names(job: &StoredJob) -> Vec<String> {
        job.history.iter().map(|event| format!("{} {}", event.name(), event.at().unwrap_or_default().0)).collect()
    }

    #[test]
    fn an_entry_reads_as_it_is_written_and_begins_with_its_token() {
        let claim = after(entry("w \"x\"/2", Call::Query, 9, 70), entry("w/1", Call::Send, 8, 60));
        let text = claim.text();
        assert!(text.starts_with(&ClaimEntry::beginning("w \"x\"/2")), "{text}");
        assert_eq!(
            text,
            r#"{"claim":"w \"x\"/2","call":"query","fence":9,"at":70,"after":{"claim":"w/1","call":"send","fence":8,"at":60}}"#
        );
        assert_eq!(ClaimEntry::read(&text), Some(claim.clone()));
        assert_eq!(claim.worker(), "w \"x\"");
        assert!(claim.knows("w/1") && claim.knows("w \"x\"/2") && !claim.knows("w/3"));
        assert_eq!(ClaimEntry::read("send queued 2"), None);
        assert!(ClaimEntry::of("send queued 2").is_err() && ClaimEntry::of("") == Ok(None));
        assert_eq!(ClaimEntry::text_before(&text, "w \"x\"/2"), entry("w/1", Call::Send, 8, 60).text());
        let odd = r#"{"claim":"w/2","call":"query","fence":9,"at":70,"after":{"moods":[","after":{}}"]}}"#;
        assert_eq!(ClaimEntry::text_before(odd, "w/2"), r#"{"moods":[","after":{}}"]}"#);
        assert_eq!(ClaimEntry::text_before(&entry("w/1", Call::Send, 8, 60).text(), "w/1"), "");
    }

    #[test]
    fn a_claimed_send_reads_as_in_doubt_and_a_query_changes_nothing() {
        let send = entry("w/1", Call::Send, 3, 20);
        let seen = queued().seen_under(Some(&send), ERA);
        assert_eq!((seen.state, seen.sends, seen.resends, seen.fence), (State::InDoubt, 1, 0, 3));
        assert_eq!((seen.first_sent_at, seen.last_sent_at, seen.updated_at), {
            let at = Some(Millis(20));
            (at, at, at)
        });
        assert_eq!(names(&seen), ["send_intent 20"]);
        let pending = StoredJob { state: State::Pending, sends: 1, ..queued() };
        let seen = pending.clone().seen_under(Some(&entry("w/2", Call::Query, 4, 30)), ERA);
        assert_eq!(seen, StoredJob { fence: 4, ..pending });
    }

    #[test]
    fn every_lost_claim_is_counted_and_a_lost_send_stays_one() {
        let lost = after(entry("b/2", Call::Query, 4, 30), entry("a/1", Call::Send, 3, 20));
        let claim = after(entry("c/3", Call::Send, 5, 40), lost);
        let found = queued().found_by(&claim, ERA);
        assert_eq!((found.state, found.sends, found.resends, found.claims_lost), (State::InDoubt, 1, 0, 2));
        assert_eq!((found.fence, found.last_sent_at), (4, Some(Millis(20))));
        assert_eq!(names(&found), ["send_intent 20", "worker_lost 30"]);
        let seen = queued().seen_under(Some(&claim), ERA);
        assert_eq!((seen.sends, seen.resends, seen.first_sent_at), (2, 1, Some(Millis(20))));
        assert_eq!(names(&seen), ["send_intent 20", "worker_lost 30", "send_intent 40"]);
    }

    #[test]
    fn an_entry_whose_end_is_on_record_counts_for_nothing() {
        let ended = StoredJob { last_claim: "a/1".into(), state: State::Pending, sends: 1, ..queued() };
        assert_eq!(ended.current_claim(Some(entry("a/1", Call::Send, 3, 20))), None);
        let claim = after(entry("b/2", Call::Query, 4, 30), entry("a/1", Call::Send, 3, 20));
        assert_eq!(ended.clone().found_by(&claim, ERA), ended);
        assert!(ended.current_claim(Some(claim)).is_some());
    }

    #[test]
    fn a_claim_to_send_what_has_ended_was_no_send() {
        for state in [State::Succeeded, State::Failed, State::Refunded, State::Cancelled] {
            let ended = StoredJob { state, sends: 1, ..queued() };
            let seen = ended.clone().seen_under(Some(&entry("w/1", Call::Send, 3, 20)), ERA);
            assert_eq!((seen.state, seen.sends, seen.history.len()), (state, 1, 0));
            let found = ended.found_by(&after(entry("w/2", Call::Query, 4, 30), entry("w/1", Call::Send, 3, 20)), ERA);
            assert_eq!((found.state, found.sends, found.claims_lost), (state, 1, 1));
        }
    }

    #[test]
    fn what_was_queued_before_lost_writes_may_have_been_sent() {
        let era = Era { number: 2, ..ERA };
        let old = queued().in_era(era);
        assert_eq!((old.state, &old.reason), (State::InDoubt, &Some(Reason::LostWrites)));
        assert_eq!(StoredJob { era: 2, ..queued() }.in_era(era).state, State::Queued);
        let pending = StoredJob { state: State::Pending, ..queued() };
        assert_eq!(pending.clone().in_era(era), pending);
        let seen = queued().seen_under(Some(&entry("w/1", Call::Send, 3, 20)), era);
        assert_eq!((seen.sends, seen.resends, seen.first_sent_at), (1, 1, Some(Millis(5))));
    }

    #[test]
    fn a_late_response_is_used_by_what_the_job_is_by_now() {
        let late = |outcome, numbers: &[&str]| LateResponse {
            outcome,
            trade_nos: numbers.iter().map(|number| (*number).to_owned()).collect(),
            other_content: false,
        };
        let other = LateResponse { other_content: true, ..late(None, &[]) };
        for (state, response, again, becomes, remembered) in [
            (State::Queued, late(None, &[]), true, State::InDoubt, None),
            (State::InDoubt, late(None, &["T2"]), false, State::InDoubt, None),
            (State::InDoubt, late(Some(Outcome::Failed), &[]), true, State::InDoubt, Some(Outcome::Failed)),
            (State::Pending, late(Some(Outcome::Accepted), &["T2"]), true, State::Pending, Some(Outcome::Accepted)),
            (State::NeedsReview, late(Some(Outcome::Accepted), &["T1"]), false, State::NeedsReview, None),
            (State::NeedsReview, late(Some(Outcome::Accepted), &["T2"]), true, State::InDoubt, Some(Outcome::Accepted)),
            (State::NeedsReview, late(Some(Outcome::Succeeded), &[]), true, State::InDoubt, Some(Outcome::Succeeded)),
            (State::Succeeded, late(Some(Outcome::Failed), &["T2"]), false, State::Succeeded, None),
            (State::Queued, other.clone(), true, State::NeedsReview, None),
            (State::Failed, other.clone(), false, State::Failed, None),
        ] {
            let mut job = StoredJob { state, trade_nos: vec!["T1".into()], ..queued() };
            assert_eq!(job.heed(&response), again, "{state} {response:?}");
            assert_eq!((job.state, job.late_outcome), (becomes, remembered), "{state} {response:?}");
            let learns = !response.other_content && response.trade_nos.contains(&"T2".to_owned());
            assert_eq!(job.trade_nos.contains(&"T2".to_owned()), learns, "{state} {response:?}");
        }
    }

    #[test]
    fn what_arrived_late_for_a_lost_claim_is_used_by_the_next_one() {
        let lost = ClaimEntry {
            late: vec![LateResponse { outcome: None, trade_nos: Vec::new(), other_content: true }],
            ..entry("a/1", Call::Query, 3, 20)
        };
        let found = queued().found_by(&after(entry("b/2", Call::Send, 4, 30), lost), ERA);
        assert_eq!((found.state, found.reason), (State::NeedsReview, Some(Reason::OtherContentSent)));
    }
}
