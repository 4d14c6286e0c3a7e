//! The texts about proposals: actions that need a second operator.

use bursar_domain::ProposalOutcome;

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
#[allow(missing_docs, reason = "a text's name and its English say what it is")]
pub(in crate::dashboard) struct ProposalWords {
    pub(in crate::dashboard) proposals: &'static str,
    pub(in crate::dashboard) note: &'static str,
    pub(in crate::dashboard) none_open: &'static str,
    /// {0} who, {1} what, {2} why.
    pub(in crate::dashboard) proposes: &'static str,
    /// {0} who, {1} what, {2} why.
    pub(in crate::dashboard) withdrawn: &'static str,
    /// {0} who, {1} what, {2} why.
    pub(in crate::dashboard) rejected: &'static str,
    /// {0} who, {1} what, {2} the change.
    pub(in crate::dashboard) was_void: &'static str,
    pub(in crate::dashboard) open_until: &'static str,
    pub(in crate::dashboard) resume_lost_writes: &'static str,
    pub(in crate::dashboard) quarantine_drop: &'static str,
    pub(in crate::dashboard) approve: &'static str,
    pub(in crate::dashboard) reject: &'static str,
    pub(in crate::dashboard) withdraw: &'static str,
    pub(in crate::dashboard) approve_does: &'static str,
    pub(in crate::dashboard) reject_does: &'static str,
    pub(in crate::dashboard) gone: &'static str,
    pub(in crate::dashboard) void: &'static str,
    pub(in crate::dashboard) own: &'static str,
    /// {0} is a name.
    pub(in crate::dashboard) open_before: &'static str,
    pub(in crate::dashboard) too_many: &'static str,
}

impl ProposalWords {
    /// The sentence about a proposal that was opened, or that ended without the action.
    pub(in crate::dashboard) const fn changed(&self, outcome: ProposalOutcome) -> &'static str {
        match outcome {
            ProposalOutcome::Proposed => self.proposes,
            ProposalOutcome::Withdrawn => self.withdrawn,
            ProposalOutcome::Rejected => self.rejected,
            ProposalOutcome::Void => self.was_void,
        }
    }
}

pub(super) const ENGLISH: ProposalWords = ProposalWords {
    proposals: "Proposals",
    note: "Actions that one operator has proposed. Another operator approves or rejects them; each expires by itself.",
    none_open: "No proposal is open.",
    proposes: "{0} proposes: {1}. Reason: {2}",
    withdrawn: "{0} withdraws the proposal: {1}. Reason: {2}",
    rejected: "{0} rejects the proposal: {1}. Reason: {2}",
    was_void: "{0} could not approve the proposal: {1}. It is removed: {2}",
    open_until: "open until",
    resume_lost_writes: "resume after lost writes",
    quarantine_drop: "drop from quarantine",
    approve: "Approve",
    reject: "Reject",
    withdraw: "Withdraw",
    approve_does: "Does exactly what is proposed, once. If the job or queue has changed since, nothing is done and the proposal is removed.",
    reject_does: "Removes the proposal. Nothing else is done.",
    gone: "This proposal is no longer open: it was approved, withdrawn or rejected, or it has expired.",
    void: "Nothing was done: the job or queue has changed since it was proposed. The proposal is removed.",
    own: "You made this proposal: another operator must approve it.",
    open_before: "{0} has made a proposal about it: approve or reject that one first.",
    too_many: "Too many proposals are open: approve or reject some first.",
};

pub(super) const CHINESE: ProposalWords = ProposalWords {
    proposals: "待批准",
    note: "由一位操作员提出、须由另一位操作员批准或驳回的操作；到期自动失效。",
    none_open: "没有待批准的操作。",
    proposes: "{0} 提议：{1}。原因：{2}",
    withdrawn: "{0} 撤销提议：{1}。原因：{2}",
    rejected: "{0} 驳回提议：{1}。原因：{2}",
    was_void: "{0} 未能批准提议：{1}。提议已作废：{2}",
    open_until: "有效期至",
    resume_lost_writes: "丢失写入后恢复发送",
    quarantine_drop: "从隔离区移除",
    approve: "批准",
    reject: "驳回",
    withdraw: "撤销提议",
    approve_does: "完全按提议执行一次。若任务或队列此后有变化，则不执行任何操作，提议作废。",
    reject_does: "删除该提议，不执行其他操作。",
    gone: "该提议已失效：已被批准、撤销、驳回，或已过期。",
    void: "未执行任何操作：任务或队列在提议之后有变化，提议已作废。",
    own: "此提议由您提出：须由另一位操作员批准。",
    open_before: "{0} 已就此提出提议：请先批准或驳回。",
    too_many: "待批准的提议过多：请先批准或驳回一部分。",
};
