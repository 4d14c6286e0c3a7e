//! One line of a journal: eight hexadecimal digits of its checksum, a space, one JSON object.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The version of the format, in each file's first line. A reader refuses one that it does not know.
pub(crate) const VERSION: u32 = 1;

/// The line begins with this many bytes of its SHA-256: a damaged line passes the check once in 2^32.
const CHECKSUM_BYTES: usize = 4;

/// The entry in one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Entry<'a> {
    /// The first line of each file.
    Opened {
        /// The format's version.
        version: u32,
        /// The worker, unique per process start. With a fence it names one claim, even after Redis has lost that claim.
        worker: Cow<'a, str>,
        /// The incarnation of the Redis that the worker began on; empty in files of builds that knew of none.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        incarnation: Cow<'a, str>,
    },
    /// A send is about to begin.
    #[serde(rename = "send_intent")]
    Intent(Intent<'a>),
    /// The gateway's response to a send.
    Response(Response<'a>),
    /// The send with this intent was certainly not made.
    SendSkipped(SendSkipped<'a>),
}

/// A send that is about to begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent<'a> {
    /// Time in ms of Redis time.
    pub at: u64,
    /// `main/transfer`.
    pub queue: Cow<'a, str>,
    /// The job's key in its queue.
    pub key: Cow<'a, str>,
    /// The claim's fence, the queue's highest so far: a Redis whose fence is lower has lost that claim.
    pub fence: u64,
    /// The claim's token. Fences are repeated once Redis has lost writes; a token never is. Empty in files of builds without one.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub token: Cow<'a, str>,
    /// Sends of the job so far, this one included.
    pub sends: u32,
    /// Of them those made while an earlier one might have been executed, this one included.
    pub resends: u32,
    /// The gateway's numbers for it so far, newest last.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub trade_nos: Cow<'a, [String]>,
    /// SHA-256 of the content, in hexadecimal digits.
    pub hash: Cow<'a, str>,
    /// The exact bytes that are sent. Without them a job that Redis has lost completely cannot be restored. At most 200
    /// KiB, the bound of every job's content.
    pub content: Cow<'a, str>,
}

/// The gateway's response to a send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response<'a> {
    /// Time in ms of Redis time.
    pub at: u64,
    /// `main/transfer`.
    pub queue: Cow<'a, str>,
    /// The job's key in its queue.
    pub key: Cow<'a, str>,
    /// The claim's fence.
    pub fence: u64,
    /// The claim's token, as the intent has it.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub token: Cow<'a, str>,
    /// The evidence, as it goes into the job's history: `outcome`, `trade_no`, `status`, `code`, `message` …
    pub read: Cow<'a, Value>,
}

/// An intent that no send followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendSkipped<'a> {
    /// `main/transfer`.
    pub queue: Cow<'a, str>,
    /// The job's key in its queue.
    pub key: Cow<'a, str>,
    /// The claim's fence.
    pub fence: u64,
    /// The claim's token, as the intent has it.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub token: Cow<'a, str>,
}

/// The reason why a line cannot be read as an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its bytes are not those that were written.
    #[error("the checksum is not that of the line")]
    Checksum,
    /// It was written so, and this build cannot read it.
    #[error("this build cannot read it: {0}")]
    Unknown(String),
    /// It is longer than any line that is written.
    #[error("it is longer than any line of a journal")]
    TooLong,
}

/// SHA-256 of a content as intents have it.
#[must_use]
pub fn hash_of(content: &str) -> String {
    hex::encode(Sha256::digest(content.as_bytes()))
}

/// The entry as its line, line end included.
pub(crate) fn written(entry: &Entry<'_>) -> Vec<u8> {
    // Every entry can be written as JSON. Should one fail, the reader reports its line as damaged.
    let object = serde_json::to_vec(entry).unwrap_or_default();
    let mut line = checksum(&object).into_bytes();
    line.push(b' ');
    line.extend_from_slice(&object);
    line.push(b'\n');
    line
}

