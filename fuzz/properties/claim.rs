//! Whatever a claim's reply holds in a job's place: a job that can be acted on, or the name of what cannot be read.
//!
//! The input is a job's three values, an array in Redis's own protocol.

use bursar_store::fuzzing;

pub(crate) fn check(bytes: &[u8]) {
    // The client's reader gives up at a depth of its own; rows are two deep.
    if bytes.iter().filter(|byte| matches!(byte, b'*' | b'%' | b'~' | b'>' | b'|')).count() > 64 {
        return;
    }
    let Some(Ok(job)) = fuzzing::claimed_row(bytes) else { return };
    assert!((1..=64).contains(&job.key.as_str().len()), "{:?}", job.key);
    let facts = job.facts(true, true, false);
    assert_eq!((facts.state, facts.sends, facts.losses), (job.state, job.sends, job.losses));
    assert!(job.trade_nos.iter().all(|number| !number.is_empty() && !number.contains(' ')), "{:?}", job.trade_nos);
    assert!(job.first_sent.is_none_or(|at| at.0 > 0) && job.last_sent.is_none_or(|at| at.0 > 0), "0 is no time");
}
