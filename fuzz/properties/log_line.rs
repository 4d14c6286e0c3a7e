//! Any bytes as an event of the log: one line is written, in which nothing ends a line or moves a terminal.

use std::io::Write;

use crate::one_line::{Colours, OneLine, breaks_lines};

/// The longest escape of a character, in bytes: `\\u{10ffff}`, for a character of at least one byte.
const MAX_GROWTH: usize = 10;

pub(crate) fn check(bytes: &[u8]) {
    let event = [bytes, b"\n"].concat();
    let plain = written(&event, Colours::None);
    let body = plain.strip_suffix('\n').expect("the line's end");
    assert!(!body.contains(breaks_lines), "{plain:?}");
    assert_eq!(written(plain.as_bytes(), Colours::None), plain, "a line is written as it is");
    // Bytes that are no text become U+FFFD, of three bytes.
    assert!(plain.len() <= MAX_GROWTH * event.len(), "{} bytes of {}", plain.len(), event.len());
    if let Ok(text) = std::str::from_utf8(&event) {
        let honest = !text.trim_end_matches('\n').contains(breaks_lines) && text.matches('\n').count() == 1;
        assert!(!honest || plain == text, "{text:?} is written as {plain:?}");
    }
    let coloured = written(&event, Colours::OfFormatter);
    let body = coloured.strip_suffix('\n').expect("the line's end");
    for (at, _) in body.match_indices(breaks_lines) {
        let rest = body[at..].strip_prefix("\u{1b}[").expect("a sequence");
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';').expect("its end");
        assert!(rest[end..].starts_with('m'), "{coloured:?}");
    }
}

fn written(event: &[u8], colours: Colours) -> String {
    let mut bytes = Vec::new();
    let taken = OneLine { writer: &mut bytes, colours }.write(event).expect("memory takes it");
    assert_eq!(taken, event.len(), "an event is taken whole");
    String::from_utf8(bytes).expect("text")
}
