//! The parts that accounts of one process have in common. A thousand merchants of one app sign with one key, verify with one key and
//! reach one host: each part is made once, however many accounts use it, and none of them notices.
//!
//! A part is found by everything that it is made of, so that no account gets one that was made of another account's settings.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use bursar_http_client::Client;

use crate::http::Connecting;
use crate::rsa2::{Signer, Verifier};
use crate::{Secret, SettingsError};

/// Cheap to clone; clones share the same parts.
#[derive(Clone, Default)]
pub struct SharedParts(Arc<Parts>);

#[derive(Default)]
struct Parts {
    clients: Made<Connecting, Client>,
    signers: Made<Text, Arc<Signer>>,
    verifiers: Made<Text, Arc<Verifier>>,
}

/// Everything that was made of something.
type Made<K, V> = Mutex<HashMap<K, V>>;

/// A text, as it was given, by its hash: no second copy of a key is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Text([u8; SHA256_OUTPUT_LEN]);

impl Text {
    fn of(text: &str) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }
}

impl SharedParts {
    /// A client that connects so.
    pub(crate) fn client(&self, connecting: Connecting) -> Result<Client, SettingsError> {
        made(&self.0.clients, connecting, Connecting::client)
    }

    /// The private key that `setting` holds.
    pub(crate) fn signer(&self, setting: &'static str, key: &Secret) -> Result<Arc<Signer>, SettingsError> {
        made(&self.0.signers, Text::of(key.expose()), |_| Signer::new(setting, key).map(Arc::new))
    }

    /// The public key that `setting` holds.
    pub(crate) fn verifier(&self, setting: &'static str, key: &str) -> Result<Arc<Verifier>, SettingsError> {
        made(&self.0.verifiers, Text::of(key), |_| Verifier::new(setting, key).map(Arc::new))
    }
}

impl fmt::Debug for SharedParts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SharedParts").finish_non_exhaustive()
    }
}

/// The part of this key, made if there is none. What cannot be made is tried again for the next account, which has its own error.
///
/// No account waits while another part is made: accounts are read by several threads, and two of them may make the same part once each.
fn made<K: Clone + Eq + Hash, V: Clone>(
    parts: &Made<K, V>,
    key: K,
    make: impl FnOnce(&K) -> Result<V, SettingsError>,
) -> Result<V, SettingsError> {
    // Nothing panics while it holds the lock; if something did, what is in the map is still whole.
    let locked = || parts.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(part) = locked().get(&key) {
        return Ok(part.clone());
    }
    let part = make(&key)?;
    Ok(locked().entry(key).or_insert(part).clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::Http;
    use crate::vectors::key;
    use crate::{ContentType, TooManyRequests, Transport};
    use bursar_http_client::Trust;

    #[test]
    fn a_key_is_read_once_for_all_who_have_the_same_text() {
        let parts = SharedParts::default();
        let signer = |text: &str| parts.signer("private_key_file", &Secret::new(text.to_owned()));
        let ours = key("app_private_pkcs8");
        let first = signer(&ours).unwrap();
        assert!(Arc::ptr_eq(&first, &signer(&ours).unwrap()));
        assert!(!Arc::ptr_eq(&first, &signer(&key("platform_private_pkcs8")).unwrap()));
        let verifier = |name| parts.verifier("platform_public_key_file", &key(name)).unwrap();
        assert!(Arc::ptr_eq(&verifier("platform_public_spki"), &verifier("platform_public_spki")));
        assert!(!Arc::ptr_eq(&verifier("platform_public_spki"), &verifier("app_public_spki")));
    }

    #[test]
    fn a_key_that_cannot_be_read_is_an_error_each_time() {
        let parts = SharedParts::default();
        for setting in ["private_key_file", "another_key_file"] {
            let error = parts.signer(setting, &Secret::new("no key".into())).err().unwrap();
            assert_eq!(error.setting, setting);
        }
    }

    /// Everything that a client is made of, and what is said of each request instead.
    #[test]
    fn accounts_share_a_client_only_if_they_connect_alike() {
        let one = Transport::new("https://gateway.example", ContentType::Form);
        let second = Duration::from_secs(1);
        let authority = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
        let cases = [
            ("another host", 1, Transport { base_url: "https://other.example".into(), ..one.clone() }),
            ("content type", 1, Transport { content_type: ContentType::Json, ..one.clone() }),
            ("429", 1, Transport { http_429: TooManyRequests::NotExecuted, ..one.clone() }),
            ("call timeout", 1, Transport { call_timeout: second * 60, ..one.clone() }),
            ("connect timeout", 2, Transport { connect_timeout: second, ..one.clone() }),
            ("a call timeout that bounds connecting", 2, Transport { call_timeout: second, ..one.clone() }),
            ("authority", 2, Transport { trust: Trust::Also(authority.clone()), ..one.clone() }),
            ("no other authority", 2, Transport { trust: Trust::Only(authority), ..one.clone() }),
            ("kept connections, which are the account's own", 1, Transport { keep_alive: second, ..one.clone() }),
        ];
        for (name, clients, other) in cases {
            let parts = SharedParts::default();
            for transport in [&one, &other, &one, &other] {
                Http::new(transport, &parts).unwrap();
            }
            assert_eq!(parts.0.clients.lock().unwrap().len(), clients, "{name}");
        }
    }

    #[test]
    fn what_it_holds_is_not_printed() {
        let parts = SharedParts::default();
        parts.signer("private_key_file", &Secret::new(key("app_private_pkcs8"))).unwrap();
        assert_eq!(format!("{parts:?}"), "SharedParts { .. }");
    }
}
