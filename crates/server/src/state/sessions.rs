//! Signing in: a cookie that says whose token was shown and until when, signed. Nothing is kept for it in the process but
//! the sessions that were ended early, and a token that leaves the tokens file takes its sessions with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::state::tokens::{Bearer, Tokens};

/// The lifetime of a session, used or not: an operator's shift.
pub(crate) const LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions that were ended early and are remembered until their time would have been up. Beyond that, the one that would
/// end first is forgotten.
const MAX_ENDED: usize = 10_000;

/// Random bytes in a session's name, and in a random key.
const CHANCE_BYTES: usize = 32;

/// The shortest key that is taken from a file, in bytes: as long as what it signs with.
const MIN_KEY_BYTES: usize = 32;

/// Why there is no key for sessions. The operator acts next.
#[derive(Debug, thiserror::Error)]
pub enum SessionKeyError {
    /// The file is not there, or cannot be read.
    #[error("server.session_key_file: cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is too short to be a secret.
    #[error("server.session_key_file: {} has fewer than {MIN_KEY_BYTES} bytes", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness for a session")]
    NoRandomness,
}

/// The key that signs sessions, and the sessions that were ended.
pub(crate) struct Sessions {
    key: hmac::Key,
    /// By name, with the second at which each would have expired.
    ended: Mutex<BTreeMap<String, u64>>,
}

/// One session, read from its cookie.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) bearer: Arc<Bearer>,
    name: String,
    pub(crate) until: u64,
}

impl Sessions {
    /// With the key of this file, which all replicas share, or with one of the process's own.
    pub(crate) fn open(key_file: Option<&Path>) -> Result<Self, SessionKeyError> {
        let key = match key_file {
            None => chance()?.to_vec(),
            Some(path) => {
                let path = path.to_path_buf();
                match std::fs::read(&path) {
                    Ok(key) if key.trim_ascii().len() >= MIN_KEY_BYTES => key.trim_ascii().to_vec(),
                    Ok(_) => return Err(SessionKeyError::TooShort { path }),
                    Err(source) => return Err(SessionKeyError::Unreadable { path, source }),
                }
            }
        };
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), ended: Mutex::default() })
    }

    /// A session of this bearer from now on; its cookie's value.
    pub(crate) fn begin(&self, bearer: &Arc<Bearer>, now: u64) -> Result<String, SessionKeyError> {
        let name = URL_SAFE_NO_PAD.encode(chance()?);
        let session = Session { bearer: Arc::clone(bearer), name, until: now + LASTS.as_secs() };
        let whose = URL_SAFE_NO_PAD.encode(&session.bearer.name);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &session.signed()));
        Ok(format!("{whose}.{}.{}.{signature}", session.until, session.name))
    }

    /// The session of this cookie: signed here, not over, not ended, and its token is known still.
    pub(crate) fn read(&self, cookie: &str, tokens: &Tokens, now: u64) -> Option<Session> {
        let mut parts = cookie.split('.');
        let mut part = || parts.next();
        let (whose, until, name, signature) = (part()?, part()?, part()?, part()?);
        let whose = String::from_utf8(URL_SAFE_NO_PAD.decode(whose).ok()?).ok()?;
        let bearer = tokens.named(&whose)?;
        let session = Session { bearer, name: name.to_owned(), until: until.parse().ok()? };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, &session.signed(), &signature).ok()?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name);
        (now < session.until && !ended).then_some(session)
    }

    /// Ends a session before its time. Other replicas learn of it when its time is up.
    pub(crate) fn end(&self, session: &Session, now: u64) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|_, until| *until > now);
        if ended.len() >= MAX_ENDED {
            let first = ended.iter().min_by_key(|(_, until)| **until).map(|(name, _)| name.clone());
            first.and_then(|name| ended.remove(&name));
        }
        ended.insert(session.name.clone(), session.until);
    }

    /// The token that a form of this session must have.
    pub(crate) fn form_token(&self, session: &Session) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &session.form()))
    }

    /// True for the token of this session's forms.
    pub(crate) fn is_form_token(&self, session: &Session, token: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        hmac::verify(&self.key, &session.form(), &given).is_ok()
    }
}

impl Session {
    /// The signed text has the token's hash: a new token of the same name has no part in the sessions of the old one.
    fn signed(&self) -> Vec<u8> {
        let Self { bearer, name, until } = self;
        [
            b"session ".as_slice(),
            until.to_string().as_bytes(),
            b" ",
            name.as_bytes(),
            b" ",
            bearer.hash(),
            bearer.name.as_bytes(),
        ]
        .concat()
    }

    fn form(&self) -> Vec<u8> {
        format!("form {}", self.name).into_bytes()
    }
}

fn chance() -> Result<[u8; CHANCE_BYTES], SessionKeyError> {
    let mut bytes = [0; CHANCE_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SessionKeyError::NoRandomness)?;
    Ok(bytes)
}

