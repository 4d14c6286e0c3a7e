//! The texts about undelivered webhooks.

use bursar_domain::{Resent, WebhookState};

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
#[allow(missing_docs, reason = "a text's name and its English say what it is")]
pub(in crate::dashboard) struct WebhookWords {
    pub(in crate::dashboard) webhooks: &'static str,
    pub(in crate::dashboard) note: &'static str,
    pub(in crate::dashboard) none_failed: &'static str,
    pub(in crate::dashboard) none_waiting: &'static str,
    pub(in crate::dashboard) receiver: &'static str,
    pub(in crate::dashboard) every_receiver: &'static str,
    pub(in crate::dashboard) event: &'static str,
    pub(in crate::dashboard) happened: &'static str,
    pub(in crate::dashboard) failed_attempts: &'static str,
    pub(in crate::dashboard) failed_at: &'static str,
    pub(in crate::dashboard) next_attempt: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) more_events: &'static str,
    pub(in crate::dashboard) resend: &'static str,
    pub(in crate::dashboard) try_now: &'static str,
    /// {0} is a receiver.
    pub(in crate::dashboard) resend_all: &'static str,
    pub(in crate::dashboard) resend_does: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) resend_all_does: &'static str,
    pub(in crate::dashboard) in_quarantine: &'static str,
    /// {0} who, {1} why, {2} a number.
    pub(in crate::dashboard) resent: &'static str,
    pub(in crate::dashboard) results: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) events_due: &'static str,
    failed: &'static str,
    waiting: &'static str,
    nothing_to_resend: &'static str,
    under_way: &'static str,
    too_many: &'static str,
    no_answer: &'static str,
}

impl WebhookWords {
    pub(in crate::dashboard) const fn state(&self, state: WebhookState) -> &'static str {
        match state {
            WebhookState::Failed => self.failed,
            WebhookState::Waiting => self.waiting,
        }
    }

    /// Why nothing was delivered again; of a resend, what follows.
    pub(in crate::dashboard) const fn outcome(&self, outcome: Resent) -> &'static str {
        match outcome {
            Resent::Resent => self.events_due,
            Resent::NothingToResend => self.nothing_to_resend,
            Resent::UnderWay => self.under_way,
            Resent::TooMany => self.too_many,
            Resent::Failed => self.no_answer,
        }
    }
}

pub(super) const ENGLISH: WebhookWords = WebhookWords {
    webhooks: "Webhooks",
    note: "Webhooks that were given up or wait for their next attempt. A resend keeps the webhook-id, so that the receiver recognises what it has already.",
    none_failed: "No webhook has failed. Those that were given up are listed here and can be resent.",
    none_waiting: "No webhook waits.",
    receiver: "Receiver",
    every_receiver: "All receivers",
    event: "Event",
    happened: "Happened",
    failed_attempts: "Failed attempts",
    failed_at: "Failed",
    next_attempt: "Next attempt",
    more_events: "and {0} more",
    resend: "Resend",
    try_now: "Try now",
    resend_all: "Resend all failed webhooks of {0}",
    resend_does: "The webhooks of this job are delivered again at once, with the same webhook-id.",
    resend_all_does: "The failed webhooks of {0} jobs are delivered again, each with the same webhook-id.",
    in_quarantine: "Webhooks that cannot be delivered at all are in quarantine.",
    resent: "{0} had {2} webhooks delivered again: {1}",
    results: "Results",
    events_due: "{0} webhooks are due now",
    failed: "failed",
    waiting: "waiting",
    nothing_to_resend: "no webhook has failed, and none waits",
    under_way: "one is being delivered at this moment: try again when it has ended",
    too_many: "too many webhooks of this job wait",
    no_answer: "Redis did not answer: they may be on their way",
};

pub(super) const CHINESE: WebhookWords = WebhookWords {
    webhooks: "回调",
    note: "已放弃或等待下次尝试的回调。重发时 webhook-id 不变，接收方可据此去重。",
    none_failed: "没有失败的回调。已放弃的回调会列在此处，可重发。",
    none_waiting: "没有等待中的回调。",
    receiver: "接收方",
    every_receiver: "全部接收方",
    event: "事件",
    happened: "发生时间",
    failed_attempts: "失败次数",
    failed_at: "失败时间",
    next_attempt: "下次尝试",
    more_events: "另有 {0} 条",
    resend: "重发",
    try_now: "立即尝试",
    resend_all: "重发 {0} 的全部失败回调",
    resend_does: "立即重新投递该任务的回调，webhook-id 不变。",
    resend_all_does: "重新投递 {0} 笔任务的失败回调，webhook-id 均不变。",
    in_quarantine: "完全无法投递的回调在隔离区。",
    resent: "{0} 重发了 {2} 条回调：{1}",
    results: "执行结果",
    events_due: "{0} 条回调将立即投递",
    failed: "失败",
    waiting: "等待中",
    nothing_to_resend: "没有失败或等待中的回调",
    under_way: "正在投递其中一条，请稍后重试",
    too_many: "该任务等待中的回调过多",
    no_answer: "Redis 无响应：回调可能已在投递",
};
