//! Bursar's memory: jobs in Redis. The only crate that names a key.
//!
//! Every transition is one Lua script (`lua/`), atomic and bounded, on the keys of one lane. All time is Redis time.

mod balance;
mod callbacks;
mod circuits;
mod claim;
mod clock;
mod commit;
mod connection;
mod crash;
mod durability;
mod error;
mod events;
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod incarnation;
mod intake;
mod keys;
mod link;
mod list;
mod log;
mod noted;
mod notifications;
mod operate;
mod preflight;
mod put_back;
mod rate;
mod read;
mod recent;
mod record;
mod scripts;
mod sentinel;
mod submit;
mod subscription;
mod tls;
mod wakes;
mod walk;

pub use balance::{BalanceParts, BalanceStatus};
pub use callbacks::{Callback, CallbackStatus, Callbacks, Happened, MAX_CALLBACKS, Origin, Telling, ToldOrNot};
pub use claim::{Claim, ClaimId, Claimed, Claims, Known, Lapsed, MAX_CLAIM, RECEIPT_KEPT, Renewal, Renewed, Sends};
pub use commit::{Asked, Commit, Committed, Evidence, Resend, ResponseId};
pub use connection::{Settings, Store};
pub use crash::crash_point;
pub use durability::Durability;
pub use error::{StoreError, chain};
pub use events::{Event, EventId, EventWatch};
pub use incarnation::Incarnations;
pub use intake::{Act, Aside, MAX_TASKS, Payload, QueueStatus, Settled, Taken, Task, Verdict};
pub use list::{Cursor, Listed};
pub use noted::{NotificationCount, Tells};
pub use notifications::{AHEAD_AT_MOST, Kept, LATE_AFTER, Notified, Shelf, Stands};
pub use operate::{Operated, Operator};
pub use preflight::{Finding, LOSSES_ON_EVERYSEC, Severity, Wanted};
pub use put_back::{PutBack, Remembered, Standing};
pub use read::{LOOKED_AT, LaneStatus};
pub use recent::{Recent, Stretch};
pub use record::Record;
pub use submit::{MAX_BATCH, Submission};
pub use wakes::Wakes;
pub use walk::{MAX_STEP, Mark, Walked};
