//! Tables on standard output: a header, columns aligned by what a terminal shows (a Chinese character is two places wide), and no line
//! wider than the terminal. Where the output is no terminal, a row is one line, for grep and pagers.

use std::io;

use comfy_table::{ContentArrangement, Table, presets};

use crate::output::line;

/// Blanks between two columns.
const BETWEEN: u16 = 2;

/// A table that is printed once its rows are known.
pub(crate) struct Listing {
    table: Table,
}

impl Listing {
    /// A table with these columns.
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(header);
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, BETWEEN));
        });
        // Without a terminal it has no width, and nothing is wrapped.
        let arrangement = if table.is_tty() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        table.set_content_arrangement(arrangement);
        Self { table }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.table.add_row(cells);
    }

    /// True if it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The lines, without blanks at their ends.
    fn lines(&self) -> impl Iterator<Item = String> {
        self.table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().into_iter()
    }

    /// Prints it.
    pub(crate) fn print(&self) -> io::Result<()> {
        self.lines().try_for_each(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_places() {
        let mut listing = Listing::new(["key", "fen", "reason"]);
        for [key, fen, reason] in
            [["订单-1", "10", "网关查无此单"], ["ORDER-22", "1234567", "-"], ["👍", "1", &"long ".repeat(40)]]
        {
            listing.row([key.to_owned(), fen.to_owned(), reason.to_owned()]);
        }
        let lines: Vec<String> = listing.lines().collect();
        assert_eq!(lines.len(), 4, "a row is a line: {lines:#?}");
        assert_eq!(lines[1], "订单-1    10       网关查无此单");
        assert_eq!(lines[2], "ORDER-22  1234567  -");
        assert!(lines.iter().all(|line| !line.ends_with(' ')));
    }
}
