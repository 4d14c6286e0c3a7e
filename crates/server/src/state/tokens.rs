//! Tokens with their roles and accounts: the tokens file is read at the start and again on SIGHUP. It holds hashes only; a token is shown once,
//! when it is made.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar_domain::AccountName;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::state::rate::Rate;

/// The longest tokens file that is read, in bytes: each token is compared with every request's.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The longest name of a token, in characters: it is in every log line and action of its bearer.
const MAX_NAME_CHARS: usize = 64;

/// Random bytes in a token: 32 cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// Streams of events of one token at a time.
pub(crate) const STREAMS_PER_TOKEN: usize = 16;

/// The role of a token's bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Submits jobs, and reads.
    Producer,
    /// Acts on jobs and queues, and reads.
    Operator,
    /// Reads.
    Reader,
}

impl Role {
    /// Every role.
    pub(crate) const ALL: [Self; 3] = [Self::Producer, Self::Operator, Self::Reader];

    /// The word for it in the tokens file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Operator => "operator",
            Self::Reader => "reader",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| "a role is one of producer, operator, reader".to_owned())
    }
}

/// The accounts that a token is for. What it is not for does not exist for its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accounts {
    /// Every one that is configured, now and later.
    All,
    /// These.
    Only(BTreeSet<AccountName>),
}

impl Accounts {
    pub(crate) fn have(&self, account: &AccountName) -> bool {
        match self {
            Self::All => true,
            Self::Only(accounts) => accounts.contains(account),
        }
    }
}

/// Why there are no tokens. The operator acts next; a server that runs keeps the ones it has.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file is not there, or cannot be read.
    #[error("server.tokens_file: cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is there and breaks rules.
    #[error("server.tokens_file: {}: {problem}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Which rule; never a token.
        problem: String,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness for a token")]
    NoRandomness,
}

impl TokensError {
    /// True if there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Unreadable { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::Wrong { .. } | Self::NoRandomness => false,
        }
    }
}

/// A token that is known, without the token.
#[derive(Debug)]
pub(crate) struct Bearer {
    /// The token's name, recorded with each of its actions.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The accounts that the token is for.
    pub(crate) accounts: Accounts,
    hash: [u8; 32],
    /// The used part of its rate.
    pub(crate) rate: Rate,
    /// Room for streams of events.
    pub(crate) streams: Arc<Semaphore>,
}

impl Bearer {
    /// Another token's is another, also under the same name.
    pub(crate) fn hash(&self) -> &[u8] {
        &self.hash
    }
}

/// The tokens that are known now.
pub(crate) struct Tokens {
    path: PathBuf,
    /// The accounts of the configuration: a token for another one is a mistake.
    configured: BTreeSet<AccountName>,
    known: RwLock<Vec<Arc<Bearer>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: Role,
    sha256: String,
    accounts: Option<Vec<String>>,
}

impl Tokens {
    /// Reads the file. `configured` are the accounts that a token may be for.
    pub(crate) fn read(path: &Path, configured: BTreeSet<AccountName>) -> Result<Self, TokensError> {
        let known = RwLock::new(read(path, &configured)?);
        Ok(Self { path: path.to_path_buf(), configured, known })
    }

    /// No tokens, until the file is there and read again.
    pub(crate) fn none_yet(path: &Path, configured: BTreeSet<AccountName>) -> Self {
        Self { path: path.to_path_buf(), configured, known: RwLock::default() }
    }

    /// Reads the file again; returns how many tokens it has. Those that stay keep what they have used of their rate.
    pub(crate) fn reload(&self) -> Result<usize, TokensError> {
        let mut read = read(&self.path, &self.configured)?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for bearer in &mut read {
            let same = |old: &&Arc<Bearer>| {
                (old.hash, &old.name, old.role, &old.accounts)
                    == (bearer.hash, &bearer.name, bearer.role, &bearer.accounts)
            };
            if let Some(old) = known.iter().find(same) {
                *bearer = Arc::clone(old);
            }
        }
        *known = read;
        Ok(known.len())
    }