/// Reads one line, which has no line end any more.
pub(crate) fn parsed(line: &[u8]) -> Result<Entry<'static>, Damage> {
    let (sum, object) = line.split_at_checked(CHECKSUM_BYTES * 2).ok_or(Damage::Checksum)?;
    let object = object.strip_prefix(b" ").ok_or(Damage::Checksum)?;
    if sum != checksum(object).as_bytes() {
        return Err(Damage::Checksum);
    }
    let entry: Entry<'static> = serde_json::from_slice(object).map_err(|error| Damage::Unknown(error.to_string()))?;
    match &entry {
        Entry::Opened { version, .. } if *version != VERSION => {
            Err(Damage::Unknown(format!("the file is of version {version}")))
        }
        Entry::Intent(intent) if intent.hash != hash_of(&intent.content) => {
            Err(Damage::Unknown("the content is not the one of its hash".into()))
        }
        Entry::Opened { .. } | Entry::Intent(_) | Entry::Response(_) | Entry::SendSkipped(_) => Ok(entry),
    }
}

fn checksum(object: &[u8]) -> String {
    hex::encode(Sha256::digest(object).get(..CHECKSUM_BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries() -> Vec<Entry<'static>> {
        let content = r#"{"total_amount":10,"remark":"备注\n"}"#;
        let (queue, key) = (Cow::Borrowed("main/transfer"), Cow::Borrowed("号\\1"));
        vec![
            Entry::Opened { version: VERSION, worker: "host-1-abc".into(), incarnation: "0f3a".into() },
            Entry::Intent(Intent {
                at: 1_700_000_000_000,
                queue: queue.clone(),
                key: key.clone(),
                fence: 9_007_199_254_740_991,
                token: "host-1-abc/4".into(),
                sends: 2,
                resends: 1,
                trade_nos: vec!["T1".to_owned()].into(),
                hash: hash_of(content).into(),
                content: content.into(),
            }),
            Entry::Response(Response {
                at: 1,
                queue: queue.clone(),
                key: key.clone(),
                fence: 3,
                token: "host-1-abc/5".into(),
                read: Cow::Owned(json!({"outcome": "accepted", "trade_no": "T2"})),
            }),
            Entry::SendSkipped(SendSkipped { queue, key, fence: 3, token: "".into() }),
        ]
    }

    #[test]
    fn an_entry_reads_as_it_was_written_and_is_one_line() {
        for entry in entries() {
            let line = written(&entry);
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "{entry:?}");
            assert_eq!(parsed(&line[..line.len() - 1]), Ok(entry));
        }
    }

    #[test]
    fn a_cut_line_or_a_changed_byte_is_damage() {
        for entry in entries() {
            let line = written(&entry);
            let line = &line[..line.len() - 1];
            for at in 0..line.len() {
                assert!(parsed(&line[..at]).is_err(), "cut at {at}");
                let mut changed = line.to_vec();
                changed[at] ^= 0x04;
                assert!(parsed(&changed).is_err(), "changed at {at}");
            }
        }
    }

    #[test]
    fn a_line_of_a_build_that_knew_no_incarnation_or_token_is_read() {
        let content = "{}";
        let hash = hash_of(content);
        let intent = format!(
            r#"{{"event":"send_intent","at":1,"queue":"main/transfer","key":"K","fence":2,"sends":1,"resends":0,"hash":"{hash}","content":"{content}"}}"#
        );
        let line = |object: &str| format!("{} {object}", checksum(object.as_bytes()));
        let Ok(Entry::Intent(intent)) = parsed(line(&intent).as_bytes()) else { panic!("an intent") };
        assert_eq!((intent.fence, intent.token.as_ref()), (2, ""));
        let opened = line(r#"{"event":"opened","version":1,"worker":"w"}"#);
        let expected = Entry::Opened { version: VERSION, worker: "w".into(), incarnation: "".into() };
        assert_eq!(parsed(opened.as_bytes()), Ok(expected));
    }

    #[test]
    fn an_unknown_version_and_a_wrong_hash_are_reported() {
        let newer = written(&Entry::Opened { version: VERSION + 1, worker: "w".into(), incarnation: "".into() });
        assert_eq!(parsed(&newer[..newer.len() - 1]), Err(Damage::Unknown("the file is of version 2".into())));
        let Entry::Intent(intent) = entries().remove(1) else { panic!("the second is an intent") };
        let other = written(&Entry::Intent(Intent { content: "{}".into(), ..intent }));
        let damage = parsed(&other[..other.len() - 1]).unwrap_err();
        assert_eq!(damage, Damage::Unknown("the content is not the one of its hash".into()));
    }
}
