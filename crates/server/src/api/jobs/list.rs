//! `GET /v1/jobs`: jobs by queue and state, a page at a time.

use axum::Json;
use axum::extract::State as AppState;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar_domain::{Kind, Queue, State};
use bursar_store::Cursor;
use serde::Serialize;

use crate::api::jobs::JobEntry;
use crate::http::auth::{Allowed, Read};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::state::Shared;

/// Jobs in one page unless told otherwise, and at most.
const LIMIT: (usize, usize) = (100, 1_000);

/// Queues that one page looks into, at most: each costs a look even when it holds nothing.
const MAX_QUEUES: usize = 50;

/// A page of jobs.
#[derive(Serialize)]
pub(super) struct Page {
    jobs: Vec<JobEntry>,
    /// What `after` is to be for the next page; null at the end.
    next: Option<String>,
}

pub(super) async fn list(who: Allowed<Read>, AppState(app): AppState<Shared>, uri: Uri) -> Result<Json<Page>, Problem> {
    let mut query = Query::of(&uri);
    let account = query.take("account", |account| Ok(account.to_owned()));
    let kind = query.take("kind", |kind| kind.parse::<Kind>().map_err(|error| error.to_string()));
    let state = query.take("state", |state| state.parse::<State>().map_err(|error| error.to_string()));
    let limit = query.take("limit", limit).unwrap_or(LIMIT.0);
    let after = query.take("after", |after| {
        if after.is_empty() {
            return Ok(None); // the first page, for clients that always name it
        }
        let place = place(after).filter(|(queue, _)| app.queues.of(&who.bearer).contains(&queue));
        place.map(Some).ok_or_else(|| "must be the next of a page before".to_owned())
    });
    query.finish()?;
    let queues = app.queues_of(&who.bearer, account.as_deref(), kind)?;
    let (first, mut cursor) = match after.flatten() {
        None => (0, Cursor::default()),
        // Where the queue is not asked for, the page is of other jobs than the one before: it begins anew.
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

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=LIMIT.1).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number from 1 to {}", LIMIT.1))
}

/// A place as clients carry it: nobody is to take it apart.
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
