//! `GET /v1/jobs`: jobs by queue and state, a page at a time.

use axum::Json;
use axum::extract::State as AppState;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar_domain::{AccountName, Kind, Queue, State};
use bursar_store::Cursor;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::jobs::JobEntry;
use crate::http::auth::{Allowed, Read};
use crate::http::operation::{Operation, get};
use crate::http::problem::{Kind as Refusal, Problem};
use crate::http::query::Query;
use crate::state::tokens::Bearer;
use crate::state::{ServerState, Shared};

/// Jobs in one page, where the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// Jobs in one page, at most: about 1 MB of JSON.
const MAX_LIMIT: usize = 1_000;

/// Queues that one page reads, at most: each costs a round trip even when it is empty.
const MAX_QUEUES: usize = 50;

pub(super) fn operation() -> Operation {
    get("list", list)
        .summary("Jobs by queue and state, a page at a time")
        .description(
            "The jobs of each queue: those to be sent first, then by due time, ended ones last. A job that keeps its state is on one page; a \
             job that changes its state between two pages may be on two. A page may be empty and have a next one.",
        )
        .allowed::<Read>()
        .query::<Parameters>()
        .answers::<Page>(200, "A page.")
        .refuses(&[Refusal::NotFound])
        .stored()
}

/// The parameters of the query.
#[derive(JsonSchema)]
struct Parameters {
    /// Only jobs of this account.
    #[schemars(with = "Option<AccountName>")]
    account: Option<String>,
    /// Only jobs of this kind.
    kind: Option<Kind>,
    /// Only jobs in this state.
    state: Option<State>,
    /// The most jobs on the page.
    #[schemars(range(min = 1, max = MAX_LIMIT), default = "default_limit")]
    limit: usize,
    /// The `next` of the page before.
    #[schemars(with = "Option<String>")]
    after: Option<(Queue, Cursor)>,
}

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

impl Parameters {
    fn read(uri: &Uri, app: &ServerState, bearer: &Bearer) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let account = query.parse("account");
        let (kind, state) = (query.parse("kind"), query.parse("state"));
        let limit = query.limit(MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
        let after = query.take("after", |after| {
            if after.is_empty() {
                return Ok(None); // the first page, for clients that always name it
            }
            let place = place(after).filter(|(queue, _)| app.queues.of(bearer).contains(&queue));
            place.map(Some).ok_or_else(|| "must be the next of a page before".to_owned())
        });
        query.finish()?;
        Ok(Self { account, kind, state, limit, after: after.flatten() })
    }
}

/// A page of jobs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobPage")]
pub(super) struct Page {
    /// The jobs.
    jobs: Vec<JobEntry>,
    /// The `after` of the next page; `null` on the last page.
    next: Option<String>,
}

async fn list(who: Allowed<Read>, AppState(app): AppState<Shared>, uri: Uri) -> Result<Json<Page>, Problem> {
    let Parameters { account, kind, state, limit, after } = Parameters::read(&uri, &app, &who.bearer)?;
    let queues = app.queues_of(&who.bearer, account.as_deref(), kind)?;
    let (first, mut cursor) = match after {
        None => (0, Cursor::default()),
        // Where the queue is not asked for, the page before had other jobs: the list begins again.
        Some((queue, cursor)) => match queues.iter().position(|known| *known == queue) {
            Some(index) => (index, cursor),
            None => (0, Cursor::default()),
        },
    };
    let mut jobs = Vec::new();
    let rest = queues.get(first..).unwrap_or_default();
    for (index, queue) in rest.iter().enumerate() {
        if jobs.len() >= limit || index >= MAX_QUEUES {
            return Ok(Json(Page { jobs, next: Some(written(queue, &cursor)) }));
        }
        let page = app.store.list(queue, state, &cursor, limit - jobs.len()).await?;
        jobs.extend(page.jobs.iter().map(|job| JobEntry::of(queue, job)));
        if let Some(next) = page.next {
            return Ok(Json(Page { jobs, next: Some(written(queue, &next)) }));
        }
        cursor = Cursor::default();
    }
    Ok(Json(Page { jobs, next: None }))
}

/// A place as clients carry it: opaque, so that its form may change.
fn written(queue: &Queue, cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{queue}:{cursor}"))
}

fn place(text: &str) -> Option<(Queue, Cursor)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (queue, cursor) = text.split_once(':')?;
    Some((queue.parse().ok()?, cursor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is_one() {
        let queue: Queue = "main/transfer".parse().unwrap();
        for text in ["", "due_sends:17:A:1"] {
            let cursor: Cursor = text.parse().unwrap();
            assert_eq!(place(&written(&queue, &cursor)), Some((queue.clone(), cursor)));
        }
        for wrong in ["", "x", "bWFpbg", "main/transfer:"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
