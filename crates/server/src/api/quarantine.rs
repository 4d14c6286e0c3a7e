//! The quarantine: what no build here can read or deliver, listed, retried, dropped.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bursar_domain::{JobView, Millis};
use bursar_store::{Origin, Quarantined};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::operator_request::ActionRequest;
use crate::api::proposals::{accepted, may_be_proposed};
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, get, post};
use crate::http::part::Part;
use crate::http::path::QuarantineEntry;
use crate::http::problem::{Kind, Problem};
use crate::http::query::NoQuery;
use crate::ops::audit::Acting;
use crate::ops::quarantine::{self, Found, NotDone, QuarantineAction};
use crate::state::Shared;

/// Jobs, and webhooks, of one queue in one answer.
const SHOWN: usize = 1_000;

pub(crate) fn part() -> Part {
    let part = Part::described("quarantine", "What no build here can read or deliver, until an operator decides.");
    let part = part.route(
        "/v1/quarantine",
        [get("quarantine", list)
            .summary("The keys in quarantine, with their reasons")
            .description("Nothing in quarantine is sent, queried or delivered.")
            .allowed::<Read>()
            .answers::<Quarantine>(200, "At most 1,000 jobs and 1,000 webhooks of each queue that the token may see.")
            .stored()],
    );
    part.route(
        "/v1/quarantine/{account}/{kind}/{entry}/retry",
        [acting("retry_quarantined", QuarantineAction::Retry)
            .summary("Put a job back into the set of its state")
            .description("For operators. A send that a lost worker may have made becomes `in_doubt` and is followed.")],
    )
    .route(
        "/v1/quarantine/{account}/{kind}/{entry}/deliver",
        [acting("deliver_quarantined", QuarantineAction::Deliver)
            .summary("Try a webhook again")
            .description("For operators. The kind is `notify` for the webhook of a notification.")],
    )
    .route(
        "/v1/quarantine/{account}/{kind}/{entry}/drop",
        [may_be_proposed(acting("drop_quarantined", QuarantineAction::Drop))
            .summary("Drop a key whose record no build can read")
            .description(
                "For operators. The record stays and is never sent, and a submission with its key is refused.",
            )],
    )
}

/// An action on a key.
fn acting(id: &'static str, action: QuarantineAction) -> Operation {
    let handler = async move |who: Allowed<Operate>,
                              State(app): State<Shared>,
                              QuarantineEntry { origin, entry }: QuarantineEntry,
                              _: NoQuery,
                              JsonBody(body): JsonBody|
                -> Result<Response, Problem> {
        let ActionRequest { reason } = ActionRequest::read(&body)?;
        let acting = Acting { actor: &who.actor, reason: &reason };
        match quarantine::perform(&app, (&origin, &entry), action, acting).await {
            Ok(()) => Ok(Json(Done { queue: origin.to_string(), entry, outcome: outcome_of(action) }).into_response()),
            Err(NotDone::Proposed(open)) => Ok(accepted(&open)),
            Err(refused) => Err(problem(refused)),
        }
    };
    post(id, handler)
        .allowed::<Operate>()
        .json::<ActionRequest>()
        .answers::<Done>(200, "The action is done.")
        .refuses(&[Kind::NotFound, Kind::NotNow])
        .stored()
}

/// Everything in quarantine.
#[derive(Serialize, JsonSchema)]
struct Quarantine {
    /// Jobs that are neither sent nor queried.
    jobs: Vec<Entry>,
    /// Webhooks that are not delivered.
    webhooks: Vec<Entry>,
}

/// A key in quarantine.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuarantineEntry")]
struct Entry {
    /// Account and kind: `main/transfer`; for a notification `main/notify`.
    queue: String,
    /// The key, which need not be a job's; of a notification its number.
    entry: String,
    /// Since when, if the entry says so.
    since: Option<String>,
    /// The reason: `unreadable_record`, `workers_lost`, or another build's word.
    code: String,
    /// More about it.
    detail: String,
}

/// An action that was done.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "QuarantineActionDone")]
struct Done {
    /// Account and kind.
    queue: String,
    /// The key that has left the quarantine.
    entry: String,
    /// What has become of it.
    outcome: TakenOut,
}

/// What has become of a key that has left the quarantine.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TakenOut {
    /// The job is where its state belongs.
    Retried,
    /// The webhook is due.
    DeliveryDue,
    /// The record stays, and is left alone.
    Dropped,
}

const fn outcome_of(action: QuarantineAction) -> TakenOut {
    match action {
        QuarantineAction::Retry => TakenOut::Retried,
        QuarantineAction::Deliver => TakenOut::DeliveryDue,
        QuarantineAction::Drop => TakenOut::Dropped,
    }
}

async fn list(who: Allowed<Read>, State(app): State<Shared>, _: NoQuery) -> Result<Json<Quarantine>, Problem> {
    let (mut jobs, mut webhooks) = (Vec::new(), Vec::new());
    for Found { origin, jobs: of_queue, webhooks: of_origin } in quarantine::found(&app, &who.bearer, SHOWN).await? {
        jobs.extend(of_queue.into_iter().map(|found| entry(&origin, found)));
        webhooks.extend(of_origin.into_iter().map(|found| entry(&origin, found)));
    }
    Ok(Json(Quarantine { jobs, webhooks }))
}

fn entry(origin: &Origin, found: Quarantined) -> Entry {
    let Quarantined { key, since, code, detail } = found;
    let since = Some(since).filter(|since| *since > Millis(0));
    Entry { queue: origin.to_string(), entry: key, since: JobView::time(since), code, detail }
}

fn problem(refused: NotDone) -> Problem {
    let detail = match refused {
        NotDone::Refused(refusal) => return refusal.into(),
        NotDone::NotThere => return Problem::new(Kind::NotFound, "it is not in quarantine"),
        NotDone::Unreadable(why) => format!("this build cannot read the record: {why}"),
        NotDone::Readable => "its record can be read: retry it instead of dropping it".to_owned(),
        NotDone::Changed => "it changed while it was read: nothing was done, repeat it".to_owned(),
        NotDone::NotProposed(refused) => refused.detail,
        NotDone::Proposed(open) => format!("it is proposed: {}", open.proposal.named()),
    };
    Problem::new(Kind::NotNow, detail)
}
