//! `POST /v1/jobs`: one job or a batch, validated and stored as the library and the command line do it.

mod batch;
mod idempotency;
mod outcome;

use axum::Json;
use axum::extract::State as AppState;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bursar_domain::MAX_JOB_BYTES;
use bursar_producer::{Outcome, TraceParent};
use bursar_store::MAX_BATCH;

use crate::http::auth::{Allowed, Submit};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, post};
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops;
use crate::state::Shared;
use batch::{Batch, Submission, batch};
use outcome::{Accepted, Answered, Named, OneOfMany, Outcomes, Submitted};

pub(super) fn operation() -> Operation {
    post("submit", submit)
        .summary(format!("Submit one job, or up to {MAX_BATCH}"))
        .description(
            "To submit the same job again changes nothing and answers its state. A batch is answered by 200 with an outcome for each job, in \
             order; a job that is refused keeps none of the others back.",
        )
        .allowed::<Submit>()
        .header::<String>("Idempotency-Key", "The job's platform_no, which is its idempotency key. Another value is refused, and any for a batch.")
        .header::<String>("traceparent", "The W3C trace of the jobs that name none. One that cannot be read is ignored.")
        .json::<Submission>()
        .answers::<Accepted>(201, "The job is stored, as durably as `durability` says.")
        .answer_header(201, "Location", "The job's address.")
        .answers::<Answered>(200, "The same job was stored before; or the outcomes of a batch.")
        .answer_header(200, "Location", "The job's address; not for a batch.")
        .refuses_with::<Submitted>(Kind::KeyConflict)
        .refuses_with::<Submitted>(Kind::BusinessKeyConflict)
        .refuses(&[Kind::UnreadableRecord])
        .stored()
}

async fn submit(
    who: Allowed<Submit>,
    AppState(app): AppState<Shared>,
    _: NoQuery,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let trace = traced(&headers);
    let durability = app.store.durability().as_str();
    let Some(Batch { jobs }) = batch(&body)? else {
        if body.len() > MAX_JOB_BYTES {
            return Err(Problem::new(Kind::TooLarge, format!("a job may have {MAX_JOB_BYTES} bytes of JSON at most")));
        }
        idempotency::of_job(&headers, &body)?;
        let outcomes = ops::submit::submit(&app, &who.bearer, &[&body[..]], trace).await?;
        return outcomes.first().map_or_else(|| Err(no_outcome()), |outcome| one(&body, outcome, durability));
    };
    idempotency::of_batch(&headers)?;
    let texts: Vec<&[u8]> = jobs.iter().map(|job| job.get().as_bytes()).collect();
    let outcomes = ops::submit::submit(&app, &who.bearer, &texts, trace).await?;
    let jobs = texts.iter().zip(&outcomes).map(|(text, outcome)| Submitted::of(text, outcome));
    let jobs = jobs.map(|submitted| OneOfMany { status: submitted.status().as_u16(), submitted }).collect();
    Ok(Json(Answered::Batch(Outcomes { durability, jobs })).into_response())
}

/// The trace of the request, for jobs that name none. W3C has a header that cannot be read ignored: a proxy may have written it, and it must
/// keep no job from being accepted.
fn traced(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// The producer promises an outcome for each job.
fn no_outcome() -> Problem {
    Problem::new(Kind::Internal, "the submission has no outcome; submit it again")
}

fn one(text: &[u8], outcome: &Outcome, durability: &'static str) -> Result<Response, Problem> {
    let submitted = Submitted::of(text, outcome);
    let problem = match outcome {
        Outcome::New | Outcome::Existing(_) => {
            let (status, place) = (submitted.status(), location(&submitted.named));
            let mut response = (status, Json(Answered::One(Accepted { submitted, durability }))).into_response();
            response.headers_mut().extend(place.map(|place| (header::LOCATION, place)));
            return Ok(response);
        }
        Outcome::Invalid(invalid) => Problem::invalid(&invalid.errors),
        Outcome::Unreadable(_) => Problem::unreadable(submitted.detail()),
        Outcome::Conflict { .. } => Problem::new(submitted.conflict(), submitted.detail()),
    };
    Err(problem.with(&submitted))
}

/// The job's address. The validator has checked its names; a key may have characters that a path cannot have.
fn location(named: &Named) -> Option<HeaderValue> {
    let Named { account: Some(account), kind: Some(kind), platform_no: Some(key) } = named else { return None };
    let key: String = form_urlencoded::byte_serialize(key.as_bytes()).collect(); // no key has a space, so no + comes out
    HeaderValue::try_from(format!("/v1/jobs/{account}/{kind}/{key}")).ok()
}
