//! Any bytes as a record or a history line in Redis: they are read or named unreadable, what is read can be shown, and it is written
//! back as what was read.
//!
//! The input is a history line; and its first line is the claim of the record in the lines after it.

use bursar_domain::{HistoryEvent, Key, Queue, State};
use bursar_store::fuzzing;

pub(crate) fn check(bytes: &[u8]) {
    // What names a field twice is kept as it is at first, and is an ordinary event when it is read again.
    let event = HistoryEvent::read(bytes);
    let again = HistoryEvent::read(event.recorded().as_bytes());
    assert_eq!(value(&again.recorded()), value(&event.recorded()), "what is read is recorded as it is");
    assert_eq!(HistoryEvent::read(again.recorded().as_bytes()), again, "and stays so");
    assert!(event.view()["event"].is_string(), "every line can be shown");

    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (claim, record) = text.split_once('\n').unwrap_or(("", text));
    match fuzzing::rewritten(record) {
        Ok(written) => {
            let again = fuzzing::rewritten(&written).expect("what is written can be read");
            assert_eq!(value(&again), value(&written), "what is read is written");
            assert_eq!(fuzzing::rewritten(&again), Ok(again.clone()), "and stays so");
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
    let queue: Queue = "main/transfer".parse().expect("a queue");
    let key: Key = "K1".parse().expect("a key");
    for era in [0, 1, u64::MAX] {
        let alone = fuzzing::record(&queue, &key, record, "", era);
        let with_claim = fuzzing::record(&queue, &key, record, claim, era);
        assert!(alone.is_ok() || with_claim.is_err(), "no claim makes a record of what is none");
        let (Ok(alone), Ok(job)) = (alone, with_claim) else { continue };
        assert_eq!((&job.queue, &job.key), (&queue, &key));
        serde_json::to_string(&job.view()).expect("every record can be shown");
        assert_eq!(job.progress(false).state, job.state);
        assert_eq!((job.created, &job.content, &job.hash), (alone.created, &alone.content, &alone.hash));
        assert!(alone.worker.is_none() && job.sends >= alone.sends && job.claims_lost >= alone.claims_lost);
        // A current claim may be a send: it makes nothing certain, and nothing of what has ended.
        let becomes = [alone.state, State::InDoubt, State::NeedsReview].contains(&job.state);
        assert!(becomes, "{} becomes {}", alone.state, job.state);
        assert!(!alone.state.is_terminal() || job.state == alone.state, "{} becomes {}", alone.state, job.state);
        assert!(job.state != State::Queued || job.sends == alone.sends, "a send that is out is called unsent");
    }
}

/// The order of fields means nothing; `None` where a content, which is not looked into, has numbers that are none here.
fn value(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}
