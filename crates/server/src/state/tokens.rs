//! Tokens with their roles and accounts: the tokens file is read at the start and again on SIGHUP. It holds hashes only; a token is shown once,
//! when it is made.

mod file;
mod weak;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar_domain::{AccountName, Millis};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(in crate::state) use self::file::MAX_NAME_CHARS;
use self::file::TokenOfFile;
use self::weak::Hash;
use crate::state::rate::Rate;

/// Random bytes in a token: 32 cannot be guessed.
const TOKEN_BYTES: usize = 32;

/// Streams of events of one token at a time.
pub(crate) const STREAMS_PER_TOKEN: usize = 16;

/// Requests of one token that wait for a job at a time: each keeps a connection and looks at its job every second.
pub(crate) const WAITS_PER_TOKEN: usize = 128;
/// A token's last use is noted once in this time by each server, and a refusal of an expired token is logged as seldom.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Hexadecimal digits of a bearer's name in Redis.
const ID_DIGITS: usize = 32;

/// The role of a token's bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// The same for the account of this name; `None` is what belongs to no account.
    pub(crate) fn have_named(&self, account: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Only(accounts) => accounts.iter().any(|known| Some(known.as_str()) == account),
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
    /// The moment from which the token is refused.
    pub(crate) expires: Option<Millis>,
    hash: Hash,
    /// The used part of its rate.
    pub(crate) rate: Rate,
    /// Room for streams of events.
    pub(crate) streams: Arc<Semaphore>,
    /// Room for requests that wait.
    pub(crate) waits: Semaphore,
    /// The last time at which something was noted of the token.
    noted: Mutex<Option<Instant>>,
    /// True for a person whom a provider vouches for, who has no token.
    is_person: bool,
    /// The digest of the token, or of the person at the provider, whatever the name: by it two operators are distinguished.
    pub(crate) identity: String,
}

impl Bearer {
    fn new(token: TokenOfFile) -> Self {
        let TokenOfFile { name, role, accounts, expires, hash } = token;
        Self {
            name,
            role,
            accounts,
            expires,
            identity: digest(&[b"operator ", &hash]),
            hash,
            rate: Rate::default(),
            streams: Arc::new(Semaphore::new(STREAMS_PER_TOKEN)),
            waits: Semaphore::new(WAITS_PER_TOKEN),
            noted: Mutex::default(),
            is_person: false,
        }
    }

    /// A person whom a provider vouches for. The hash is of all that makes it this person with this name and these rights.
    pub(in crate::state) fn of_person(
        (name, identity): (String, String),
        (role, accounts): (Role, Accounts),
        hash: Hash,
    ) -> Self {
        let token = TokenOfFile { name, role, accounts, expires: None, hash };
        Self { is_person: true, identity, ..Self::new(token) }
    }

    /// True for a person whom a provider vouches for, who has no token.
    pub(crate) fn is_person(&self) -> bool {
        self.is_person
    }

    /// The bearer's name in Redis, by which no one finds the token.
    pub(crate) fn id(&self) -> String {
        id(&self.hash, &self.name)
    }

    /// True once the token has expired.
    pub(crate) fn is_expired(&self, now: Millis) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// True once in [`NOTE_EVERY`].
    pub(crate) fn is_to_be_noted(&self, now: Instant) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = noted.is_none_or(|at| now.duration_since(at) >= NOTE_EVERY);
        if is_due {
            *noted = Some(now);
        }
        is_due
    }

    /// Another token's is another, also under the same name.
    pub(crate) fn hash(&self) -> &[u8] {
        &self.hash
    }
}

fn id(hash: &Hash, name: &str) -> String {
    digest(&[b"bearer ", hash, name.as_bytes()])
}

/// A digest in Redis, from which no one finds the token.
pub(in crate::state) fn digest(parts: &[&[u8]]) -> String {
    let sha256 = parts.iter().fold(Sha256::new(), |sha256, part| sha256.chain_update(part));
    let mut digest = hex::encode(sha256.finalize());
    digest.truncate(ID_DIGITS);
    digest
}

