//! The cookies: the session's, an attempt's to sign in by a provider, and the language's.

use std::time::Duration;

use axum::http::{HeaderMap, header};

/// The session's cookie over plain HTTP.
const PLAIN_SESSION: &str = "bursar_session";

/// The session's cookie over HTTPS. A browser takes a cookie with this prefix from this very host alone, over HTTPS alone, so no neighbouring
/// host and no one on the way can put another one in its place.
const HOST_SESSION: &str = "__Host-bursar_session";

/// The same two for an attempt to sign in by a provider.
const PLAIN_ATTEMPT: &str = "bursar_sign_in";
const HOST_ATTEMPT: &str = "__Host-bursar_sign_in";

/// The longest cookie that is read, in bytes.
const MAX_BYTES: usize = 3_072;

/// A cookie's value.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, value)| *given == name && value.len() <= MAX_BYTES).map(|(_, value)| value)
}

/// The name of the session's cookie. A cookie of the other name is not read.
pub(super) fn session_name(headers: &HeaderMap) -> &'static str {
    if is_https(headers) { HOST_SESSION } else { PLAIN_SESSION }
}

/// Sets the session's cookie; an empty value removes it.
pub(super) fn session(headers: &HeaderMap, value: &str, lasts: Duration) -> String {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let (name, lasts) = (session_name(headers), lasts.as_secs());
    format!("{name}={value}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}")
}

/// The name of an attempt's cookie.
pub(super) fn attempt_name(headers: &HeaderMap) -> &'static str {
    if is_https(headers) { HOST_ATTEMPT } else { PLAIN_ATTEMPT }
}

/// Sets the cookie of an attempt; an empty value removes it. `Lax`, because the provider sends the browser back here.
pub(super) fn attempt(headers: &HeaderMap, value: &str, lasts: Duration) -> String {
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let (name, lasts) = (attempt_name(headers), lasts.as_secs());
    format!("{name}={value}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Lax{secure}")
}

/// True where a proxy before the server ends TLS. A client that adds the proxy's header itself only keeps its own cookie off plain HTTP.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; bursar_session=x.y=; bursar_sessions=2"));
        assert_eq!(value(&headers, PLAIN_SESSION), Some("x.y="));
        assert_eq!(value(&headers, HOST_SESSION), None);
        assert_eq!(value(&headers, "b"), None);
    }

    #[test]
    fn a_session_cookie_is_http_only_and_bound_to_its_host() {
        let mut headers = HeaderMap::new();
        let plain = session(&headers, "v", HOUR);
        assert_eq!(plain, "bursar_session=v; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict");
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        let secure = session(&headers, "v", HOUR);
        assert_eq!(secure, "__Host-bursar_session=v; Path=/; Max-Age=3600; HttpOnly; SameSite=Strict; Secure");
        assert!(session(&headers, "", Duration::ZERO).contains("Max-Age=0"));
    }
}
