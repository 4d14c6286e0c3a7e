//! The gateway's ledger, and the agreement between it and Bursar's record that no fault may break.

use bursar_simulator::{KeyRecord, Ledger};
use serde_json::Value;

/// The job's state by the ledger; `None` if it was never executed.
fn truth(kind: &str, record: Option<&KeyRecord>) -> Option<&'static str> {
    let status = record.filter(|record| record.executions > 0)?.status.as_deref()?;
    Some(match (kind, status) {
        ("transfer", "0") | ("split", "2") => "failed",
        ("transfer", "2") => "refunded",
        ("transfer", "9" | "n") | ("split", "3") => "pending",
        _ => "succeeded",
    })
}

/// # Panics
/// When a job that moves money was executed twice, when fewer intents are on record than sends arrived, when a job's state is not what
/// the ledger says (and the job is not in review), or when the gateway noted a violation.
pub(crate) fn assert_agree(ledger: &Ledger, jobs: &[(String, Value)]) {
    assert!(ledger.violations.is_empty(), "the gateway complains: {:?}", ledger.violations);
    for (ledger_key, job) in jobs {
        let record = ledger.keys.get(ledger_key);
        let executions = record.map_or(0, |record| record.executions);
        let requests = record.map_or(0, |record| record.requests);
        // A bill moves no money, and is sent again at a gateway that executes whatever it receives, too.
        let bound = if job["kind"] == "bill_upload" { requests } else { 1 };
        assert!(executions <= bound, "executed {executions} times: {job}\n{record:?}");
        assert!(job["attempts"].as_u64() >= Some(requests), "{requests} sends arrived: {job}");

        let state = job["state"].as_str().unwrap_or_default();
        let truth = truth(job["kind"].as_str().unwrap_or_default(), record);
        let agrees = match state {
            "succeeded" | "refunded" => truth == Some(state),
            "failed" => truth.is_none_or(|truth| truth == "failed"),
            "queued" | "cancelled" => executions == 0,
            "pending" => executions == 1,
            "in_doubt" | "needs_review" => true,
            _ => false,
        };
        assert!(agrees, "the gateway says {truth:?}: {job}\n{record:?}");
    }
}
