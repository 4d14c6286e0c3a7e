//! `GET /notifications/{account}/{id}`: one notification, the other versions of its record, the job that it names, and its webhook.

use axum::extract::{Path, State as AppState};
use axum::http::StatusCode;
use bursar_domain::{HistoryEvent, NotificationView, shown_fields};
use bursar_store::NotificationDelivery;
use maud::{Markup, html};
use serde_json::Value;

use super::notifications::{of, status};
use crate::dashboard::components::amounts::{amount_of_content, fields};
use crate::dashboard::components::timeline::line;
use crate::dashboard::components::{job_address, moment, notification_address};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::NotificationNumber;
use crate::http::path::PathParts;
use crate::ops::notifications::{Named, named};
use crate::state::Shared;
use crate::state::notification_accounts::of_account;

pub(super) async fn show(
    signed_in: SignedIn,
    AppState(app): AppState<Shared>,
    path: PathParts<(String, String)>,
) -> Answered {
    let words = signed_in.words();
    let not_found = || refuse(&signed_in.guest, Some(&signed_in), StatusCode::NOT_FOUND, words.not_found);
    let Path((account, id)) = path.map_err(|_| not_found())?;
    let account =
        of_account(&app, signed_in.bearer(), &account).map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let NotificationNumber(id) = id.parse().map_err(|_| not_found())?;
    let away = |error| refuse_problem(&signed_in, error);
    let view = app.store.notification(&account.name, id).await.map_err(away)?.ok_or_else(not_found)?;
    let versions = app.store.notification_versions(&account.name, id).await.map_err(away)?;
    let delivery = app.store.notification_delivery(&account.name, id).await.map_err(away)?;
    let log = app.store.notification_history(&account.name, id).await.map_err(away)?;
    let named = named(&app, &account, &view).await.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let before = versions.iter().rev().find(|version| version.id < id);
    let content = html! {
        h1 { (words.notification) " " code { (view.account) " " (id) } " " (status(words, &view)) }
        p.soft { a href=(of(&account.name)) { (words.notifications) } " · " (words.outcome_means(view.outcome)) }
        @if let Some(reason) = &view.reason { p.notice.bad { (words.held_reason(reason)) } }
        dl.facts { (facts(words, &view, &named)) }
        h2 { (words.webhook_delivery) }
        (webhook_delivery(words, &view, delivery, &log))
        h2 { (words.versions) }
        (table(words, id, &versions))
        h2 { (words.content) }
        p.soft { (words.notification_masked) }
        (fields(words, &shown_fields(&as_text(&view.content)), |path| before.is_some_and(|before| differs(before, &view, path))))
    };
    Ok(page(&signed_in, Tab::Notifications, Live::Yes, &format!("{} {id}", words.notification), &content))
}

fn facts(words: &Words, view: &NotificationView, named: &Named) -> Markup {
    let texts = [
        (words.method, Some(view.method.clone())),
        (words.record, view.record_id.clone()),
        (words.amount, amount_of_content(&view.content)),
        (words.version, Some(view.version.to_string())),
        (words.deliveries, Some(filled(words.times, &[&view.deliveries.to_string()]))),
        (words.sign_rule, Some(view.sign_rule.clone())),
    ];
    html! {
        div { dt { (words.names_job) } dd {
            @match named {
                Named::Nothing => { span.soft { (words.names_nothing) } }
                Named::Jobs(jobs) => { @for (queue, key) in jobs { a.key href=(job_address(queue, key)) { (key) } " " span.soft { (queue) } " " } }
                Named::NoJob(queue, about) => { (filled(words.names_no_job, &[about, &queue.to_string()])) }
            }
        } }
        @for (name, text) in texts { @if let Some(text) = text { div { dt { (name) } dd { (text) } } } }
        @if let Some(written) = &view.written_at {
            div { dt { (words.written) } dd { (moment(written)) @if view.late { " " span.flag title=(words.late_means) { (words.late) } } } }
        }
        div { dt { (words.received) } dd { (moment(&view.received_at)) } }
    }
}

/// The receiver of the webhook, the state of its delivery, and each attempt.
fn webhook_delivery(
    words: &Words,
    view: &NotificationView,
    delivery: NotificationDelivery,
    log: &[HistoryEvent],
) -> Markup {
    html! {
        p.delivery {
            @match delivery {
                NotificationDelivery::NoReceiver => { (words.no_receiver) }
                NotificationDelivery::Due(due) => { (words.delivery_due) " " (moment(&due.rfc3339())) }
                NotificationDelivery::Over => { (words.delivery_over) }
            }
        }
        @if !log.is_empty() { ol.timeline { @for event in log { (line(words, event, &[], &view.account)) } } }
    }
}

fn table(words: &Words, id: u64, versions: &[NotificationView]) -> Markup {
    let names = [words.version, words.number, words.status, words.written, words.received, words.deliveries];
    html! {
        div.wide { table.versions {
            thead { tr { @for name in names { th { (name) } } } }
            tbody { @for view in versions {
                tr aria-current=[(view.id == id).then_some("true")] {
                    th scope="row" { (filled(words.version_number, &[&view.version.to_string()])) @if view.id == id { " " span.flag { (words.this_one) } } }
                    td data-name=(words.number) { a.key href=(notification_address(&view.account, view.id)) { (view.id) } }
                    td data-name=(words.status) { span { (status(words, view)) } }
                    td data-name=(words.written) { (moment(view.written_at.as_deref().unwrap_or_default())) }
                    td data-name=(words.received) { (moment(&view.received_at)) }
                    td data-name=(words.deliveries) { (filled(words.times, &[&view.deliveries.to_string()])) }
                }
            } }
        } }
    }
}

/// A content as it is stored: a text that cannot be read is shown as it is.
fn as_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => content.to_string(),
    }
}

/// True if the field of this path differs from the version before. The whole outermost field is compared, masked or not.
fn differs(before: &NotificationView, view: &NotificationView, path: &str) -> bool {
    let name = path.split(['.', '[']).next().unwrap_or_default();
    before.content.get(name) != view.content.get(name)
}
