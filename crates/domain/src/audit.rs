//! The audit trail: one event for each act of a person, each refused attempt, and each change of a process's settings. The log, Redis, the
//! API, the CLI, the export and the dashboard have the same object.

mod filter;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Key, Operation, Proposal, Queue};

pub use filter::AuditFilter;

/// The address of an event that a command caused.
pub const CLI_ADDRESS: &str = "cli";

/// The address of an event that a process caused by itself: at its start, or on a signal.
pub const PROCESS_ADDRESS: &str = "process";

/// One event of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEvent {
    /// The event's number in the trail: newer events have higher ones.
    #[serde(default)]
    pub id: String,
    /// When it happened, by Redis's clock.
    #[serde(default)]
    #[schemars(with = "crate::Millis")]
    pub time: String,
    /// The name of the token or of the system user; `null` for a stranger and for a process.
    pub operator: Option<String>,
    /// The role of the operator.
    pub role: AuditRole,
    /// The client's address; `cli` for a command, `process` for what a process did by itself.
    pub address: String,
    /// The action.
    pub action: AuditAction,
    /// The object of the action.
    #[serde(flatten)]
    pub target: AuditTarget,
    /// The reason in the operator's words.
    pub reason: Option<String>,
    /// The result.
    pub result: AuditResult,
    /// The action's effect, or the reason of its refusal.
    pub detail: Option<String>,
    /// The number of attempts in the event: refused attempts of one address are counted for a minute.
    pub count: u64,
}

/// The object of an action: each field is left out where it does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AuditTarget {
    /// The account's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The queue's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The job's key; the number of a notification or a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The file, or the address of a page or route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl AuditTarget {
    /// A queue.
    #[must_use]
    pub fn queue(queue: &Queue) -> Self {
        Self { account: Some(queue.account.to_string()), queue: Some(queue.to_string()), ..Self::default() }
    }

    /// A job.
    #[must_use]
    pub fn job(queue: &Queue, key: &Key) -> Self {
        Self { key: Some(key.to_string()), ..Self::queue(queue) }
    }

    /// The job, the key in quarantine or the queue that a proposal is about.
    #[must_use]
    pub fn proposal(proposal: &Proposal) -> Self {
        Self { key: proposal.key.clone(), ..Self::queue(&proposal.queue) }
    }

    /// A key in a list of this name: the quarantine of a queue, the dead letters of an import.
    #[must_use]
    pub fn entry(list: &impl std::fmt::Display, key: &str) -> Self {
        Self { queue: Some(list.to_string()), key: Some(key.to_owned()), ..Self::default() }
    }

    /// An account.
    #[must_use]
    pub fn account(account: &impl std::fmt::Display) -> Self {
        Self { account: Some(account.to_string()), ..Self::default() }
    }

    /// The same of an account.
    #[must_use]
    pub fn of(self, account: &impl std::fmt::Display) -> Self {
        Self { account: Some(account.to_string()), ..self }
    }

    /// A file, or the address of a page or route.
    #[must_use]
    pub fn file(path: &impl std::fmt::Display) -> Self {
        Self { file: Some(path.to_string()), ..Self::default() }
    }
}

/// The role of an operator in the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditRole {
    /// A token that submits and reads.
    Producer,
    /// A token that acts and reads.
    Operator,
    /// A token that reads.
    Reader,
    /// A user of the machine on which a command ran, without a token.
    SystemUser,
    /// A process of Bursar.
    Process,
    /// A client without a token that is known.
    Stranger,
}

impl AuditRole {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Producer, Self::Operator, Self::Reader, Self::SystemUser, Self::Process, Self::Stranger];

    /// The word for it in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Operator => "operator",
            Self::Reader => "reader",
            Self::SystemUser => "system_user",
            Self::Process => "process",
            Self::Stranger => "stranger",
        }
    }
}

