//! `GET /webhooks`: undelivered webhooks. `/webhooks/resend` explains a resend, takes a reason, does it.

use axum::extract::State as AppState;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bursar_domain::{MAX_ACTIONS, ResendResult, Resent, WebhookState, WebhookView, is_reason};
use bursar_store::{Origin, WebhookFilter};
use maud::{Markup, html};

use crate::dashboard::access::Posted;
use crate::dashboard::components::action_form::ActionForm;
use crate::dashboard::components::{QUARANTINE, job_address, moment, notification_address, percent};
use crate::dashboard::i18n::filled;
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::query::Query;
use crate::ops::webhooks::{resend, resend_failed_of, undelivered};
use crate::state::{ServerState, Shared};

/// The page's address.
const ADDRESS: &str = "/webhooks";

/// Entries on one page; `bursar callbacks list` has all.
const SHOWN: usize = 200;

/// The webhooks that a resend is about.
enum Chosen {
    One(Origin, String),
    Receiver(String),
}

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let mut query = Query::of(&uri);
    let state = query.parse("state").unwrap_or(WebhookState::Failed);
    let receiver = query.take("receiver", |text| Ok(text.trim().to_owned())).filter(|text| !text.is_empty());
    query.finish().map_err(|wrong| refuse_problem(&signed_in, wrong))?;
    let filter = WebhookFilter { state, receiver: receiver.as_deref() };
    let found = undelivered(&app, signed_in.bearer(), (None, None), filter, SHOWN).await;
    let found = found.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let words = signed_in.words();
    let content = html! {
        h1 { (words.webhook.webhooks) @if state == WebhookState::Failed && !found.is_empty() { " " span.count { (found.len()) } } }
        p.soft { (words.webhook.note) " " a href=(QUARANTINE) { (words.webhook.in_quarantine) } }
        form.filter action=(ADDRESS) method="get" {
            label { (words.status) " " select name="state" {
                @for known in WebhookState::ALL { option value=(known.as_str()) selected[known == state] { (words.webhook.state(known)) } }
            } }
            label { (words.webhook.receiver) " " input name="receiver" value=[receiver.as_deref()] placeholder=(words.webhook.every_receiver) maxlength="260"; }
            button type="submit" { (words.show) }
        }
        @if found.is_empty() { p.notice.good { (if state == WebhookState::Failed { words.webhook.none_failed } else { words.webhook.none_waiting }) } }
        @else { (all_of_receiver(&signed_in, state, receiver.as_deref())) (table(&signed_in, state, &found)) }
    };
    Ok(page(&signed_in, Tab::Webhooks, Live::Yes, words.webhook.webhooks, &content))
}

/// The button that resends all failed ones of the receiver that the list is about.
fn all_of_receiver(signed_in: &SignedIn, state: WebhookState, receiver: Option<&str>) -> Markup {
    let words = signed_in.words();
    html! {
        @if let Some(receiver) = receiver.filter(|_| state == WebhookState::Failed && signed_in.may_operate()) {
            p { a.act href={ (ADDRESS) "/resend?receiver=" (percent(receiver)) } { (filled(words.webhook.resend_all, &[receiver])) } }
        }
    }
}

fn table(signed_in: &SignedIn, state: WebhookState, found: &[WebhookView]) -> Markup {
    let words = signed_in.words();
    let when = if state == WebhookState::Failed { words.webhook.failed_at } else { words.webhook.next_attempt };
    html! {
        div.wide { table.jobs {
            thead { tr {
                @for name in [words.key, words.queue, words.webhook.event, words.webhook.receiver, words.webhook.happened, when] { th { (name) } }
                @if state == WebhookState::Waiting { th.number { (words.webhook.failed_attempts) } }
                @if signed_in.may_operate() { th {} }
            } }
            tbody { @for view in found { (row(signed_in, view, when)) } }
        } }
    }
}

fn row(signed_in: &SignedIn, view: &WebhookView, when: &str) -> Markup {
    let words = signed_in.words();
    let (is_waiting, origin) = (view.state == WebhookState::Waiting, view.queue.parse::<Origin>().ok());
    let address = match &origin {
        Some(Origin::Jobs(queue)) => job_address(queue, &view.key),
        Some(Origin::Notifications(account)) => notification_address(account.as_str(), view.key.parse().unwrap_or(0)),
        None => ADDRESS.to_owned(),
    };
    let resend = format!("{ADDRESS}/resend?queue={}&key={}", percent(&view.queue), percent(&view.key));
    let host = view.receiver.as_deref().map(host);
    let at = if is_waiting { &view.due_at } else { &view.failed_at };
    html! {
        tr {
            th scope="row" { a.key href=(address) { (view.key) } }
            td data-name=(words.queue) { (view.queue) }
            td data-name=(words.webhook.event) title=[view.webhook_id.as_deref()] {
                (view.event_type.as_deref().unwrap_or("–"))
                @if view.events > 1 { " " span.soft { (filled(words.webhook.more_events, &[&(view.events - 1).to_string()])) } }
            }
            td.reason data-name=(words.webhook.receiver) {
                @match (host, &view.receiver) {
                    (Some(host), Some(url)) => { a href={ (ADDRESS) "?state=" (view.state.as_str()) "&receiver=" (percent(host)) } title=(url) { (host) } }
                    _ => { "–" }
                }
            }
            td data-name=(words.webhook.happened) { (moment(view.happened_at.as_deref().unwrap_or_default())) }
            td data-name=(when) { (moment(at.as_deref().unwrap_or_default())) }
            @if is_waiting { td.number data-name=(words.webhook.failed_attempts) { (view.failed_attempts) } }
            @if signed_in.may_operate() {
                td.acts { a.act href=(resend) { (if is_waiting { words.webhook.try_now } else { words.webhook.resend }) } }
            }
        }
    }
}

