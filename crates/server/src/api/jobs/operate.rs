//! `POST …/{ask|send|resolve|cancel}`: an operator's hand on one job, recorded with the token's name and a reason. Whoever
//! comes second is told what the first did.

use axum::Json;
use axum::extract::State as Handed;
use bursar_domain::{HistoryEvent, JobView, Operation, last_action};
use bursar_store::{JobRecord, Operated, Operator, StoredAs};
use serde_json::json;

use crate::api::jobs::JobEntry;
use crate::api::operator_request::Order;
use crate::http::auth::{Allowed, Operate};
use crate::http::body::JsonBody;
use crate::http::path::JobName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::state::{App, Shared};

/// What an act that got no answer from Redis means.
const UNKNOWN: &str = "it may have been done; look at the job before you repeat it";

pub(crate) type Done = Result<Json<JobView>, Problem>;

pub(super) async fn ask(who: Allowed<Operate>, app: Handed<Shared>, name: JobName, _: NoQuery, body: JsonBody) -> Done {
    plain(&who, &app, &name, &body, Operation::Ask).await
}

pub(super) async fn send(
    who: Allowed<Operate>,
    app: Handed<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    plain(&who, &app, &name, &body, Operation::Send).await
}

pub(super) async fn cancel(
    who: Allowed<Operate>,
    app: Handed<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    plain(&who, &app, &name, &body, Operation::Cancel).await
}

pub(super) async fn resolve(
    who: Allowed<Operate>,
    app: Handed<Shared>,
    name: JobName,
    _: NoQuery,
    body: JsonBody,
) -> Done {
    let mut order = Order::read(&body.0)?;
    let (reason, end) = (order.reason(), order.end());
    order.finish()?;
    operate(&app, &name, Operation::Resolve(end), Operator { who: &who.bearer.name, why: &reason }, None).await
}

async fn plain(who: &Allowed<Operate>, app: &App, name: &JobName, body: &JsonBody, operation: Operation) -> Done {
    let mut order = Order::read(&body.0)?;
    let reason = order.reason();
    order.finish()?;
    operate(app, name, operation, Operator { who: &who.bearer.name, why: &reason }, None).await
}

/// Does it, if the state allows it and the job still is what the operator `saw`, where that is known; what refuses says how
/// the job stands and what was done last.
pub(crate) async fn operate(
    app: &App,
    name: &JobName,
    operation: Operation,
    operator: Operator<'_>,
    saw: Option<&JobRecord>,
) -> Done {
    let operated = match saw {
        Some(saw) => app.store.operate_as_seen(saw, operation, operator).await,
        None => app.store.operate(&name.lane, &name.key, operation, operator).await,
    };
    match operated.map_err(|error| Problem::of_store(&error, UNKNOWN))? {
        Operated::Done(record) => Ok(Json(record.view())),
        Operated::Unknown => Err(name.unknown()),
        Operated::Unreadable(why) => Err(name.unreadable(&why)),
        Operated::Claimed(record) => {
            let detail = "a worker is calling the gateway about it at this moment; try again when it has finished";
            Err(not_now(app, name, detail.to_owned(), Some(StoredAs::Job(record))).await)
        }
        Operated::Changed => {
            let record = app.store.job(&name.lane, &name.key).await?;
            Err(not_now(app, name, "it has changed since it was looked at: nothing was done".to_owned(), record).await)
        }
        Operated::Refused(refused) => {
            let record = app.store.job(&name.lane, &name.key).await?;
            Err(not_now(app, name, refused.to_string(), record).await)
        }
    }
}

/// Why not now: how the job stands, and the last action on it.
async fn not_now(app: &App, name: &JobName, mut detail: String, record: Option<StoredAs>) -> Problem {
    let history = match &record {
        Some(StoredAs::Job(record)) => app.store.history(record).await.unwrap_or_default(),
        Some(StoredAs::Unreadable { .. }) | None => Vec::new(),
    };
    let last = last_action(&history).map(|last| {
        detail.push_str(&format!(". The last action was {last}"));
        HistoryEvent::OperatorAction(last.clone()).view()
    });
    Problem::new(Kind::NotNow, detail)
        .with("job", json!(record.map(|record| JobEntry::of(&name.lane, &record))))
        .with("last_action", json!(last))
}