/// The result of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    /// The action was about to be done. Its process ended, or its client left, before the result was written: read the job or the queue.
    Intended,
    /// It was done.
    Done,
    /// It needs a second operator and was proposed: nothing was done yet. Its approval is another event.
    Proposed,
    /// It was refused, and nothing was done.
    Refused,
    /// It failed, and may have been done.
    Failed,
}

impl AuditResult {
    /// Every result.
    pub const ALL: [Self; 5] = [Self::Intended, Self::Done, Self::Proposed, Self::Refused, Self::Failed];

    /// The word for it in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Proposed => "proposed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// An action of the audit trail. Its word never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// A sign-in to the dashboard.
    SignIn,
    /// A sign-out of the dashboard.
    SignOut,
    /// A sign-in with a token that is not known.
    SignInFailed,
    /// A request or a command with a token that is not known.
    TokenFailed,
    /// A request that was answered with 403, or a command of a token whose role does not allow it.
    Forbidden,
    /// A query of a job, ordered by an operator.
    Query,
    /// A send of a job, ordered by an operator.
    Send,
    /// The end of a job, named by an operator.
    Resolve,
    /// The cancellation of a job.
    Cancel,
    /// A whole content, with account numbers and names, was shown.
    Reveal,
    /// The pause of a queue.
    Pause,
    /// The resumption of a queue.
    Resume,
    /// The approval of a proposal: what it proposes was done. The detail names the action and the operator who proposed it.
    Approve,
    /// The rejection of a proposal, or its withdrawal by the operator who made it.
    Reject,
    /// The confirmation of a queue's gateway.
    ConfirmGateway,
    /// The retry of a job in quarantine.
    QuarantineRetry,
    /// The retry of a webhook in quarantine.
    QuarantineDeliver,
    /// The drop of a key in quarantine.
    QuarantineDrop,
    /// The order to deliver webhooks of a job or notification again.
    WebhookResend,
    /// The retry of a dead letter.
    ImportRetry,
    /// The drop of a dead letter.
    ImportDrop,
    /// The adoption of a renamed account's jobs.
    Adopt,
    /// The binding of a receiver at the gateway.
    Bind,
    /// A comparison with the gateway that may let workers query jobs soon.
    ReconcileWake,
    /// The restoration of lost sends from journals.
    ReconcileJournal,
    /// A file that was read again on SIGHUP.
    Reload,
    /// A start with another configuration than the last one of the same role.
    ConfigurationChange,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 27] = [
        Self::SignIn,
        Self::SignOut,
        Self::SignInFailed,
        Self::TokenFailed,
        Self::Forbidden,
        Self::Query,
        Self::Send,
        Self::Resolve,
        Self::Cancel,
        Self::Reveal,
        Self::Pause,
        Self::Resume,
        Self::Approve,
        Self::Reject,
        Self::ConfirmGateway,
        Self::QuarantineRetry,
        Self::QuarantineDeliver,
        Self::QuarantineDrop,
        Self::WebhookResend,
        Self::ImportRetry,
        Self::ImportDrop,
        Self::Adopt,
        Self::Bind,
        Self::ReconcileWake,
        Self::ReconcileJournal,
        Self::Reload,
        Self::ConfigurationChange,
    ];

    /// The word for it in the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignOut => "sign_out",
            Self::SignInFailed => "sign_in_failed",
            Self::TokenFailed => "token_failed",
            Self::Forbidden => "forbidden",
            Self::Query => "query",
            Self::Send => "send",
            Self::Resolve => "resolve",
            Self::Cancel => "cancel",
            Self::Reveal => "reveal",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::ConfirmGateway => "confirm_gateway",
            Self::QuarantineRetry => "quarantine_retry",
            Self::QuarantineDeliver => "quarantine_deliver",
            Self::QuarantineDrop => "quarantine_drop",
            Self::WebhookResend => "webhook_resend",
            Self::ImportRetry => "import_retry",
            Self::ImportDrop => "import_drop",
            Self::Adopt => "adopt",
            Self::Bind => "bind",
            Self::ReconcileWake => "reconcile_wake",
            Self::ReconcileJournal => "reconcile_journal",
            Self::Reload => "reload",
            Self::ConfigurationChange => "configuration_change",
        }
    }
}

