//! The kinds of job. A new kind is one file in `kinds/` and its arm in each `match` here.

mod bill_upload;
mod generic_split;
mod split;
mod transfer;

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use crate::fields::{FieldError, Reader, Written};
use crate::{Content, DEFAULT_MAX_AMOUNT, Fen, IdError, Key, Millis};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `funds.bill.upload`: tells the gateway about an order.
    BillUpload,
    /// `bkfunds.balance.pay.apply`: moves a balance between two accounts.
    Transfer,
    /// `/api/division/exec`: divides a paid order among receivers.
    Split,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::BillUpload, Self::Transfer, Self::Split];

    /// The word for it in job JSON, queues, commands and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BillUpload => "bill_upload",
            Self::Transfer => "transfer",
            Self::Split => "split",
        }
    }

    /// Whether a job of this kind moves money when it is executed, so that a second execution would pay again.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        match self {
            Self::Transfer | Self::Split => true,
            Self::BillUpload => false,
        }
    }

    /// Every field that a body of this kind may have, by the page's name; those of a list's entries as `receivers[].receiverId`.
    /// (A split through YZT's generic apply has no page, and may have any.)
    #[must_use]
    pub fn body_fields(self) -> Vec<String> {
        match self {
            Self::BillUpload => bill_upload::names(),
            Self::Transfer => transfer::names(),
            Self::Split => split::names(),
        }
    }

    /// Whether what a job of this kind is about never has another name than the job's key.
    #[must_use]
    pub const fn is_named_by_key(self) -> bool {
        match self {
            Self::Transfer => true,
            Self::BillUpload | Self::Split => false,
        }
    }

    /// What a job of this kind may be about, where no more is known than a name that somebody gives it: its key, its order.
    #[must_use]
    pub fn candidate_business_keys(self, name: &str) -> Vec<String> {
        let mut candidate_business_keys = vec![name.to_owned()];
        match self {
            Self::BillUpload => {
                candidate_business_keys.extend(["1", "2"].map(|trade_type| format!("{name}/{trade_type}")))
            }
            Self::Transfer => {}
            Self::Split => {
                candidate_business_keys.extend(["payOrderId", "mchOrderNo"].map(|field| format!("{field}/{name}")))
            }
        }
        candidate_business_keys
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(IdError::new("must be bill_upload, transfer or split"))
    }
}

/// Which gateway an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayKind {
    /// 银账通.
    Yzt,
    /// BeingFi Pay.
    Beingfi,
}

impl GatewayKind {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yzt => "yzt",
            Self::Beingfi => "beingfi",
        }
    }
}

/// What the validator must know of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRules {
    /// Its gateway, which decides what kinds it takes.
    pub gateway: GatewayKind,
    /// The largest amount that one job may move; `None` for no cap.
    pub max_amount: Option<Fen>,
    /// Whether splits may go through YZT's generic apply, which no page documents.
    pub generic_split: bool,
    /// The types of account that a transfer may name.
    pub party_types: PartyTypes,
}

/// A set of digits: types of account as a transfer writes them. 000's page says 1 and 2, its clients and other pages know 0 (trap 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartyTypes(u16);

impl PartyTypes {
    /// 1 and 2, which the page of transfers knows.
    pub const OF_THE_PAGE: Self = Self(0b110);

    /// Reads a list of digits, each a text of its own; `None` when any of them is none, or there are none.
    #[must_use]
    pub fn read(list: &[impl AsRef<str>]) -> Option<Self> {
        let set = list.iter().try_fold(0, |set, text| Some(set | Self::bit(text.as_ref())?))?;
        (set != 0).then_some(Self(set))
    }

    /// Whether it holds what a transfer says.
    #[must_use]
    pub fn has(self, text: &str) -> bool {
        Self::bit(text).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Its digits in order.
    #[must_use]
    pub fn list(self) -> Vec<String> {
        (0..10).map(|digit: u8| digit.to_string()).filter(|digit| self.has(digit)).collect()
    }

    fn bit(text: &str) -> Option<u16> {
        match text.as_bytes() {
            [digit @ b'0'..=b'9'] => Some(1 << (digit - b'0')),
            _ => None,
        }
    }
}

impl Default for PartyTypes {
    fn default() -> Self {
        Self::OF_THE_PAGE
    }
}

impl AccountRules {
    /// The rules of an account that says nothing of any.
    #[must_use]
    pub const fn new(gateway: GatewayKind) -> Self {
        let party_types = PartyTypes::OF_THE_PAGE;
        Self { gateway, max_amount: Some(DEFAULT_MAX_AMOUNT), generic_split: false, party_types }
    }

    /// The kinds of job that the account takes: its queues.
    #[must_use]
    pub fn kinds(&self) -> &'static [Kind] {
        match (self.gateway, self.generic_split) {
            (GatewayKind::Yzt, false) => &[Kind::BillUpload, Kind::Transfer],
            (GatewayKind::Yzt, true) => &[Kind::BillUpload, Kind::Transfer, Kind::Split],
            (GatewayKind::Beingfi, _) => &[Kind::Split],
        }
    }
}

