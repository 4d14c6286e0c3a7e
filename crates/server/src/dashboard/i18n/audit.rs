//! The texts of the audit trail's page.

use bursar_domain::{AuditAction, AuditResult, AuditRole};

/// The texts of one language.
#[derive(Debug, serde::Serialize)]
pub(in crate::dashboard) struct AuditWords {
    pub(in crate::dashboard) audit: &'static str,
    pub(in crate::dashboard) audit_note: &'static str,
    pub(in crate::dashboard) audit_time: &'static str,
    pub(in crate::dashboard) audit_who: &'static str,
    pub(in crate::dashboard) audit_address: &'static str,
    pub(in crate::dashboard) audit_action: &'static str,
    pub(in crate::dashboard) audit_object: &'static str,
    pub(in crate::dashboard) audit_result: &'static str,
    pub(in crate::dashboard) audit_every_action: &'static str,
    pub(in crate::dashboard) audit_since: &'static str,
    pub(in crate::dashboard) audit_until: &'static str,
    pub(in crate::dashboard) audit_key: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) audit_times: &'static str,
    /// {0} is a number.
    pub(in crate::dashboard) audit_unreadable: &'static str,
    /// In the order of [`AuditAction::ALL`].
    audit_actions: [&'static str; AuditAction::ALL.len()],
    /// In the order of [`AuditRole::ALL`].
    audit_roles: [&'static str; AuditRole::ALL.len()],
    /// In the order of [`AuditResult::ALL`].
    audit_results: [&'static str; AuditResult::ALL.len()],
}

impl AuditWords {
    pub(in crate::dashboard) fn action(&self, action: AuditAction) -> &'static str {
        at(&AuditAction::ALL, &self.audit_actions, &action, action.as_str())
    }

    pub(in crate::dashboard) fn role(&self, role: AuditRole) -> &'static str {
        at(&AuditRole::ALL, &self.audit_roles, &role, role.as_str())
    }

    pub(in crate::dashboard) fn result(&self, result: AuditResult) -> &'static str {
        at(&AuditResult::ALL, &self.audit_results, &result, result.as_str())
    }
}

/// The text at the place of a value among all.
fn at<T: PartialEq>(all: &[T], texts: &[&'static str], value: &T, word: &'static str) -> &'static str {
    let place = all.iter().position(|known| known == value);
    place.and_then(|place| texts.get(place).copied()).unwrap_or(word)
}

/// English.
pub(super) static ENGLISH: AuditWords = AuditWords {
    audit: "Audit",
    audit_note: "Who did what, from where and why, newest first. Refused attempts of one address are counted for a minute.",
    audit_time: "Time",
    audit_who: "Operator",
    audit_address: "Address",
    audit_action: "Action",
    audit_object: "Object",
    audit_result: "Result",
    audit_every_action: "Every action",
    audit_since: "Since (UTC)",
    audit_until: "Until (UTC)",
    audit_key: "Key",
    audit_times: "{0} times",
    audit_unreadable: "{0} entries cannot be read by this build.",
    audit_actions: [
        "sign-in",
        "sign-out",
        "failed sign-in",
        "failed token",
        "forbidden request",
        "query",
        "send",
        "resolve",
        "cancel",
        "reveal of a content",
        "pause",
        "resume",
        "approval of a proposal",
        "rejection of a proposal",
        "gateway confirmed",
        "retry from quarantine",
        "webhook retry from quarantine",
        "drop from quarantine",
        "webhook resend",
        "dead letter retried",
        "dead letter dropped",
        "adoption of an account",
        "receiver bound",
        "reconciliation with queries",
        "restoration from journals",
        "file read again",
        "configuration changed",
    ],
    audit_roles: ["producer", "operator", "reader", "system user", "process", "stranger"],
    audit_results: ["intended, result not recorded", "done", "proposed", "refused", "failed, may have been done"],
};

/// Chinese.
pub(super) static CHINESE: AuditWords = AuditWords {
    audit: "审计",
    audit_note: "谁、从哪里、为何、做了什么，最新的在前。同一地址被拒绝的尝试按分钟合计。",
    audit_time: "时间",
    audit_who: "操作人",
    audit_address: "地址",
    audit_action: "操作",
    audit_object: "对象",
    audit_result: "结果",
    audit_every_action: "所有操作",
    audit_since: "起始时间（UTC）",
    audit_until: "截止时间（UTC）",
    audit_key: "平台请求流水号",
    audit_times: "{0} 次",
    audit_unreadable: "此版本无法读取 {0} 条记录。",
    audit_actions: [
        "登录",
        "退出登录",
        "登录失败",
        "令牌无效",
        "请求被禁止",
        "查询",
        "发送",
        "人工确认",
        "取消",
        "查看完整内容",
        "暂停",
        "恢复",
        "批准提议",
        "驳回或撤销提议",
        "确认网关",
        "从隔离区重试",
        "从隔离区重试回调",
        "从隔离区移除",
        "重发回调",
        "重试死信",
        "丢弃死信",
        "接管账户任务",
        "绑定收款方",
        "对账并查询",
        "由日志恢复",
        "重新读取文件",
        "配置变更",
    ],
    audit_roles: ["提交方", "操作员", "只读", "系统用户", "进程", "陌生人"],
    audit_results: ["已登记意图，结果未记录", "已完成", "已提议，待批准", "被拒绝", "失败，可能已执行"],
};
