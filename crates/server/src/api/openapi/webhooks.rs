//! The requests that Bursar makes to a `callback_url`, as OpenAPI has them.

use bursar_domain::{JobView, NotificationMessage, WebhookMessage, WebhookType};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;

/// Every webhook by its type.
pub(super) fn all(schemas: &mut Schemas) -> Map<String, Value> {
    WebhookType::all().map(|event_type| (event_type.to_string(), webhook(event_type, schemas))).collect()
}

fn webhook(event_type: WebhookType, schemas: &mut Schemas) -> Value {
    let (summary, message) = match event_type {
        WebhookType::Job(_) => {
            ("A job has this state", schemas.written(SchemaGenerator::subschema_for::<WebhookMessage<JobView>>))
        }
        WebhookType::NotificationReceived => (
            "A gateway has notified an account",
            schemas.written(SchemaGenerator::subschema_for::<WebhookMessage<NotificationMessage<'_>>>),
        ),
    };
    let schema = json!({"allOf": [message], "properties": {"type": {"const": event_type}}});
    json!({"post": {
        "operationId": format!("webhook.{event_type}"),
        "summary": summary,
        "description":
            "Posted at least once, and in order for each job, as Standard Webhooks has it. It is posted again until an answer of 2xx, for as \
             long as webhooks.retry_for says.",
        "security": [],
        "parameters": headers(),
        "requestBody": {"required": true, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "The webhook is delivered."},
            "410": {"description": "The receiver wants no further webhooks about this job."},
        },
    }})
}

fn headers() -> Value {
    let header = |name: &str, required: &Value, description: &str| json!({"name": name, "in": "header", "required": required, "description": description, "schema": {"type": "string"}});
    json!([
        header("webhook-id", &json!(true), "The webhook's id, the same at each attempt."),
        header("webhook-timestamp", &json!(true), "The time of the attempt, in seconds since 1970."),
        header(
            "webhook-signature",
            &json!(false),
            "`v1,` and the signature, once for each secret. It is left out where none is configured."
        ),
        header("traceparent", &json!(false), "The job's W3C trace."),
    ])
}
