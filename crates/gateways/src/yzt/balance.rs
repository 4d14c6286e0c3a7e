//! `merchant.balanceQuery` (docs/gateways/yzt.md): what an account holds. Information for a person, never proof of a payment.

use bursar_domain::ParsedResponse;
use serde_json::Value;

use crate::json::{RawObject, Unclear};

/// Which of a merchant's accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountSubType {
    /// 收款账户: what customers pay comes in here.
    Collecting,
    /// 付款账户: what is paid goes out from here.
    Paying,
}

impl AccountSubType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Collecting, Self::Paying];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Paying => "paying",
        }
    }

    /// As a query has it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Collecting => "0",
            Self::Paying => "1",
        }
    }
}

/// Whose balance.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BalanceQuery {
    /// `0` collecting account, `1` paying account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_sub_type: Option<String>,
    /// 翼码's number of the merchant: an integer here, a text on the other pages (trap 16).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merchant_id: Option<i64>,
    /// The institution: `sso_node_id` here, `node_id` on the other pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sso_node_id: Option<String>,
    /// The merchant's own number of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_no: Option<String>,
}

impl BalanceQuery {
    /// The content, without what is empty: the page's own example sends an empty `store_no`.
    pub(super) fn content(&self) -> String {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let query = Self {
            account_sub_type: filled(&self.account_sub_type),
            merchant_id: self.merchant_id,
            sso_node_id: filled(&self.sso_node_id),
            store_no: filled(&self.store_no),
        };
        serde_json::to_value(query).unwrap_or_default().to_string()
    }
}

/// A balance as the gateway writes it; the page gives no unit and leaves out what it likes (trap 16). Nothing is computed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Balance {
    /// Can be withdrawn.
    pub available_balance: Option<i64>,
    /// Frozen.
    pub frozen_balance: Option<i64>,
    /// Kept back.
    pub amount_retained: Option<i64>,
    /// Everything.
    pub total_balance: Option<i64>,
    /// The gateway's id of the request.
    pub request_id: Option<String>,
}

impl Balance {
    pub(super) fn read(data: &RawObject<'_>, parsed: &ParsedResponse) -> Result<Self, Unclear> {
        let amount = |name: &str| {
            let value = data.value(name)?;
            Ok(value.and_then(|value| match value {
                Value::Number(number) => number.as_i64(),
                Value::String(digits) => digits.parse().ok(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            }))
        };
        Ok(Self {
            available_balance: amount("available_balance")?,
            frozen_balance: amount("frozen_balance")?,
            amount_retained: amount("amount_retained")?,
            total_balance: amount("total_balance")?,
            request_id: parsed.request_id.clone(),
        })
    }
}
