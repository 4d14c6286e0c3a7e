//! In which language a page is: by the visitor's choice, else by what the browser asks for.

use axum::http::{HeaderMap, header};

use super::{CHINESE, ENGLISH, Words};
use crate::dashboard::cookie;

/// The cookie that keeps the choice.
pub(in crate::dashboard) const COOKIE: &str = "bursar_language";

/// Every language, each by its own tag.
pub(in crate::dashboard) const ALL: [&Words; 2] = [&ENGLISH, &CHINESE];

/// The words for the sender of these headers.
pub(in crate::dashboard) fn of(headers: &HeaderMap) -> &'static Words {
    let chosen = cookie::value(headers, COOKIE).and_then(by_tag);
    let preferred_language =
        || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).and_then(preferred);
    chosen.or_else(preferred_language).unwrap_or(&ENGLISH)
}

pub(in crate::dashboard) fn by_tag(tag: &str) -> Option<&'static Words> {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    ALL.into_iter().find(|words| words.tag.eq_ignore_ascii_case(primary))
}

/// The one we have that the header likes best; of equals the first.
fn preferred(header: &str) -> Option<&'static Words> {
    let wish = |part: &str| {
        let (tag, quality) = part.split_once(";q=").unwrap_or((part, "1"));
        // In thousandths, as the header has three decimals at most.
        let (whole, decimals) = quality.trim().split_once('.').unwrap_or((quality.trim(), ""));
        let weight = format!("{whole}{decimals:0<3}").parse::<u32>().unwrap_or(0);
        by_tag(tag.trim()).filter(|_| weight > 0).map(|words| (weight, words))
    };
    let wishes = header.split(',').filter_map(wish);
    wishes
        .fold(
            None,
            |best: Option<(u32, &Words)>, wish| if best.is_none_or(|best| wish.0 > best.0) { Some(wish) } else { best },
        )
        .map(|(_, words)| words)
}

/// A path of ours; anything that could lead elsewhere is the first page.
pub(in crate::dashboard) fn local(path: &str) -> &str {
    let ours = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_liked_language_that_we_have_is_taken() {
        for (header, expected) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
            ("en-US,en;q=0.9,zh;q=0.8", "en"),
            ("de, zh;q=0.5, en;q=0.7", "en"),
            ("fr;q=1.0, ZH_tw;q=0.1", "zh"),
            ("en;q=0, zh;q=0.001", "zh"),
        ] {
            assert_eq!(preferred(header).unwrap().tag, expected, "{header}");
        }
        assert!(preferred("de,fr;q=0.3,*").is_none());
    }

    #[test]
    fn the_language_switch_leads_to_no_other_site() {
        assert_eq!(local("/jobs?key=a%20b"), "/jobs?key=a%20b");
        for elsewhere in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x", "javascript:x"]
        {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
