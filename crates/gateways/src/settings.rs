//! What an operator tells about one account at a gateway, in types that the configuration is read into.

use std::fmt;
use std::time::Duration;

use crate::Secret;

/// A setting that no gateway can work with. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct SettingsError {
    /// The configuration's name for the setting: `private_key_file`.
    pub setting: &'static str,
    /// What is wrong with it, to be read after its name: `holds a public key, …`. Never its content.
    pub problem: String,
}

impl SettingsError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

/// How requests travel; the same for both gateways.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Where requests are posted to.
    pub base_url: String,
    /// The longest wait for name lookup, TCP and TLS together; half of `call_timeout` if that is shorter.
    pub connect_timeout: Duration,
    /// The longest wait for a whole call, connecting included. Must be shorter than the worker's lease allows.
    pub call_timeout: Duration,
    /// How long a connection that has answered may lie idle and then carry another request. Zero: each request has a
    /// connection of its own, which no answer to another one can reach and which the gateway is not just closing.
    pub keep_alive: Duration,
    /// A private certificate authority (PEM) to trust besides the system's.
    pub ca_pem: Option<String>,
    /// How parameters are written.
    pub content_type: ContentType,
    /// What an HTTP 429 means.
    pub http_429: TooManyRequests,
}

impl Transport {
    /// The defaults of the configuration for the account at `base_url`.
    #[must_use]
    pub fn new(base_url: impl Into<String>, content_type: ContentType) -> Self {
        Self {
            base_url: base_url.into(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            keep_alive: Duration::ZERO,
            ca_pem: None,
            content_type,
            http_429: TooManyRequests::default(),
        }
    }
}

/// How parameters are written. YZT's gateway takes both, BeingFi's page names both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    /// `application/x-www-form-urlencoded`.
    #[default]
    Form,
    /// `application/json`, every value a text.
    Json,
}

/// What an HTTP 429 without a readable answer means for a send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TooManyRequests {
    /// It may have been executed: a proxy on the way may limit answers as well as requests.
    #[default]
    InDoubt,
    /// The operator knows that whatever answers 429 stands before the gateway and passes nothing on.
    NotExecuted,
}

/// One account at YZT.
#[derive(Clone, Debug)]
pub struct YztSettings {
    /// How requests travel.
    pub transport: Transport,
    /// The app's id.
    pub app_id: String,
    /// The token of a merchant that authorised the app, where there is one.
    pub app_auth_token: Option<Secret>,
    /// The app's private key, in any form that keys are handed out in.
    pub private_key: Secret,
    /// How answers are trusted.
    pub response_sign: ResponseSign,
    /// What an error without a signature says, where answers must be signed.
    pub unsigned_errors: UnsignedErrors,
    /// What a status query is keyed on.
    pub query_key: QueryKey,
    /// The name under which bills are uploaded.
    pub upload_method: UploadMethod,
    /// The methods of the undocumented split, where the operator has their description.
    pub split: Option<SplitMethods>,
    /// Sub-codes that this tenant has learnt the meaning of.
    pub sub_codes: SubCodes,
}

/// How an answer's signature is treated.
#[derive(Clone)]
pub enum ResponseSign {
    /// An answer counts only when this platform public key verifies it. The text of the key, in any form.
    Required(String),
    /// Only for a tenant that the platform signs nothing for (`require_response_sign = false`): TLS alone vouches.
    Waived,
}

/// Prints no key: a public one is no secret, but files get mixed up.
impl fmt::Debug for ResponseSign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Required(_) => "Required",
            Self::Waived => "Waived",
        })
    }
}

/// What an error without a signature says, where the account's responses must be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsignedErrors {
    /// Nothing: whoever is on the way can write one after the gateway has executed the call.
    #[default]
    Doubt,
    /// Where its code is one of those that are raised before the business service sees a request, that the call was not
    /// executed. For a tenant whose gateway signs no such errors. A signature that is wrong is believed by no account.
    Believe,
}

impl UnsignedErrors {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Doubt => "doubt",
            Self::Believe => "believe",
        }
    }
}

/// What `bkfunds.balance.pay.query` is keyed on. The page knows `trade_no` only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryKey {
    /// The gateway's own number: documented.
    #[default]
    TradeNo,
    /// Our key: only where 翼码 has confirmed it to the tenant.
    PlatformNo,
    /// Our key always, and the gateway's number as soon as there is one.
    Both,
}

/// The name under which bills are uploaded: the page is at odds with its own example (trap 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum UploadMethod {
    /// The page's name.
    #[default]
    #[serde(rename = "funds.bill.upload")]
    FundsBillUpload,
    /// The name in the page's example.
    #[serde(rename = "bkfunds.order.upload")]
    BkfundsOrderUpload,
}

/// The methods of the generic apply. Unverified: no page describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMethods {
    /// `bkfunds.split.apply`, or as the operator's description has it.
    pub apply: String,
    /// The query that belongs to it, if there is one.
    pub query: Option<String>,
}

/// Sub-codes beyond the built-in table, by what they mean to this tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubCodes {
    /// The job is refused for good, certainly without effect (`final_sub_codes`).
    pub refused: Vec<String>,
    /// The gateway has the job already (`duplicate_sub_codes`).
    pub duplicate: Vec<String>,
    /// Certainly without effect, and worth another try (`not_executed_sub_codes`).
    pub not_executed: Vec<String>,
    /// A query's word for "no such job" (`unseen_sub_codes`).
    pub unseen: Vec<String>,
}

/// One account at BeingFi Pay.
#[derive(Clone, Debug)]
pub struct BeingfiSettings {
    /// How requests travel.
    pub transport: Transport,
    /// The merchant's number.
    pub mch_no: String,
    /// The app's id.
    pub app_id: String,
    /// The secret that signatures are made with.
    pub secret: Secret,
    /// The one channel that this app's orders are paid through, where that is known.
    pub channel: Option<Channel>,
    /// Where divisions are queried, at a vendor that has such an address; without it they cannot be asked about.
    pub split_query_path: Option<String>,
    /// Texts of refusals that this tenant has learnt the meaning of.
    pub texts: RefusalTexts,
}

/// Through which channel an order was paid decides what BeingFi's `state` 1 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// WeChat Pay: divisions are accepted and end later.
    Wxpay,
    /// Alipay: divisions end at once.
    Alipay,
}

/// Parts of refusals' texts beyond the built-in table, by what they mean to this tenant. They are looked at before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalTexts {
    /// Anything may have happened (`in_doubt_texts`); wins over all others.
    pub in_doubt: Vec<String>,
    /// The job is refused for good, certainly without effect (`final_texts`).
    pub refused: Vec<String>,
    /// The gateway has the division already (`duplicate_texts`).
    pub duplicate: Vec<String>,
    /// Certainly without effect: the order is not ready (`not_ready_texts`).
    pub not_ready: Vec<String>,
    /// Certainly without effect, and worth another try (`not_executed_texts`).
    pub not_executed: Vec<String>,
    /// Certainly without effect, until a person mends account, rights or secret (`config_fault_texts`).
    pub config_fault: Vec<String>,
    /// A query's word for "no such division" (`unseen_texts`).
    pub unseen: Vec<String>,
}
