//! The scripts of `lua/jobs`.

use crate::scripts::Named;

pub(crate) struct JobScripts {
    pub(crate) submit: Named,
    pub(crate) claim: Named,
    pub(crate) recover_claim: Named,
    pub(crate) release: Named,
    pub(crate) renew: Named,
    pub(crate) apply: Named,
    pub(crate) claim_deliveries: Named,
    pub(crate) receive_notification: Named,
    pub(crate) queue: Named,
    pub(crate) wake: Named,
    pub(crate) circuit: Named,
    pub(crate) take_rate_token: Named,
    pub(crate) quarantine: Named,
}

impl JobScripts {
    pub(crate) fn load() -> Self {
        Self {
            submit: Named::new("submit", include_str!("../../lua/jobs/submit.lua")),
            claim: Named::new("claim", include_str!("../../lua/jobs/claim.lua")),
            recover_claim: Named::new("recover_claim", include_str!("../../lua/jobs/recover_claim.lua")),
            release: Named::new("release", include_str!("../../lua/jobs/release.lua")),
            renew: Named::new("renew", include_str!("../../lua/jobs/renew.lua")),
            apply: Named::new("apply", include_str!("../../lua/jobs/apply.lua")),
            claim_deliveries: Named::new("claim_deliveries", include_str!("../../lua/jobs/claim_deliveries.lua")),
            receive_notification: Named::new(
                "receive_notification",
                include_str!("../../lua/jobs/receive_notification.lua"),
            ),
            queue: Named::new("queue", include_str!("../../lua/jobs/queue.lua")),
            wake: Named::new("wake", include_str!("../../lua/jobs/wake.lua")),
            circuit: Named::new("circuit", include_str!("../../lua/jobs/circuit.lua")),
            take_rate_token: Named::new("take_rate_token", include_str!("../../lua/jobs/take_rate_token.lua")),
            quarantine: Named::new("quarantine", include_str!("../../lua/jobs/quarantine.lua")),
        }
    }
}
