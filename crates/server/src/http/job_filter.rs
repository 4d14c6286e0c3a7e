//! The filter of a list of jobs in a query string: the same parameters in the API and the dashboard.

use bursar_domain::{Fen, JobFilter, Kind, Millis, State};
use schemars::JsonSchema;
use serde_json::Value;

use crate::http::query::{MAX_NAME_CHARS, NAME_PATTERN, Query, name};

/// The pattern of the code of a reason.
const CODE_PATTERN: &str = "^[a-z][a-z_]{0,63}$";

/// The parameters of a filter. Jobs fit everything that is given.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a schema alone")]
pub(crate) struct FilterParameters {
    /// Only jobs of this kind.
    kind: Option<Kind>,
    /// Only jobs in this state.
    state: Option<State>,
    /// Only jobs that ended, or need review, since this time or later; of others, those that were accepted since.
    since: Option<Millis>,
    /// The same before this time.
    until: Option<Millis>,
    /// Only jobs of this amount in fen.
    amount: Option<Fen>,
    /// Only jobs of this amount in fen or more.
    min_amount: Option<Fen>,
    /// Only jobs of this amount in fen or less.
    max_amount: Option<Fen>,
    /// Only jobs that this account pays: its whole number.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    payer: Option<String>,
    /// Only jobs that pay this account or receiver: its whole number.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    payee: Option<String>,
    /// Only jobs of this transaction of the gateway.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    trade_no: Option<String>,
    /// Only jobs about this order.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    order_id: Option<String>,
    /// Only jobs whose reason has this code.
    #[schemars(regex(pattern = CODE_PATTERN))]
    reason_code: Option<String>,
    /// Only jobs whose key begins like this.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    prefix: Option<String>,
}

/// The filter in a query; what is wrong is noted there.
pub(crate) fn filter_of(query: &mut Query) -> JobFilter {
    let (state, since, until) = (query.parse("state"), query.time("since"), query.time("until"));
    JobFilter {
        state,
        since,
        until,
        amount: query.take("amount", fen),
        min_amount: query.take("min_amount", fen),
        max_amount: query.take("max_amount", fen),
        payer: query.take("payer", name),
        payee: query.take("payee", name),
        trade_no: query.take("trade_no", name),
        order_id: query.take("order_id", name),
        reason_code: query.take("reason_code", code),
        prefix: query.take("prefix", name),
    }
}

fn fen(given: &str) -> Result<Fen, String> {
    Fen::read(&Value::from(given)).ok_or_else(|| "must be a whole number of fen, 1 or more".to_owned())
}

fn code(given: &str) -> Result<String, String> {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_code = (1..=64).contains(&given.len()) && given.bytes().all(is_fit) && !given.starts_with('_');
    is_code
        .then(|| given.to_owned())
        .ok_or_else(|| "must be the code of a reason, for example retries_exhausted".to_owned())
}
