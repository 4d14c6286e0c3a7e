//! `POST …/reveal`: a job with its whole content for an operator. Who saw it, and why, is an event of the audit trail.

use axum::Json;
use axum::extract::State as AppState;
use bursar_domain::{JobView, Shown};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::operator_request::ActionRequest;
use crate::http::auth::{Allowed, Operate};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, post};
use crate::http::path::JobName;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops;
use crate::ops::audit::Acting;
use crate::state::Shared;

pub(super) fn operation() -> Operation {
    post("reveal", reveal)
        .summary("A job with its whole content, for an operator")
        .description("For operators. The parties are not masked. The token's name and the reason are an event of the audit trail.")
        .json::<ActionRequest>()
        .allowed::<Operate>()
        .answers::<RevealedJob>(200, "The job, unmasked.")
        .refuses(&[Kind::NotFound, Kind::UnreadableRecord])
        .stored()
}

/// A job whose parties are not masked.
#[derive(Serialize, JsonSchema)]
struct RevealedJob {
    /// The job; its payer, payee and receivers are whole.
    job: JobView,
    /// The content that is sent; `null` for a job whose details have expired.
    #[schemars(with = "Option<Map<String, Value>>")]
    content: Option<Value>,
}

async fn reveal(
    who: Allowed<Operate>,
    AppState(app): AppState<Shared>,
    name: JobName,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<RevealedJob>, Problem> {
    let ActionRequest { reason } = ActionRequest::read(&body)?;
    let acting = Acting { actor: &who.actor, identity: &who.bearer.identity, reason: &reason };
    let record = ops::jobs::reveal(&app, &name.queue, &name.key, acting).await?;
    let content = record.content.as_deref().and_then(|content| serde_json::from_str(content).ok());
    let job = JobView { details: record.details(Shown::Whole), ..record.view() };
    Ok(Json(RevealedJob { job, content }))
}
