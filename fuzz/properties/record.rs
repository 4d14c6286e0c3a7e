//! Whatever stands in Redis in a record's or a log line's place: it is read or named unreadable, and what is read can be
//! shown.
//!
//! The input is one log line; split at line ends into `name=value`, it is a record's fields, with `held` for the claim beside it.

use std::collections::HashMap;

use bursar_domain::{HistoryEvent, Key, Lane, Millis};
use bursar_store::{StoreError, fuzzing};

pub(crate) fn check(bytes: &[u8]) {
    let event = HistoryEvent::read(bytes);
    assert_eq!(HistoryEvent::read(event.recorded().as_bytes()), event, "what is read is recorded as it is");
    assert!(event.view()["event"].is_string(), "every line can be shown");

    let lane: Lane = "main/transfer".parse().expect("a lane");
    let key: Key = "K1".parse().expect("a key");
    let mut fields: HashMap<String, Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b'=')?;
            Some((String::from_utf8_lossy(&line[..at]).into_owned(), line[at + 1..].to_vec()))
        })
        .collect();
    let held = fields.remove("held");
    let content = fuzzing::in_pieces(&fields, "");
    assert_eq!(content.is_some(), fields.contains_key("1"), "content begins with its first piece");
    let none = fields.is_empty();
    match fuzzing::record(&lane, &key, fields, held.as_deref(), Some(Millis(1))) {
        Ok(None) => assert!(none, "fields are a job"),
        Ok(Some(record)) => {
            serde_json::to_string(&record.view()).expect("every record can be shown");
            assert_eq!((&record.lane, &record.key), (&lane, &key));
        }
        Err(StoreError::Unreadable { what, detail }) => {
            assert!(what.contains("K1") && detail.starts_with("field "), "{what}: {detail}");
        }
        Err(error) => panic!("{error}"),
    }
}
