//! The sends in the journals, by job. Contents stay in the files: they are read again for the few jobs that need them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::exit::{Context, Failure};
use bursar_domain::{Key, Millis, Queue};
use bursar_journal::{Entry, Intent, Place, Response};
use serde_json::Value;

/// The most transaction ids that are kept for one job.
const MAX_TRADE_NOS: usize = 8;

/// The content of all files.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) files: Vec<PathBuf>,
    pub(super) queues: BTreeMap<Queue, BTreeMap<Key, Known>>,
    /// The highest fence of each queue.
    pub(super) fences: BTreeMap<Queue, u64>,
    /// The Redis on which each file was begun.
    pub(super) incarnations: BTreeSet<String>,
    /// The names of claims, each with a number.
    names: HashMap<String, usize>,
    /// The faults of the files, a sentence each.
    pub(super) complaints: Vec<String>,
}

/// One job in the files.
#[derive(Default)]
pub(super) struct Known {
    sent: Vec<Sent>,
    send_skipped: BTreeSet<Claim>,
    trade_nos: Vec<String>,
    answer: Option<(u64, Value)>,
}

/// A claim. A Redis that has lost writes gives its fence again, to another worker or the same one: the claim's token, or in files
/// without tokens the worker, tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    name: usize,
    fence: u64,
}

/// One intent.
#[derive(Clone)]
pub(super) struct Sent {
    at: Millis,
    claim: Claim,
    sends: u32,
    resends: u32,
    pub(super) hash: Vec<u8>,
    /// The file, and the place in it.
    pub(super) file: usize,
    pub(super) place: Place,
}

/// A job's known sends.
pub(super) struct Sends {
    /// The highest fence of a send that was made.
    pub(super) fence: u64,
    /// The highest known fence.
    pub(super) highest_fence: u64,
    pub(super) sends: u32,
    pub(super) resends: u32,
    pub(super) first: Millis,
    /// The last intent, which leads to the content.
    pub(super) last: Sent,
}

impl Sends {
    pub(super) fn last_at(&self) -> Millis {
        self.last.at
    }
}

impl Known {
    /// `None` when every intended send was skipped.
    pub(super) fn sends(&self) -> Option<Sends> {
        let made = || self.sent.iter().filter(|sent| !self.send_skipped.contains(&sent.claim));
        // Two workers may each have made a first send: the second worked on a Redis that had lost the other's.
        let claims: BTreeSet<Claim> = made().map(|sent| sent.claim).collect();
        Some(Sends {
            fence: made().map(|sent| sent.claim.fence).max()?,
            highest_fence: self.sent.iter().map(|sent| sent.claim.fence).max()?,
            sends: made().map(|sent| sent.sends).max()?.max(u32::try_from(claims.len()).unwrap_or(u32::MAX)),
            resends: made().map(|sent| sent.resends).max()?,
            first: made().map(|sent| sent.at).min()?,
            last: made().max_by_key(|sent| (sent.at, sent.claim))?.clone(),
        })
    }

    /// The transaction ids of the record and the journals, newest last.
    pub(super) fn trade_nos(&self, of_record: &[String]) -> Vec<String> {
        let mut all: Vec<String> = of_record.to_vec();
        all.extend(self.trade_nos.iter().filter(|number| !of_record.contains(number)).cloned());
        all.drain(..all.len().saturating_sub(MAX_TRADE_NOS));
        all
    }

    /// The last response as it was understood.
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
    /// Reads all named files, and all files of named folders.
    pub(super) fn of(named: &[PathBuf]) -> Result<Self, Failure> {
        let mut memory = Self::default();
        for path in named {
            for file in files(path)? {
                memory.read(file)?;
            }
        }
        Ok(memory)
    }

    fn read(&mut self, path: PathBuf) -> Result<(), Failure> {
        let file = self.files.len();
        let mut strange = 0_u64;
        // If its first line is damaged, the file's name still tells its worker.
        let mut writer = writer_of(&path);
        let summary = bursar_journal::read(&path, |entry, place| {
            if let Entry::Opened { worker, incarnation, .. } = &entry {
                writer = worker.to_string();
                self.incarnations.extend((!incarnation.is_empty()).then(|| incarnation.to_string()));
            }
            if self.take(entry, &writer, file, place).is_none() {
                strange += 1;
            }
        });
        let summary = summary.context(format_args!("cannot read the journal {}", path.display()))?;
        let name = path.display();
        for damaged in &summary.damaged {
            self.complaints.push(format!("{name}:{}: {}", damaged.line, damaged.damage));
        }
        let more = summary.damaged_lines - u64::try_from(summary.damaged.len()).unwrap_or(summary.damaged_lines);
        if more > 0 {
            self.complaints.push(format!("{name}: {more} more lines are damaged"));
        }
        if strange > 0 {
            self.complaints.push(format!("{name}: {strange} lines name no queue or key of this build"));
        }
        self.files.push(path);
        Ok(())
    }

