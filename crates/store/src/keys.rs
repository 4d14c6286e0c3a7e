//! The names of all keys. One lane is one hash tag, so every script touches one slot and lanes spread over a cluster.
//!
//! `PREFIX:{account/kind}:` followed by
//!
//! | key | type | holds |
//! |---|---|---|
//! | `job:KEY` | hash | the record: small fields, see `record.rs` |
//! | `body:KEY` | string | the canonical content of a job where it is too long for the record |
//! | `log:KEY` | list | the attempts: one JSON line each |
//! | `tell:KEY` | list | what the job's producer is still to be told, oldest first: one JSON object each |
//! | `about:THING` | string | the key of the job that is about this thing, where that is not the key itself |
//! | `to_send`, `to_ask` | sorted sets | keys by due time (ms of Redis time); a claimed job stands in `to_ask` at its lease's end |
//! | `to_tell` | sorted set | keys with something to tell, by when to try; one that is being told stands at its lease's end |
//! | `review`, `done` | sorted sets | keys by the time they came there |
//! | `lane` | hash | `paused` (who and why), `tat` (rate bucket, µs), `turn`, `e` (epoch: claims that took sends), `era` (how often Redis was found to have lost writes), `resumed` (the era that a person answered for by resuming), `resumed_at` (ms), `gateway` (whose the jobs are: a worker with another gateway claims none) |
//! | `held` | hash | the claims that stand, by key: see `lua/shared/claims.lua` |
//! | `ids` | hash | what responses are known by → the key of the job that they came for: `n` and a number of its, `r` and a request's id; each goes with its job's detail |
//! | `events` | stream | what changed, bounded |
//! | `orphans` | set | due keys without a readable record or event, put aside for a person |
//! | `claim:WORKER` | string | the number of the worker's last claim that gave it jobs or was given up, and the jobs; expires |
//!
//! `PREFIX:incarnation` (string) says which Redis this is, `PREFIX:incarnations` (hash) which earlier ones journals have been reconciled
//! with it.
//!
//! `PREFIX:lanes` (sorted set) holds the names of all lanes, by when a worker last said that it serves each (ms; 0 = none did yet).
//!
//! A queue of apalis-redis 1.0 has its own keys, `QUEUE:` followed by `data` (hash: task id → payload), `scheduled` (sorted set:
//! ids by run time in seconds), `active` (list of ids to run at once) and `meta:ID` (hash). Ours for it are `PREFIX:intake:QUEUE:`
//! followed by
//!
//! | key | type | holds |
//! |---|---|---|
//! | `turn` | string | the worker that takes tasks just now; expires |
//! | `number` | string | the number given last to what was kept aside |
//! | `aside` | sorted set | the numbers of what is kept aside, by themselves |
//! | `aside:NUMBER` | hash | `id`, `payload` (absent where there was none), `why`, `at` (ms), `run_at` (ms) |
//! | `acts` | stream | what operators did about it, who and why; bounded |
//!
//! An account's notifications stand below `PREFIX:{account/notify}:`, with `to_tell`, `tell:N`, `log:N`, `events`, `orphans`
//! as above, and
//!
//! | key | type | holds |
//! |---|---|---|
//! | `note:N` | hash | notification number N: see `lua/notify.lua`; the fields about telling are those of a job's record |
//! | `notes`, `held` | sorted sets | the numbers of those that could be read, and of those that a person must look at |
//! | `of:METHOD:RECORD` | hash | a record's versions by their content, and the newest that counts; it outlives their detail |
//! | `held:METHOD:HASH` | hash | the same for what could not be read |
//! | `numbers` | string | the last number |
//!
//! What the gateway told of an account's balance stands below `PREFIX:{account/balance}:`
//!
//! | key | type | holds |
//! |---|---|---|
//! | `turn` | string | taken by the process that asked last; expires when it is to be asked for again |
//! | `told:SUB_TYPE` | hash | `available`, `frozen`, `retained`, `total` (fen), `at` (when they were told, ms), `since` (when it was first asked for, ms) |

use std::fmt::Display;

use bursar_domain::{AccountName, Lane};

/// Names keys and channels under one prefix.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What every key of the lane, or of an account's notifications, begins with; the scripts' only KEYS argument.
    pub(crate) fn base(&self, lane: &impl Display) -> String {
        format!("{}:{{{lane}}}:", self.prefix)
    }

    pub(crate) fn job(&self, lane: &Lane, key: &str) -> String {
        format!("{}job:{key}", self.base(lane))
    }

    pub(crate) fn body(&self, lane: &Lane, key: &str) -> String {
        format!("{}body:{key}", self.base(lane))
    }

    pub(crate) fn set(&self, lane: &impl Display, set: &str) -> String {
        format!("{}{set}", self.base(lane))
    }

    /// What every key about an account's balance begins with.
    pub(crate) fn balance(&self, account: &AccountName) -> String {
        self.base(&format_args!("{account}/balance"))
    }

    /// What every key of a queue of apalis-redis begins with.
    pub(crate) fn queue(queue: &str) -> String {
        format!("{queue}:")
    }

    /// What every key of ours for that queue begins with: it shares the queue's hash tag, if the queue has one.
    pub(crate) fn intake(&self, queue: &str) -> String {
        format!("{}:intake:{queue}:", self.prefix)
    }

    /// Every lane under this prefix, by when a worker last said that it serves it (ms; 0 = none did).
    pub(crate) fn lanes(&self) -> String {
        format!("{}:lanes", self.prefix)
    }

    /// The layout of what is kept under this prefix.
    pub(crate) fn layout(&self) -> String {
        format!("{}:layout", self.prefix)
    }

    /// What is written before a wait for disk or replicas, so that the wait covers all writes before it.
    pub(crate) fn sync_marker(&self) -> String {
        format!("{}:sync", self.prefix)
    }

    /// Which Redis this is.
    pub(crate) fn incarnation(&self) -> String {
        format!("{}:incarnation", self.prefix)
    }

    /// Which ones it has replaced, as far as their journals were reconciled with it.
    pub(crate) fn settled_incarnations(&self) -> String {
        format!("{}:incarnations", self.prefix)
    }

    /// What is written to find out whether anything can be.
    pub(crate) fn probe(&self) -> String {
        format!("{}:probe", self.prefix)
    }

    /// The base of the key on which the preflight tries what this user may do.
    pub(crate) fn probe_base(&self) -> String {
        format!("{}:{{probe}}:", self.prefix)
    }

    /// What all keys and channels begin with, as a pattern.
    pub(crate) fn pattern(&self) -> String {
        format!("{}:*", self.prefix)
    }

    /// The pub/sub channel on which a lane's name says: something there is due.
    pub(crate) fn wake_channel(&self) -> String {
        format!("{}:wake", self.prefix)
    }

    /// The same for what is to be told; the scripts make its name of the lane's base.
    pub(crate) fn tell_channel(&self) -> String {
        format!("{}:tell", self.prefix)
    }
}
