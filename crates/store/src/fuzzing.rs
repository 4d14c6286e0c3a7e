//! What is read from Redis, as pure functions of bytes: for fuzz targets and the tests that replay their corpora, and
//! for nobody else.

use std::collections::HashMap;

use bursar_domain::{Key, Lane, Millis};

use crate::claim::claimed;
use crate::record::pieces;
use crate::{Claimed, Record, StoreError};

/// Reads a record's fields as `HGETALL` gives them, and the claim that stands beside it.
///
/// # Errors
/// [`StoreError::Unreadable`], naming the field.
#[allow(clippy::implicit_hasher, reason = "the store's own reader takes this map and no other")]
pub fn record(
    lane: &Lane,
    key: &Key,
    fields: HashMap<String, Vec<u8>>,
    held: Option<&[u8]>,
    due: Option<Millis>,
) -> Result<Option<Record>, StoreError> {
    Record::read(lane, key, fields, held, due, 0)
}

/// The bytes that stand in pieces under `name`.
#[must_use]
#[allow(clippy::implicit_hasher, reason = "the store's own reader takes this map and no other")]
pub fn in_pieces(fields: &HashMap<String, Vec<u8>>, name: &str) -> Option<Vec<u8>> {
    pieces(fields, name)
}

/// Reads one job of a claim's reply, an array of its three values, given in Redis's own protocol; `None` for bytes that are no reply.
///
/// # Errors
/// What stands in the key's place, when the job cannot be read.
#[must_use]
pub fn claimed_row(reply: &[u8]) -> Option<Result<Claimed, String>> {
    redis::parse_redis_value(reply).ok().map(|row| claimed(row.as_sequence().unwrap_or_default()))
}
