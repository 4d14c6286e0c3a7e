//! Four eyes: the actions that need a second operator, and the proposal that the first one makes. The second operator approves exactly what
//! was proposed, about exactly what the first one saw.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::{AccountName, ActionKind, Fen, Key, Kind, Millis, Operation, Queue, Reason, State};

/// The end of the name of a system user without a token: a token and a system user of one name are two operators for histories, and one for
/// approvals.
pub const SYSTEM_USER: &str = " (system user)";

/// The actions that can need a second operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalAction {
    /// Send a job's stored bytes.
    Send,
    /// Close a job as what it is known to be.
    Resolve,
    /// Resume a queue whose Redis has lost writes.
    ResumeLostWrites,
    /// Drop a key from quarantine.
    QuarantineDrop,
}

impl ApprovalAction {
    /// Every action.
    pub const ALL: [Self; 4] = [Self::Send, Self::Resolve, Self::ResumeLostWrites, Self::QuarantineDrop];

    /// The word for it on record and in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Resolve => "resolve",
            Self::ResumeLostWrites => "resume_lost_writes",
            Self::QuarantineDrop => "quarantine_drop",
        }
    }

    /// The action that this operation on a job is; `None` for one that never needs a second operator.
    #[must_use]
    pub const fn of(operation: Operation) -> Option<Self> {
        match operation {
            Operation::Send => Some(Self::Send),
            Operation::Resolve(_) => Some(Self::Resolve),
            Operation::Query | Operation::Cancel => None,
        }
    }

    /// The same in the words of histories and reasons; `None` for a drop, which they record in another way.
    #[must_use]
    pub const fn kind(self) -> Option<ActionKind> {
        match self {
            Self::Send => Some(ActionKind::Send),
            Self::Resolve => Some(ActionKind::Resolve),
            Self::ResumeLostWrites => Some(ActionKind::Resume),
            Self::QuarantineDrop => None,
        }
    }
}

/// The operators whom an action needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approvals {
    /// One operator acts alone.
    #[default]
    One,
    /// One proposes, and another one approves.
    Two,
}

/// The rule of four eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRule {
    /// The operators whom the actions need.
    pub operators: Approvals,
    /// Jobs of more than this amount need them, in fen. 0: jobs of every amount.
    pub above_fen: i64,
    /// The actions that need them.
    pub actions: Vec<ApprovalAction>,
    /// The time within which the second operator must approve.
    pub within: Duration,
}

impl Default for ApprovalRule {
    fn default() -> Self {
        Self {
            operators: Approvals::One,
            above_fen: 0,
            actions: ApprovalAction::ALL.to_vec(),
            within: Duration::from_secs(3_600),
        }
    }
}

impl ApprovalRule {
    /// True if an action needs a second operator. An `amount` that is not known may be any.
    #[must_use]
    pub fn needs_second(&self, action: ApprovalAction, amount: Option<Fen>) -> bool {
        let is_small = amount.is_some_and(|amount| amount.get() <= self.above_fen);
        match self.operators {
            Approvals::One => false,
            Approvals::Two => self.actions.contains(&action) && !is_small,
        }
    }
}

/// True if resuming a queue answers for writes that Redis has lost: losses that no operator has answered for, or a pause because of some.
#[must_use]
pub fn answers_for_lost_writes(era: u64, resumed_era: u64, paused: Option<&Reason>) -> bool {
    let mut reason = paused;
    while let Some(Reason::AdoptedPause { pause, .. }) = reason {
        reason = Some(pause);
    }
    era > resumed_era || matches!(reason, Some(Reason::QueueLostWrites | Reason::JournalAhead))
}

/// Why an operator may not approve a proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefused {
    /// The operator made the proposal.
    #[error("{0} made the proposal: another operator must approve it")]
    SameOperator(String),
    /// No token vouches for the operator.
    #[error("{0} has given no operator's token: an approval needs one")]
    NoToken(String),
}

