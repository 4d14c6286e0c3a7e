//! Signing in: a cookie that says whose token was shown and until when, signed; and in Redis, for all servers, the sessions that are in use.
//! A session is over when Redis does not have it: after a sign-out, after the idle limit, and where Redis lost it. A token that leaves the
//! tokens file or expires takes its sessions with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar_domain::Millis;
use bursar_store::{SessionStep, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::state::oidc::Person;
use crate::state::tokens::Bearer;

/// Random bytes in a session's name, and in a random key.
const CHANCE_BYTES: usize = 32;

/// The shortest key that is taken from a file, in bytes: as long as what it signs with.
const MIN_KEY_BYTES: usize = 32;

/// The longest times of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without use.
    pub idle: Duration,
    /// With use.
    pub lifetime: Duration,
}

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

/// The key that signs sessions, and their limits.
pub(crate) struct Sessions {
    key: hmac::Key,
    pub(crate) limits: SessionLimits,
}

/// One session, read from its cookie.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) bearer: Arc<Bearer>,
    pub(crate) until: Millis,
    name: String,
    /// The cookie's text without the signature.
    said: String,
}

/// The signed content of a cookie.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// The session's name.
    session: String,
    /// The end of its lifetime.
    until: Millis,
    bearer: Whose,
}

/// The bearer of a session, as its cookie says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Whose {
    /// Of the token with this name.
    Token(String),
    /// A person whom the provider vouches for.
    Person(Person),
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) enum NoSession {
    /// There is none any more, or there never was.
    Over,
    /// Redis does not say if it is over.
    Unknown,
}

/// The part of a request in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// A person does something: the idle time begins again.
    Person,
    /// A page renews itself.
    Page,
}

