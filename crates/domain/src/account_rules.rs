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

/// The rules of an account that the validator must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRules {
    /// Its gateway, which decides what kinds it takes.
    pub gateway: GatewayKind,
    /// The largest amount that one job may move; `None` for no cap.
    pub max_amount: Option<Fen>,
    /// True if splits may go through YZT's generic apply, which no page documents.
    pub generic_split: bool,
    /// The types of account that a transfer may name.
    pub party_types: PartyTypes,
    /// The kinds of job that it takes besides its gateway's usual ones.
    pub additional: KindSet,
}

/// A set has a bit for each kind.
const _: () = assert!(Kind::ALL.len() <= u16::BITS as usize);

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindSet(u16);

impl KindSet {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// Every kind.
    const ALL: Self = Self(u16::MAX);

    /// The same set with this kind in it.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | (1 << kind as u16))
    }

    /// True if the kind is in it.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }

    /// Its kinds in order.
    #[must_use]
    pub fn kinds(self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| self.has(*kind)).collect()
    }
}

/// A set of digits: types of account as a transfer writes them. 000's page says 1 and 2, its clients and other pages know 0 (trap 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartyTypes(u16);

impl PartyTypes {
    /// 1 and 2, which the page of transfers knows.
    pub const OF_THE_PAGE: Self = Self(0b110);

    /// Reads a list of digits, each a text; `None` when any of them is none, or there are none.
    #[must_use]
    pub fn read(list: &[impl AsRef<str>]) -> Option<Self> {
        let set = list.iter().try_fold(0, |set, text| Some(set | Self::bit(text.as_ref())?))?;
        (set != 0).then_some(Self(set))
    }

    /// True if it holds what a transfer says.
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
        let additional = KindSet::NONE;
        Self { gateway, max_amount: Some(DEFAULT_MAX_AMOUNT), generic_split: false, party_types, additional }
    }

    /// The kinds that accounts of this gateway take where they say so, and not otherwise.
    #[must_use]
    pub fn additional_kinds(gateway: GatewayKind) -> Vec<Kind> {
        let usual = Self::new(gateway);
        let all = Self { additional: KindSet::ALL, ..usual };
        let usual = usual.kinds();
        all.kinds().into_iter().filter(|kind| !usual.contains(kind)).collect()
    }

    /// The kinds of job that the account takes: its queues.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| (kind.facts().is_taken_by)(self)).collect()
    }
}
