//! The scripts, one file each in `lua/`, called by their hash.

use redis::{FromRedisValue, Script, ToRedisArgs};

use crate::StoreError;
use crate::connection::Store;

/// State changes kept in a lane's `events` stream, about.
pub(crate) const EVENTS_KEPT: u32 = 10_000;

/// Lines in a job's log after which an ask that changed nothing is counted but no longer written.
pub(crate) const LOG_QUIET_AFTER: u32 = 200;

/// A script with the name that errors give it.
pub(crate) struct Named {
    name: &'static str,
    script: Script,
}

impl Named {
    fn new(name: &'static str, code: &str) -> Self {
        Self { name, script: Script::new(code) }
    }

    /// Runs it on one lane's keys.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        store: &Store,
        base: String,
        arguments: &Arguments,
    ) -> Result<T, StoreError> {
        let mut invocation = self.script.prepare_invoke();
        invocation.key(base);
        for argument in &arguments.0 {
            invocation.arg(argument.as_slice());
        }
        let mut connection = store.connection();
        invocation.invoke_async(&mut connection).await.map_err(|source| StoreError::of(self.name, source))
    }
}

/// A script's ARGV.
#[derive(Default)]
pub(crate) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    pub(crate) fn push(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        self.0.extend(argument.to_redis_args());
        self
    }
}

/// All scripts of the store.
pub(crate) struct Scripts {
    pub(crate) submit: Named,
    pub(crate) claim: Named,
    pub(crate) commit: Named,
    pub(crate) renew: Named,
    pub(crate) release: Named,
    pub(crate) operate: Named,
    pub(crate) pause: Named,
    pub(crate) wake: Named,
    pub(crate) purge: Named,
}

impl Scripts {
    pub(crate) fn load() -> Self {
        Self {
            submit: Named::new("submit", include_str!("../lua/submit.lua")),
            claim: Named::new("claim", include_str!("../lua/claim.lua")),
            commit: Named::new("commit", include_str!("../lua/commit.lua")),
            renew: Named::new("renew", include_str!("../lua/renew.lua")),
            release: Named::new("release", include_str!("../lua/release.lua")),
            operate: Named::new("operate", include_str!("../lua/operate.lua")),
            pause: Named::new("pause", include_str!("../lua/pause.lua")),
            wake: Named::new("wake", include_str!("../lua/wake.lua")),
            purge: Named::new("purge", include_str!("../lua/purge.lua")),
        }
    }
}
