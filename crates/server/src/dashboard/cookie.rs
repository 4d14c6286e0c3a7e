//! The two cookies: the session's, and the language's.

use axum::http::{HeaderMap, header};

use crate::state::sessions::LASTS;

/// The session's cookie.
pub(super) const SESSION: &str = "bursar_session";

/// The longest cookie that is read, in bytes.
const MAX_BYTES: usize = 1_024;

/// A cookie's value.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, value)| *given == name && value.len() <= MAX_BYTES).map(|(_, value)| value)
}

/// Sets the session's cookie; an empty value removes it. It is `Secure` where a proxy before the server ends TLS: a client that adds the
/// proxy's header itself only keeps its own cookie off plain http.
pub(super) fn session(headers: &HeaderMap, value: &str) -> String {
    let behind_tls =
        headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if behind_tls { "; Secure" } else { "" };
    let lasts = if value.is_empty() { 0 } else { LASTS.as_secs() };
    format!("{SESSION}={value}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; bursar_session=x.y=; bursar_sessions=2"));
        assert_eq!(value(&headers, SESSION), Some("x.y="));
        assert_eq!(value(&headers, "b"), None);
    }

    #[test]
    fn a_session_cookie_is_http_only_and_secure_behind_tls() {
        let mut headers = HeaderMap::new();
        let plain = session(&headers, "v");
        assert!(
            plain.contains("HttpOnly") && plain.contains("SameSite=Strict") && !plain.contains("Secure"),
            "{plain}"
        );
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert!(session(&headers, "v").ends_with("; Secure"));
        assert!(session(&headers, "").contains("Max-Age=0"));
    }
}
