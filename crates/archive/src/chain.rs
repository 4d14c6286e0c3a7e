//! One chain of an archive: its segments by number, its newest one, and the lines of one.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::digest::{Sha256, ZERO};
use crate::error::ArchiveError;
use crate::folder::{make_folder, names, replace};
use crate::lines::{Lines, NextLine};
use crate::seal::Seal;
use crate::writer::SegmentWriter;

/// The file with a copy of the newest seal.
pub(crate) const HEAD: &str = "head";

/// A chain, which need not exist yet.
#[derive(Clone, Debug)]
pub struct Chain {
    archive: String,
    name: String,
    folder: PathBuf,
}

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The number of the newest segment; 0 if there is none.
    pub segment: u64,
    /// The lines so far.
    pub lines: u64,
    /// The hash of the last line.
    pub last: Sha256,
    /// The hash of the newest seal.
    pub seal: Sha256,
}

impl Position {
    /// The end of a chain whose newest seal this is.
    #[must_use]
    pub fn after(seal: Option<&Seal>) -> Self {
        seal.map_or(Self { segment: 0, lines: 0, last: ZERO, seal: ZERO }, |seal| Self {
            segment: seal.segment,
            lines: seal.first.saturating_sub(1).saturating_add(seal.lines),
            last: seal.last,
            seal: seal.hash(),
        })
    }
}

impl Chain {
    pub(crate) fn new(archive: &str, name: &str, folder: PathBuf) -> Self {
        Self { archive: archive.to_owned(), name: name.to_owned(), folder }
    }

    /// The chain's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of its archive.
    #[must_use]
    pub fn archive(&self) -> &str {
        &self.archive
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of its files, sorted.
    pub(crate) fn files(&self) -> Result<Vec<String>, ArchiveError> {
        names(&self.folder)
    }

    /// The seal of a segment; `None` if there is no such segment.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn seal(&self, segment: u64) -> Result<Option<Seal>, ArchiveError> {
        Seal::read_file(&self.folder.join(seal_name(segment)))
    }

    /// The newest seal, found from the head: however long the chain is, a few files are read.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`] if the head names a segment that is gone, and others.
    pub fn newest(&self) -> Result<Option<Seal>, ArchiveError> {
        let path = self.folder.join(HEAD);
        let mut newest = match Seal::read_file(&path)? {
            Some(head) => match self.seal(head.segment)? {
                Some(seal) => Some(seal),
                None => {
                    let newest = self.numbers()?.last().copied().unwrap_or(0);
                    return Err(ArchiveError::Truncated { path, head: head.segment, newest });
                }
            },
            None => match self.numbers()?.last() {
                Some(segment) => self.seal(*segment)?,
                None => None,
            },
        };
        // A writer that died after a seal and before its head.
        while let Some(next) = self.seal(newest.as_ref().map_or(0, |seal| seal.segment).saturating_add(1))? {
            newest = Some(next);
        }
        Ok(newest)
    }

    /// The numbers of its segments, ascending.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, ArchiveError> {
        let mut numbers: Vec<u64> = self.files()?.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Begins the next segment.
    ///
    /// # Errors
    /// As [`Chain::newest`].
    pub fn begin(&self) -> Result<SegmentWriter, ArchiveError> {
        make_folder(&self.folder)?;
        let newest = self.newest()?;
        if let Some(newest) = &newest {
            self.point_head_to(newest)?;
        }
        SegmentWriter::new(self.clone(), Position::after(newest.as_ref()))
    }

    /// Makes the head a copy of this seal, unless it is one.
    pub(crate) fn point_head_to(&self, seal: &Seal) -> Result<(), ArchiveError> {
        let path = self.folder.join(HEAD);
        if Seal::read_file(&path)?.as_ref() == Some(seal) {
            return Ok(());
        }
        replace(&self.folder, HEAD, seal.text().as_bytes())
    }

    /// Calls `each` with every line of a segment, which has no line end any more.
    ///
    /// # Errors
    /// [`ArchiveError`] if the file is not the one that was sealed: `each` may then have got some of its lines.
    pub fn read(&self, seal: &Seal, mut each: impl FnMut(&[u8])) -> Result<(), ArchiveError> {
        let path = self.folder.join(data_name(&seal.file));
        let file = File::open(&path).map_err(ArchiveError::io("read", &path))?;
        let mut lines = Lines::of(file).map_err(ArchiveError::io("read", &path))?;
        loop {
            match lines.next_line() {
                Ok(NextLine::Line(line)) => each(line),
                Ok(NextLine::End) => break,
                Ok(NextLine::TooLong | NextLine::Torn) => {
                    return Err(ArchiveError::damaged(&path, "a line is too long, or has no end"));
                }
                Err(error) => return Err(ArchiveError::damaged(&path, error)),
            }
        }
        if lines.file_hash() == seal.sha256 {
            Ok(())
        } else {
            Err(ArchiveError::damaged(&path, "its bytes were changed"))
        }
    }
}

pub(crate) fn seal_name(segment: u64) -> String {
    format!("{segment:08}.seal")
}

pub(crate) fn data_name(file: &str) -> String {
    format!("{file}.jsonl.zst")
}

pub(crate) fn signature_name(file: &str) -> String {
    format!("{file}.sig")
}

/// The number of the segment whose seal has this name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".seal")?.parse().ok()?;
    (seal_name(number) == name && number > 0).then_some(number)
}
