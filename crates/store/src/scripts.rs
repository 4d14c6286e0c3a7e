//! The scripts, one file each in `lua/`, called by their hash.

use redis::{Cmd, ErrorKind, FromRedisValue, Script, ServerErrorKind, ToRedisArgs};

use crate::StoreError;
use crate::connection::Store;
use crate::reconnecting::Connection;

/// The approximate number of entries in a partition's `events` stream; one entry has up to sixteen state changes.
pub(crate) const EVENTS_KEPT: u32 = 10_000;

/// The lines in a job's history after which events without a change (a query, a released claim) are no longer written.
pub(crate) const LOG_QUIET_AFTER: u32 = 200;

/// The shared parts of scripts, inserted where a script's header names them.
const SHARED: [(&str, &str); 9] = [
    ("-- shared: integer.lua\n", include_str!("../lua/shared/integer.lua")),
    ("-- shared: names.lua\n", include_str!("../lua/jobs/shared/names.lua")),
    ("-- shared: ready.lua\n", include_str!("../lua/jobs/shared/ready.lua")),
    ("-- shared: entries.lua\n", include_str!("../lua/jobs/shared/entries.lua")),
    ("-- shared: ranks.lua\n", include_str!("../lua/jobs/shared/ranks.lua")),
    ("-- shared: lost_writes.lua\n", include_str!("../lua/jobs/shared/lost_writes.lua")),
    ("-- shared: deliveries.lua\n", include_str!("../lua/jobs/shared/deliveries.lua")),
    ("-- shared: proposals.lua\n", include_str!("../lua/jobs/shared/proposals.lua")),
    ("-- shared: counts.lua\n", include_str!("../lua/jobs/shared/counts.lua")),
];

/// A script with the name that errors give it.
pub(crate) struct Named {
    name: &'static str,
    script: Script,
}

impl Named {
    pub(crate) fn new(name: &'static str, code: &str) -> Self {
        let whole = SHARED.iter().fold(code.to_owned(), |code, (line, shared)| code.replacen(line, shared, 1));
        Self { name, script: Script::new(&whole) }
    }

    /// Begins a call on the keys of an account's balance, or of the preflight.
    ///
    /// Two keys are declared, `base` and one more of the same slot, neither of which exists: while that slot migrates to another
    /// server of a cluster, Redis then answers `TRYAGAIN` on both, and the script does not run where half of the keys are.
    /// With one key that does not exist it would run on the importing server, where a job that is known is new.
    pub(crate) fn on(&self, base: &str) -> Call<'_> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash()).arg(2).arg(base).arg(format!("{base}guard"));
        Call { named: self, command }
    }

    /// Begins a call on the keys of one queue; the queue's name is the first argument. Two keys are declared for the reason above.
    pub(crate) fn on_jobs(&self, base: &str, queue_hash: &str, queue: &str) -> Call<'_> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash()).arg(2).arg(base).arg(queue_hash).arg(queue);
        Call { named: self, command }
    }

    /// Begins a call on the keys of a queue of apalis-redis, whose names need not share a slot.
    pub(crate) fn on_queue(&self, base: &str) -> Call<'_> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash()).arg(1).arg(base);
        Call { named: self, command }
    }
}

/// A script's call, to which arguments are added.
pub(crate) struct Call<'a> {
    named: &'a Named,
    command: Cmd,
}

impl Call<'_> {
    pub(crate) fn push(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// Runs it; first loads it into a server that does not have it (after a restart, for example).
    pub(crate) async fn run<T: FromRedisValue>(&self, store: &Store) -> Result<T, StoreError> {
        self.run_on(store.connection()).await
    }

    /// The same on one particular connection.
    pub(crate) async fn run_on<T: FromRedisValue>(&self, mut connection: Connection) -> Result<T, StoreError> {
        let failed = |source| StoreError::of(self.named.name, source);
        match self.command.query_async(&mut connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.named.script.prepare_invoke().load_async(&mut connection).await.map_err(failed)?;
                self.command.query_async(&mut connection).await.map_err(failed)
            }
            outcome => outcome.map_err(failed),
        }
    }
}

/// All scripts of the store.
pub(crate) struct Scripts {
    pub(crate) submit: Named,
    pub(crate) claim: Named,
    pub(crate) recover_claim: Named,
    pub(crate) release: Named,
    pub(crate) renew: Named,
    pub(crate) apply: Named,
    pub(crate) claim_deliveries: Named,
    pub(crate) resend_delivery: Named,
    pub(crate) receive_notification: Named,
    pub(crate) queue: Named,
    pub(crate) wake: Named,
    pub(crate) circuit: Named,
    pub(crate) take_rate_token: Named,
    pub(crate) quarantine: Named,
    pub(crate) proposal: Named,
    pub(crate) import_peek: Named,
    pub(crate) import_take: Named,
    pub(crate) import_resolve: Named,
    pub(crate) archive_lease: Named,
    pub(crate) archive_mark: Named,
    pub(crate) balance_lock: Named,
    pub(crate) balance_store: Named,
    pub(crate) session: Named,
    pub(crate) token_use: Named,
    pub(crate) audit: Named,
    pub(crate) probe: Named,
}

impl Scripts {
    pub(crate) fn load() -> Self {
        Self {
            submit: Named::new("submit", include_str!("../lua/jobs/submit.lua")),
            claim: Named::new("claim", include_str!("../lua/jobs/claim.lua")),
            recover_claim: Named::new("recover_claim", include_str!("../lua/jobs/recover_claim.lua")),
            release: Named::new("release", include_str!("../lua/jobs/release.lua")),
            renew: Named::new("renew", include_str!("../lua/jobs/renew.lua")),
            apply: Named::new("apply", include_str!("../lua/jobs/apply.lua")),
            claim_deliveries: Named::new("claim_deliveries", include_str!("../lua/jobs/claim_deliveries.lua")),
            resend_delivery: Named::new("resend_delivery", include_str!("../lua/jobs/resend_delivery.lua")),
            receive_notification: Named::new(
                "receive_notification",
                include_str!("../lua/jobs/receive_notification.lua"),
            ),
            queue: Named::new("queue", include_str!("../lua/jobs/queue.lua")),
            wake: Named::new("wake", include_str!("../lua/jobs/wake.lua")),
            circuit: Named::new("circuit", include_str!("../lua/jobs/circuit.lua")),
            take_rate_token: Named::new("take_rate_token", include_str!("../lua/jobs/take_rate_token.lua")),
            quarantine: Named::new("quarantine", include_str!("../lua/jobs/quarantine.lua")),
            proposal: Named::new("proposal", include_str!("../lua/jobs/proposal.lua")),
            import_peek: Named::new("import_peek", include_str!("../lua/import_peek.lua")),
            import_take: Named::new("import_take", include_str!("../lua/import_take.lua")),
            import_resolve: Named::new("import_resolve", include_str!("../lua/import_resolve.lua")),
            archive_lease: Named::new("archive_lease", include_str!("../lua/archive_lease.lua")),
            archive_mark: Named::new("archive_mark", include_str!("../lua/archive_mark.lua")),
            balance_lock: Named::new("balance_lock", include_str!("../lua/balance_lock.lua")),
            balance_store: Named::new("balance_store", include_str!("../lua/balance_store.lua")),
            session: Named::new("session", include_str!("../lua/session.lua")),
            token_use: Named::new("token_use", include_str!("../lua/token_use.lua")),
            audit: Named::new("audit", include_str!("../lua/audit.lua")),
            probe: Named::new("probe", include_str!("../lua/probe.lua")),
        }
    }
}
