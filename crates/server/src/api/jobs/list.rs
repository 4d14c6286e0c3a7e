//! `GET /v1/jobs`: jobs by what is known of them, newest first, a page at a time.

use axum::Json;
use axum::extract::State as AppState;
use axum::http::Uri;
use bursar_domain::{AccountName, JobFilter, Kind};
use bursar_store::FindCursor;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::jobs::JobEntry;
use crate::http::auth::{Allowed, Read};
use crate::http::job_filter::{FilterParameters, filter_of};
use crate::http::operation::{Operation, get};
use crate::http::problem::{Kind as Refusal, Problem};
use crate::http::query::Query;
use crate::state::tokens::Bearer;
use crate::state::{ServerState, Shared};

/// Jobs in one page, where the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// Jobs in one page, at most: about 1 MB of JSON.
const MAX_LIMIT: usize = 1_000;

pub(super) fn operation() -> Operation {
    get("list", list)
        .summary("Jobs by what is known of them, newest first, a page at a time")
        .description(
            "The jobs of all queues that fit everything that is given, newest first: by the time at which they ended or came to need review, \
             other jobs by the time at which they were accepted. (More than 1,000 open jobs are listed before all others, queue order by \
             queue order.) A job that keeps its state is on one page; a job that changes its state between two pages may be on two. A page \
             may have fewer jobs than `limit`, or none, and a next one: see `partial`.",
        )
        .allowed::<Read>()
        .query::<Parameters>()
        .answers::<Page>(200, "A page.")
        .refuses(&[Refusal::NotFound])
        .stored()
}

/// The parameters of the query.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a schema alone")]
struct Parameters {
    /// Only jobs of this account.
    account: Option<AccountName>,
    #[schemars(flatten)]
    filter: FilterParameters,
    /// The most jobs on the page.
    #[schemars(range(min = 1, max = MAX_LIMIT), default = "default_limit")]
    limit: usize,
    /// The `next` of the page before.
    after: Option<String>,
}

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// The page that a client wants.
struct PageRequest {
    account: Option<String>,
    kind: Option<Kind>,
    filter: JobFilter,
    limit: usize,
    after: Option<FindCursor>,
}

impl PageRequest {
    fn read(uri: &Uri, app: &ServerState, bearer: &Bearer) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let account = query.parse("account");
        let kind = query.parse("kind");
        let filter = filter_of(&mut query);
        let limit = query.limit(MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
        let after = query.take("after", |after| {
            if after.is_empty() {
                return Ok(None); // the first page, for clients that always name it
            }
            let place = after.parse::<FindCursor>().ok();
            let known = app.known_queues(bearer);
            let is_known = |place: &FindCursor| {
                place.queue().is_empty() || known.iter().any(|queue| queue.to_string() == place.queue())
            };
            place.filter(is_known).map(Some).ok_or_else(|| "must be the next of a page before".to_owned())
        });
        query.finish()?;
        Ok(Self { account, kind, filter, limit, after: after.flatten() })
    }
}

/// A page of jobs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JobPage")]
pub(super) struct Page {
    /// The jobs, newest first.
    jobs: Vec<JobEntry>,
    /// The `after` of the next page; `null` on the last page.
    next: Option<String>,
    /// True if the search ended at its bound of time before the page was full: older jobs were not looked at yet, and `next` goes on.
    partial: bool,
}

async fn list(who: Allowed<Read>, AppState(app): AppState<Shared>, uri: Uri) -> Result<Json<Page>, Problem> {
    let PageRequest { account, kind, filter, limit, after } = PageRequest::read(&uri, &app, &who.bearer)?;
    let queues = app.queues_of(&who.bearer, account.as_deref(), kind)?;
    let found = app.store.find(&queues, &filter, after.as_ref(), limit).await?;
    let jobs = found.jobs.iter().map(|(queue, job)| JobEntry::of(queue, job)).collect();
    Ok(Json(Page { jobs, next: found.next.map(|next| next.to_string()), partial: found.is_partial }))
}