    /// True if a bearer's token is still in the file, with the same role and the same accounts.
    pub(crate) fn still_knows(&self, bearer: &Arc<Bearer>) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|known| Arc::ptr_eq(known, bearer))
    }

    /// The bearer of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Bearer>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|bearer| bearer.name == name).map(Arc::clone)
    }

    /// Whose token this is. Takes as long for a wrong one as for a right one: each is compared with all that are known.
    pub(crate) fn bearer(&self, token: &str) -> Option<Arc<Bearer>> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().fold(
            None,
            |found, bearer| {
                if bool::from(bearer.hash.ct_eq(&hash)) { Some(Arc::clone(bearer)) } else { found }
            },
        )
    }
}

fn read(path: &Path, configured: &BTreeSet<AccountName>) -> Result<Vec<Arc<Bearer>>, TokensError> {
    use std::io::Read;
    let wrong = |problem| TokensError::Wrong { path: path.to_path_buf(), problem };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| TokensError::Unreadable { path: path.to_path_buf(), source })?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(wrong(format!("is over {MAX_FILE_BYTES} bytes")));
    }
    parse(&text, configured).map_err(wrong)
}

fn parse(text: &str, configured: &BTreeSet<AccountName>) -> Result<Vec<Arc<Bearer>>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if file.token.is_empty() {
        // A file that an editor has just emptied must not lock everybody out.
        return Err("names no token".into());
    }
    let (mut names, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    let mut bearers = Vec::with_capacity(file.token.len());
    for (index, Entry { name, role, sha256, accounts }) in file.token.into_iter().enumerate() {
        let whose = format!("token {}", index + 1);
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(format!("{whose}: name must be 1 to {MAX_NAME_CHARS} characters, none a control character"));
        }
        let hash: Option<[u8; 32]> = hex::decode(&sha256).ok().and_then(|bytes| bytes.try_into().ok());
        let hash = hash.ok_or_else(|| format!("{whose} ({name}): sha256 must be 64 hexadecimal digits"))?;
        if !names.insert(name.clone()) {
            return Err(format!("{whose}: the name {name} is there twice"));
        }
        if !hashes.insert(hash) {
            return Err(format!("{whose} ({name}): its sha256 is there twice"));
        }
        let accounts = accounts_of(accounts, configured).map_err(|problem| format!("{whose} ({name}): {problem}"))?;
        bearers.push(Arc::new(Bearer {
            name,
            role,
            accounts,
            hash,
            rate: Rate::default(),
            streams: Arc::new(Semaphore::new(STREAMS_PER_TOKEN)),
        }));
    }
    Ok(bearers)
}

/// A name that no account has is a mistake: its bearer would find nothing, without a reason.
fn accounts_of(named: Option<Vec<String>>, configured: &BTreeSet<AccountName>) -> Result<Accounts, String> {
    let Some(named) = named else { return Ok(Accounts::All) };
    if named.is_empty() {
        return Err("accounts must name at least one; left out, the token is for all".to_owned());
    }
    let known = |name: &String| configured.iter().find(|account| account.as_str() == name).cloned();
    let accounts = named.iter().map(|name| {
        known(name).ok_or_else(|| {
            let there: Vec<&str> = configured.iter().map(AccountName::as_str).collect();
            format!("accounts names {name:?}, which is not configured; there are {}", there.join(", "))
        })
    });
    accounts.collect::<Result<_, _>>().map(Accounts::Only)
}

/// A token of the tokens file, for a command that is given one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownToken {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    accounts: Accounts,
}

impl KnownToken {
    /// True if the token is for this account.
    #[must_use]
    pub fn is_for(&self, account: &AccountName) -> bool {
        self.accounts.have(account)
    }
}

/// Every token of the tokens file. `configured` are the accounts that a token may be for.
///
/// # Errors
/// [`TokensError`].
pub fn known_tokens(path: &Path, configured: &BTreeSet<AccountName>) -> Result<Vec<KnownToken>, TokensError> {
    Ok(read(path, configured)?.iter().map(|bearer| known_token(bearer)).collect())
}

