//! The events of the audit trail that a reader asks for.

use super::{AuditAction, AuditEvent};
use crate::Millis;

/// A filter of events. The default passes every event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only events of this time or later.
    pub since: Option<Millis>,
    /// Only events before this time.
    pub until: Option<Millis>,
    /// Only events of the operator of this name.
    pub operator: Option<String>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only events of this queue.
    pub queue: Option<String>,
    /// Only events of this key.
    pub key: Option<String>,
}

impl AuditFilter {
    /// True for an event that the filter passes. The times are left to the store, which reads no others.
    #[must_use]
    pub fn passes(&self, event: &AuditEvent) -> bool {
        let is = |wanted: &Option<String>, given: &Option<String>| wanted.is_none() || wanted == given;
        self.action.is_none_or(|action| action == event.action)
            && is(&self.operator, &event.operator)
            && is(&self.queue, &event.target.queue)
            && is(&self.key, &event.target.key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Actor, AuditRole, AuditTarget};
    use super::*;

    #[test]
    fn each_part_of_a_filter_passes_its_own_events_alone() {
        let queue = "main/transfer".parse().unwrap();
        let li = Actor { name: Some("li".into()), role: AuditRole::Operator, address: "192.0.2.7".into() };
        let event = li.intends(AuditAction::Send, AuditTarget::job(&queue, &"T".parse().unwrap()), None);
        let all = AuditFilter::default();
        let some = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (all.clone(), true),
            (AuditFilter { operator: some("li"), ..all.clone() }, true),
            (AuditFilter { operator: some("wang"), ..all.clone() }, false),
            (AuditFilter { action: Some(AuditAction::Send), ..all.clone() }, true),
            (AuditFilter { action: Some(AuditAction::Pause), ..all.clone() }, false),
            (AuditFilter { queue: some("main/transfer"), ..all.clone() }, true),
            (AuditFilter { queue: some("main/split"), ..all.clone() }, false),
            (AuditFilter { key: some("T"), ..all.clone() }, true),
            (AuditFilter { key: some("U"), ..all.clone() }, false),
        ] {
            assert_eq!(filter.passes(&event), expected, "{filter:?}");
        }
        let stranger = Actor::stranger(&"192.0.2.7").intends(AuditAction::TokenFailed, AuditTarget::default(), None);
        assert!(!AuditFilter { operator: some("li"), ..all }.passes(&stranger));
    }
}
