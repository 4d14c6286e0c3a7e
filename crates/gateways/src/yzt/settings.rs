//! The settings that only accounts at YZT have.

use std::fmt;

use crate::{Secret, Transport};

/// One account at YZT.
#[derive(Clone, Debug)]
pub struct YztSettings {
    /// The way of requests.
    pub transport: Transport,
    /// The app's id.
    pub app_id: String,
    /// The token of a merchant that authorised the app, where there is one.
    pub app_auth_token: Option<Secret>,
    /// The app's private key, in any form that keys are handed out in.
    pub private_key: Secret,
    /// The rule by which answers are trusted.
    pub response_sign: ResponseSign,
    /// The weight of an error without a signature, where answers must be signed.
    pub unsigned_errors: UnsignedErrors,
    /// The number that a status query is keyed on.
    pub query_key: QueryKey,
    /// The name under which bills are uploaded.
    pub upload_method: UploadMethod,
    /// The methods of the undocumented split, where the operator has their description.
    pub split: Option<SplitMethods>,
    /// Sub-codes that this tenant has learnt the meaning of.
    pub sub_codes: SubCodes,
}

/// The treatment of an answer's signature.
#[derive(Clone, PartialEq)]
pub enum ResponseSign<K = String> {
    /// An answer counts only when this platform public key verifies it: the text of the key, in any form, or its file.
    Required(K),
    /// Only for a tenant that the platform signs nothing for (`require_response_sign = false`): TLS alone vouches.
    Waived,
}

impl<K> ResponseSign<K> {
    /// The key, where one is needed.
    #[must_use]
    pub const fn key(&self) -> Option<&K> {
        match self {
            Self::Required(key) => Some(key),
            Self::Waived => None,
        }
    }
}

/// Prints no key: a public one is no secret, but files get mixed up.
impl<K> fmt::Debug for ResponseSign<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Required(_) => "Required",
            Self::Waived => "Waived",
        })
    }
}

/// The weight of an error without a signature, where the account's responses must be signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsignedErrors {
    /// Nothing: an attacker on the way can write one after the gateway has executed the call.
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

/// The number that `bkfunds.balance.pay.query` is keyed on. The page knows `trade_no` only.
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