/// Why a token has no bearer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoBearer {
    /// The tokens file does not have it.
    #[error("the token is not known")]
    Unknown,
    /// It has expired.
    #[error("the token of {} has expired", .0.name)]
    Expired(Arc<Bearer>),
}

/// A token of the tokens file, for people: without its hash.
#[derive(Clone, Debug)]
pub struct KnownToken {
    /// The token's name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The accounts that it is for; `None` for all.
    pub accounts: Option<BTreeSet<AccountName>>,
    /// The moment from which it is refused.
    pub expires: Option<Millis>,
    /// Its bearer's name in Redis.
    pub bearer: String,
}

impl KnownToken {
    /// True if the token is for this account.
    #[must_use]
    pub fn is_for(&self, account: &AccountName) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }

    /// True once it has expired, by this machine's clock.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= super::clock::now())
    }
}

/// The tokens that are known now.
pub(crate) struct Tokens {
    path: PathBuf,
    /// The accounts of the configuration: a token for another one is a mistake.
    configured: RwLock<BTreeSet<AccountName>>,
    known: RwLock<Vec<Arc<Bearer>>>,
}

impl Tokens {
    /// Reads the file. `configured` are the accounts that a token may be for.
    pub(crate) fn read(path: &Path, configured: BTreeSet<AccountName>) -> Result<Self, TokensError> {
        let known = RwLock::new(bearers(file::read(path, &configured)?));
        Ok(Self { path: path.to_path_buf(), configured: RwLock::new(configured), known })
    }

    /// No tokens, until the file is there and read again.
    pub(crate) fn none_yet(path: &Path, configured: BTreeSet<AccountName>) -> Self {
        Self { path: path.to_path_buf(), configured: RwLock::new(configured), known: RwLock::default() }
    }

    /// The accounts that a token may be for when the file is read again.
    pub(crate) fn configure(&self, configured: BTreeSet<AccountName>) {
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = configured;
    }

    /// Reads the file again; returns how many tokens it has. Those that stay keep what they have used of their rate.
    pub(crate) fn reload(&self) -> Result<usize, TokensError> {
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut read = bearers(file::read(&self.path, &configured)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for bearer in &mut read {
            let same = |old: &&Arc<Bearer>| {
                (old.hash, &old.name, old.role, &old.accounts, old.expires)
                    == (bearer.hash, &bearer.name, bearer.role, &bearer.accounts, bearer.expires)
            };
            if let Some(old) = known.iter().find(same) {
                *bearer = Arc::clone(old);
            }
        }
        *known = read;
        Ok(known.len())
    }

    /// True if a bearer's token is still in the file, with the same role and the same accounts, and has not expired.
    pub(crate) fn still_knows(&self, bearer: &Arc<Bearer>, now: Millis) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        !bearer.is_expired(now) && known.iter().any(|known| Arc::ptr_eq(known, bearer))
    }

    /// The names in Redis of all bearers.
    pub(crate) fn ids(&self) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|bearer| bearer.id()).collect()
    }

    /// The bearer of this name, unless the token has expired.
    pub(crate) fn named(&self, name: &str, now: Millis) -> Option<Arc<Bearer>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|bearer| bearer.name == name && !bearer.is_expired(now)).map(Arc::clone)
    }

    /// Whose token this is. Takes as long for a wrong one as for a right one: each is compared with all that are known.
    ///
    /// # Errors
    /// [`NoBearer`].
    pub(crate) fn bearer(&self, token: &str, now: Millis) -> Result<Arc<Bearer>, NoBearer> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().fold(None, |found, bearer| {
            if bool::from(bearer.hash.ct_eq(&hash)) { Some(Arc::clone(bearer)) } else { found }
        });
        match found {
            None => Err(NoBearer::Unknown),
            Some(bearer) if bearer.is_expired(now) => Err(NoBearer::Expired(bearer)),
            Some(bearer) => Ok(bearer),
        }
    }
}

fn bearers(tokens: Vec<TokenOfFile>) -> Vec<Arc<Bearer>> {
    tokens.into_iter().map(|token| Arc::new(Bearer::new(token))).collect()
}

