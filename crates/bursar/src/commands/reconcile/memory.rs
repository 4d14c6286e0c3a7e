//! What journals know, by job. Contents stay in the files: they are read again for the few jobs that need them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bursar_domain::{Key, Lane, Millis};
use bursar_journal::{Answered, Entry, Intent, Place};
use serde_json::Value;

/// How a journal's name ends.
const EXTENSION: &str = "journal";

/// The gateway's numbers that are kept for one job.
const MAX_TRADE_NOS: usize = 8;

/// Everything that the files say.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) files: Vec<PathBuf>,
    pub(super) lanes: BTreeMap<Lane, BTreeMap<Key, Known>>,
    /// What is wrong with the files, a sentence each.
    pub(super) complaints: Vec<String>,
}

/// What they say of one job.
#[derive(Default)]
pub(super) struct Known {
    sent: Vec<Sent>,
    withheld: Vec<u64>,
    trade_nos: Vec<String>,
    answer: Option<(u64, Value)>,
}

/// One intent.
#[derive(Clone)]
pub(super) struct Sent {
    at: Millis,
    fence: u64,
    sends: u32,
    resends: u32,
    pub(super) hash: Vec<u8>,
    /// Which of the files has it, and where.
    pub(super) file: usize,
    pub(super) place: Place,
}

/// A job's sends, as far as they are known.
pub(super) struct Sends {
    /// The highest fence of a send that was made.
    pub(super) fence: u64,
    /// The highest fence that is known at all.
    pub(super) highest_fence: u64,
    pub(super) sends: u32,
    pub(super) resends: u32,
    pub(super) first: Millis,
    /// The last one, which leads to the content.
    pub(super) last: Sent,
}

impl Sends {
    pub(super) fn last_at(&self) -> Millis {
        self.last.at
    }
}

impl Known {
    /// `None` when every send that was intended was withheld.
    pub(super) fn sends(&self) -> Option<Sends> {
        let made = || self.sent.iter().filter(|sent| !self.withheld.contains(&sent.fence));
        Some(Sends {
            fence: made().map(|sent| sent.fence).max()?,
            highest_fence: self.sent.iter().map(|sent| sent.fence).max()?,
            sends: made().map(|sent| sent.sends).max()?,
            resends: made().map(|sent| sent.resends).max()?,
            first: made().map(|sent| sent.at).min()?,
            last: made().max_by_key(|sent| (sent.at, sent.fence))?.clone(),
        })
    }

    /// The record's numbers and the journals', newest last.
    pub(super) fn trade_nos(&self, of_record: &[String]) -> Vec<String> {
        let mut all: Vec<String> = of_record.to_vec();
        all.extend(self.trade_nos.iter().filter(|number| !of_record.contains(number)).cloned());
        all.drain(..all.len().saturating_sub(MAX_TRADE_NOS));
        all
    }

    /// What was read of the last answer.
    pub(super) fn answer(&self) -> Option<&Value> {
        self.answer.as_ref().map(|(_, read)| read)
    }

    fn number(&mut self, number: &str) {
        if !self.trade_nos.iter().any(|known| known == number) {
            self.trade_nos.push(number.to_owned());
        }
    }
}

impl Memory {
    /// Reads all files, and those of all folders, that are named.
    pub(super) fn of(named: &[PathBuf]) -> anyhow::Result<Self> {
        let mut memory = Self::default();
        for path in named {
            for file in files(path)? {
                memory.read(file)?;
            }
        }
        Ok(memory)
    }

    fn read(&mut self, path: PathBuf) -> anyhow::Result<()> {
        let file = self.files.len();
        let mut strange = 0_u64;
        let summary = bursar_journal::read(&path, |entry, place| {
            if self.take(entry, file, place).is_none() {
                strange += 1;
            }
        });
        let summary = summary.with_context(|| format!("cannot read the journal {}", path.display()))?;
        let name = path.display();
        for damaged in &summary.damaged {
            self.complaints.push(format!("{name}:{}: {}", damaged.line, damaged.damage));
        }
        let more = summary.damaged_lines - u64::try_from(summary.damaged.len()).unwrap_or(summary.damaged_lines);
        if more > 0 {
            self.complaints.push(format!("{name}: {more} more lines are damaged"));
        }
        if strange > 0 {
            self.complaints.push(format!("{name}: {strange} lines name no lane or key of this build"));
        }
        self.files.push(path);
        Ok(())
    }

    /// `None` when the entry is of a lane or key that cannot be.
    fn take(&mut self, entry: Entry<'static>, file: usize, place: Place) -> Option<()> {
        match entry {
            Entry::Opened { .. } => {}
            Entry::Intent(intent) => {
                let known = self.known(&intent.lane, &intent.key)?;
                let Intent { at, fence, sends, resends, trade_nos, hash, .. } = intent;
                trade_nos.iter().for_each(|number| known.number(number));
                let hash = hash_bytes(&hash)?;
                known.sent.push(Sent { at: Millis(at), fence, sends, resends, hash, file, place });
            }
            Entry::Answer(Answered { lane, key, fence, read, .. }) => {
                let known = self.known(&lane, &key)?;
                if let Some(number) = read.get("trade_no").and_then(Value::as_str) {
                    known.number(number);
                }
                if known.answer.as_ref().is_none_or(|(of, _)| *of <= fence) {
                    known.answer = Some((fence, read.into_owned()));
                }
            }
            Entry::Withheld(withheld) => self.known(&withheld.lane, &withheld.key)?.withheld.push(withheld.fence),
        }
        Some(())
    }

    fn known(&mut self, lane: &str, key: &str) -> Option<&mut Known> {
        Some(self.lanes.entry(lane.parse().ok()?).or_default().entry(key.parse().ok()?).or_default())
    }
}

fn hash_bytes(hash: &str) -> Option<Vec<u8>> {
    let digits = |at: usize| hash.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hash.len()).step_by(2).map(digits).collect()
}

/// The file itself, or the journals in the folder.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let failed = || format!("cannot read the folder {}", path.display());
    let entries = std::fs::read_dir(path).with_context(failed)?.collect::<Result<Vec<_>, _>>().with_context(failed)?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION)).collect();
    files.sort();
    Ok(files)
}
