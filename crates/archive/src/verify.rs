//! The verifier. It trusts nothing in the folder but what the keys have signed; memory is bounded by a line for each processor.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::chain::{Chain, HEAD, data_name, number_of, seal_name, signature_name};
use crate::digest::{Sha256, ZERO};
use crate::error::ArchiveError;
use crate::finding::{Fault, Finding};
use crate::folder::Archive;
use crate::key::PublicKey;
use crate::lines::{Lines, NextLine, place_of};
use crate::seal::Seal;

/// Findings that are kept for one chain; further ones are counted.
const MOST_FINDINGS: usize = 1_000;

/// The grounds of a verification.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys that may sign. Empty: the key of the first seal, which proves that one writer wrote all, and not who.
    pub keys: Vec<PublicKey>,
    /// Seals that were noted outside the archive: each must still be in it.
    pub heads: Vec<Seal>,
}

/// The result of a verification.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Chains that were read.
    pub chains: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Lines that were read.
    pub lines: u64,
    /// The keys that were relied on.
    pub keys: Vec<PublicKey>,
    /// The newest seal of each chain.
    pub heads: Vec<Seal>,
    /// The findings, by chain.
    pub findings: Vec<Finding>,
    /// Findings that were not kept: there were too many.
    pub more: u64,
}

impl Report {
    /// True if nothing speaks against the archive.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.more == 0 && !self.findings.iter().any(|finding| finding.fault.is_fault())
    }

    fn add(&mut self, other: Self) {
        self.chains += other.chains;
        self.segments += other.segments;
        self.lines += other.lines;
        self.heads.extend(other.heads);
        self.findings.extend(other.findings);
        self.more += other.more;
    }
}

/// Verifies an archive, its chains in parallel.
///
/// # Errors
/// [`ArchiveError`] if the folder cannot be listed. All else is a finding.
pub fn verify(archive: &Archive, trust: &Trust) -> Result<Report, ArchiveError> {
    let chains = archive.chains()?;
    let mut keys = trust.keys.clone();
    if keys.is_empty() {
        let first = chains.iter().find_map(|chain| chain.seal(1).ok().flatten());
        keys.extend(first.map(|seal| seal.key));
    }
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(chains.len());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(chain) = chains.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = Walk::new(chain, &keys, &trust.heads).run();
                    reports.lock().unwrap_or_else(PoisonError::into_inner).push((chain.name(), report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|(name, _)| *name);
    let mut whole = Report { keys, ..Report::default() };
    for (_, report) in reports {
        whole.add(report);
    }
    // Chains that were noted and are gone altogether.
    let missing: BTreeSet<(&str, u64)> = trust
        .heads
        .iter()
        .filter(|head| !chains.iter().any(|chain| chain.name() == head.chain))
        .map(|head| (head.chain.as_str(), head.segment))
        .collect();
    for (chain, head) in missing {
        let fault = Fault::Truncated { head, newest: 0 };
        whole.findings.push(Finding { chain: chain.to_owned(), segment: None, line: None, fault });
    }
    Ok(whole)
}

/// The place that the next segment must fit to; parts are unknown after a fault, so that one fault is one finding.
#[derive(Clone, Copy, Default)]
struct Expected {
    first: Option<u64>,
    last: Option<Sha256>,
    previous: Option<Sha256>,
}

struct Walk<'a> {
    chain: &'a Chain,
    keys: &'a [PublicKey],
    noted: Vec<&'a Seal>,
    report: Report,
}

impl<'a> Walk<'a> {
    fn new(chain: &'a Chain, keys: &'a [PublicKey], heads: &'a [Seal]) -> Self {
        let noted = heads.iter().filter(|head| head.chain == chain.name()).collect();
        Self { chain, keys, noted, report: Report { chains: 1, ..Report::default() } }
    }

    fn find(&mut self, segment: impl Into<Option<u64>>, line: Option<u64>, fault: Fault) {
        if self.report.findings.len() < MOST_FINDINGS {
            let chain = self.chain.name().to_owned();
            self.report.findings.push(Finding { chain, segment: segment.into(), line, fault });
        } else {
            self.report.more += 1;
        }
    }

    fn run(mut self) -> Report {
        let files = match self.chain.files() {
            Ok(files) => files,
            Err(error) => {
                self.find(None, None, Fault::FileUnreadable { why: error.to_string() });
                return self.report;
            }
        };
        let mut numbers: Vec<u64> = files.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        let mut expected = Expected { first: Some(1), last: Some(ZERO), previous: Some(ZERO) };
        let (mut next, mut named, mut newest) = (1, BTreeSet::from([HEAD.to_owned()]), None);
        for segment in numbers.iter().copied() {
            if segment > next {
                self.find(next, None, Fault::SegmentsMissing { to: segment - 1 });
                expected = Expected::default();
            }
            next = segment.saturating_add(1);
            named.insert(seal_name(segment));
            let seal = self.segment(segment, &mut expected);
            if let Some(seal) = &seal {
                named.extend([data_name(&seal.file), signature_name(&seal.file)]);
            }
            newest = Some((segment, seal));
        }
        let last = newest.as_ref().map_or(0, |(segment, _)| *segment);
        self.head(last);
        self.noted(last);
        for file in files.into_iter().filter(|file| !named.contains(file) && !file.starts_with("tmp-")) {
            self.find(None, None, Fault::Stray { file });
        }
        self.report.heads.extend(newest.and_then(|(_, seal)| seal));
        self.report
    }

