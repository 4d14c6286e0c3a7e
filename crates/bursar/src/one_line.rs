//! The writer of the log as text: one line an event, whatever a foreign text in it holds.

use std::borrow::Cow;
use std::io::{self, Write};

/// The treatment of the sequences that colour a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// The formatter writes them.
    OfFormatter,
    /// The formatter writes none, so each comes from a foreign text.
    None,
}

/// Writes each event as one line. Messages quote gateways, clients and Redis: a line feed in their texts would begin a line that looks
/// like an event of Bursar's own. The formatter hands over an event with one call.
pub(crate) struct OneLine<W> {
    pub(crate) writer: W,
    pub(crate) colours: Colours,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.writer.write_all(one_line(&String::from_utf8_lossy(event), self.colours).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The event with every control character and line separator escaped but the line feed at its end.
fn one_line(event: &str, colours: Colours) -> Cow<'_, str> {
    let (body, end) = event.strip_suffix('\n').map_or((event, ""), |body| (body, "\n"));
    if !body.contains(breaks_lines) {
        return Cow::Borrowed(event);
    }
    let mut line = String::with_capacity(event.len());
    for (at, character) in body.char_indices() {
        if !breaks_lines(character) || (colours == Colours::OfFormatter && is_colour(&body[at..])) {
            line.push(character);
        } else {
            line.extend(character.escape_default());
        }
    }
    line.push_str(end);
    Cow::Owned(line)
}

/// True for a character that ends a line, or moves a terminal.
pub(crate) fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// True if the text begins with a sequence that changes colours and nothing else.
fn is_colour(text: &str) -> bool {
    let digits =
        text.strip_prefix("\u{1b}[").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    digits.is_some_and(|rest| rest.starts_with('m'))
}

#[cfg(test)]
#[path = "../../../fuzz/properties/log_line.rs"]
mod log_line;
#[cfg(test)]
#[path = "../../../fuzz/properties/replay.rs"]
pub(crate) mod replay;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Texts of others that try to begin a line.
    const FOREIGN: [&str; 8] = [
        "a\nERROR forged",
        "a\r\nforged",
        "a\rforged",
        "a\u{85}forged",
        "a\u{2028}forged",
        "a\u{0b}\u{0c}forged",
        "a\u{1b}[2K\u{1b}[1Aforged",
        "a\0\u{7f}\u{9b}1Aforged",
    ];

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(colours: Colours, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let logs = tracing_subscriber::fmt().with_ansi(colours == Colours::OfFormatter).with_target(false);
        let logs = logs.with_writer(move || OneLine { writer: writer.clone(), colours }).finish();
        tracing::subscriber::with_default(logs, log);
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_foreign_text_begins_no_second_line() {
        for (text, colours) in FOREIGN.iter().flat_map(|text| [(text, Colours::None), (text, Colours::OfFormatter)]) {
            let error = io::Error::other(*text);
            let written = logged(colours, || {
                let _span = tracing::warn_span!("call", key = %text).entered();
                tracing::warn!(method = %text, code = text, debug = ?text, error = &error as &dyn std::error::Error, "said {text}");
            });
            let (line, end) = written.split_at(written.len() - 1);
            assert_eq!(end, "\n");
            let colourless = line.replace("\u{1b}[", "");
            assert!(!colourless.contains(breaks_lines), "{colours:?} {text:?}: {line:?}");
            assert!(colours == Colours::OfFormatter || !line.contains('\u{1b}'), "{line:?}");
            assert!(!line.contains("\u{1b}[2K") && !line.contains("\u{1b}[1A"), "{line:?}");
        }
    }

    #[test]
    fn an_honest_line_is_written_as_it_is() {
        for text in ["plain\n", "余额不足\n", "without an end"] {
            assert!(matches!(one_line(text, Colours::None), Cow::Borrowed(same) if same == text));
        }
        let coloured = "\u{1b}[2m2026\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m \u{1b}[1;31mx\u{1b}[0m\n";
        assert_eq!(one_line(coloured, Colours::OfFormatter), coloured);
        assert_eq!(one_line("\u{1b}[33mx\n", Colours::None), "\\u{1b}[33mx\n");
    }

    #[test]
    fn the_fuzzer_s_inputs_have_its_property() {
        replay::replay("log_line", log_line::check);
    }
}
