//! `balance_…` of an account: whether and how often its balance is asked for, for metrics.

use std::time::Duration;

use bursar_domain::Fen;
use bursar_gateways::{AccountSubType, BalanceQuery};
use toml::{Table, Value as Toml};

use super::rules::{self, HOUR, SECOND};
use super::section::Section;
use super::show::duration;
use super::source::Value;

/// A balance that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Balance {
    /// How often, by all workers together.
    pub(crate) every: Duration,
    /// Whose, but for the kind of account.
    pub(crate) query: BalanceQuery,
    /// Which kinds of account.
    pub(crate) sub_types: Vec<AccountSubType>,
    /// Below so much the available part is low.
    pub(crate) low: Option<Fen>,
}

/// The keys of an account that this file reads.
pub(super) const KEYS: [&str; 6] =
    ["balance_every", "balance_node_id", "balance_merchant_id", "balance_store_no", "balance_sub_types", "balance_low"];

impl Balance {
    /// `None` when it is not asked for.
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let [every, node, merchant, store, sub_types, low] = KEYS;
        let idle: Vec<&str> = KEYS[1..].iter().copied().filter(|key| section.has(key)).collect();
        let (given, every) = (section.has(every), section.read(every, rules::duration(SECOND..=HOUR)));
        let query = BalanceQuery {
            account_sub_type: None,
            merchant_id: section.read(merchant, rules::id),
            sso_node_id: section.read(node, rules::text),
            store_no: section.read(store, rules::text),
        };
        let sub_types = section.read(sub_types, sub_types_of).unwrap_or(vec![AccountSubType::Collecting]);
        let low = section.read(low, rules::fen);
        for key in idle.into_iter().filter(|_| !given) {
            section.wrong(key, "has no meaning without balance_every");
        }
        Some(Self { every: every?, query, sub_types, low })
    }

    pub(super) fn shown(&self) -> Table {
        let [every, node, merchant, store, sub_types, low] = KEYS;
        let of: Vec<Toml> = self.sub_types.iter().map(|sub_type| sub_type.as_str().into()).collect();
        let given = [
            (node, self.query.sso_node_id.as_deref().map(Into::into)),
            (merchant, self.query.merchant_id.map(Into::into)),
            (store, self.query.store_no.as_deref().map(Into::into)),
            (low, self.low.map(|fen| fen.get().into())),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let always = [(every, duration(self.every)), (sub_types, of.into())];
        always.into_iter().chain(given).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// One or both kinds of account, each once.
fn sub_types_of(value: &Value) -> Result<Vec<AccountSubType>, String> {
    let rule = || "must be a list of \"collecting\", \"paying\" or both".to_owned();
    let words = rules::texts(value).map_err(|_| rule())?;
    let named = |word: &String| AccountSubType::ALL.into_iter().find(|sub_type| sub_type.as_str() == word);
    let found: Option<Vec<AccountSubType>> = words.iter().map(named).collect();
    let once = |found: &Vec<AccountSubType>| match found.as_slice() {
        [] => false,
        [first, rest @ ..] => !rest.contains(first),
    };
    found.filter(|found| found.len() <= AccountSubType::ALL.len() && once(found)).ok_or_else(rule)
}