impl Sessions {
    /// With the key of this file, which all replicas share, or with one of the process's own.
    pub(crate) fn open(key_file: Option<&Path>, limits: SessionLimits) -> Result<Self, SessionKeyError> {
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
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), limits })
    }

    /// A session of this bearer from now on, which Redis does not know yet.
    pub(crate) fn make(&self, bearer: &Arc<Bearer>, whose: Whose, now: Millis) -> Result<Session, SessionKeyError> {
        let name = URL_SAFE_NO_PAD.encode(chance()?);
        let until = now.plus(self.limits.lifetime);
        let said = Said { session: name.clone(), until, bearer: whose };
        let said = serde_json::to_string(&said).map(|said| URL_SAFE_NO_PAD.encode(said)).unwrap_or_default();
        Ok(Session { bearer: Arc::clone(bearer), until, name, said })
    }

    /// The value of a session's cookie.
    pub(crate) fn cookie(&self, session: &Session) -> String {
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &session.signed()));
        format!("{}.{signature}", session.said)
    }

    /// The session of this cookie: signed here, within its lifetime, and its bearer is known still. Redis says if it is over.
    pub(crate) fn read(
        &self,
        cookie: &str,
        known: impl FnOnce(&Whose) -> Option<Arc<Bearer>>,
        now: Millis,
    ) -> Option<Session> {
        let (said, signature) = cookie.split_once('.')?;
        let Said { session: name, until, bearer } = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok()?;
        let session = Session { bearer: known(&bearer)?, until, name, said: said.to_owned() };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, &session.signed(), &signature).ok()?;
        (now < until).then_some(session)
    }

    /// A value that the browser keeps for one purpose and returns unchanged.
    pub(crate) fn sealed(&self, purpose: &str, value: &impl Serialize) -> String {
        let said = serde_json::to_string(value).map(|said| URL_SAFE_NO_PAD.encode(said)).unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("{purpose} {said}").as_bytes()));
        format!("{said}.{signature}")
    }

    /// The value that was sealed for this purpose.
    pub(crate) fn opened<T: DeserializeOwned>(&self, purpose: &str, sealed: &str) -> Option<T> {
        let (said, signature) = sealed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, format!("{purpose} {said}").as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(said).ok()?).ok()
    }

    /// Has Redis know a session.
    ///
    /// # Errors
    /// [`Refusal`]: Redis may know it.
    pub(crate) async fn begin(&self, store: &Store, session: &Session) -> Result<(), Refusal> {
        self.step(store, session, SessionStep::Begin).await.map(drop)
    }

    /// Checks that a session is not over, by one look-up in Redis.
    ///
    /// # Errors
    /// [`NoSession`].
    pub(crate) async fn check(&self, store: &Store, session: &Session, presence: Presence) -> Result<(), NoSession> {
        let step = match presence {
            Presence::Person => SessionStep::Use,
            Presence::Page => SessionStep::Find,
        };
        let found = self.step(store, session, step).await.map_err(|_| NoSession::Unknown)?;
        if found { Ok(()) } else { Err(NoSession::Over) }
    }

    /// Ends a session at every server.
    ///
    /// # Errors
    /// [`Refusal`]: it may go on.
    pub(crate) async fn end(&self, store: &Store, session: &Session) -> Result<(), Refusal> {
        self.step(store, session, SessionStep::End).await.map(drop)
    }

    async fn step(&self, store: &Store, session: &Session, step: SessionStep) -> Result<bool, Refusal> {
        let found = store.session(&session.bearer.id(), &session.name, step, self.limits.idle).await;
        found.map_err(|error| Refusal::of_store(error, "sessions of the dashboard cannot be looked up or ended"))
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
        [b"session ".as_slice(), self.said.as_bytes(), b" ", self.bearer.hash()].concat()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tokens::{Role, Tokens, new_token};

    const LIMITS: SessionLimits = SessionLimits { idle: Duration::from_secs(60), lifetime: Duration::from_secs(600) };

    fn file(entries: &[(&str, &str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let entry = |(name, hash, more): &(&str, &str, &str)| {
            format!("[[token]]\nname = \"{name}\"\nrole = \"operator\"\nsha256 = \"{hash}\"\n{more}\n")
        };
        std::fs::write(file.path(), entries.iter().map(entry).collect::<String>()).unwrap();
        file
    }

    fn scene() -> (Sessions, Tokens, tempfile::NamedTempFile) {
        let file = file(&[
            ("li", &new_token().unwrap().1, ""),
            ("wang", &new_token().unwrap().1, "expires = 1970-01-01T00:05:00Z"),
        ]);
        let tokens = Tokens::read(file.path(), std::collections::BTreeSet::new()).unwrap();
        (Sessions::open(None, LIMITS).unwrap(), tokens, file)
    }

    fn cookie_of(sessions: &Sessions, tokens: &Tokens, name: &str) -> String {
        let bearer = tokens.named(name, Millis(1)).unwrap();
        let session = sessions.make(&bearer, Whose::Token(name.to_owned()), Millis(100)).unwrap();
        sessions.cookie(&session)
    }

    fn read(sessions: &Sessions, cookie: &str, tokens: &Tokens, now: Millis) -> Option<Session> {
        let known = |whose: &Whose| match whose {
            Whose::Token(name) => tokens.named(name, now),
            Whose::Person(_) => None,
        };
        sessions.read(cookie, known, now)
    }

    #[test]
    fn a_session_is_its_bearer_s_until_its_time_is_up() {
        let (sessions, tokens, _file) = scene();
        let cookie = cookie_of(&sessions, &tokens, "li");
        let session = read(&sessions, &cookie, &tokens, Millis(600_099)).unwrap();
        assert_eq!((session.bearer.name.as_str(), session.bearer.role), ("li", Role::Operator));
        assert!(read(&sessions, &cookie, &tokens, Millis(600_100)).is_none());
        let other = Sessions::open(None, LIMITS).unwrap();
        assert!(read(&other, &cookie, &tokens, Millis(101)).is_none(), "another process's key");
    }

    #[test]
    fn nothing_of_a_cookie_can_be_changed() {
        let (sessions, tokens, _file) = scene();
        let cookie = cookie_of(&sessions, &tokens, "li");
        for index in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(bytes).unwrap();
            assert!(read(&sessions, &forged, &tokens, Millis(101)).is_none(), "{index}");
        }
        let (said, signature) = cookie.split_once('.').unwrap();
        let said = String::from_utf8(URL_SAFE_NO_PAD.decode(said).unwrap()).unwrap();
        for (from, to) in [("\"li\"", "\"wang\""), ("600100", "900100"), ("}", ",\"role\":\"operator\"}")] {
            assert!(said.contains(from), "{said}");
            let forged = format!("{}.{signature}", URL_SAFE_NO_PAD.encode(said.replacen(from, to, 1)));
            assert!(read(&sessions, &forged, &tokens, Millis(101)).is_none(), "{to}");
        }
        for wrong in ["", ".", "...", "a.b.c.d", &"A".repeat(10_000), &said, &format!("{cookie}.")] {
            assert!(read(&sessions, wrong, &tokens, Millis(101)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let (sessions, tokens, kept) = scene();
        let [li, wang] = ["li", "wang"].map(|name| cookie_of(&sessions, &tokens, name));
        assert!(read(&sessions, &wang, &tokens, Millis(299_999)).is_some());
        assert!(read(&sessions, &wang, &tokens, Millis(300_000)).is_none(), "the token has expired");
        let rewritten = file(&[("li", &new_token().unwrap().1, "")]);
        std::fs::copy(rewritten.path(), kept.path()).unwrap();
        tokens.reload().unwrap();
        for (cookie, why) in [(li, "another token of the same name"), (wang, "a token that was removed")] {
            assert!(read(&sessions, &cookie, &tokens, Millis(102)).is_none(), "{why}");
        }
    }

    #[test]
    fn a_form_belongs_to_its_session() {
        let (sessions, tokens, _file) = scene();
        let new = || read(&sessions, &cookie_of(&sessions, &tokens, "li"), &tokens, Millis(200)).unwrap();
        let (first, second) = (new(), new());
        assert!(sessions.is_form_token(&first, &sessions.form_token(&first)));
        for wrong in [sessions.form_token(&second), String::new(), "AAAA".into()] {
            assert!(!sessions.is_form_token(&first, &wrong));
        }
    }

    #[test]
    fn a_sealed_value_is_opened_for_its_purpose_only() {
        let (sessions, ..) = scene();
        let sealed = sessions.sealed("sign-in", &["a", "b"]);
        assert_eq!(sessions.opened::<Vec<String>>("sign-in", &sealed).unwrap(), ["a", "b"]);
        let other = Sessions::open(None, LIMITS).unwrap();
        for wrong in [sessions.opened::<Vec<String>>("session", &sealed), other.opened("sign-in", &sealed)] {
            assert!(wrong.is_none());
        }
        for wrong in ["", ".", &sealed[1..], &format!("{sealed}A"), &sealed.replacen('.', "A.", 1)] {
            assert!(sessions.opened::<Vec<String>>("sign-in", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn replicas_with_one_key_file_share_sessions() {
        let (_, tokens, _file) = scene();
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "k".repeat(MIN_KEY_BYTES) + "\n").unwrap();
        let open = |path: &Path| Sessions::open(Some(path), LIMITS);
        let [one, other] = [(); 2].map(|()| open(key.path()).unwrap());
        assert!(read(&other, &cookie_of(&one, &tokens, "li"), &tokens, Millis(200)).is_some());
        std::fs::write(key.path(), "short").unwrap();
        assert!(matches!(open(key.path()), Err(SessionKeyError::TooShort { .. })));
        assert!(matches!(open(Path::new("/nowhere")), Err(SessionKeyError::Unreadable { .. })));
    }
}
