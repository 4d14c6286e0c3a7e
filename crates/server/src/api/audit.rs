//! `GET /v1/audit`: the audit trail, newest events first, a page at a time.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use bursar_domain::{AuditAction, AuditEvent, AuditFilter, Millis};
use bursar_store::AuditCursor;
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::auth::{Allowed, Operate};
use crate::http::operation::get;
use crate::http::part::Part;
use crate::http::problem::Problem;
use crate::http::query::{MAX_NAME_CHARS, NAME_PATTERN, Query, name};
use crate::ops;
use crate::state::Shared;

/// Events on one page, where the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// Events on one page, at most: about 400 KB of JSON.
const MAX_LIMIT: usize = 1_000;

/// The form of `after`: a place in a stream of Redis, or nothing.
const AFTER_PATTERN: &str = "^([0-9]{1,13}-[0-9]{1,9})?$";

pub(crate) fn part() -> Part {
    let list = get("audit", list)
        .summary("The audit trail, newest events first, a page at a time")
        .description(
            "For operators. A token for single accounts sees the events of those accounts alone. A page may be empty and have a next one. \
             Refused attempts of one client are one event a minute, with their count; it comes when the minute has ended.",
        )
        .allowed::<Operate>()
        .query::<Parameters>()
        .answers::<Page>(200, "A page.")
        .stored();
    Part::described("audit", "Who did what, from where and why.").route("/v1/audit", [list])
}

/// The parameters of the query.
#[derive(JsonSchema)]
struct Parameters {
    /// Only events of this time (RFC 3339) or later.
    since: Option<Millis>,
    /// Only events before this time (RFC 3339).
    until: Option<Millis>,
    /// Only events of the operator of this name.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    who: Option<String>,
    /// Only this action.
    action: Option<AuditAction>,
    /// Only events of this queue.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    queue: Option<String>,
    /// Only events of this key.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS), regex(pattern = NAME_PATTERN))]
    key: Option<String>,
    /// The most events on the page.
    #[schemars(range(min = 1, max = MAX_LIMIT), default = "default_limit")]
    limit: usize,
    /// The `next` of the page before; empty for the first page.
    #[schemars(with = "Option<String>", regex(pattern = AFTER_PATTERN))]
    after: Option<AuditCursor>,
}

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

impl Parameters {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let parameters = Self {
            since: query.time("since"),
            until: query.time("until"),
            who: query.take("who", name),
            action: query.parse("action"),
            queue: query.take("queue", name),
            key: query.take("key", name),
            limit: query.limit(MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
            after: query.take("after", after).flatten(),
        };
        query.finish()?;
        Ok(parameters)
    }
}

/// Clients that always name it leave it empty for the first page.
fn after(text: &str) -> Result<Option<AuditCursor>, String> {
    let wrong = || "must be the next of a page before".to_owned();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) }
}

/// A page of the audit trail.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditPage")]
struct Page {
    /// The events, newest first.
    events: Vec<AuditEvent>,
    /// The `after` of the next page; `null` on the last page.
    next: Option<String>,
    /// The number of entries of the trail that this build cannot read.
    unreadable: u64,
}

async fn list(who: Allowed<Operate>, State(app): State<Shared>, uri: Uri) -> Result<Json<Page>, Problem> {
    let Parameters { since, until, who: operator, action, queue, key, limit, after } = Parameters::read(&uri)?;
    let filter = AuditFilter { since, until, operator, action, queue, key };
    let page = ops::audit::page(&app, &who.bearer, &filter, after, limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Json(Page { events: page.events, next, unreadable: page.unreadable }))
}
