//! What commands print: results to standard output, everything else to standard error.

use std::io::{self, Write};

/// Prints one line of results.
///
/// # Errors
/// When nobody reads them any more; the command then has nothing left to do.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Text of somebody's own choice, fit for one line of a terminal: control characters are written as escapes.
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
