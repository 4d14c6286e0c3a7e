//! `GET /v1/webhooks`: undelivered webhooks. `POST /v1/webhooks/resend`: delivers one again, or all failed ones of a receiver.

use axum::Json;
use axum::extract::State as AppState;
use axum::http::Uri;
use bursar_domain::{
    AccountName, Kind as JobKind, MAX_REASON_CHARS, REASON_PATTERN, ResendResult, WebhookState, WebhookView,
};
use bursar_store::{Origin, WebhookFilter, is_webhook_key};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api::operator_request::Fields;
use crate::http::auth::{Allowed, Operate, Read};
use crate::http::body::JsonBody;
use crate::http::operation::{Operation, get, post};
use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::http::query::{NoQuery, Query};
use crate::ops::audit::Acting;
use crate::ops::webhooks::{resend, resend_failed_of, undelivered};
use crate::state::Shared;

/// Entries in one answer, where the client does not say.
const DEFAULT_LIMIT: usize = 100;

/// Entries in one answer, at most.
const MAX_LIMIT: usize = 1_000;

/// The longest name of a receiver: a host's name and a port.
const MAX_RECEIVER: usize = 260;

pub(crate) fn part() -> Part {
    Part::described("webhooks", "Webhooks that are not delivered yet, or have failed.")
        .route("/v1/webhooks", [list_operation()])
        .route("/v1/webhooks/resend", [resend_operation()])
}

fn list_operation() -> Operation {
    get("undelivered_webhooks", list)
        .summary("Undelivered webhooks: failed ones the newest first, waiting ones by their next attempt")
        .description("One entry for each job or notification. Webhooks in quarantine are not among them.")
        .allowed::<Read>()
        .query::<Parameters>()
        .answers::<Webhooks>(200, "The undelivered webhooks.")
        .refuses(&[Kind::NotFound])
        .stored()
}

fn resend_operation() -> Operation {
    post("resend_webhooks", resend_webhooks)
        .summary("Deliver webhooks again: of one job or notification, or all failed ones of a receiver")
        .description(
            "For operators. Name `queue` and `key`, or `receiver`. A webhook keeps its `webhook-id`, by which its receiver recognises it. \
             A waiting one is tried now. Of a receiver, the newest thousand entries are resent.",
        )
        .allowed::<Operate>()
        .json::<ResendRequest>()
        .answers::<ResendResults>(200, "The result for each job or notification.")
        .refuses(&[Kind::NotFound])
        .stored()
}

/// The parameters of the query.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a schema alone")]
struct Parameters {
    /// Only those of this account.
    #[schemars(with = "Option<AccountName>")]
    account: Option<String>,
    /// Only those of jobs of this kind, and those of notifications.
    kind: Option<JobKind>,
    /// Those that failed, or those that wait.
    #[schemars(default = "failed")]
    state: WebhookState,
    /// Only those of this receiver: a host, or a host and a port.
    #[schemars(length(min = 1, max = MAX_RECEIVER), regex(pattern = RECEIVER_PATTERN))]
    receiver: Option<String>,
    /// The most entries.
    #[schemars(range(min = 1, max = MAX_LIMIT), default = "default_limit")]
    limit: usize,
}

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

const fn failed() -> WebhookState {
    WebhookState::Failed
}

/// Undelivered webhooks.
#[derive(Serialize, JsonSchema)]
struct Webhooks {
    /// One entry for each job or notification.
    webhooks: Vec<WebhookView>,
}

/// The results of a resend.
#[derive(Serialize, JsonSchema)]
struct ResendResults {
    /// The result for each job or notification.
    webhooks: Vec<ResendResult>,
}

/// The webhooks to deliver again.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "a schema alone")]
struct ResendRequest {
    /// The operator's reason. It is recorded with each resend.
    #[schemars(length(min = 1, max = MAX_REASON_CHARS), regex(pattern = REASON_PATTERN))]
    reason: String,
    /// The queue of one job; of a notification, the account and `notify`.
    #[schemars(example = "main/transfer")]
    queue: Option<String>,
    /// The key of one job, or the number of a notification.
    key: Option<String>,
    /// All failed ones of this receiver: a host, or a host and a port.
    #[schemars(length(min = 1, max = MAX_RECEIVER), regex(pattern = RECEIVER_PATTERN))]
    receiver: Option<String>,
}

