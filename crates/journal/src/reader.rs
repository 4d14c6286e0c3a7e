//! Reads a journal. A torn last line is normal after a crash; a damaged line elsewhere is reported.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::entry::{Damage, Entry, parsed};

/// No line is longer: a content of 200 KiB, every byte of it escaped in six, and the rest of its entry.
const MAX_LINE_BYTES: u64 = 2 << 20;

/// Damaged lines of one file that are reported one by one.
const MAX_DAMAGED_REPORTED: usize = 20;

/// The position of a line in its file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The offset of its first byte.
    pub offset: u64,
    /// Its length without the line end.
    pub length: u64,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its number, from 1.
    pub line: u64,
    /// The kind of damage.
    pub damage: Damage,
}

/// The contents of a file apart from its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries that were read.
    pub entries: u64,
    /// True if the last line is torn: its writer died while it wrote. No send was made for it.
    pub torn: bool,
    /// Lines that cannot be read, the first of them.
    pub damaged: Vec<Damaged>,
    /// The number of all damaged lines.
    pub damaged_lines: u64,
}

/// Reads a file from its beginning, an entry at a time.
///
/// # Errors
/// If the file cannot be read. Damaged lines are no error, see [`Summary`].
pub fn read(path: &Path, mut each: impl FnMut(Entry<'static>, Place)) -> io::Result<Summary> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut summary, mut offset, mut number) = (Summary::default(), 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = file.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(summary);
        }
        number += 1;
        let mut length = bytes(read);
        let whole = line.pop_if(|byte| *byte == b'\n').is_some();
        let parsed = if whole {
            parsed(&line)
        } else if length < MAX_LINE_BYTES {
            summary.torn = true;
            return Ok(summary);
        } else {
            length += skip_line(&mut file)?;
            Err(Damage::TooLong)
        };
        match parsed {
            Ok(entry) => {
                summary.entries += 1;
                each(entry, Place { offset, length: length - 1 });
            }
            Err(damage) => {
                summary.damaged_lines += 1;
                if summary.damaged.len() < MAX_DAMAGED_REPORTED {
                    summary.damaged.push(Damaged { line: number, damage });
                }
            }
        }
        offset += length;
    }
}

/// Skips the rest of a line, in pieces; returns the skipped length.
fn skip_line(file: &mut BufReader<File>) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = file.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        file.consume(length);
        skipped += bytes(length);
        if end.is_some() || length == 0 {
            return Ok(skipped);
        }
    }
}

/// The content of the intent at this place; `None` if the line there is another one.
///
/// # Errors
/// If the file cannot be read.
pub fn content_at(path: &Path, place: Place) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut line = Vec::new();
    file.take(place.length).read_to_end(&mut line)?;
    Ok(match parsed(&line) {
        Ok(Entry::Intent(intent)) => Some(intent.content.into_owned()),
        Ok(Entry::Opened { .. } | Entry::Response(_) | Entry::SendSkipped(_)) | Err(_) => None,
    })
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
