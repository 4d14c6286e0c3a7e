//! `Idempotency-Key`: a job's own key is its idempotency key, so the header may repeat it, and must not differ.

use axum::http::HeaderMap;
use bursar_domain::FieldError;
use serde_json::Value;

use crate::http::problem::Problem;

/// The header, which clients of other payment APIs send.
const HEADER: &str = "Idempotency-Key";

/// # Errors
/// The header names another key than the job has: of two keys, one would not protect from a second payment.
pub(super) fn of_job(headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
    let Some(given) = headers.get(HEADER).map(|value| value.as_bytes()) else { return Ok(()) };
    let job: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(key) = job.get("platform_no").and_then(Value::as_str) else { return Ok(()) }; // its own error says so
    // As a structured header (the IETF's draft) it is in quotes; most clients send it bare.
    let bare = given.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(given);
    if bare == key.as_bytes() || given == key.as_bytes() {
        return Ok(());
    }
    Err(refused("must be the job's platform_no, or be left out: the platform_no is the idempotency key"))
}

/// # Errors
/// The header is there: each job of a batch has its own key.
pub(super) fn of_batch(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(HEADER) {
        return Err(refused("must be left out of a batch: the platform_no of each job is its idempotency key"));
    }
    Ok(())
}

fn refused(rule: &str) -> Problem {
    Problem::invalid(&[FieldError { field: HEADER.to_owned(), rule: rule.to_owned() }])
}
