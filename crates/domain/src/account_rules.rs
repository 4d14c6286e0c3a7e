//! The rules of an account that the validator must know.

use crate::{DEFAULT_MAX_AMOUNT, Fen, Kind};

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
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| (kind.facts().is_taken_by)(self)).collect()
    }
}
