//! Submitting jobs as the library and the command line do it.

use std::borrow::Cow;

use bursar_producer::{Outcome, TraceParent};

use crate::state::ServerState;
use crate::state::refusal::Refusal;
use crate::state::tokens::{Accounts, Bearer};

/// The meaning of a submission that Redis did not answer.
const UNKNOWN: &str = "the jobs may or may not have been accepted; submit them again";

/// Submits the jobs that these JSON texts are, of the accounts that the bearer's token is for; an outcome for each. `trace` is
/// the trace of jobs that name none.
///
/// # Errors
/// [`Refusal::Store`]: the jobs may or may not have been accepted.
pub(crate) async fn submit(
    app: &ServerState,
    bearer: &Bearer,
    jobs: &[&[u8]],
    trace: Option<TraceParent>,
) -> Result<Vec<Outcome>, Refusal> {
    let accounts = app.accounts.get();
    let mut producer = Cow::Borrowed(&accounts.producer);
    if let Accounts::Only(only) = &bearer.accounts {
        let may = |name: &str| only.iter().any(|account| account.as_str() == name);
        producer = Cow::Owned(producer.into_owned().only(may));
    }
    if let Some(trace) = trace {
        producer = Cow::Owned(producer.into_owned().within(trace));
    }
    producer.submit_json(jobs).await.map_err(|error| Refusal::of_store(error.0, UNKNOWN))
}
