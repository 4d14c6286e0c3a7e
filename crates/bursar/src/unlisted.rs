//! Codes that jobs wait in review for because no list of their account has them.

use std::collections::BTreeMap;

use bursar_domain::{GatewayKind, State, UNDECIDED};
use bursar_store::{Cursor, Store, StoreError};

use crate::config::Config;

/// Jobs in review that are looked at in each lane: `doctor` gives advice, it counts no books.
const MAX_LOOKED_AT: usize = 200;

/// One code of one lane, and how many of the jobs that were looked at wait for it.
pub(crate) struct Unlisted {
    pub(crate) lane: String,
    /// As the reason has it: code and sub-code.
    pub(crate) code: String,
    pub(crate) jobs: usize,
}

/// The codes of every lane at YZT: no other gateway has sub-codes to list.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn codes(config: &Config, store: &Store) -> Result<Vec<Unlisted>, StoreError> {
    let mut found = Vec::new();
    let at_yzt = |lane: &bursar_domain::Lane| {
        config.accounts.get(&lane.account).is_some_and(|account| account.gateway.kind() == GatewayKind::Yzt)
    };
    for lane in config.lanes().into_iter().filter(at_yzt) {
        let listed = store.list(&lane, Some(State::NeedsReview), &Cursor::default(), MAX_LOOKED_AT).await?;
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in listed.jobs.iter().filter_map(|job| job.reason.as_deref()) {
            if let Some(code) = code_of(reason) {
                *codes.entry(code).or_default() += 1;
            }
        }
        let of_lane = |(code, jobs): (&str, usize)| Unlisted { lane: lane.to_string(), code: code.to_owned(), jobs };
        found.extend(codes.into_iter().map(of_lane));
    }
    Ok(found)
}

/// The code in the reason of a job that was answered and is in doubt.
fn code_of(reason: &str) -> Option<&str> {
    reason.strip_prefix(UNDECIDED)?.strip_prefix("; ")?.split(';').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_between_the_rule_and_the_gateways_text() {
        for (reason, code) in [
            (format!("{UNDECIDED}; 40004/isv.order-exist; 订单已存在"), Some("40004/isv.order-exist")),
            (format!("{UNDECIDED}; 77"), Some("77")),
            (UNDECIDED.to_owned(), None),
            ("no answer to a send, and this account holds; timed out".to_owned(), None),
        ] {
            assert_eq!(code_of(&reason), code, "{reason}");
        }
    }
}