impl From<Operation> for AuditAction {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Query => Self::Query,
            Operation::Send => Self::Send,
            Operation::Resolve(_) => Self::Resolve,
            Operation::Cancel => Self::Cancel,
        }
    }
}

impl std::str::FromStr for AuditAction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|action| action.as_str() == text).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|action| action.as_str()).collect();
            format!("must be one of {}", words.join(", "))
        })
    }
}

/// The operator of an event: a name, a role and an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The name of the token or of the system user.
    pub name: Option<String>,
    /// The role.
    pub role: AuditRole,
    /// The client's address, [`CLI_ADDRESS`] or [`PROCESS_ADDRESS`].
    pub address: String,
}

impl Actor {
    /// A process of Bursar.
    #[must_use]
    pub fn process() -> Self {
        Self { name: None, role: AuditRole::Process, address: PROCESS_ADDRESS.to_owned() }
    }

    /// A client without a token that is known.
    #[must_use]
    pub fn stranger(address: &impl std::fmt::Display) -> Self {
        Self { name: None, role: AuditRole::Stranger, address: address.to_string() }
    }

    /// An event of this actor, with the result `intended`.
    #[must_use]
    pub fn intends(&self, action: AuditAction, target: AuditTarget, reason: Option<&str>) -> AuditEvent {
        AuditEvent {
            id: String::new(),
            time: String::new(),
            operator: self.name.clone(),
            role: self.role,
            address: self.address.clone(),
            action,
            target,
            reason: reason.map(str::to_owned),
            result: AuditResult::Intended,
            detail: None,
            count: 1,
        }
    }
}

impl AuditEvent {
    /// The same event with its result.
    #[must_use]
    pub fn ended(self, result: AuditResult, detail: Option<String>) -> Self {
        Self { result, detail: detail.filter(|detail| !detail.is_empty()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema_tests::{schema_of, validator};

    #[test]
    fn each_word_is_the_one_that_is_written_and_read() {
        for action in AuditAction::ALL {
            assert_eq!(serde_json::json!(action), action.as_str());
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        for role in AuditRole::ALL {
            assert_eq!(serde_json::json!(role), role.as_str());
        }
        for result in AuditResult::ALL {
            assert_eq!(serde_json::json!(result), result.as_str());
        }
        assert!("pay".parse::<AuditAction>().unwrap_err().contains("sign_in, sign_out"));
    }

    #[test]
    fn an_event_is_read_as_it_was_written_and_fits_its_schema() {
        let queue: Queue = "main/transfer".parse().unwrap();
        let targets = [
            AuditTarget::default(),
            AuditTarget::queue(&queue),
            AuditTarget::job(&queue, &"T".parse().unwrap()),
            AuditTarget::entry(&"payments", "17"),
            AuditTarget::account(&"main"),
            AuditTarget::file(&"tokens.toml"),
        ];
        let schema = validator(&schema_of::<AuditEvent>());
        for target in targets {
            let event = Actor::stranger(&"192.0.2.7").intends(AuditAction::Send, target, Some("because"));
            let id = "1767225600000-0".to_owned();
            let event = AuditEvent { id, time: "2026-01-01T00:00:00.000Z".to_owned(), ..event };
            let event = event.ended(AuditResult::Done, Some("in_doubt".to_owned()));
            let written = serde_json::to_value(&event).unwrap();
            assert!(schema.is_valid(&written), "{written}");
            assert_eq!(serde_json::from_value::<AuditEvent>(written).unwrap(), event);
        }
    }

    #[test]
    fn an_empty_detail_is_none() {
        let event = Actor::process().intends(AuditAction::Reload, AuditTarget::default(), None);
        assert_eq!(event.ended(AuditResult::Done, Some(String::new())).detail, None);
    }
}
