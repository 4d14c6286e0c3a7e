//! `GET /jobs/{account}/{kind}/{platform_no}`: one job with its state, content and history.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use bursar_domain::{Fen, Key, Queue, Receiver, shown_fields};
use bursar_store::JobRecord;
use maud::{Markup, html};

use super::notifications;
use super::proposals::notice;
use crate::dashboard::components::amounts::fields;
use crate::dashboard::components::timeline::timeline;
use crate::dashboard::components::{
    job_address, job_badge, job_means, moment, offered_operations, percent, shown_reason,
};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::PathParts;
use crate::ops::jobs::job as read;
use crate::state::Shared;

pub(super) async fn show(
    signed_in: SignedIn,
    State(app): State<Shared>,
    path: PathParts<(String, String, String)>,
) -> Answered {
    let words = signed_in.words();
    let not_found = || refuse(&signed_in.guest, Some(&signed_in), StatusCode::NOT_FOUND, words.not_found);
    let away = |error| refuse_problem(&signed_in, error);
    let Path((account, kind, key)) = path.map_err(|_| not_found())?;
    let queue: Queue =
        app.queue(signed_in.bearer(), &account, &kind).map_err(|problem| refuse_problem(&signed_in, problem))?;
    let key: Key = key.parse().map_err(|_| not_found())?;
    let record = read(&app, &queue, &key).await.map_err(|refusal| refuse_problem(&signed_in, refusal))?;
    let history = app.store.history(&record).await.map_err(away)?;
    let proposal = app.store.proposal_about(&queue, Some(key.as_str())).await.map_err(away)?;
    let has_notifications = app.accounts.get().notification_account(queue.account.as_str()).is_some();
    let address = job_address(&queue, key.as_str());
    let shown = html! {
        h1 { code.key { (key) } " " (job_badge(words, &record)) }
        p.soft { a href={ "/jobs?queue=" (percent(&queue.to_string())) } { (queue) } " · " (job_means(words, &record))
            @if has_notifications { " · " a href=(notifications::of(&queue.account)) { (filled(words.notifications_of, &[queue.account.as_str()])) } }
        }
        (notice(&signed_in, proposal.as_ref()))
        @if signed_in.may_operate() { div.buttons { (offered_operations(words, &address, &record)) } }
        dl.facts { (facts(words, &record)) }
        h2 { (words.timeline) }
        (timeline(words, &record, &history))
        h2 { (words.content) }
        @match &record.content {
            None => { p.soft { (words.content_gone) } }
            Some(content) => {
                p.soft { (words.content_masked) }
                @if signed_in.may_operate() { p { a.act href={ (address) "/reveal" } { (words.find.reveal) } } }
                (fields(words, &shown_fields(content), |_| false))
            }
        }
    };
    Ok(page(&signed_in, Tab::Jobs, Live::Yes, key.as_str(), &shown))
}

fn facts(words: &Words, record: &JobRecord) -> Markup {
    let view = record.view();
    let details = view.details;
    let receiver =
        |to: &Receiver| to.share.as_ref().map_or(to.receiver.clone(), |share| format!("{} ({share})", to.receiver));
    let receivers: Vec<String> = details.receivers.iter().map(receiver).collect();
    let receivers = (!receivers.is_empty()).then(|| receivers.join(", "));
    let times = [(words.created, view.created_at), (words.updated, view.updated_at), (words.due, view.due_at)];
    let texts = [
        (words.amount, details.amount_fen.map(Fen::yuan)),
        (words.find.payer, details.payer),
        (words.find.payee, details.payee),
        (words.find.order_id, details.order_id),
        (words.find.receivers, receivers),
        (words.why_so, shown_reason(words, record)),
        (words.trade_no, (!record.trade_nos.is_empty()).then(|| record.trade_nos.join(", "))),
        (words.gateway_status, view.gateway_status),
        (words.calls, Some(filled(words.calls_made, &[&view.attempts.to_string(), &view.queries.to_string()]))),
        (words.environment, view.environment),
        (words.claimed_by, record.worker.clone()),
        (words.callback, record.callback_url.as_deref().map(without_query)),
    ];
    html! {
        @for (name, text) in texts { @if let Some(text) = text { div { dt { (name) } dd { (text) } } } }
        @for (name, at) in times { @if let Some(at) = at { div { dt { (name) } dd { (moment(&at)) } } } }
    }
}

/// An address without what may be a secret in it: name and password, query.
fn without_query(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    let hidden = if bare.len() < url.len() { "?****" } else { "" };
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) =
                rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}{hidden}")
        }
        None => format!("{bare}{hidden}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("https://shop.example/bursar", "https://shop.example/bursar"),
            ("https://shop.example/bursar?token=x", "https://shop.example/bursar?****"),
            ("https://li:pass@shop.example", "https://shop.example"),
        ] {
            assert_eq!(without_query(url), shown);
        }
    }
}
