//! What commands print: results to standard output, everything else to standard error.

use std::io::{self, Write};

/// Prints one line of results.
///
/// # Errors
/// When nobody reads them any more; the command then has nothing left to do.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}
