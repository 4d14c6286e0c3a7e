//! The names of the keys that belong to no queue of jobs; those that do are named by `jobs/keys.rs`.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `PREFIX:layout` | string | the layout of the keys under this prefix, and the number of its partitions: see `layout.rs` |
//! | `PREFIX:queues` | sorted set | the names of all queues, by when a worker last said that it serves each (ms; 0 = none did yet) |
//! | `PREFIX:incarnation` | string | which Redis this is |
//! | `PREFIX:incarnations` | hash | earlier ones whose journals have been reconciled with it |
//! | `PREFIX:archive` | string | the id of the archive that this Redis is archived in |
//! | `PREFIX:audit` | stream | the audit trail, one event an entry: see `audit.rs`; bounded by the age of its events alone |
//! | `PREFIX:workers` | hash | the workers, by name: each one's last heartbeat as JSON; expires; see `workers.rs` |
//! | `PREFIX:configurations` | hash | roles → the digest of the configuration with which each began last |
//! | `PREFIX:sync` | string | is written before a wait for disk or replicas |
//! | `PREFIX:probe`, `PREFIX:{probe}:try` | string | the preflight's trial keys; expire |
//!
//! The data of an account's balance are below `PREFIX:{account/balance}:`, its results of `bursar reconcile` are `PREFIX:{account/reconciled}:runs`
//! (sorted set: runs as JSON, by when they ended; see `reconciled.rs`), and the balance's
//!
//! | key | type | holds |
//! |---|---|---|
//! | `lock` | string | taken by the process that queried last; expires when the next query is due |
//! | `amounts:SUB_TYPE` | hash | `available`, `frozen`, `retained`, `total` (fen), `at` (time of the response, ms), `since` (time of the first query, ms) |
//!
//! What servers share is below `PREFIX:{session/BEARER}:` and `PREFIX:{token/BEARER}:`, where `BEARER` is derived from the hash of a token and
//! its name
//!
//! | key | type | holds |
//! |---|---|---|
//! | `sessions` (of a session's base) | sorted set | the bearer's sessions in the dashboard, by when each will have been idle for too long (ms); expires |
//! | `known` (of a token's base) | string | the time at which a server first knew the token (ms); expires |
//! | `used` (of a token's base) | string | the token's last use (ms), to the minute; expires |
//!
//! A queue of apalis-redis 1.0 has its own keys, `QUEUE:` followed by `data` (hash: task id → payload), `scheduled` (sorted set:
//! ids by run time in seconds), `active` (list of ids to run at once) and `meta:ID` (hash). Ours for it are `PREFIX:import:QUEUE:`
//! followed by
//!
//! | key | type | holds |
//! |---|---|---|
//! | `lock` | string | the worker that takes tasks just now; expires |
//! | `number` | string | the number of the last dead letter |
//! | `dead_letters` | sorted set | the numbers of the dead letters, by themselves |
//! | `dead_letter:NUMBER` | hash | `id`, `payload` (absent where there was none), `why`, `at` (ms), `run_at` (ms) |
//! | `actions` | stream | operators' actions on them, with operator and reason; bounded |

use bursar_domain::AccountName;

/// Names keys and channels under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// The base of every key of an account's balance.
    pub(crate) fn balance(&self, account: &AccountName) -> String {
        format!("{}:{{{account}/balance}}:", self.prefix)
    }

    /// The results of an account's reconciliations.
    pub(crate) fn reconciled(&self, account: &AccountName) -> String {
        format!("{}:{{{account}/reconciled}}:runs", self.prefix)
    }

    /// The base of a bearer's sessions.
    pub(crate) fn sessions(&self, bearer: &str) -> String {
        format!("{}:{{session/{bearer}}}:", self.prefix)
    }

    /// The base of what is known of a bearer's token.
    pub(crate) fn token(&self, bearer: &str) -> String {
        format!("{}:{{token/{bearer}}}:", self.prefix)
    }

    /// The base of every key of a queue of apalis-redis.
    pub(crate) fn queue(queue: &str) -> String {
        format!("{queue}:")
    }

    /// The base of every key of ours for that queue: it shares the queue's hash tag, if the queue has one.
    pub(crate) fn import(&self, queue: &str) -> String {
        format!("{}:import:{queue}:", self.prefix)
    }

    /// Every queue under this prefix, by the time of a worker's last report that it serves it.
    pub(crate) fn queues(&self) -> String {
        format!("{}:queues", self.prefix)
    }

    /// The layout of the keys under this prefix.
    pub(crate) fn layout(&self) -> String {
        format!("{}:layout", self.prefix)
    }

    /// The key that is written before a wait for disk or replicas, so that the wait covers all writes before it.
    pub(crate) fn sync_marker(&self) -> String {
        format!("{}:sync", self.prefix)
    }

    /// The identity of this Redis.
    pub(crate) fn incarnation(&self) -> String {
        format!("{}:incarnation", self.prefix)
    }

    /// The identities that it has replaced and whose journals were reconciled with it.
    pub(crate) fn settled_incarnations(&self) -> String {
        format!("{}:incarnations", self.prefix)
    }

    /// The id of the archive.
    pub(crate) fn archive(&self) -> String {
        format!("{}:archive", self.prefix)
    }

    /// The audit trail.
    pub(crate) fn audit(&self) -> String {
        format!("{}:audit", self.prefix)
    }

    /// The heartbeats of workers.
    pub(crate) fn workers(&self) -> String {
        format!("{}:workers", self.prefix)
    }

    /// The configurations with which roles began.
    pub(crate) fn configurations(&self) -> String {
        format!("{}:configurations", self.prefix)
    }

    /// The key that is written to test writing.
    pub(crate) fn probe(&self) -> String {
        format!("{}:probe", self.prefix)
    }

    /// The base of the key on which the preflight tries this user's permissions.
    pub(crate) fn probe_base(&self) -> String {
        format!("{}:{{probe}}:", self.prefix)
    }

    /// The pattern of all keys and channels.
    pub(crate) fn pattern(&self) -> String {
        format!("{}:*", self.prefix)
    }
}
