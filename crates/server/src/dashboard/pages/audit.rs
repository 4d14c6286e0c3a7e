//! `GET /audit`: the audit trail for operators, newest events first, a page at a time.

use axum::extract::State as AppState;
use axum::http::{StatusCode, Uri};
use bursar_domain::{AuditAction, AuditEvent, AuditFilter, Millis, without_accounts};
use bursar_store::AuditCursor;
use maud::{Markup, html};

use crate::dashboard::components::{moment, percent};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::query::Query;
use crate::ops;
use crate::state::Shared;

/// Events on one page.
const PAGE: usize = 100;

/// The length of a time that a browser sends without seconds, `2026-01-01T08:00`.
const MINUTES: usize = 16;

pub(super) async fn show(signed_in: SignedIn, AppState(app): AppState<Shared>, uri: Uri) -> Answered {
    let words = signed_in.words();
    if !signed_in.may_operate() {
        return Err(refuse(&signed_in.guest, Some(&signed_in), StatusCode::FORBIDDEN, words.not_allowed));
    }
    let mut query = Query::of(&uri);
    // A form sends every field, empty ones among them.
    let mut text = |name| query.take(name, |text| Ok(text.trim().to_owned())).filter(|text| !text.is_empty());
    let (operator, queue, key) = (text("who"), text("queue"), text("key"));
    let action = query.take("action", |text| match text {
        "" => Ok(None),
        word => word.parse::<AuditAction>().map(Some),
    });
    let (since, until) = (query.take("since", time), query.take("until", time));
    let before = query.parse::<AuditCursor>("before");
    query.finish().map_err(|wrong| refuse_problem(&signed_in, wrong))?;
    let (since, until) = (since.flatten(), until.flatten());
    let filter = AuditFilter { since, until, operator, action: action.flatten(), queue, key };
    let found = ops::audit::page(&app, signed_in.bearer(), &filter, before, PAGE).await;
    let found = found.map_err(|away| refuse_problem(&signed_in, away))?;
    let content = html! {
        h1 { (words.audit.audit) }
        p.soft { (words.audit.audit_note) }
        (form(words, &filter))
        (table(words, &found.events))
        @if found.unreadable > 0 { p.notice { (filled(words.audit.audit_unreadable, &[&found.unreadable.to_string()])) } }
        @if let Some(next) = found.next { p { a href=(address(&filter, next)) rel="next" { (words.next_page) } } }
    };
    Ok(page(&signed_in, Tab::Audit, Live::No, words.audit.audit, &content))
}

/// A time as a browser's field has it, or with an offset; `None` for an empty field.
fn time(text: &str) -> Result<Option<Millis>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let seconds = if text.len() == MINUTES { ":00Z" } else { "" };
    let time = Millis::parse_rfc3339(&format!("{text}{seconds}"));
    time.map(Some).ok_or_else(|| "must be an RFC 3339 time: 2026-01-01T08:00:00Z".to_owned())
}

/// A time as a browser's field has it.
fn field(time: Option<Millis>) -> String {
    time.map(|time| time.rfc3339().chars().take(MINUTES).collect()).unwrap_or_default()
}

fn address(filter: &AuditFilter, before: AuditCursor) -> String {
    let text = |text: &Option<String>| percent(text.as_deref().unwrap_or_default());
    let time = |time: Option<Millis>| percent(&time.map(Millis::rfc3339).unwrap_or_default());
    format!(
        "/audit?who={}&action={}&queue={}&key={}&since={}&until={}&before={before}",
        text(&filter.operator),
        filter.action.map_or("", AuditAction::as_str),
        text(&filter.queue),
        text(&filter.key),
        time(filter.since),
        time(filter.until)
    )
}

fn form(words: &Words, filter: &AuditFilter) -> Markup {
    let texts = [
        ("who", words.audit.audit_who, &filter.operator),
        ("queue", words.queue, &filter.queue),
        ("key", words.audit.audit_key, &filter.key),
    ];
    let times = [("since", words.audit.audit_since, filter.since), ("until", words.audit.audit_until, filter.until)];
    html! {
        form.filter action="/audit" method="get" {
            label { (words.audit.audit_action) " " select name="action" {
                option value="" selected[filter.action.is_none()] { (words.audit.audit_every_action) }
                @for action in AuditAction::ALL {
                    option value=(action.as_str()) selected[filter.action == Some(action)] { (words.audit.action(action)) }
                }
            } }
            @for (name, label, value) in texts {
                label { (label) " " input type="text" name=(name) value=(value.as_deref().unwrap_or_default()) maxlength="128"; }
            }
            @for (name, label, value) in times {
                label { (label) " " input type="datetime-local" name=(name) value=(field(value)); }
            }
            button type="submit" { (words.show) }
        }
    }
}

fn table(words: &Words, events: &[AuditEvent]) -> Markup {
    let audit = words.audit;
    let names = [audit.audit_time, audit.audit_who, audit.audit_address, audit.audit_action, audit.audit_object];
    html! {
        @if events.is_empty() { p.soft { (words.nothing_here) } } @else {
            div.wide { table.audit {
                thead { tr { @for name in names { th { (name) } } th { (words.reason) } th { (audit.audit_result) } } }
                tbody { @for event in events { (row(words, event)) } }
            } }
        }
    }
}

fn row(words: &Words, event: &AuditEvent) -> Markup {
    let audit = words.audit;
    let AuditEvent { target, .. } = event;
    let list = target.queue.as_deref().or(target.account.as_deref());
    let object = [list, target.key.as_deref(), target.file.as_deref()].into_iter().flatten();
    html! {
        tr data-result=(event.result.as_str()) {
            td data-name=(audit.audit_time) { (moment(&event.time)) }
            td data-name=(audit.audit_who) { (event.operator.as_deref().unwrap_or("–")) " · " (audit.role(event.role)) }
            td data-name=(audit.audit_address) { code { (event.address) } }
            td data-name=(audit.audit_action) { (audit.action(event.action)) }
            td.reason data-name=(audit.audit_object) { @for part in object { code { (part) } " " } }
            td.reason data-name=(words.reason) { (without_accounts(event.reason.as_deref().unwrap_or("–"))) }
            td data-name=(audit.audit_result) {
                (audit.result(event.result))
                @if let Some(detail) = &event.detail { ": " (without_accounts(detail)) }
                @if event.count > 1 { " · " (filled(audit.audit_times, &[&event.count.to_string()])) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_browsers_and_programs_write_it() {
        let at = Millis::parse_rfc3339("2026-01-01T08:00:00Z");
        for text in ["2026-01-01T08:00", "2026-01-01T08:00:00Z", "2026-01-01T16:00:00+08:00"] {
            assert_eq!(time(text), Ok(at), "{text}");
        }
        assert_eq!((time(""), field(at)), (Ok(None), "2026-01-01T08:00".to_owned()));
        assert!(time("yesterday").is_err());
    }
}