/// The token of the tokens file that this is; `None` if it is none of them.
///
/// # Errors
/// [`TokensError`].
pub fn known_token_of(
    path: &Path,
    configured: &BTreeSet<AccountName>,
    token: &str,
) -> Result<Option<KnownToken>, TokensError> {
    Ok(Tokens::read(path, configured.clone())?.bearer(token).map(|bearer| known_token(&bearer)))
}

fn known_token(bearer: &Bearer) -> KnownToken {
    KnownToken { name: bearer.name.clone(), role: bearer.role, accounts: bearer.accounts.clone() }
}

/// A new token, and its hash for the tokens file. The token is stored nowhere.
///
/// # Errors
/// [`TokensError::NoRandomness`].
pub fn new_token() -> Result<(String, String), TokensError> {
    let mut bytes = [0; TOKEN_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TokensError::NoRandomness)?;
    let token = format!("bursar_{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = hex::encode(Sha256::digest(token.as_bytes()));
    Ok((token, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, role: &str, sha256: &str) -> String {
        format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n")
    }

    fn configured() -> BTreeSet<AccountName> {
        ["main", "shop"].into_iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_token_is_for_all_accounts_or_for_those_that_it_names() {
        let hash = "0".repeat(64);
        let of = |line: &str| parse(&format!("{}{line}", entry("a", "producer", &hash)), &configured()).unwrap();
        let (main, shop) = ("main".parse().unwrap(), "shop".parse().unwrap());
        for (line, expected) in [("", [true, true]), ("accounts = [\"shop\"]", [false, true])] {
            let accounts = &of(line)[0].accounts;
            assert_eq!([accounts.have(&main), accounts.have(&shop)], expected, "{line}");
        }
    }

    #[test]
    fn a_token_is_known_by_its_hash_and_no_other_is() {
        let (token, hash) = new_token().unwrap();
        let known = RwLock::new(parse(&entry("shop", "producer", &hash), &configured()).unwrap());
        let tokens = Tokens { path: PathBuf::new(), configured: configured(), known };
        let bearer = tokens.bearer(&token).unwrap();
        assert_eq!((bearer.name.as_str(), bearer.role), ("shop", Role::Producer));
        for other in ["", &hash, &token[1..], &format!("{token} ")] {
            assert!(tokens.bearer(other).is_none(), "{other}");
        }
        assert_ne!(new_token().unwrap().0, token);
    }

    #[test]
    fn a_broken_file_is_refused_by_what_is_wrong_with_it() {
        let hash = "0".repeat(64);
        let wrong = [
            (entry("a", "admin", &hash), "unknown variant `admin`"),
            (entry("a", "reader", "abc"), "token 1 (a): sha256 must be 64 hexadecimal digits"),
            (entry("", "reader", &hash), "token 1: name must be"),
            (format!("{}token = \"plain\"\n", entry("a", "reader", &hash)), "unknown field `token`"),
            ("tokens = []".to_owned(), "unknown field `tokens`"),
            (
                format!("{}{}", entry("a", "reader", &hash), entry("a", "reader", &"1".repeat(64))),
                "the name a is there twice",
            ),
            (format!("{}{}", entry("a", "reader", &hash), entry("b", "reader", &hash)), "its sha256 is there twice"),
            (format!("{}accounts = []", entry("a", "reader", &hash)), "token 1 (a): accounts must name at least one"),
            (format!("{}accounts = [\"mian\"]", entry("a", "reader", &hash)), "accounts names \"mian\", which is not"),
            (format!("{}accounts = \"main\"", entry("a", "reader", &hash)), "expected a sequence"),
            ("[[token]".to_owned(), ""),
            (String::new(), "names no token"),
        ];
        for (text, expected) in wrong {
            let problem = parse(&text, &configured()).map(|bearers| bearers.len()).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
