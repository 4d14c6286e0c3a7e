//! The search box: one text, looked for as a key, a number of the gateway, an order, the beginning of a key, an account and an amount.

use axum::http::StatusCode;
use axum::response::Response;
use bursar_domain::{Fen, JobFilter, Key, Queue};
use bursar_store::{FoundJobs, StoreError, StoredAs};
use futures_util::future::try_join_all;
use maud::html;
use serde_json::Value;

use super::jobs::{PAGE, address, table};
use crate::dashboard::components::{job_address, selection};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Tab, page, refuse, refuse_problem, see};
use crate::dashboard::signed_in::SignedIn;
use crate::state::ServerState;

/// The job that the text names; a list where it names several.
pub(super) async fn search(signed_in: &SignedIn, app: &ServerState, text: &str) -> Answered {
    let known = app.known_queues(signed_in.bearer());
    let away = |error: StoreError| refuse_problem(signed_in, error);
    let named = by_name(app, &known, text).await.map_err(away)?;
    match named.as_slice() {
        [(queue, one)] => return Ok(see(&job_address(queue, one.key().as_str()))),
        [] => {}
        several => return Ok(choice(signed_in, several)),
    }
    let filters = filters_of(text);
    let finds = filters.iter().map(|filter| app.store.find(&known, filter, None, 1));
    let found: Vec<FoundJobs> = try_join_all(finds).await.map_err(away)?;
    // A search that ended at its bound may find more on its own page, which goes on from there.
    let places = filters.iter().zip(&found);
    let is_found = |(_, found): &(&JobFilter, &FoundJobs)| !found.jobs.is_empty();
    let filter = places.clone().find(is_found).or_else(|| places.clone().find(|(_, found)| found.is_partial));
    match filter {
        Some((filter, _)) => Ok(see(&address(None, filter, None))),
        None => {
            let queues = known.len().to_string();
            let why = filled(signed_in.words().find.found_nothing, &[text, &queues]);
            Err(refuse(&signed_in.guest, Some(signed_in), StatusCode::NOT_FOUND, &why))
        }
    }
}

/// The jobs of this key, or else of this transaction or order.
async fn by_name(app: &ServerState, queues: &[Queue], text: &str) -> Result<Vec<(Queue, StoredAs)>, StoreError> {
    if let Ok(key) = text.parse::<Key>() {
        let key = &key;
        let reads = queues.iter().map(|queue| async move {
            Ok::<_, StoreError>(app.store.job(queue, key).await?.map(|job| (queue.clone(), job)))
        });
        let found: Vec<(Queue, StoredAs)> = try_join_all(reads).await?.into_iter().flatten().collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let text = || Some(text.to_owned());
    for filter in
        [JobFilter { trade_no: text(), ..JobFilter::default() }, JobFilter { order_id: text(), ..JobFilter::default() }]
    {
        let found = app.store.find(queues, &filter, None, PAGE).await?;
        if !found.jobs.is_empty() {
            return Ok(found.jobs);
        }
    }
    Ok(Vec::new())
}

/// The filters that the text may mean, the likeliest first.
fn filters_of(text: &str) -> Vec<JobFilter> {
    let some = || Some(text.to_owned());
    let amount = |amount| JobFilter { amount: Some(amount), ..JobFilter::default() };
    if let Some(yuan) = yuan(text) {
        return vec![amount(yuan)];
    }
    let texts = [
        JobFilter { prefix: some(), ..JobFilter::default() },
        JobFilter { payer: some(), ..JobFilter::default() },
        JobFilter { payee: some(), ..JobFilter::default() },
    ];
    texts.into_iter().chain(Fen::read(&Value::from(text)).map(amount)).collect()
}

/// An amount in yuan as people write it, with two decimals: `12,345.67`, `¥12345.67`.
fn yuan(text: &str) -> Option<Fen> {
    let text = text.trim_start_matches(['¥', '￥']).replace(',', "");
    let (whole, cents) = text.split_once('.').filter(|(whole, cents)| !whole.is_empty() && cents.len() == 2)?;
    Fen::read(&Value::from(format!("{whole}{cents}")))
}

fn choice(signed_in: &SignedIn, several: &[(Queue, StoredAs)]) -> Response {
    let words = signed_in.words();
    let bar = signed_in.may_operate().then(|| selection::bar(signed_in, &selection::OPERATIONS, false));
    let content = html! { h1 { (words.several_jobs) } @if let Some(bar) = bar { (bar) } (table(signed_in, several)) };
    page(signed_in, Tab::Jobs, Live::No, words.several_jobs, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        for (text, fen) in [("12345.67", Some(1_234_567)), ("¥12,345.67", Some(1_234_567)), ("￥0.01", Some(1))] {
            assert_eq!(yuan(text), fen.and_then(Fen::new), "{text}");
        }
        for text in ["", "12345", "1.5", "-1.00", "0.00", ".50", "a.00", "1.2.00"] {
            assert_eq!(yuan(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_looked_for_as_all_that_it_may_be() {
        let names = |text: &str| filters_of(text).len();
        assert_eq!((names("RV"), names("1234567"), names("12345.67")), (3, 4, 1));
        assert_eq!(filters_of("RV")[0].prefix.as_deref(), Some("RV"));
        assert_eq!(filters_of("1234567")[3].amount, Fen::new(1_234_567));
    }
}