/// The state that the first operator saw, so that the second one approves nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ProposalSeen", description = "The job or queue as the first operator saw it.")]
pub struct ProposalSeen {
    /// The SHA-256 of its record, of its pause, or of its entry in quarantine.
    pub sha256: String,
    /// The losses of writes of the queue's Redis until then.
    #[serde(default)]
    pub era: u64,
    /// The job's state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The job's sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sends: Option<u32>,
    /// The job's queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<u32>,
    /// Why the queue was paused, or why the key was in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl ProposalSeen {
    /// The difference in words for people; `None` if nothing has changed.
    #[must_use]
    pub fn change(&self, now: &Self) -> Option<String> {
        if self.sha256 == now.sha256 && self.era == now.era {
            return None;
        }
        let state = |state: Option<State>| state.map_or("not known", State::as_str);
        let count = |count: Option<u32>| count.unwrap_or_default();
        let why = |reason: &Option<Reason>| reason.as_ref().map_or_else(|| "none".to_owned(), Reason::to_string);
        let changes = [
            (self.era != now.era).then(|| "Redis has lost writes since".to_owned()),
            (self.state != now.state)
                .then(|| format!("its state was {} and is {}", state(self.state), state(now.state))),
            (self.sends != now.sends)
                .then(|| format!("it had {} sends and has {}", count(self.sends), count(now.sends))),
            (self.queries != now.queries)
                .then(|| format!("it had {} queries and has {}", count(self.queries), count(now.queries))),
            (self.reason != now.reason)
                .then(|| format!("its reason was \"{}\" and is \"{}\"", why(&self.reason), why(&now.reason))),
        ];
        let changes: Vec<String> = changes.into_iter().flatten().collect();
        Some(if changes.is_empty() { "its record has changed".to_owned() } else { changes.join("; ") })
    }
}

/// An action that one operator has proposed. A text of it is stored until it is approved, withdrawn, rejected or expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The digest of everything else, so that an approval of this id approves nothing else.
    pub id: String,
    /// The action.
    pub action: ApprovalAction,
    /// The queue that it is about, or whose job.
    #[serde(serialize_with = "queue_as_text", deserialize_with = "queue_of_text")]
    pub queue: Queue,
    /// The job's key, or the key in quarantine; `None` where it is about the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The final state of a job that is to be resolved.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub end: Option<State>,
    /// The job's amount, where it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_fen: Option<Fen>,
    /// The first operator's name.
    pub proposed_by: String,
    /// The digest of the first operator's token, or of the person at a provider. It is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposer: Option<String>,
    /// The first operator's reason.
    pub comment: String,
    /// When it was proposed.
    pub at: Millis,
    /// When it ends by itself.
    pub expires_at: Millis,
    /// The state that the first operator saw.
    pub seen: ProposalSeen,
    /// Unknown fields.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

fn queue_as_text<S: Serializer>(queue: &Queue, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(queue)
}

fn queue_of_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Queue, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl Proposal {
    /// Reads a stored text; `None` if this build cannot.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is stored: one line of JSON.
    #[must_use]
    pub fn recorded(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers: writing them cannot fail
    }

    /// The operation on a job that it proposes; `None` for another action, or a final state that is missing.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        match self.action {
            ApprovalAction::Send => Some(Operation::Send),
            ApprovalAction::Resolve => self.end.map(Operation::Resolve),
            ApprovalAction::ResumeLostWrites | ApprovalAction::QuarantineDrop => None,
        }
    }

    /// True if it proposes this operation on a job.
    #[must_use]
    pub fn is_of(&self, operation: Operation) -> bool {
        self.operation() == Some(operation)
    }

    /// Checks that this operator may be the second one: another token or person, under another name. `identity` is the digest of the token,
    /// or of the person at a provider; `None` if nothing vouches for the name. Names differ by more than their case.
    ///
    /// # Errors
    /// [`ApprovalRefused`].
    pub fn check_second(&self, name: &str, identity: Option<&str>) -> Result<(), ApprovalRefused> {
        match identity {
            None => Err(ApprovalRefused::NoToken(name.to_owned())),
            Some(_) if self.is_by(name, identity) => Err(ApprovalRefused::SameOperator(name.to_owned())),
            Some(_) => Ok(()),
        }
    }

    /// True if this operator made it, and removing it withdraws it: the name is the same, or the token or person, whose name may have changed.
    #[must_use]
    pub fn is_by(&self, name: &str, identity: Option<&str>) -> bool {
        let is_same_token = identity.is_some() && identity == self.proposer.as_deref();
        is_same_token || is_same_name(name, &self.proposed_by)
    }

    /// The action, the operator who proposed it and the id, for the audit trail.
    #[must_use]
    pub fn named(&self) -> String {
        let end = self.end.map(|end| format!(" as {end}")).unwrap_or_default();
        format!("{}{end}, proposed_by {}, proposal {}", self.action.as_str(), self.proposed_by, self.id)
    }

    /// The proposal as outsiders read it.
    #[must_use]
    pub fn view(&self) -> ProposalView {
        ProposalView {
            id: self.id.clone(),
            action: self.action,
            account: self.queue.account.to_string(),
            kind: self.queue.kind.to_string(),
            platform_no: self.key.clone(),
            end: self.end,
            amount_fen: self.amount_fen,
            proposed_by: self.proposed_by.clone(),
            comment: self.comment.clone(),
            proposed_at: self.at.rfc3339(),
            expires_at: self.expires_at.rfc3339(),
            seen: self.seen.clone(),
        }
    }
}