    /// `None` when the entry names an impossible queue or key.
    fn take(&mut self, entry: Entry<'static>, writer: &str, file: usize, place: Place) -> Option<()> {
        match entry {
            Entry::Opened { .. } => {}
            Entry::Intent(intent) => {
                let fence = self.fences.entry(intent.queue.parse().ok()?).or_default();
                *fence = intent.fence.max(*fence);
                let claim = self.claim(&intent.token, writer, intent.fence);
                let known = self.known(&intent.queue, &intent.key)?;
                let Intent { at, sends, resends, trade_nos, hash, .. } = intent;
                trade_nos.iter().for_each(|number| known.number(number));
                let hash = hash_bytes(&hash)?;
                known.sent.push(Sent { at: Millis(at), claim, sends, resends, hash, file, place });
            }
            Entry::Response(Response { queue, key, fence, read, .. }) => {
                let known = self.known(&queue, &key)?;
                if let Some(number) = read.get("trade_no").and_then(Value::as_str) {
                    known.number(number);
                }
                if known.answer.as_ref().is_none_or(|(of, _)| *of <= fence) {
                    known.answer = Some((fence, read.into_owned()));
                }
            }
            Entry::SendSkipped(send_skipped) => {
                let claim = self.claim(&send_skipped.token, writer, send_skipped.fence);
                self.known(&send_skipped.queue, &send_skipped.key)?.send_skipped.insert(claim);
            }
        }
        Some(())
    }

    fn claim(&mut self, token: &str, writer: &str, fence: u64) -> Claim {
        let name = if token.is_empty() { writer } else { token };
        let next = self.names.len();
        let name = *self.names.entry(name.to_owned()).or_insert(next);
        Claim { name, fence }
    }

    fn known(&mut self, queue: &str, key: &str) -> Option<&mut Known> {
        Some(self.queues.entry(queue.parse().ok()?).or_default().entry(key.parse().ok()?).or_default())
    }
}

fn hash_bytes(hash: &str) -> Option<Vec<u8>> {
    let digits = |at: usize| hash.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hash.len()).step_by(2).map(digits).collect()
}

/// The worker in a file's name: the name without the file's number.
fn writer_of(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.rsplit_once('-').map_or_else(|| name.to_string(), |(worker, _)| worker.to_owned())
}

/// The file itself, or the journals in the folder.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    bursar_journal::files(path).context(format_args!("cannot read the folder {}", path.display()))
}

#[cfg(test)]
mod tests {
    use bursar_journal::{SendSkipped, hash_of};

    use super::*;

    const CONTENT: &str = "{}";

    fn intent(token: &str, fence: u64, sends: u32) -> Entry<'static> {
        Entry::Intent(Intent {
            at: 1,
            queue: "main/transfer".into(),
            key: "K".into(),
            fence,
            token: token.to_owned().into(),
            sends,
            resends: 0,
            trade_nos: Vec::new().into(),
            hash: hash_of(CONTENT).into(),
            content: CONTENT.into(),
        })
    }

    fn send_skipped(token: &str, fence: u64) -> Entry<'static> {
        let token = token.to_owned().into();
        Entry::SendSkipped(SendSkipped { queue: "main/transfer".into(), key: "K".into(), fence, token })
    }

    fn sends(entries: Vec<(&str, Entry<'static>)>) -> Option<(u64, u32)> {
        let mut memory = Memory::default();
        for (worker, entry) in entries {
            memory.take(entry, worker, 0, Place { offset: 0, length: 0 }).unwrap();
        }
        let known = &memory.queues[&"main/transfer".parse::<Queue>().unwrap()][&"K".parse::<Key>().unwrap()];
        known.sends().map(|sends| (sends.fence, sends.sends))
    }

    #[test]
    fn a_skipped_send_hides_no_send_of_the_same_fence() {
        // Another worker's, in files without tokens; one of the same worker, which claimed again after Redis had lost writes.
        for (maker, token, other_token) in [("a", "", ""), ("b", "b/1", "b/2")] {
            let made = (maker, intent(token, 1, 1));
            let other = [("b", intent(other_token, 1, 1)), ("b", send_skipped(other_token, 1))];
            assert_eq!(sends([vec![made.clone()], other.to_vec()].concat()), Some((1, 1)), "{maker}");
            assert_eq!(sends([other.to_vec(), vec![made]].concat()), Some((1, 1)), "{maker}: in whichever order");
            assert_eq!(sends(other.to_vec()), None, "none was made");
        }
    }

    #[test]
    fn two_first_sends_of_two_claims_are_two() {
        assert_eq!(sends(vec![("a", intent("", 1, 1)), ("b", intent("", 1, 1))]), Some((1, 2)));
        assert_eq!(sends(vec![("a", intent("a/1", 1, 1)), ("a", intent("a/2", 1, 1))]), Some((1, 2)));
        assert_eq!(sends(vec![("a", intent("", 1, 1)), ("a", intent("", 3, 2))]), Some((3, 2)));
    }
}