/// Seconds since 1970 by this machine's clock.
#[allow(clippy::disallowed_methods, reason = "how long a browser stays signed in decides nothing about a job")]
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tokens::{Role, new_token};

    fn file(entries: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = |(name, hash): &(&str, &str)| {
            format!("[[token]]\nname = \"{name}\"\nrole = \"operator\"\nsha256 = \"{hash}\"\n")
        };
        std::fs::write(file.path(), entries.iter().map(entry).collect::<String>()).unwrap();
        file
    }

    fn scene() -> (Sessions, Tokens, tempfile::NamedTempFile) {
        let file = file(&[("li", &new_token().unwrap().1), ("wang", &new_token().unwrap().1)]);
        (Sessions::open(None).unwrap(), Tokens::read(file.path(), std::collections::BTreeSet::new()).unwrap(), file)
    }

    #[test]
    fn a_session_is_its_bearer_s_until_its_time_is_up() {
        let (sessions, tokens, _file) = scene();
        let cookie = sessions.begin(&tokens.named("li").unwrap(), 100).unwrap();
        let session = sessions.read(&cookie, &tokens, 100 + LASTS.as_secs() - 1).unwrap();
        assert_eq!((session.bearer.name.as_str(), session.bearer.role), ("li", Role::Operator));
        assert!(sessions.read(&cookie, &tokens, 100 + LASTS.as_secs()).is_none());
        assert!(Sessions::open(None).unwrap().read(&cookie, &tokens, 101).is_none(), "another process's key");
    }

    #[test]
    fn nothing_of_a_cookie_can_be_changed() {
        let (sessions, tokens, _file) = scene();
        let cookie = sessions.begin(&tokens.named("li").unwrap(), 100).unwrap();
        for index in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            // The last character of base64 has bits that mean nothing.
            assert!(sessions.read(&forged, &tokens, 101).is_none() || index + 1 == cookie.len(), "{index}");
        }
        let wang = cookie.replacen(&URL_SAFE_NO_PAD.encode("li"), &URL_SAFE_NO_PAD.encode("wang"), 1);
        assert!(sessions.read(&wang, &tokens, 101).is_none());
        for wrong in ["", ".", "...", "a.b.c.d", &"A".repeat(10_000)] {
            assert!(sessions.read(wrong, &tokens, 101).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_session_ends_with_a_sign_out_or_a_new_token() {
        let (sessions, tokens, kept) = scene();
        let cookie = sessions.begin(&tokens.named("li").unwrap(), 100).unwrap();
        let other = sessions.begin(&tokens.named("li").unwrap(), 100).unwrap();
        sessions.end(&sessions.read(&cookie, &tokens, 101).unwrap(), 101);
        assert!(sessions.read(&cookie, &tokens, 102).is_none());
        assert!(sessions.read(&other, &tokens, 102).is_some(), "only the one that was signed out of");
        let rewritten = file(&[("li", &new_token().unwrap().1)]);
        std::fs::copy(rewritten.path(), kept.path()).unwrap();
        tokens.reload().unwrap();
        assert!(sessions.read(&other, &tokens, 102).is_none());
    }

    #[test]
    fn what_is_remembered_of_ended_sessions_is_bounded() {
        let (sessions, tokens, _file) = scene();
        let bearer = tokens.named("li").unwrap();
        for index in 0..MAX_ENDED + 10 {
            let session = Session { bearer: Arc::clone(&bearer), name: index.to_string(), until: 1_000 };
            sessions.end(&session, 1);
        }
        assert_eq!(sessions.ended.lock().unwrap().len(), MAX_ENDED);
        sessions.end(&Session { bearer, name: "late".into(), until: 3_000 }, 2_000);
        assert_eq!(sessions.ended.lock().unwrap().len(), 1, "those whose time is up are forgotten");
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let (sessions, tokens, _file) = scene();
        let read = || sessions.read(&sessions.begin(&tokens.named("li").unwrap(), 1).unwrap(), &tokens, 2).unwrap();
        let (first, second) = (read(), read());
        assert!(sessions.is_form_token(&first, &sessions.form_token(&first)));
        for wrong in [sessions.form_token(&second), String::new(), "AAAA".into()] {
            assert!(!sessions.is_form_token(&first, &wrong));
        }
    }

    #[test]
    fn replicas_with_one_key_file_share_sessions() {
        let (_, tokens, _file) = scene();
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "k".repeat(MIN_KEY_BYTES) + "\n").unwrap();
        let [one, other] = [(); 2].map(|()| Sessions::open(Some(key.path())).unwrap());
        let cookie = one.begin(&tokens.named("li").unwrap(), 1).unwrap();
        assert!(other.read(&cookie, &tokens, 2).is_some());
        std::fs::write(key.path(), "short").unwrap();
        assert!(matches!(Sessions::open(Some(key.path())), Err(SessionKeyError::TooShort { .. })));
        assert!(matches!(Sessions::open(Some(Path::new("/nowhere"))), Err(SessionKeyError::Unreadable { .. })));
    }
}