/// What a body comes to: fields in writing order, what the job is about, and the earliest moment to send it.
pub(crate) struct Draft {
    pub fields: Written,
    pub business_key: String,
    pub not_before: Option<Millis>,
}

/// Reads `body` for `kind` under `rules`; `None` when anything was wrong, with every error pushed. Without a `key` the
/// body's own errors are found all the same.
pub(crate) fn content(
    kind: Kind,
    rules: &AccountRules,
    key: Option<&Key>,
    body: Map<String, Value>,
    errors: &mut Vec<FieldError>,
) -> Option<(Content, Option<Millis>)> {
    let before = errors.len();
    let key_text = key.map_or("", Key::as_str);
    let mut reader = Reader::new("body.", body, errors);
    let draft = match (kind, rules.gateway) {
        (Kind::BillUpload, GatewayKind::Yzt) => bill_upload::read(&mut reader),
        (Kind::Transfer, GatewayKind::Yzt) => transfer::read(&mut reader, key_text, rules.party_types),
        (Kind::Split, GatewayKind::Beingfi) => split::read(&mut reader),
        (Kind::Split, GatewayKind::Yzt) if rules.generic_split => generic_split::read(&mut reader, key_text),
        (Kind::Split, GatewayKind::Yzt) | (Kind::BillUpload | Kind::Transfer, GatewayKind::Beingfi) => {
            let takes: Vec<&str> = rules.kinds().iter().map(|kind| kind.as_str()).collect();
            let rule =
                format!("is not taken by this {} account, which takes {}", rules.gateway.as_str(), takes.join(" and "));
            errors.push(FieldError { field: "kind".into(), rule });
            return None;
        }
    };
    reader.finish();
    let draft = draft?;
    let content = Content::new(&draft.fields, draft.business_key);
    check_size(&content, errors);
    check_cap(kind, rules, &content, errors);
    (errors.len() == before && key.is_some()).then_some((content, draft.not_before))
}

/// The wire's own limit is not documented; the gateway's framework takes 256 KB with signatures and encoding (trap 34).
const MAX_CONTENT_BYTES: usize = 200 * 1024;

fn check_size(content: &Content, errors: &mut Vec<FieldError>) {
    if content.text().len() > MAX_CONTENT_BYTES {
        errors
            .push(FieldError { field: "body".into(), rule: format!("must come to at most {MAX_CONTENT_BYTES} bytes") });
    }
}

fn check_cap(kind: Kind, rules: &AccountRules, content: &Content, errors: &mut Vec<FieldError>) {
    let Some(cap) = rules.max_amount else { return };
    if ContentSummary::of(kind, content.text()).amount.is_some_and(|amount| amount > cap) {
        let field = match kind {
            Kind::Transfer | Kind::Split => "body.total_amount",
            Kind::BillUpload => "body.order_amount",
        };
        errors.push(FieldError {
            field: field.into(),
            rule: format!("must be at most {} fen, this account's max_amount{}", cap.get(), by_default(cap)),
        });
    }
}

/// Where the cap is nobody's decision, the way to make one.
fn by_default(cap: Fen) -> &'static str {
    if cap == DEFAULT_MAX_AMOUNT { ", which is the default: set it to what you pay at most" } else { "" }
}

/// What a job with this stored content is about at its gateway, as it was when the job was submitted.
#[must_use]
pub fn business_key(kind: Kind, key: &Key, content: &str) -> String {
    let value: Value = serde_json::from_str(content).unwrap_or_default();
    let text_of = |name: &str| value.get(name).and_then(Value::as_str);
    let business_key = match kind {
        Kind::BillUpload => bill_upload::business_key(text_of),
        Kind::Split if value.get("platform_no").is_none() => split::business_key(text_of),
        Kind::Split | Kind::Transfer => None, // named by their key, YZT's generic split too
    };
    business_key.unwrap_or_else(|| key.to_string())
}

/// What the stored content says the gateway must agree with, and how patient to be with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentSummary {
    /// The amount that the job moves, where the content names one.
    pub amount: Option<Fen>,
    /// Whether the money arrives the next working day (T1), so that "not yet" may last over a holiday.
    pub next_day: bool,
}

impl ContentSummary {
    /// Reads it out of content that was validated when it was submitted.
    #[must_use]
    pub fn of(kind: Kind, content: &str) -> Self {
        let fields: SummaryFields = serde_json::from_str(content).unwrap_or_default();
        let amount = match kind {
            Kind::Transfer | Kind::Split => fields.total_amount,
            Kind::BillUpload => fields.order_amount,
        };
        Self { amount: Fen::read(&amount), next_day: fields.arrive_time == "T1" }
    }
}

/// The fields that a [`ContentSummary`] is read from; whatever stands beside them is passed over.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct SummaryFields {
    total_amount: Value,
    order_amount: Value,
    arrive_time: Value,
}
