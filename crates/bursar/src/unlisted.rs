//! Gateway codes that sent jobs to review because no list of their account has them.

use std::collections::BTreeMap;

use bursar_domain::{Reason, State};
use bursar_store::{Cursor, Store, StoreError, StoredAs};

use crate::config::Config;

/// Jobs in review that are read of each queue: `doctor` gives advice and needs no exact count.
const MAX_LOOKED_AT: usize = 200;

/// One code of one queue, and the number of read jobs with it.
pub(crate) struct Unlisted {
    pub(crate) queue: String,
    /// The code in the reason: code and sub-code.
    pub(crate) code: String,
    pub(crate) jobs: usize,
}

/// The codes of every queue whose gateway answers by sub-codes.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn codes(config: &Config, store: &Store) -> Result<Vec<Unlisted>, StoreError> {
    let mut found = Vec::new();
    let has_sub_codes = |queue: &bursar_domain::Queue| {
        config.accounts.get(&queue.account).is_some_and(|account| account.gateway.has_sub_codes())
    };
    for queue in config.queues().into_iter().filter(has_sub_codes) {
        let listed = store.list(&queue, Some(State::NeedsReview), &Cursor::default(), MAX_LOOKED_AT).await?;
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for job in &listed.jobs {
            let StoredAs::Job(job) = job else { continue };
            if let Some(code) = job.reason.as_ref().and_then(code_of) {
                *codes.entry(code).or_default() += 1;
            }
        }
        let of_queue = |(code, jobs): (&str, usize)| Unlisted { queue: queue.to_string(), code: code.to_owned(), jobs };
        found.extend(codes.into_iter().map(of_queue));
    }
    Ok(found)
}

/// The code in the reason of a job whose response was not understood.
fn code_of(reason: &Reason) -> Option<&str> {
    let Reason::UndecidedResponse(text) = reason else { return None };
    text.gateway_code.as_deref()
}
