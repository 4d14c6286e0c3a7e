//! Public keys of seals: Ed25519.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use serde::{Deserialize, Serialize};

/// The bytes before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No public key.
    #[error("is no Ed25519 public key: neither PEM (`openssl pkey -pubout`) nor 64 hexadecimal digits")]
    Public,
    /// No private key.
    #[error("is no Ed25519 private key in PEM (PKCS#8, `openssl genpkey -algorithm ed25519`)")]
    Private,
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// True if this key's owner signed these bytes.
    #[must_use]
    pub fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(bytes, signature).is_ok()
    }

    /// The key as `openssl pkey -pubout` writes it.
    #[must_use]
    pub fn pem(&self) -> String {
        let der: Vec<u8> = SPKI_PREFIX.iter().chain(&self.0).copied().collect();
        let body = base64::prelude::BASE64_STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

/// PEM, or 64 hexadecimal digits.
impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = match pem_body(text, "PUBLIC KEY") {
            Some(der) => der.strip_prefix(&SPKI_PREFIX[..]).map(<[u8]>::to_vec),
            None => hex::decode(text.trim()).ok(),
        };
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(KeyError::Public)
    }
}

/// The bytes of the one block with this label.
pub(crate) fn pem_body(text: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let body = text.trim().strip_prefix(&begin)?.strip_suffix(&end)?;
    let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    base64::prelude::BASE64_STANDARD.decode(body).ok()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}
