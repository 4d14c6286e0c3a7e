//! `GET /report`: the report of a day, and the same as comma-separated values.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bursar_domain::{Day, DayReport, REPORT_COLUMNS, ReportRow, csv_line, yuan};
use maud::{Markup, html};

use crate::dashboard::components::{badge, moment, percent};
use crate::dashboard::i18n::{Words, filled};
use crate::dashboard::page::{Answered, Live, Refused, Tab, page, refuse, refuse_problem};
use crate::dashboard::signed_in::SignedIn;
use crate::http::query::Query;
use crate::ops::report::{ReportRefused, accounts, of_day};
use crate::state::{ServerState, Shared};

/// The choice of the page.
struct Chosen {
    account: Option<String>,
    day: Option<Day>,
}

impl Chosen {
    fn read(signed_in: &SignedIn, uri: &Uri) -> Result<Self, Refused> {
        let mut query = Query::of(uri);
        // A form sends every field, empty ones among them.
        let account = query.take("account", |text| Ok(text.to_owned())).filter(|text| !text.is_empty());
        let day = query.take("day", |text| match text {
            "" => Ok(None),
            text => Day::read(text).map(Some).ok_or_else(|| "must be a day, YYYY-MM-DD".to_owned()),
        });
        query.finish().map_err(|wrong| refuse_problem(signed_in, wrong))?;
        Ok(Self { account, day: day.flatten() })
    }

    async fn reports(&self, signed_in: &SignedIn, app: &ServerState) -> Result<Vec<DayReport>, Refused> {
        let reports = of_day(app, signed_in.bearer(), self.account.as_deref(), self.day).await;
        reports.map_err(|refused| match refused {
            ReportRefused::Day(error) => {
                refuse(&signed_in.guest, Some(signed_in), StatusCode::UNPROCESSABLE_ENTITY, &error.rule)
            }
            ReportRefused::Refused(refusal) => refuse_problem(signed_in, refusal),
        })
    }
}

/// `GET /report`
pub(super) async fn show(signed_in: SignedIn, State(app): State<Shared>, uri: Uri) -> Answered {
    let chosen = Chosen::read(&signed_in, &uri)?;
    let reports = chosen.reports(&signed_in, &app).await?;
    let words = signed_in.words();
    let of = words.report;
    let known = accounts(&app, signed_in.bearer());
    let day = reports.first().map(|report| report.day.clone()).unwrap_or_default();
    let content = html! {
        h1 { (of.report) }
        form.filter action="/report" method="get" {
            label { (of.day) " " input type="date" name="day" value=(day); }
            label { (words.account) " " select name="account" {
                option value="" { (words.every_notification) }
                @for account in &known { option value=(account) selected[chosen.account.as_deref() == Some(account.as_str())] { (account) } }
            } }
            button type="submit" { (words.show) }
            " " a href={ "/report.csv?day=" (day) "&account=" (percent(chosen.account.as_deref().unwrap_or_default())) } download { (of.csv) }
        }
        @for report in &reports { (section(words, report)) }
        p.soft { (of.report_note) }
    };
    Ok(page(&signed_in, Tab::Report, Live::No, of.report, &content))
}

/// `GET /report.csv`
pub(super) async fn csv(signed_in: SignedIn, State(app): State<Shared>, uri: Uri) -> Answered {
    let chosen = Chosen::read(&signed_in, &uri)?;
    let reports = chosen.reports(&signed_in, &app).await?;
    let rows: String = reports.iter().map(DayReport::csv).collect();
    let day = reports.first().map(|report| report.day.as_str()).unwrap_or_default();
    Ok(as_csv(&format!("bursar-report-{day}.csv"), csv_line(&REPORT_COLUMNS) + &rows))
}

/// A file of comma-separated values, which no one keeps.
pub(super) fn as_csv(name: &str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("content-security-policy"), HeaderValue::from_static("default-src 'none'")),
    ];
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    (headers, [(header::CONTENT_DISPOSITION, disposition)], text).into_response()
}

fn section(words: &Words, report: &DayReport) -> Markup {
    let of = words.report;
    html! {
        section data-account=(report.account) {
            h2 { (report.account) " " span.soft { (report.day) ", " (filled(of.time_zone, &[&report.time_zone])) } }
            @if !report.is_over { p.notice { (of.not_over) } }
            @if report.ended.is_empty() { p.soft { (of.nothing_ended) } } @else {
                (table(words, words.ended, &report.ended, |row| badge(words, row.state)))
            }
            h3 { (of.open_now) }
            @if report.open.is_empty() { p.soft { (of.nothing_open) } } @else {
                (table(words, of.open_now, &report.open, |row| html! { (of.place(row.state)) }))
            }
            h3 { (of.reconciled) }
            @match &report.reconciled {
                None => { p.soft { (of.not_reconciled) } }
                Some(run) => { p {
                    (moment(&run.at)) " · " (moment(&run.from)) " – " (moment(&run.until)) " · "
                    (filled(of.reconciled_found, &[run.jobs, run.differ, run.unanswered, run.not_queryable, run.unreadable].map(|count| count.to_string()).each_ref().map(String::as_str)))
                } }
            }
        }
    }
}

fn table<S>(words: &Words, label: &str, rows: &[ReportRow<S>], state: impl Fn(&ReportRow<S>) -> Markup) -> Markup {
    let of = words.report;
    html! {
        div.wide { table aria-label=(label) {
            thead { tr { th { (of.kind) } th { (words.state_name) } th.number { (of.count) } th.number { (words.amount) } } }
            tbody { @for row in rows { tr {
                th scope="row" { (row.kind) }
                td data-name=(words.state_name) { (state(row)) }
                td.number data-name=(of.count) { (row.count) }
                td.number data-name=(words.amount) { (amount(row.amount_fen.as_deref())) }
            } } }
        } }
    }
}

/// An exact sum in yuan.
fn amount(fen: Option<&str>) -> String {
    fen.and_then(|fen| fen.parse().ok()).map_or_else(|| "–".to_owned(), yuan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_shown_to_the_last_fen_or_not_at_all() {
        assert_eq!(amount(Some("900719925474099301")), "¥9,007,199,254,740,993.01");
        assert_eq!(amount(None), "–");
    }
}
