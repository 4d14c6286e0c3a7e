//! A finished job as one line.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::digest::Sha256;

/// A finished job to archive. `record` and the lines of `history` go into the line byte for byte, as Redis has them.
#[derive(Clone, Copy, Debug)]
pub struct ArchivedJob<'a> {
    /// The time (ms of Redis time).
    pub at: u64,
    /// `main/transfer`.
    pub queue: &'a str,
    /// The job's key in its queue.
    pub key: &'a str,
    /// 1 for the job's first line.
    pub version: u32,
    /// The record, a JSON object.
    pub record: &'a str,
    /// Older events, and those that others added, oldest first, each a JSON object: the newest are in the record.
    pub history: &'a [String],
}

/// One line of the archive.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct JobLine<'a> {
    /// The SHA-256 of the line before, without its line end; 64 zeros in the first line of a chain.
    #[schemars(with = "String")]
    pub prev: Sha256,
    /// The line's number in its chain, from 1.
    pub seq: u64,
    /// When the line was written (ms since 1970, Redis time).
    pub at: u64,
    /// The job's queue: its account and its kind.
    #[serde(borrow)]
    pub queue: Cow<'a, str>,
    /// The job's key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// The version of the job: 1 in its first line. A job that changed after it was archived, by a refund for example, has another line.
    pub version: u32,
    /// The first 16 digits of the SHA-256 of record and history: lines of one job with the same fingerprint say the same.
    #[serde(borrow)]
    pub fingerprint: Cow<'a, str>,
    /// The record as Redis had it, with the content and the newest events.
    #[serde(borrow)]
    #[schemars(with = "serde_json::Value")]
    pub record: &'a RawValue,
    /// Older events, and those that others added, oldest first.
    #[serde(borrow)]
    #[schemars(with = "Vec<serde_json::Value>")]
    pub history: Vec<&'a RawValue>,
}

impl<'a> JobLine<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// If it is no line about a job.
    pub fn read(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

impl ArchivedJob<'_> {
    /// The fingerprint of record and history.
    #[must_use]
    pub fn fingerprint(record: &[u8], history: &[impl AsRef<[u8]>]) -> String {
        let mut hasher = crate::digest::Hasher::new();
        hasher.update(record);
        for line in history {
            hasher.update(b"\n");
            hasher.update(line.as_ref());
        }
        hex::encode(hasher.finish().0.get(..8).unwrap_or_default())
    }

    /// The line's object, without its place in the chain; `fingerprint` is that of record and history. Line ends between JSON's values
    /// become spaces.
    #[must_use]
    pub fn body(&self, fingerprint: &str) -> String {
        let room = self.history.iter().map(|line| line.len() + 1).sum::<usize>() + self.record.len() + 256;
        let mut body = String::with_capacity(room);
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default(); // writing a text cannot fail
        body.push_str(&format!("{{\"at\":{},\"queue\":{},", self.at, text(self.queue)));
        body.push_str(&format!("\"key\":{},\"version\":{},", text(self.key), self.version));
        body.push_str(&format!("\"fingerprint\":\"{fingerprint}\",\"record\":"));
        push_on_one_line(&mut body, self.record);
        body.push_str(",\"history\":[");
        for (at, line) in self.history.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            push_on_one_line(&mut body, line);
        }
        body.push_str("]}");
        body
    }
}

/// In JSON a line end is white space between values, for none is within a text.
fn push_on_one_line(body: &mut String, json: &str) {
    if json.as_bytes().contains(&b'\n') || json.as_bytes().contains(&b'\r') {
        body.extend(json.chars().map(|character| if matches!(character, '\n' | '\r') { ' ' } else { character }));
    } else {
        body.push_str(json);
    }
}
