//! Prints results to standard output. Everything else goes to standard error.

use std::io::{self, Write};

/// Prints one line of results.
///
/// # Errors
/// When the reader is gone. The command then has nothing left to do.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints a text that has its own ends of lines.
///
/// # Errors
/// When the reader is gone. The command then has nothing left to do.
pub(crate) fn print(text: impl std::fmt::Display) -> io::Result<()> {
    write!(io::stdout().lock(), "{text}")
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
