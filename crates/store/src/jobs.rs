//! Jobs as readable records: one JSON text each, written whole under a guard.
//!
//! Rust decides, and the scripts in `lua/jobs` check and write: a script checks that claim and record are still those
//! of the decision, and writes the given texts. No script parses a record. All time is Redis time.

mod actions;
mod activity;
mod adopt;
mod apply;
mod archive;
mod archive_schema;
mod circuits;
mod claim;
mod claim_request;
mod commit;
mod deliveries;
mod demand;
mod ended;
mod events;
mod expected;
mod find;
mod in_doubt;
mod job_progress;
mod keys;
mod list;
mod notifications;
mod operate;
mod overlay;
mod plan;
mod proposals;
mod purge;
mod quarantine;
mod queue;
mod rate;
mod read;
mod record;
mod renew;
mod restore;
mod rows;
mod scan;
mod status;
mod submit;
mod unserved;

pub use actions::{Action, ActionOutcome};
pub use activity::Recent;
pub use apply::{Guarded, Place};
pub use archive::{ArchiveCursor, ArchiveLease, ArchiveMark, ArchiveProgress, ArchiveSet, ToArchive, UnarchivedJob};
pub use archive_schema::archive_line_schema;
pub use claim::{Claimed, ClaimedJob};
pub use commit::{Commit, Committed, ResponseKnownBy};
pub use deliveries::{
    ClaimedDeliveries, ClaimedDelivery, DeliveryClaim, DeliveryCommit, DeliveryResult, DeliveryStatus, EventPayload,
    ResendOutcome, WebhookFilter, is_webhook_key, job_webhook_id, notification_webhook_id,
};
pub use demand::QueueDemand;
pub use ended::{COUNTS_KEEP, EndedJobs, Sum};
pub use events::{Event, EventWatch};
pub use find::{FindCursor, FoundJobs};
pub use list::{Cursor, Listed};
pub use notifications::{
    Finality, NotificationCount, NotificationDelivery, NotificationFilter, StoreOutcome, VerifiedNotification,
};
pub use plan::{Effect, Planned, PlannedJob};
pub use proposals::{Approved, Dismissed, Executed, MAX_PROPOSALS, NeedsSecond, OpenProposal, Resumed};
pub use purge::Purged;
pub use quarantine::{Dropped, Quarantined, Retried};
pub use queue::{READY_AT_ONCE, Ready};
pub use read::{JobRecord, StoredAs};
pub use record::{INLINE_EVENTS, Unreadable, WebhookEvent, record_version};
pub use renew::{ClaimToken, LeasedClaim, Renewal, Renewed};
pub use scan::{DueSends, ScanCursor, Scanned};
pub use status::QueueStatus;
pub use submit::{NewRecord, Submission};

pub use activity::Stretch;
pub use adopt::Adopted;
pub(crate) use claim::job as claimed_job;
pub(crate) use claim_request::whole_millis;
pub use claim_request::{Claim, ClaimId, ExpiredLeases, Known, MAX_CLAIM, RECEIPT_KEPT, Sends};
pub use commit::{Evidence, Resend};
pub use events::EventId;
pub(crate) use expected::Expected;
pub(crate) use keys::JobKeys;
pub use keys::PARTITIONS;
pub use notifications::{AHEAD_AT_MOST, LATE_AFTER};
pub use operate::{Operated, Operator};
pub(crate) use overlay::{ClaimEntry, Era};
pub(crate) use read::record as read_record;
pub(crate) use record::StoredJob;
pub use restore::{JournalDiff, JournalView, Restored};
pub use scan::MAX_STEP;
pub use submit::MAX_BATCH;

use crate::Store;

impl Store {
    /// The base of every key of a queue's partition.
    #[must_use]
    pub fn base_of(&self, queue: &bursar_domain::Queue) -> String {
        self.queues.of(queue).base
    }
}