/// The host and port of a URL.
fn host(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default()
}

/// `GET /webhooks/resend`: explains it.
pub(super) async fn query(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let chosen = meant(&signed_in, &app, &uri)?;
    asking(&signed_in, &app, &chosen, None, StatusCode::OK).await
}

/// `POST /webhooks/resend`: does it.
pub(super) async fn perform(AppState(app): AppState<Shared>, uri: Uri, posted: Posted) -> Answered {
    let Posted { signed_in, form } = posted;
    let chosen = meant(&signed_in, &app, &uri)?;
    let reason = form.text("reason");
    if !is_reason(reason) {
        let rule = signed_in.words().reason_rule;
        return asking(&signed_in, &app, &chosen, Some(rule), StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let acting = signed_in.acting(reason);
    let results = match &chosen {
        Chosen::One(origin, key) => resend(&app, origin, key, acting).await.map(|result| vec![result]),
        Chosen::Receiver(receiver) => resend_failed_of(&app, signed_in.bearer(), receiver, acting).await,
    };
    let results = results.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    Ok(resent(&signed_in, &results))
}

fn resent(signed_in: &SignedIn, results: &[ResendResult]) -> Response {
    let words = signed_in.words();
    let content = html! {
        h1 { (words.webhook.results) }
        @for result in results {
            div.result data-outcome=(if result.outcome == Resent::Resent { "done" } else { "refused" }) {
                code.key { (result.key) } " " span.soft { (result.queue) } " "
                span.flag.good[result.outcome == Resent::Resent].bad[result.outcome != Resent::Resent] {
                    (filled(words.webhook.outcome(result.outcome), &[&result.events.to_string()]))
                }
            }
        }
        p { a href=(ADDRESS) { (words.webhook.webhooks) } }
    };
    page(signed_in, Tab::Webhooks, Live::No, words.webhook.results, &content)
}

/// The webhooks that an address names, for a bearer who may operate.
fn meant(signed_in: &SignedIn, app: &ServerState, uri: &Uri) -> Result<Chosen, Refused> {
    let words = signed_in.words();
    let refused = |status, why| refuse(&signed_in.guest, Some(signed_in), status, why);
    let mut query = Query::of(uri);
    let text = |text: &str| Ok(text.to_owned());
    let (queue, key) = (query.take("queue", text), query.take("key", text));
    let receiver = query.take("receiver", text);
    query.finish().map_err(|wrong| refuse_problem(signed_in, wrong))?;
    if !signed_in.may_operate() {
        return Err(refused(StatusCode::FORBIDDEN, words.not_allowed));
    }
    match (queue, key, receiver) {
        (Some(queue), Some(key), None) => {
            let origins = app.origins(signed_in.bearer(), None, None);
            let origins = origins.map_err(|refusal| refuse_problem(signed_in, refusal))?;
            let origin = queue.parse().ok().filter(|origin| origins.contains(origin));
            origin.map(|origin| Chosen::One(origin, key)).ok_or_else(|| refused(StatusCode::NOT_FOUND, words.not_found))
        }
        (None, None, Some(receiver)) => Ok(Chosen::Receiver(receiver)),
        _ => Err(refused(StatusCode::NOT_FOUND, words.not_found)),
    }
}

async fn asking(
    signed_in: &SignedIn,
    app: &ServerState,
    chosen: &Chosen,
    wrong: Option<&str>,
    status: StatusCode,
) -> Answered {
    let words = signed_in.words();
    let (title, does) = match chosen {
        Chosen::One(origin, key) => {
            (format!("{} {key} · {origin}", words.webhook.resend), words.webhook.resend_does.to_owned())
        }
        Chosen::Receiver(receiver) => {
            let filter = WebhookFilter { state: WebhookState::Failed, receiver: Some(receiver) };
            let failed = undelivered(app, signed_in.bearer(), (None, None), filter, MAX_ACTIONS).await;
            let failed = failed.map_err(|refusal| refuse_problem(signed_in, refusal))?.len().to_string();
            (filled(words.webhook.resend_all, &[receiver]), filled(words.webhook.resend_all_does, &[&failed]))
        }
    };
    let content = html! {
        h1 { (title) }
        @if let Some(wrong) = wrong { p.notice.bad role="alert" { (wrong) } }
        p.does { (does) }
        (ActionForm::new(words.webhook.resend, ADDRESS).shown(signed_in))
    };
    let mut response = page(signed_in, Tab::Webhooks, Live::No, words.webhook.resend, &content);
    *response.status_mut() = status;
    Ok(response)
}
