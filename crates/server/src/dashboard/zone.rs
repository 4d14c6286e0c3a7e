//! The time zone of a page: the visitor's choice, else the browser's, which the script knows. Each page names it.

use axum::http::HeaderMap;

use super::cookie;

/// The cookie that keeps the choice.
pub(super) const COOKIE: &str = "bursar_zone";

/// The zones that can be chosen.
pub(super) const ZONES: [&str; 10] = [
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "UTC",
];

/// The zone that the sender of these headers has chosen; `None` for the browser's own.
pub(super) fn of(headers: &HeaderMap) -> Option<&'static str> {
    cookie::value(headers, COOKIE).and_then(named)
}

/// The zone of this name, if it can be chosen. Cookies have `.` in the place of `/`.
pub(super) fn named(name: &str) -> Option<&'static str> {
    ZONES.into_iter().find(|zone| *zone == name || zone.replace('/', ".") == name)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn only_a_known_zone_is_chosen() {
        let of_cookie = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(text));
            of(&headers)
        };
        assert_eq!(of_cookie("bursar_zone=Asia.Shanghai"), Some("Asia/Shanghai"));
        assert_eq!(of_cookie("a=b; bursar_zone=UTC"), Some("UTC"));
        for other in ["", "bursar_zone=", "bursar_zone=Mars.Olympus", "bursar_zone=\"><script>"] {
            assert_eq!(of_cookie(other), None, "{other}");
        }
    }
}
