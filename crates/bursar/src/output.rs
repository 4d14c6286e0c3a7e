//! Prints results to standard output. Everything else goes to standard error.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use bursar_store::Severity;

/// Prints one line of results.
///
/// # Errors
/// When the reader is gone. The command then has nothing left to do.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// The word for a severity, in colour where standard output is a terminal and NO_COLOR is not set.
pub(crate) fn mark(severity: Severity) -> String {
    let (word, colour) = match severity {
        Severity::Fine => ("fine  ", AnsiColor::Green),
        Severity::Warn => ("warn  ", AnsiColor::Yellow),
        Severity::Refuse => ("REFUSE", AnsiColor::Red),
    };
    let style: Style = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => return word.to_owned(),
        anstream::ColorChoice::Auto | anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => {
            colour.on_default()
        }
    };
    format!("{style}{word}{style:#}")
}

/// A foreign text for one line of a terminal: control characters become escapes.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