/// The tokens of a file, for people. `configured` are the accounts that a token may be for.
///
/// # Errors
/// [`TokensError`], as a server would refuse the file.
pub fn known_tokens(path: &Path, configured: &BTreeSet<AccountName>) -> Result<Vec<KnownToken>, TokensError> {
    let tokens = file::read(path, configured)?.into_iter().map(|token| {
        let bearer = id(&token.hash, &token.name);
        let accounts = match token.accounts {
            Accounts::All => None,
            Accounts::Only(accounts) => Some(accounts),
        };
        KnownToken { name: token.name, role: token.role, accounts, expires: token.expires, bearer }
    });
    Ok(tokens.collect())
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

    fn tokens(text: &str) -> Tokens {
        let known = RwLock::new(bearers(file::parse(text, &BTreeSet::new()).unwrap()));
        Tokens { path: PathBuf::new(), configured: RwLock::default(), known }
    }

    fn entry(name: &str, hash: &str, more: &str) -> String {
        format!("[[token]]\nname = \"{name}\"\nrole = \"producer\"\nsha256 = \"{hash}\"\n{more}\n")
    }

    #[test]
    fn pages_name_the_bounds_of_a_token() {
        let (waits, streams) = (WAITS_PER_TOKEN, STREAMS_PER_TOKEN);
        let operations = include_str!("../../../../docs/operations.md");
        assert!(operations.contains(&format!("wait for {waits} jobs (`?wait`) and follow {streams} streams at once")));
        assert!(include_str!("../../../../docs/http-api.md").contains(&format!("wait for {waits} jobs at once")));
    }

    #[test]
    fn a_token_is_known_by_its_hash_and_no_other_is() {
        let (token, hash) = new_token().unwrap();
        let tokens = tokens(&entry("shop", &hash, ""));
        let bearer = tokens.bearer(&token, Millis(1)).unwrap();
        assert_eq!((bearer.name.as_str(), bearer.role), ("shop", Role::Producer));
        for other in ["", &hash, &token[1..], &format!("{token} ")] {
            assert!(matches!(tokens.bearer(other, Millis(1)), Err(NoBearer::Unknown)), "{other}");
        }
        assert_ne!(new_token().unwrap().0, token);
    }

    #[test]
    fn an_expired_token_has_no_bearer_at_its_expiry_and_after_it() {
        let (token, hash) = new_token().unwrap();
        let tokens = tokens(&entry("shop", &hash, "expires = 1970-01-01T00:00:01Z"));
        let bearer = tokens.bearer(&token, Millis(999)).unwrap();
        assert!(tokens.still_knows(&bearer, Millis(999)) && tokens.named("shop", Millis(999)).is_some());
        for now in [Millis(1_000), Millis(u64::MAX)] {
            assert!(matches!(tokens.bearer(&token, now), Err(NoBearer::Expired(bearer)) if bearer.name == "shop"));
            assert!(!tokens.still_knows(&bearer, now) && tokens.named("shop", now).is_none(), "{now:?}");
        }
    }

    #[test]
    fn a_bearer_has_another_id_under_another_name_or_hash() {
        let ids = [("a", "0"), ("b", "0"), ("a", "1")]
            .map(|(name, digit)| tokens(&entry(name, &digit.repeat(64), "")).named(name, Millis(1)).unwrap().id());
        assert_eq!(BTreeSet::from(ids.clone()).len(), 3);
        assert!(ids.iter().all(|id| id.len() == ID_DIGITS && !id.contains("0000")), "no digits of the hash: {ids:?}");
    }

    #[test]
    fn something_is_noted_of_a_token_once_a_minute() {
        let bearer = tokens(&entry("a", &"0".repeat(64), "")).named("a", Millis(1)).unwrap();
        let now = Instant::now();
        let noted = [0, 1, 59, 60, 119, 120].map(|seconds| bearer.is_to_be_noted(now + Duration::from_secs(seconds)));
        assert_eq!(noted, [true, false, false, true, false, true]);
    }
}
