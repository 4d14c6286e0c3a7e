//! The audit trail in the log: INFO for what was done, WARN for what was refused or failed.

use bursar_domain::{AuditEvent, AuditResult, without_accounts};

/// Writes an event of the audit trail to the log, with the fields of its JSON form. Account numbers in its sentences are masked.
pub fn log_audit(event: &AuditEvent) {
    let AuditEvent { id, operator, address, target, reason, detail, count, .. } = event;
    let (role, action, result) = (event.role.as_str(), event.action.as_str(), event.result.as_str());
    let operator = operator.as_deref();
    let (reason, detail) = (reason.as_deref().map(without_accounts), detail.as_deref().map(without_accounts));
    let (account, queue) = (target.account.as_deref(), target.queue.as_deref());
    let (key, file) = (target.key.as_deref(), target.file.as_deref());
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                id, operator, role, address, action, account, queue, key, file, reason, result, detail, count, "audit"
            )
        };
    }
    match event.result {
        AuditResult::Intended | AuditResult::Done | AuditResult::Proposed => line!(info),
        AuditResult::Refused | AuditResult::Failed => line!(warn),
    }
}
