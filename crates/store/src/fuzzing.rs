//! The parsers of Redis data as pure functions of texts, and a claimed job as it would be after some time. Only for
//! fuzz targets, for the tests that replay their corpora, and for tests in which time passes.

use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{Key, Millis, Queue};

use crate::jobs::{ClaimEntry, Era, StoredJob, claimed_job, read_record, whole_millis};
use crate::{ClaimToken, ClaimedJob, JobRecord, Unreadable};

/// Reads a record, and its claim entry (empty for none), in a queue of this era.
///
/// # Errors
/// [`Unreadable`].
pub fn record(queue: &Queue, key: &Key, text: &str, claim: &str, era: u64) -> Result<JobRecord, Unreadable> {
    read_record(queue, key, (claim.to_owned(), text.to_owned()), None, Era { number: era, ..Era::default() })
}

/// A record as it is written back.
///
/// # Errors
/// [`Unreadable`].
pub fn rewritten(text: &str) -> Result<String, Unreadable> {
    StoredJob::read(text).map(|record| record.text())
}

/// Reads a claim entry: its token, the number of lost claims before it, and the entry as it is written back; `None` for
/// any other text.
#[must_use]
pub fn claim_entry(text: &str) -> Option<(String, usize, String)> {
    let entry = ClaimEntry::read(text)?;
    let lost = std::iter::successors(entry.after.as_deref(), |claim| claim.after.as_deref()).count();
    let written = entry.text();
    Some((entry.token, lost, written))
}

/// Reads a job of a claim's reply: its claim and its record.
///
/// # Errors
/// [`Unreadable`].
pub fn claimed(key: &str, claim: &str, text: &str, era: u64) -> Result<ClaimedJob, Unreadable> {
    let token = ClaimToken(claim_entry(claim).map(|(token, ..)| token).unwrap_or_default());
    claimed_job(
        key,
        (ClaimEntry::read(claim), claim),
        None,
        Some(text),
        (&token, Era { number: era, ..Era::default() }),
    )
}

/// The job as it would be if it had been claimed so much earlier.
#[must_use]
pub fn older(job: ClaimedJob, by: Duration) -> ClaimedJob {
    let earlier = |at: Millis| Millis(at.0.saturating_sub(whole_millis(by)));
    let mut found = (*job.found).clone();
    let record = &mut found.record;
    for at in [
        &mut record.created_at,
        &mut record.run_at,
        &mut record.updated_at,
        &mut record.first_sent_at,
        &mut record.last_sent_at,
        &mut record.ordered_at,
    ] {
        *at = at.map(earlier);
    }
    let mut claim = Some(&mut found.claim);
    while let Some(entry) = claim {
        entry.at = earlier(entry.at);
        claim = entry.after.as_deref_mut();
    }
    found.claim_text = found.claim.text();
    ClaimedJob { found: Arc::new(found), ..job }
}
