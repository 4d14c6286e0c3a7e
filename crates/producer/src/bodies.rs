//! The bodies of jobs, a type for each kind. The fields have the names of the gateway page's fields.
//!
//! These types help to write a body and refuse nothing: the one validator decides, for them as for any JSON.

mod bill_upload;
mod split;
mod transfer;
mod withdrawal;

use bursar_domain::{Kind, NewJob};
use serde::Serialize;

pub use bill_upload::{BillUpload, Goods, TradeType};
pub use split::{Order, Receiver, Split};
pub use transfer::{Arrival, Party, Transfer};
pub use withdrawal::{Card, Withdrawal};

/// The job with this body. Each body's type calls it by its kind.
fn job(kind: Kind, account: &str, platform_no: &str, body: &impl Serialize) -> NewJob {
    // These types consist of texts, numbers and lists, which can always be serialized.
    NewJob::new(account, kind.as_str(), platform_no, serde_json::to_value(body).unwrap_or_default())
}
