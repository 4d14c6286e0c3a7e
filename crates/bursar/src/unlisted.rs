//! Codes that jobs wait in review for because no list of their account has them.

use std::collections::BTreeMap;

use bursar_domain::{GatewayKind, Reason, State};
use bursar_store::{Cursor, Store, StoreError, StoredAs};

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
        for job in &listed.jobs {
            let StoredAs::Job(job) = job else { continue };
            if let Some(code) = job.reason.as_ref().and_then(code_of) {
                *codes.entry(code).or_default() += 1;
            }
        }
        let of_lane = |(code, jobs): (&str, usize)| Unlisted { lane: lane.to_string(), code: code.to_owned(), jobs };
        found.extend(codes.into_iter().map(of_lane));
    }
    Ok(found)
}

/// The code in the reason of a job that was answered and is in doubt.
fn code_of(reason: &Reason) -> Option<&str> {
    let Reason::UndecidedResponse(text) = reason else { return None };
    text.gateway_code.as_deref()
}
