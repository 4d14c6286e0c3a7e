//! Jobs as readable records: one JSON text each, written whole under a guard.
//!
//! Rust decides and the scripts in `lua/jobs` guard and move: a script checks that claim and record still are what the decision was made
//! of, and writes what it is given. None takes a record apart. All time is Redis time.
//!
//! Workers and servers do not use it yet: what they use is the rest of this crate, and this module takes its place step by step.

mod actions;
mod activity;
mod apply;
mod circuits;
mod claim;
mod commit;
mod deliveries;
mod events;
mod facts;
mod in_doubt;
mod keys;
mod list;
mod notifications;
mod overlay;
mod purge;
mod quarantine;
mod queue;
mod rate;
mod read;
mod record;
mod renew;
mod rows;
mod scan;
mod scripts;
mod status;
mod submit;
mod unserved;

use std::sync::{Arc, LazyLock};

pub use actions::{Acted, Action};
pub use activity::Recent;
pub use apply::{Guarded, Place};
pub use claim::{Claim, Claimed, ClaimedJob, Probe};
pub use commit::{Commit, Committed, ResponseKnownBy};
pub use deliveries::{
    ClaimedDeliveries, ClaimedDelivery, DeliveryClaim, DeliveryCommit, DeliveryResult, DeliveryStatus, EventPayload,
};
pub use events::{Event, EventWatch};
pub use list::{Cursor, Listed};
pub use notifications::{
    Finality, NotificationCount, NotificationDelivery, NotificationFilter, StoreOutcome, VerifiedNotification,
};
pub use quarantine::{Dropped, Quarantined, Retried};
pub use queue::Ready;
pub use read::{JobRecord, StoredAs};
pub use record::{RECORD_VERSION, Unreadable, WebhookEvent};
pub use renew::{ClaimToken, Held, Renewal, Renewed};
pub use scan::{DueSends, ScanCursor, Scanned};
pub use status::QueueStatus;
pub use submit::{NewRecord, Submission};

use crate::Store;
use keys::JobKeys;
use scripts::JobScripts;

/// Loaded once: their hashes are made of their texts.
static SCRIPTS: LazyLock<Arc<JobScripts>> = LazyLock::new(|| Arc::new(JobScripts::load()));

/// The jobs in a store.
#[derive(Clone)]
pub struct Jobs {
    store: Store,
    keys: JobKeys,
    scripts: Arc<JobScripts>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Jobs").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Jobs {
    /// What every key of a queue's partition begins with.
    #[must_use]
    pub fn base_of(&self, lane: &bursar_domain::Lane) -> String {
        self.keys.of(lane).base
    }
}

impl Store {
    /// The jobs in this store.
    #[must_use]
    pub fn jobs_of(&self) -> Jobs {
        Jobs { store: self.clone(), keys: JobKeys::new(self.keys.prefix()), scripts: Arc::clone(&SCRIPTS) }
    }
}
