//! Any bytes as a claim: they are an entry that is written back as it was read, or none. Any bytes as the job of a claim's reply: they
//! are a job that can be acted on, or the name of what cannot be read.
//!
//! The first line of the input is the claim's entry, the rest the job's record.

use bursar_domain::{Call, State};
use bursar_store::fuzzing;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (claim, record) = text.split_once('\n').unwrap_or((text, ""));
    let Some((token, lost, written)) = fuzzing::claim_entry(claim) else {
        assert!(fuzzing::claimed("K1", claim, record, 0).is_err(), "a job of no claim");
        return;
    };
    assert_eq!(fuzzing::claim_entry(&written), Some((token.clone(), lost, written.clone())));
    for era in [0, 1, u64::MAX] {
        let Ok(job) = fuzzing::claimed("K1", claim, record, era) else { continue };
        assert_eq!((job.key.as_str(), &job.token.0), ("K1", &token));
        let progress = job.progress(true, true, false);
        assert_eq!((progress.state, progress.sends, progress.losses), (job.state, job.sends, job.claims_lost));
        match job.call {
            Call::Send => {
                assert!(job.sends > 0 && job.last_sent.is_some() && job.first_sent.is_some(), "a send without intent");
                assert!(!job.state.is_terminal(), "what is {} is sent", job.state);
            }
            Call::Query => assert_ne!(job.state, State::Queued, "what is queried may have been sent"),
        }
        assert!(usize::try_from(job.claims_lost).expect("small") >= lost || record.contains("last_claim"));
    }
}
