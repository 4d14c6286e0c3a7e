//! The writer of one segment. Nothing of it exists before its seal has its name, in one step that only one writer can make; so a writer
//! that dies leaves files that no seal names, and a chain has no torn end.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::chain::{Chain, Position, data_name, seal_name, signature_name};
use crate::digest::{Hasher, Sha256};
use crate::error::ArchiveError;
use crate::folder::{FORMAT, publish, sync_folder, temporary};
use crate::lines::write_line;
use crate::seal::Seal;
use crate::signer::Signer;

/// zstd's own default: higher levels save a tenth, at several times the work.
const LEVEL: i32 = 3;

/// A temporary file that was not written for so long has no writer.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// A segment that is being written. Dropped without [`SegmentWriter::publish`], it was never there.
pub struct SegmentWriter {
    chain: Chain,
    begun_at: Position,
    temporary: Temporary,
    encoder: zstd::Encoder<'static, BufWriter<Hashed>>,
    line: Vec<u8>,
    last: Sha256,
    lines: u64,
    bytes: u64,
}

/// A file that is removed unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

struct Hashed {
    file: File,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SegmentWriter {
    pub(crate) fn new(chain: Chain, position: Position) -> Result<Self, ArchiveError> {
        remove_abandoned(&chain)?;
        let (path, file) = temporary(chain.folder())?;
        let temporary = Temporary(path);
        let hashed = BufWriter::new(Hashed { file, hasher: Hasher::new() });
        let encoder = zstd::Encoder::new(hashed, LEVEL).map_err(ArchiveError::io("write", &temporary.0))?;
        let (last, line) = (position.last, Vec::new());
        Ok(Self { chain, begun_at: position, temporary, encoder, line, last, lines: 0, bytes: 0 })
    }

    /// The end of the chain before this segment.
    #[must_use]
    pub const fn begun_at(&self) -> Position {
        self.begun_at
    }

    /// The lines so far.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Their bytes, not compressed.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a line: the JSON object `body`, with `prev` and `seq` before its own fields.
    ///
    /// # Errors
    /// [`ArchiveError::Line`] for what can be no line; the segment is as before. Others: the segment is lost.
    pub fn push(&mut self, body: &str) -> Result<(), ArchiveError> {
        let number = self.begun_at.lines.saturating_add(self.lines).saturating_add(1);
        if !write_line(&mut self.line, self.last, number, body) {
            return Err(ArchiveError::Line);
        }
        let last = Sha256::of(&self.line);
        self.line.push(b'\n');
        self.encoder.write_all(&self.line).map_err(ArchiveError::io("write", &self.temporary.0))?;
        self.last = last;
        self.lines += 1;
        self.bytes = self.bytes.saturating_add(u64::try_from(self.line.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Seals the segment: its lines are on disk and in the chain when this returns. `at` is the time (ms of Redis time); `passing` is
    /// called with the name of each crash point, where tests end the process.
    ///
    /// # Errors
    /// [`ArchiveError::Outrun`] if another writer was first; then, and after an error before the seal, there is no such segment. After an
    /// error of the head the segment is there: the next writer finds it.
    pub fn publish(self, signer: &Signer, at: u64, passing: fn(&str)) -> Result<Seal, ArchiveError> {
        let Self { chain, begun_at, temporary, encoder, last, lines, .. } = self;
        let folder = chain.folder();
        let written = encoder.finish().and_then(|buffer| buffer.into_inner().map_err(io::IntoInnerError::into_error));
        let hashed = written.map_err(ArchiveError::io("write", &temporary.0))?;
        hashed.file.sync_all().map_err(ArchiveError::io("sync", &temporary.0))?;
        let segment = begun_at.segment.saturating_add(1);
        let seal = Seal {
            format: FORMAT,
            archive: chain.archive().to_owned(),
            chain: chain.name().to_owned(),
            segment,
            file: format!("{segment:08}-{:016x}", fastrand::u64(..)),
            first: begun_at.lines.saturating_add(1),
            lines,
            last,
            sha256: hashed.hasher.finish(),
            previous: begun_at.seal,
            at,
            key: signer.public_key(),
        };
        let text = seal.text();
        let signature = signer.sign(text.as_bytes()).map_err(ArchiveError::Sign)?;
        let data = folder.join(data_name(&seal.file));
        fs::rename(&temporary.0, &data).map_err(ArchiveError::io("name", &data))?;
        publish(folder, &signature_name(&seal.file), &signature)?;
        sync_folder(folder)?;
        passing("archive_written");
        if !publish(folder, &seal_name(segment), text.as_bytes())? {
            fs::remove_file(&data).ok();
            fs::remove_file(folder.join(signature_name(&seal.file))).ok();
            return Err(ArchiveError::Outrun { chain: chain.name().to_owned(), segment });
        }
        passing("archive_sealed");
        chain.point_head_to(&seal)?;
        Ok(seal)
    }
}

/// Removes the temporary files of writers that died. Files of segments that got no seal stay: `verify` names them.
fn remove_abandoned(chain: &Chain) -> Result<(), ArchiveError> {
    for name in chain.files()?.iter().filter(|name| name.starts_with("tmp-")) {
        let path = chain.folder().join(name);
        let written = fs::metadata(&path).and_then(|found| found.modified());
        let is_old = |at: std::time::SystemTime| at.elapsed().is_ok_and(|age| age > ABANDONED_AFTER);
        if written.is_ok_and(is_old) {
            fs::remove_file(&path).ok();
        }
    }
    Ok(())
}
