//! The frame, the headers and the refusals of all pages.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::components::action_form::form_token;
use super::frame;
use super::i18n::Words;
use super::i18n::language::{self, local};
use super::signed_in::{Guest, SignedIn};
use crate::http::problem::Problem;

/// Everything from this server, nothing inline, no frame around it, forms to here only.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The part of the dashboard that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Queues,
    Jobs,
    Review,
    Notifications,
    Webhooks,
    Charts,
    Report,
    Workers,
    Audit,
    /// None of them.
    None,
}

/// The choice to renew a page when anything changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    Yes,
    /// The page has a form that a person may be filling in.
    No,
}

/// The answer in place of a page.
pub(super) struct Refused(pub(super) Box<Response>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The answer of a handler.
pub(super) type Answered = Result<Response, Refused>;

/// A page for a bearer who is signed in.
pub(super) fn page(signed_in: &SignedIn, tab: Tab, live: Live, title: &str, content: &Markup) -> Response {
    framed(&signed_in.guest, Some(signed_in), tab, live, title, content)
}

/// The place of a page at which parts are added while they become known.
const HERE: &str = "<!--parts-->";

/// The place at which [`in_parts`] adds the parts of a page.
pub(super) fn parts_here() -> Markup {
    PreEscaped(HERE.to_owned())
}

/// A page that is sent in parts: each is added at [`parts_here`] when it is known, and the browser shows it at once.
pub(super) fn in_parts(
    signed_in: &SignedIn,
    tab: Tab,
    title: &str,
    content: &Markup,
    parts: impl Stream<Item = Markup> + Send + 'static,
) -> Response {
    let text = text(&signed_in.guest, Some(signed_in), tab, Live::No, title, content);
    let (begin, end) = text.split_once(HERE).unwrap_or((&text, ""));
    let [begin, end] = [begin, end].map(|part| futures_util::stream::iter([part.to_owned()]));
    let all = begin.chain(parts.map(Markup::into_string)).chain(end);
    let mut response = with_headers(Body::from_stream(all.map(Ok::<_, Infallible>)).into_response());
    // A proxy that collected the parts would show none of them in time.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A page, in its frame.
pub(super) fn framed(
    guest: &Guest,
    signed_in: Option<&SignedIn>,
    tab: Tab,
    live: Live,
    title: &str,
    content: &Markup,
) -> Response {
    with_headers(text(guest, signed_in, tab, live, title, content).into_response())
}

fn text(guest: &Guest, signed_in: Option<&SignedIn>, tab: Tab, live: Live, title: &str, content: &Markup) -> String {
    let words = guest.words;
    let text = html! {
        (DOCTYPE)
        html lang=(words.html_lang) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Bursar" }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
                link rel="stylesheet" href=(assets::STYLE.address());
                script src=(assets::SCRIPT.address()) defer {}
            }
            body data-live=[(live == Live::Yes).then_some("/live")] data-zone=[guest.zone] {
                a.skip href="#content" { (words.skip) }
                header { (top(guest, signed_in, tab)) }
                main #content { (content) }
                footer { (frame::foot(guest)) }
                @if signed_in.is_some() { (frame::help(words)) }
            }
        }
    };
    text.into_string()
}

fn top(guest: &Guest, signed_in: Option<&SignedIn>, tab: Tab) -> Markup {
    let words = guest.words;
    let tabs = [
        (Tab::Queues, "/", words.queues),
        (Tab::Jobs, "/jobs", words.jobs),
        (Tab::Review, "/review", words.review),
        (Tab::Notifications, "/notifications", words.notifications),
        (Tab::Webhooks, "/webhooks", words.webhook.webhooks),
        (Tab::Charts, "/charts", words.charts),
        (Tab::Report, "/report", words.report.report),
        (Tab::Workers, "/workers", words.report.workers),
        (Tab::Audit, "/audit", words.audit.audit),
    ];
    html! {
        a.brand href="/" { "Bursar" }
        @if let Some(signed_in) = signed_in {
            nav aria-label=(words.navigation) {
                @for (each, address, name) in tabs.into_iter().filter(|(each, ..)| *each != Tab::Audit || signed_in.may_operate()) {
                    a href=(address) aria-current=[(each == tab).then_some("page")] data-key=[frame::key_of(address)] { (name) }
                }
            }
            form.search action="/jobs" method="get" role="search" {
                input type="search" name="key" placeholder=(words.search_key) aria-label=(words.search_key) maxlength="64" required;
                button type="submit" { (words.search) }
            }
        }
        div.who {
            @if signed_in.is_some() { span.live hidden data-on=(words.live_on) data-off=(words.live_off) {} }
            (switch(guest))
            @if let Some(signed_in) = signed_in {
                span title=(words.signed_in_as) { (signed_in.name()) " · " (words.audit.role(signed_in.session.bearer.role.into())) }
                form action="/sign-out" method="post" {
                    (form_token(signed_in))
                    button.plain type="submit" { (words.sign_out) }
                }
            }
        }
    }
}

/// The other languages.
fn switch(guest: &Guest) -> Markup {
    let back: String = form_urlencoded::byte_serialize(local(&guest.here).as_bytes()).collect();
    html! {
        @for other in language::ALL.into_iter().filter(|other| other.tag != guest.words.tag) {
            a.language href={ "/language/" (other.tag) "?to=" (back) } lang=(other.html_lang) { (other.language) }
        }
    }
}

/// A page that says why not.
pub(super) fn refuse(guest: &Guest, signed_in: Option<&SignedIn>, status: StatusCode, why: &str) -> Refused {
    let words = guest.words;
    let title = if status == StatusCode::NOT_FOUND { words.frame.not_found_title } else { words.not_possible };
    let content = html! {
        h1 { (title) }
        p.notice.bad { (why) }
        p { a href="/" { (words.back_to_queues) } }
    };
    let mut response = framed(guest, signed_in, Tab::None, Live::No, title, &content);
    *response.status_mut() = status;
    response.into()
}

/// The same for a problem of the interface's; its sentence is the interface's own.
pub(super) fn refuse_problem(signed_in: &SignedIn, problem: impl Into<Problem>) -> Refused {
    let problem = problem.into();
    let (status, sentence) = problem.status_and_detail();
    let explained = if problem.is_of_a_record() {
        format!("{} ({sentence})", signed_in.words().record_unreadable)
    } else {
        explained(signed_in.words(), status, sentence)
    };
    refuse(&signed_in.guest, Some(signed_in), status, &explained)
}

fn explained(words: &Words, status: StatusCode, sentence: &str) -> String {
    let ours = match status {
        StatusCode::NOT_FOUND => words.not_found,
        StatusCode::SERVICE_UNAVAILABLE => words.redis_away,
        StatusCode::FORBIDDEN => words.not_allowed,
        _ => return sentence.to_owned(),
    };
    format!("{ours} ({sentence})")
}

/// No page is kept by anybody, framed by anybody, or runs what is not ours.
pub(super) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::VARY, "accept-language, cookie"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page that opens `to` at once. A redirect would keep the session's cookie from a browser that another site led here, and the page's policy
/// lets no form lead to another site.
pub(super) fn lead_on(guest: &Guest, title: &str, to: &str) -> Response {
    let content = html! {
        h1 { (title) }
        p { a href=(to) { (guest.words.go_on) } }
    };
    let mut page = framed(guest, None, Tab::None, Live::No, title, &content);
    page.headers_mut().extend(HeaderValue::try_from(format!("0; url={to}")).ok().map(|to| (header::REFRESH, to)));
    page
}

/// Elsewhere, by a GET.
pub(super) fn see(address: &str) -> Response {
    let place = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}
