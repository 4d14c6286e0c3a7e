//! The lines of a segment's file, read as a stream: memory is bounded by one line and zstd's window.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use crate::digest::{Hasher, Sha256};

/// The longest line. A job's content has at most 200 KiB, and its history some thousand events.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// The largest window that a segment may ask for: 2^25 bytes, four times that of zstd's highest usual level.
const MAX_WINDOW_LOG: u32 = 25;

/// Bytes that are read and decompressed at once.
const BUFFER_BYTES: usize = 128 << 10;

/// The beginning of each line, before the hash of the line before.
const BEFORE_HASH: &[u8] = br#"{"prev":""#;

/// The text between that hash and the line's number.
const BEFORE_NUMBER: &[u8] = br#"","seq":"#;

/// A segment's lines.
pub(crate) struct Lines {
    text: BufReader<zstd::Decoder<'static, BufReader<Hashed>>>,
    line: Vec<u8>,
}

/// The next part of a file.
pub(crate) enum NextLine<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// Nothing: the file was read to its end.
    End,
    /// A line that no writer makes.
    TooLong,
    /// The text ends within a line.
    Torn,
}

/// Hashes what is read.
struct Hashed {
    file: File,
    hasher: Hasher,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Lines {
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let hashed = BufReader::with_capacity(BUFFER_BYTES, Hashed { file, hasher: Hasher::new() });
        let mut decoder = zstd::Decoder::with_buffer(hashed)?;
        decoder.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Self { text: BufReader::with_capacity(BUFFER_BYTES, decoder), line: Vec::new() })
    }

    /// The next line.
    ///
    /// # Errors
    /// If the file cannot be read or decompressed.
    pub(crate) fn next_line(&mut self) -> io::Result<NextLine<'_>> {
        self.line.clear();
        let bound = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        self.text.by_ref().take(bound).read_until(b'\n', &mut self.line)?;
        Ok(match self.line.last() {
            None => NextLine::End,
            Some(b'\n') => NextLine::Line(self.line.get(..self.line.len() - 1).unwrap_or_default()),
            Some(_) if self.line.len() > MAX_LINE_BYTES => NextLine::TooLong,
            Some(_) => NextLine::Torn,
        })
    }

    /// The hash of the file, whose rest is read.
    pub(crate) fn file_hash(self) -> Sha256 {
        let mut rest = self.text.into_inner().finish();
        io::copy(&mut rest, &mut io::sink()).ok(); // a file that cannot be read has another hash
        rest.into_inner().hasher.finish()
    }
}

/// Writes a line into `line`: the object `body` with the hash of the line before and the line's number as its first fields. Returns false
/// if there is no such line.
pub(crate) fn write_line(line: &mut Vec<u8>, prev: Sha256, number: u64, body: &str) -> bool {
    line.clear();
    let Some(fields) = body.strip_prefix('{').filter(|fields| fields.len() > 1) else { return false };
    line.extend_from_slice(BEFORE_HASH);
    line.extend_from_slice(&prev.digits());
    line.extend_from_slice(BEFORE_NUMBER);
    line.extend_from_slice(number.to_string().as_bytes());
    line.push(b',');
    line.extend_from_slice(fields.as_bytes());
    line.len() < MAX_LINE_BYTES && !line.contains(&b'\n') && !line.contains(&b'\r')
}

/// The hash of the line before, as a line has it, and the line's number.
pub(crate) fn place_of(line: &[u8]) -> Option<(&[u8], u64)> {
    let (hash, rest) = line.strip_prefix(BEFORE_HASH)?.split_at_checked(64)?;
    let rest = rest.strip_prefix(BEFORE_NUMBER)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let number = std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
    (rest.get(digits) == Some(&b',')).then_some((hash, number))
}
