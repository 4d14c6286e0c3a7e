//! The scripts, one file each in `lua/`, called by their hash.

use redis::{Cmd, ErrorKind, FromRedisValue, Script, ServerErrorKind, ToRedisArgs};

use crate::StoreError;
use crate::connection::Store;
use crate::link::Connection;

/// Entries kept in a lane's `events` stream, about; one tells of up to sixteen state changes.
pub(crate) const EVENTS_KEPT: u32 = 10_000;

/// Lines in a job's log after which what changed nothing (an ask, a claim given back) is no longer written.
pub(crate) const LOG_QUIET_AFTER: u32 = 200;

/// What several scripts do alike: put in where their header names it.
const SHARED: [(&str, &str); 15] = [
    ("-- shared: whole.lua\n", include_str!("../lua/shared/whole.lua")),
    ("-- shared: marks.lua\n", include_str!("../lua/shared/marks.lua")),
    ("-- shared: claims.lua\n", include_str!("../lua/shared/claims.lua")),
    ("-- shared: eras.lua\n", include_str!("../lua/shared/eras.lua")),
    ("-- shared: losses.lua\n", include_str!("../lua/shared/losses.lua")),
    ("-- shared: late.lua\n", include_str!("../lua/shared/late.lua")),
    ("-- shared: tell.lua\n", include_str!("../lua/shared/tell.lua")),
    ("-- shared: intent.lua\n", include_str!("../lua/shared/intent.lua")),
    ("-- shared: rivals.lua\n", include_str!("../lua/shared/rivals.lua")),
    ("-- shared: names.lua\n", include_str!("../lua/jobs/shared/names.lua")),
    ("-- shared: ready.lua\n", include_str!("../lua/jobs/shared/ready.lua")),
    ("-- shared: entries.lua\n", include_str!("../lua/jobs/shared/entries.lua")),
    ("-- shared: ranks.lua\n", include_str!("../lua/jobs/shared/ranks.lua")),
    ("-- shared: lost_writes.lua\n", include_str!("../lua/jobs/shared/lost_writes.lua")),
    ("-- shared: deliveries.lua\n", include_str!("../lua/jobs/shared/deliveries.lua")),
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

    /// Begins a call on the keys of one lane, of an account's notifications, or of its balance.
    ///
    /// Two keys are declared, `base`, which never exists, and one more of the same slot: while that slot migrates to another
    /// server of a cluster, Redis then answers `TRYAGAIN` on both, and the script does not run where half of the keys are.
    /// With one key that does not exist it would run on the importing server, where a job that is known is new.
    pub(crate) fn on(&self, base: &str) -> Call<'_> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.script.get_hash()).arg(2).arg(base).arg(format!("{base}lane"));
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

    /// Runs it; a server that does not know the script yet (after a restart, say) is told first.
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
    pub(crate) unclaim: Named,
    pub(crate) commit: Named,
    pub(crate) renew: Named,
    pub(crate) release: Named,
    pub(crate) operate: Named,
    pub(crate) pause: Named,
    pub(crate) wake: Named,
    pub(crate) purge: Named,
    pub(crate) intake_look: Named,
    pub(crate) intake_take: Named,
    pub(crate) intake_settle: Named,
    pub(crate) put_back: Named,
    pub(crate) set_rival_aside: Named,
    pub(crate) settle_lane: Named,
    pub(crate) take: Named,
    pub(crate) attempts: Named,
    pub(crate) circuit: Named,
    pub(crate) clock_back: Named,
    pub(crate) balance_turn: Named,
    pub(crate) balance_keep: Named,
    pub(crate) claim_callbacks: Named,
    pub(crate) commit_callbacks: Named,
    pub(crate) notify: Named,
    pub(crate) mention: Named,
    pub(crate) link: Named,
    pub(crate) probe: Named,
    pub(crate) gateway: Named,
    pub(crate) adopt: Named,
}

impl Scripts {
    pub(crate) fn load() -> Self {
        Self {
            submit: Named::new("submit", include_str!("../lua/submit.lua")),
            claim: Named::new("claim", include_str!("../lua/claim.lua")),
            unclaim: Named::new("unclaim", include_str!("../lua/unclaim.lua")),
            commit: Named::new("commit", include_str!("../lua/commit.lua")),
            renew: Named::new("renew", include_str!("../lua/renew.lua")),
            release: Named::new("release", include_str!("../lua/release.lua")),
            operate: Named::new("operate", include_str!("../lua/operate.lua")),
            pause: Named::new("pause", include_str!("../lua/pause.lua")),
            wake: Named::new("wake", include_str!("../lua/wake.lua")),
            purge: Named::new("purge", include_str!("../lua/purge.lua")),
            intake_look: Named::new("intake_look", include_str!("../lua/intake_look.lua")),
            intake_take: Named::new("intake_take", include_str!("../lua/intake_take.lua")),
            intake_settle: Named::new("intake_settle", include_str!("../lua/intake_settle.lua")),
            put_back: Named::new("put_back", include_str!("../lua/put_back.lua")),
            set_rival_aside: Named::new("set_rival_aside", include_str!("../lua/set_rival_aside.lua")),
            settle_lane: Named::new("settle_lane", include_str!("../lua/settle_lane.lua")),
            take: Named::new("take", include_str!("../lua/take.lua")),
            circuit: Named::new("circuit", include_str!("../lua/circuit.lua")),
            clock_back: Named::new("clock_back", include_str!("../lua/clock_back.lua")),
            attempts: Named::new("attempts", include_str!("../lua/attempts.lua")),
            balance_turn: Named::new("balance_turn", include_str!("../lua/balance_turn.lua")),
            balance_keep: Named::new("balance_keep", include_str!("../lua/balance_keep.lua")),
            claim_callbacks: Named::new("claim_callbacks", include_str!("../lua/claim_callbacks.lua")),
            commit_callbacks: Named::new("commit_callbacks", include_str!("../lua/commit_callbacks.lua")),
            notify: Named::new("notify", include_str!("../lua/notify.lua")),
            mention: Named::new("mention", include_str!("../lua/mention.lua")),
            link: Named::new("link", include_str!("../lua/link.lua")),
            adopt: Named::new("adopt", include_str!("../lua/adopt.lua")),
            gateway: Named::new("gateway", include_str!("../lua/gateway.lua")),
            probe: Named::new("probe", include_str!("../lua/probe.lua")),
        }
    }
}
