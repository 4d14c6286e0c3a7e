//! `GET /notifications`: the notifications of an account, newest first, a page at a time. Held ones are among them, marked.

use std::sync::Arc;

use axum::extract::State as AppState;
use axum::http::Uri;
use bursar_domain::{AccountName, NotificationView};
use bursar_store::{NotificationCount, NotificationFilter};
use maud::{Markup, html};

use crate::dashboard::components::amounts::amount_of_content;
use crate::dashboard::components::{moment, notification_address, percent};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::path::NotificationNumber;
use crate::http::query::Query;
use crate::state::notification_accounts::{NotificationAccount, notification_accounts, of_account};
use crate::state::refusal::Refusal;
use crate::state::tokens::Bearer;
use crate::state::{ServerState, Shared};

/// Notifications on one page. Redis is asked for one more, to know whether there is another page.
const PAGE: usize = 99;

/// The filter.
struct NotificationsQuery {
    account: AccountName,
    /// One of the two lists; `None` for both.
    filter_by: Option<NotificationFilter>,
    before: Option<u64>,
}

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let words = signed_in.words();
    let mut query = Query::of(&uri);
    let account = query.take("account", |name| Ok(name.to_owned()));
    let filter_by = query.take("held", |text| match text {
        "" => Ok(None),
        "true" => Ok(Some(NotificationFilter::Held)),
        "false" => Ok(Some(NotificationFilter::Read)),
        _ => Err("must be true or false".to_owned()),
    });
    let before = query.parse("before").map(|NotificationNumber(number)| number);
    query.finish().map_err(|wrong| refuse_problem(&signed_in, wrong))?;
    let known = notification_accounts(&app, signed_in.bearer());
    let account = match account {
        Some(name) => {
            let account =
                of_account(&app, signed_in.bearer(), &name).map_err(|unknown| refuse_problem(&signed_in, unknown))?;
            Some(account.name.clone())
        }
        None => known.first().map(|account| account.name.clone()),
    };
    let Some(account) = account else {
        let content = html! { h1 { (words.notifications) } p.notice { (words.no_notification_account) } };
        return Ok(page(&signed_in, Tab::Notifications, Live::No, words.notifications, &content));
    };
    let wanted = NotificationsQuery { account, filter_by: filter_by.flatten(), before };
    let mut listed = list(&app, &wanted).await.map_err(|away| refuse_problem(&signed_in, away))?;
    let next = (listed.len() > PAGE).then(|| listed.get(PAGE - 1).map(|last| last.id)).flatten();
    listed.truncate(PAGE);
    let content = html! {
        h1 { (words.notifications) }
        p.soft { (words.notifications_note) }
        (filter(words, &known, &wanted))
        (table(words, &listed))
        @if let Some(next) = next { p { a href=(address(&wanted, next)) rel="next" { (words.next_page) } } }
    };
    let live = if wanted.before.is_none() { Live::Yes } else { Live::No };
    Ok(page(&signed_in, Tab::Notifications, live, words.notifications, &content))
}

/// One more than a page, if there are so many; both lists share their numbers.
async fn list(app: &ServerState, wanted: &NotificationsQuery) -> Result<Vec<NotificationView>, Refusal> {
    let mut listed = Vec::new();
    for filter_by in [NotificationFilter::Read, NotificationFilter::Held] {
        if wanted.filter_by.is_none_or(|one| one == filter_by) {
            listed.extend(app.store.notifications(&wanted.account, filter_by, wanted.before, PAGE + 1).await?);
        }
    }
    listed.sort_by_key(|view| std::cmp::Reverse(view.id));
    listed.truncate(PAGE + 1);
    Ok(listed)
}

fn address(wanted: &NotificationsQuery, before: u64) -> String {
    let held = match wanted.filter_by {
        None => "",
        Some(NotificationFilter::Held) => "true",
        Some(NotificationFilter::Read) => "false",
    };
    format!("/notifications?account={}&held={held}&before={before}", percent(wanted.account.as_str()))
}

fn filter(words: &Words, known: &[Arc<NotificationAccount>], wanted: &NotificationsQuery) -> Markup {
    let options = [
        ("", words.every_notification, None),
        ("true", words.only_held, Some(NotificationFilter::Held)),
        ("false", words.only_read, Some(NotificationFilter::Read)),
    ];
    html! {
        form.filter action="/notifications" method="get" {
            label { (words.account) " " select name="account" {
                @for account in known {
                    option value=(account.name) selected[account.name == wanted.account] { (account.name) }
                }
            } }
            label { (words.status) " " select name="held" {
                @for (value, name, filter_by) in options { option value=(value) selected[wanted.filter_by == filter_by] { (name) } }
            } }
            button type="submit" { (words.show) }
        }
    }
}

fn table(words: &Words, listed: &[NotificationView]) -> Markup {
    let names = [words.number, words.received, words.status, words.method, words.record, words.version, words.amount];
    html! {
        @if listed.is_empty() { p.soft { (words.nothing_here) } } @else {
            div.wide { table.notifications {
                thead { tr { @for name in names { th { (name) } } th.number { (words.amount) } } }
                tbody { @for view in listed { (row(words, view)) } }
            } }
        }
    }
}

fn row(words: &Words, view: &NotificationView) -> Markup {
    html! {
        tr data-outcome=(view.outcome.as_str()) {
            th scope="row" { a.key href=(notification_address(&view.account, view.id)) { (view.id) } }
            td data-name=(words.received) { (moment(&view.received_at)) }
            td data-name=(words.status) {
                span { (status(words, view)) @if let Some(reason) = &view.reason { " " span.why { (words.held_reason(reason)) } } }
            }
            td.reason data-name=(words.method) { (view.method) }
            td.reason data-name=(words.record) { code { (view.record_id.as_deref().unwrap_or("–")) } }
            td data-name=(words.version) { (view.version) }
            td.number data-name=(words.amount) { (amount_of_content(&view.content).unwrap_or_else(|| "–".to_owned())) }
        }
    }
}

/// A notification's place among its versions, by colour and word, and a mark if it was late.
pub(super) fn status(words: &Words, view: &NotificationView) -> Markup {
    html! {
        span.outcome data-outcome=(view.outcome.as_str()) title=(words.outcome_means(view.outcome)) { (words.outcome(view.outcome)) }
        @if view.late { " " span.flag title=(words.late_means) { (words.late) } }
    }
}

/// Every account that this bearer may see, with the number of its notifications.
pub(super) async fn overview(
    app: &ServerState,
    bearer: &Bearer,
) -> Result<Vec<(AccountName, NotificationCount)>, Refusal> {
    let accounts: Vec<AccountName> =
        notification_accounts(app, bearer).iter().map(|account| account.name.clone()).collect();
    let counts = app.store.notification_counts(&accounts).await?;
    Ok(accounts.into_iter().zip(counts).collect())
}

/// The same as links.
pub(super) fn links(words: &Words, counts: &[(AccountName, NotificationCount)]) -> Markup {
    html! {
        @if !counts.is_empty() {
            p.links { (words.notifications) ": "
                @for (index, (account, count)) in counts.iter().enumerate() {
                    @if index > 0 { " · " }
                    a href=(of(account)) { (account) } " " span.soft { (count.read.saturating_add(count.held)) }
                    @if count.held > 0 {
                        " " a href={ (of(account)) "&held=true" } { span.flag.bad { (filled(words.so_many_held, &[&count.held.to_string()])) } }
                    }
                }
            }
        }
    }
}

/// The address of an account's notifications.
pub(super) fn of(account: &AccountName) -> String {
    format!("/notifications?account={}", percent(account.as_str()))
}
