//! The options of a simulator.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::faults::FaultProfile;
use crate::life::Life;

/// The options of a simulator; `Options::default()` is a gateway without faults on a free port.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of the key files; `None` is a fresh folder that is removed at the stop.
    pub dir: Option<PathBuf>,
    /// The fault profile.
    pub profile: FaultProfile,
    /// The seed of all chance.
    pub seed: u64,
    /// The duration of a request: half before its execution, half after.
    pub latency: Duration,
    /// The time that a payment stays in one status of its life.
    pub life_step: Duration,
    /// The length of the profile's silences, and of rules that need an end and name none.
    pub hang: Duration,
    /// True if an executed key is recognised. If false, every send that arrives is executed.
    pub honours_keys: bool,
    /// True if a query may name its payment by `platform_no`, which no page says.
    pub query_by_key: bool,
    /// True if divisions can be queried and have a batch number of BeingFi's own, as at other vendors of its family.
    pub division_query: bool,
    /// The lives that keys get, with weights; `None` is the profile's own mixture.
    pub lives: Option<Vec<(Life, u32)>>,
    /// The node in which `funds.bill.upload` is answered.
    pub upload_node: UploadNode,
    /// The answer to a bill that was received before.
    pub duplicate_upload: DuplicateUpload,
    /// The merchant's `app_id` at YZT.
    pub app_id: String,
    /// The merchant's `mchNo` at BeingFi.
    pub mch_no: String,
    /// The merchant's `appId` at BeingFi.
    pub beingfi_app_id: String,
}

/// The node in which `funds.bill.upload` is answered: its page and the platform's rule disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadNode {
    /// `bkfunds_order_upload_response`, as its page shows.
    #[default]
    Page,
    /// `funds_bill_upload_response`, as the platform names the nodes of all methods.
    Rule,
}

/// The answer to a bill that was received before with the same content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateUpload {
    /// Success again.
    #[default]
    Received,
    /// A business error, code 40004.
    Refused,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            dir: None,
            profile: FaultProfile::None,
            seed: 0,
            latency: Duration::ZERO,
            life_step: Duration::from_secs(1),
            hang: Duration::from_secs(1),
            honours_keys: true,
            query_by_key: false,
            division_query: false,
            lives: None,
            upload_node: UploadNode::Page,
            duplicate_upload: DuplicateUpload::Received,
            // The form of those in the pages' examples.
            app_id: "202404221232028501746384896".to_owned(),
            mch_no: "M1623997351".to_owned(),
            beingfi_app_id: "60cc3ba74ee0e6685f57eb1e".to_owned(),
        }
    }
}