fn is_same_name(left: &str, right: &str) -> bool {
    person(left) == person(right)
}

fn person(name: &str) -> String {
    let name = name.trim().to_lowercase();
    name.strip_suffix(SYSTEM_USER).unwrap_or(&name).trim_end().to_owned()
}

/// A proposal as outsiders read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Proposal")]
pub struct ProposalView {
    /// The proposal's id.
    pub id: String,
    /// The proposed action.
    pub action: ApprovalAction,
    /// The account's name.
    #[schemars(with = "AccountName")]
    pub account: String,
    /// The kind of the queue's jobs.
    #[schemars(with = "Kind")]
    pub kind: String,
    /// The job's key, or the key in quarantine; `null` where the proposal is about the queue.
    #[schemars(with = "Option<Key>")]
    pub platform_no: Option<String>,
    /// The final state of a job that is to be resolved.
    #[serde(rename = "as")]
    pub end: Option<State>,
    /// The job's amount in fen, where it can be read.
    pub amount_fen: Option<Fen>,
    /// The name of the operator who proposed it.
    pub proposed_by: String,
    /// That operator's reason.
    pub comment: String,
    /// When it was proposed.
    #[schemars(with = "Millis")]
    pub proposed_at: String,
    /// When it ends by itself.
    #[schemars(with = "Millis")]
    pub expires_at: String,
    /// The state that this operator saw.
    pub seen: ProposalSeen,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        Proposal {
            id: "5f".into(),
            action: ApprovalAction::Resolve,
            queue: "main/transfer".parse().unwrap(),
            key: Some("K1".into()),
            end: Some(State::Failed),
            amount_fen: Fen::new(10),
            proposed_by: "li".into(),
            proposer: None,
            comment: "seen".into(),
            at: Millis(1),
            expires_at: Millis(2),
            seen: ProposalSeen { sha256: "00".into(), state: Some(State::NeedsReview), ..ProposalSeen::default() },
            more: Map::new(),
        }
    }

    #[test]
    fn the_rule_is_a_table_of_action_and_amount() {
        let two = ApprovalRule { operators: Approvals::Two, above_fen: 100, ..ApprovalRule::default() };
        for action in ApprovalAction::ALL {
            for (amount, needs) in [(Some(1), false), (Some(100), false), (Some(101), true), (None, true)] {
                let amount = amount.and_then(Fen::new);
                assert_eq!(two.needs_second(action, amount), needs, "{action:?} {amount:?}");
                let one = ApprovalRule { operators: Approvals::One, ..two.clone() };
                assert!(!one.needs_second(action, amount), "{action:?} {amount:?}");
                for listed in ApprovalAction::ALL {
                    let rule = ApprovalRule { actions: vec![listed], above_fen: 0, ..two.clone() };
                    assert_eq!(rule.needs_second(action, amount), action == listed, "{action:?} {listed:?}");
                }
            }
        }
        assert!(!ApprovalRule::default().needs_second(ApprovalAction::Send, None), "one operator is the default");
    }

    #[test]
    fn of_the_operations_only_send_and_resolve_can_need_two() {
        let of = |operation| ApprovalAction::of(operation);
        assert_eq!(of(Operation::Send), Some(ApprovalAction::Send));
        for end in State::ALL {
            assert_eq!(of(Operation::Resolve(end)), Some(ApprovalAction::Resolve));
        }
        assert_eq!((of(Operation::Query), of(Operation::Cancel)), (None, None));
        for action in ApprovalAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }

    #[test]
    fn a_resume_answers_for_losses_of_any_kind() {
        let by_hand = Reason::operator_action(ActionKind::Pause, "li", "a look");
        let adopted =
            |pause: &Reason| Reason::AdoptedPause { queue: "old/split".into(), pause: Box::new(pause.clone()) };
        for (era, resumed, paused, answers) in [
            (0, 0, None, false),
            (2, 2, Some(by_hand.clone()), false),
            (2, 1, Some(by_hand.clone()), true),
            (1, 0, None, true),
            (1, 1, Some(Reason::QueueLostWrites), true),
            (0, 0, Some(Reason::JournalAhead), true),
            (0, 0, Some(adopted(&Reason::QueueLostWrites)), true),
            (0, 0, Some(adopted(&by_hand)), false),
        ] {
            assert_eq!(answers_for_lost_writes(era, resumed, paused.as_ref()), answers, "{era} {resumed} {paused:?}");
        }
    }

    #[test]
    fn the_second_operator_has_a_token_and_another_name() {
        let proposal = proposal();
        let proposal = Proposal { proposer: Some("token 1".to_owned()), ..proposal };
        let refused = |name, identity| proposal.check_second(name, identity).unwrap_err();
        assert_eq!(proposal.check_second("wang", Some("token 2")), Ok(()));
        for same in ["li", "LI", " li "] {
            assert_eq!(refused(same, Some("token 2")), ApprovalRefused::SameOperator(same.to_owned()));
        }
        assert_eq!(refused("wang", Some("token 1")), ApprovalRefused::SameOperator("wang".to_owned()), "renamed");
        let by_user = Proposal { proposed_by: format!("li{SYSTEM_USER}"), proposer: None, ..proposal.clone() };
        assert!(by_user.check_second("Li", Some("token 1")).is_err() && by_user.is_by("li", None));
        assert_eq!(by_user.check_second("wang", Some("token 2")), Ok(()));
        for name in ["li", "wang"] {
            assert_eq!(refused(name, None), ApprovalRefused::NoToken(name.to_owned()));
        }
    }

    #[test]
    fn a_change_since_is_named() {
        let seen = ProposalSeen {
            sha256: "00".into(),
            state: Some(State::NeedsReview),
            sends: Some(1),
            queries: Some(2),
            ..ProposalSeen::default()
        };
        assert_eq!(seen.change(&seen), None);
        let other = |now: ProposalSeen| seen.change(&now).unwrap();
        let changed = || ProposalSeen { sha256: "01".into(), ..seen.clone() };
        assert_eq!(other(changed()), "its record has changed");
        assert_eq!(
            other(ProposalSeen { state: Some(State::Succeeded), sends: Some(2), ..changed() }),
            "its state was needs_review and is succeeded; it had 1 sends and has 2"
        );
        assert_eq!(other(ProposalSeen { queries: Some(3), ..changed() }), "it had 2 queries and has 3");
        assert_eq!(other(ProposalSeen { era: 1, ..seen.clone() }), "Redis has lost writes since");
        let paused = other(ProposalSeen { reason: Some(Reason::JournalsReconciled), ..changed() });
        assert_eq!(paused, "its reason was \"none\" and is \"the journals were reconciled\"");
    }

    #[test]
    fn a_proposal_reads_as_it_is_recorded_with_unknown_fields() {
        let text = proposal().recorded();
        assert_eq!(Proposal::read(&text), Some(proposal()));
        let newer = format!("{},\"colour\":\"red\"}}", text.strip_suffix('}').unwrap());
        assert_eq!(Proposal::read(&newer).unwrap().recorded(), newer);
        for none in ["", "{}", &text.replace("main/transfer", "nowhere")] {
            assert_eq!(Proposal::read(none), None, "{none}");
        }
        assert_eq!(proposal().named(), "resolve as failed, proposed_by li, proposal 5f");
        assert!(proposal().is_of(Operation::Resolve(State::Failed)));
        assert!(!proposal().is_of(Operation::Resolve(State::Succeeded)) && !proposal().is_of(Operation::Send));
    }
}
