//! The audit trail as far as every layer writes it: refused attempts, and the log.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use bursar_domain::{Actor, AuditAction, AuditRole, AuditTarget};
use bursar_telemetry::log_audit;
use tokio::time::Instant;

use super::ServerState;
use super::attempts::Attempt;
use super::tokens::{Bearer, Role};

/// The longest path in an event, in characters: a stranger chooses it.
const MAX_PATH_CHARS: usize = 120;

impl From<Role> for AuditRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Producer => Self::Producer,
            Role::Operator => Self::Operator,
            Role::Reader => Self::Reader,
        }
    }
}

impl Bearer {
    /// The bearer at this address, as the audit trail names it.
    pub(crate) fn actor(&self, address: IpAddr) -> Actor {
        Actor { name: Some(self.name.clone()), role: self.role.into(), address: address.to_string() }
    }
}

impl ServerState {
    /// Counts and logs an attempt at this path that is refused for this reason. The trail gets it when its minute ends.
    pub(crate) fn refused(
        &self,
        bearer: Option<&Bearer>,
        address: IpAddr,
        action: AuditAction,
        (path, why): (&str, Option<String>),
    ) {
        let actor = bearer.map_or_else(|| Actor::stranger(&address), |bearer| bearer.actor(address));
        let path: String = path.chars().filter(|character| !character.is_control()).take(MAX_PATH_CHARS).collect();
        let attempt = Attempt { actor, address, action, target: AuditTarget::file(&path), why };
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let logged = attempts.count(attempt, Instant::now());
        drop(attempts);
        logged.as_ref().map(log_audit);
    }

    /// The time until this client's next try of a token, if it has failed too often within a minute. A token that is known is never refused
    /// for this: it may come from the same proxy.
    pub(crate) fn must_wait(&self, address: IpAddr) -> Option<Duration> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.must_wait(address, self.settings.failures_per_minute, Instant::now())
    }
}