    /// Verifies one segment whose seal is there. Returns the seal if it can be read and is in its place.
    fn segment(&mut self, segment: u64, expected: &mut Expected) -> Option<Seal> {
        self.report.segments += 1;
        let was = std::mem::take(expected);
        let path = self.chain.folder().join(seal_name(segment));
        let text = fs::read(&path).map_err(|error| error.to_string());
        let read = text.and_then(|text| Seal::read(&text).map(|seal| (seal, text)));
        let (seal, text) = match read {
            Ok(read) => read,
            Err(why) => {
                self.find(segment, None, Fault::SealUnreadable { why });
                return None;
            }
        };
        let place = (self.chain.archive(), self.chain.name(), segment);
        if (seal.archive.as_str(), seal.chain.as_str(), seal.segment) != place {
            let of = format!("segment {} of chain {} in the archive {}", seal.segment, seal.chain, seal.archive);
            self.find(segment, None, Fault::SealOfAnother { of });
            return None;
        }
        self.signature(&seal, &text);
        if was.previous.is_some_and(|previous| previous != seal.previous) {
            self.find(segment, None, Fault::PredecessorChanged);
        }
        if let Some(first) = was.first.filter(|first| *first != seal.first) {
            self.find(segment, None, Fault::FirstLine { found: seal.first, expected: first });
        }
        if self.noted.iter().any(|noted| noted.segment == segment && **noted != seal) {
            self.find(segment, None, Fault::NotAsNoted);
        }
        self.lines(&seal, was.last);
        *expected = Expected {
            first: Some(seal.first.saturating_add(seal.lines)),
            last: Some(seal.last),
            previous: Some(Sha256::of(&text)),
        };
        Some(seal)
    }

    fn signature(&mut self, seal: &Seal, text: &[u8]) {
        let fault = match fs::read(self.chain.folder().join(signature_name(&seal.file))) {
            Err(_) => Fault::SignatureMissing,
            Ok(signature) if !seal.key.has_signed(text, &signature) => Fault::SignatureWrong,
            Ok(_) if !self.keys.contains(&seal.key) => Fault::ForeignKey { key: seal.key },
            Ok(_) => return,
        };
        self.find(seal.segment, None, fault);
    }

    fn lines(&mut self, seal: &Seal, before: Option<Sha256>) {
        let file = match File::open(self.chain.folder().join(data_name(&seal.file))) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.find(seal.segment, None, Fault::FileMissing);
            }
            Err(error) => return self.find(seal.segment, None, Fault::FileUnreadable { why: error.to_string() }),
        };
        let mut lines = match Lines::of(file) {
            Ok(lines) => lines,
            Err(error) => return self.find(seal.segment, None, Fault::FileUnreadable { why: error.to_string() }),
        };
        let (mut last, mut count) = (before, 0);
        let is_readable = loop {
            let number = seal.first.saturating_add(count);
            let line = match lines.next_line() {
                Ok(NextLine::End) => break true,
                Ok(NextLine::Line(line)) => line,
                Ok(NextLine::TooLong | NextLine::Torn) => {
                    self.find(seal.segment, Some(number), Fault::LineUnreadable);
                    break false;
                }
                Err(error) => {
                    self.find(seal.segment, Some(number), Fault::FileUnreadable { why: error.to_string() });
                    break false;
                }
            };
            if count == seal.lines {
                self.find(seal.segment, None, Fault::LinesAdded { sealed: seal.lines });
                break false;
            }
            match place_of(line) {
                None => self.find(seal.segment, Some(number), Fault::LineUnreadable),
                Some((_, found)) if found != number => {
                    self.find(seal.segment, Some(number), Fault::LineOutOfPlace { found });
                }
                Some((hash, _)) if last.is_some_and(|last| last.digits() != hash) => {
                    // The hash before a segment's first line is sealed twice: that line is the one that was changed.
                    let changed = if count == 0 { number } else { number - 1 };
                    self.find(seal.segment, Some(changed), Fault::LineChanged);
                }
                Some(_) => {}
            }
            last = Some(Sha256::of(line));
            count += 1;
        };
        self.report.lines += count;
        if is_readable && count < seal.lines {
            self.find(seal.segment, None, Fault::LinesMissing { found: count, sealed: seal.lines });
        } else if is_readable && last != Some(seal.last) {
            self.find(seal.segment, Some(seal.first.saturating_add(count).saturating_sub(1)), Fault::LineChanged);
        }
        if lines.file_hash() != seal.sha256 {
            self.find(seal.segment, None, Fault::FileChanged);
        }
    }

    /// The head is a copy of the newest seal, or of an older one if a writer died before it wrote the head.
    fn head(&mut self, newest: u64) {
        let text = match fs::read(self.chain.folder().join(HEAD)) {
            Ok(text) => text,
            // A chain whose first segment was never sealed has no head either.
            Err(_) if newest == 0 => return,
            Err(_) => return self.find(None, None, Fault::HeadMissing),
        };
        let head = match Seal::read(&text) {
            Ok(head) => head,
            Err(why) => return self.find(None, None, Fault::HeadUnreadable { why }),
        };
        if head.segment > newest {
            return self.find(None, None, Fault::Truncated { head: head.segment, newest });
        }
        let sealed = fs::read(self.chain.folder().join(seal_name(head.segment)));
        if sealed.is_ok_and(|sealed| sealed != text) {
            self.find(head.segment, None, Fault::HeadChanged);
        }
    }

    fn noted(&mut self, newest: u64) {
        if let Some(head) = self.noted.iter().map(|noted| noted.segment).max().filter(|head| *head > newest) {
            self.find(None, None, Fault::Truncated { head, newest });
        }
    }
}
