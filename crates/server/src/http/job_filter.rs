//! The filter of a list of jobs in a query string: the same parameters in the API and the dashboard.

use bursar_domain::{Fen, JobFilter, Kind, Millis, State};
use schemars::JsonSchema;
use serde_json::Value;

use crate::http::query::Query;

/// The longest text of a filter, in characters: no account's number, order or key is longer.
const MAX_TEXT_CHARS: u32 = 128;

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
    #[schemars(length(min = 1, max = MAX_TEXT_CHARS))]
    payer: Option<String>,
    /// Only jobs that pay this account or receiver: its whole number.
    #[schemars(length(min = 1, max = MAX_TEXT_CHARS))]
    payee: Option<String>,
    /// Only jobs of this transaction of the gateway.
    #[schemars(length(min = 1, max = MAX_TEXT_CHARS))]
    trade_no: Option<String>,
    /// Only jobs about this order.
    #[schemars(length(min = 1, max = MAX_TEXT_CHARS))]
    order_id: Option<String>,
    /// Only jobs whose reason has this code.
    #[schemars(length(min = 1, max = MAX_TEXT_CHARS))]
    reason: Option<String>,
    /// Only jobs whose key begins like this.
    #[schemars(length(min = 1, max = MAX_TEXT_CHARS))]
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
        payer: query.take("payer", text),
        payee: query.take("payee", text),
        trade_no: query.take("trade_no", text),
        order_id: query.take("order_id", text),
        reason: query.take("reason", text),
        prefix: query.take("prefix", text),
    }
}

fn fen(given: &str) -> Result<Fen, String> {
    Fen::read(&Value::from(given)).ok_or_else(|| "must be a whole number of fen, 1 or more".to_owned())
}

fn text(given: &str) -> Result<String, String> {
    let is_fit = (1..=MAX_TEXT_CHARS as usize).contains(&given.chars().count()) && !given.chars().any(char::is_control);
    let rule = || format!("must be a text of 1 to {MAX_TEXT_CHARS} characters, without control characters");
    is_fit.then(|| given.to_owned()).ok_or_else(rule)
}