/// The same as a schema's pattern.
const RECEIVER_PATTERN: &str = r"^[A-Za-z0-9\-._:\[\]]+$";

fn is_receiver(text: &str) -> bool {
    (1..=MAX_RECEIVER).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

/// The rule of a receiver's name.
const RECEIVER_RULE: &str = "must be a host, or a host and a port: shop.example:8443";

async fn list(who: Allowed<Read>, AppState(app): AppState<Shared>, uri: Uri) -> Result<Json<Webhooks>, Problem> {
    let mut query = Query::of(&uri);
    let account: Option<String> = query.parse("account");
    let kind = query.parse("kind");
    let state = query.parse("state").unwrap_or(WebhookState::Failed);
    let receiver = query
        .take("receiver", |text| if is_receiver(text) { Ok(text.to_owned()) } else { Err(RECEIVER_RULE.to_owned()) });
    let limit = query.limit(MAX_LIMIT).unwrap_or(DEFAULT_LIMIT);
    query.finish()?;
    let filter = WebhookFilter { state, receiver: receiver.as_deref() };
    let webhooks = undelivered(&app, &who.bearer, (account.as_deref(), kind), filter, limit).await?;
    Ok(Json(Webhooks { webhooks }))
}

/// The meaning of a resend's body.
enum Chosen {
    One(Origin, String),
    Receiver(String),
}

impl Chosen {
    fn read(fields: &mut Fields) -> Option<Self> {
        let mut text = |name: &str, rule: &str, is_fit: &dyn Fn(&str) -> bool| match fields.take(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if is_fit(&text) => Some(text),
            Some(_) => {
                fields.wrong(name, rule);
                None
            }
        };
        let queue = text("queue", "must be a queue: main/transfer", &|text| text.parse::<Origin>().is_ok());
        let key = text("key", "must be a job's key or a notification's number", &|text| {
            let origins = ["main/transfer", "main/notify"].map(str::parse::<Origin>);
            origins.iter().flatten().any(|origin| is_webhook_key(origin, text))
        });
        let receiver = text("receiver", RECEIVER_RULE, &is_receiver);
        match (queue, key, receiver) {
            (Some(queue), Some(key), None) => queue.parse().ok().map(|origin| Self::One(origin, key)),
            (None, None, Some(receiver)) => Some(Self::Receiver(receiver)),
            (None, None, None) => {
                fields.wrong("queue", "or receiver is required");
                None
            }
            (queue, _, receiver) => {
                let field = if receiver.is_some() {
                    "receiver"
                } else if queue.is_some() {
                    "key"
                } else {
                    "queue"
                };
                fields.wrong(field, "queue and key are given together, without receiver");
                None
            }
        }
    }
}

async fn resend_webhooks(
    who: Allowed<Operate>,
    AppState(app): AppState<Shared>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Json<ResendResults>, Problem> {
    let mut fields = Fields::of(&body)?;
    let reason = fields.reason();
    let chosen = Chosen::read(&mut fields);
    fields.finish()?;
    let (reason, chosen) = reason.zip(chosen).ok_or_else(Fields::no_object)?;
    let acting = Acting { actor: &who.actor, identity: &who.bearer.identity, reason: &reason };
    let webhooks = match chosen {
        Chosen::Receiver(receiver) => resend_failed_of(&app, &who.bearer, &receiver, acting).await?,
        Chosen::One(origin, key) => {
            if !app.origins(&who.bearer, None, None)?.contains(&origin) {
                return Err(Problem::new(Kind::NotFound, "no account has that queue"));
            }
            vec![resend(&app, &origin, &key, acting).await?]
        }
    };
    Ok(Json(ResendResults { webhooks }))
}
