//! RSA2: SHA256withRSA, PKCS#1 v1.5, base64 without line breaks. AWS-LC signs (constant time, blinded) with keys that
//! `keys` has read and checked; each is parsed once for the life of its account.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::keys::{self, PrivateKey};
use crate::{Secret, SettingsError};

/// Checks that the text of a private key, in any form, is one that an account can sign with.
///
/// # Errors
/// [`SettingsError`] of `private_key_file`: what was found instead, never any of it.
pub fn check_private_key(key: &Secret) -> Result<(), SettingsError> {
    Signer::new("private_key_file", key).map(drop)
}

/// Checks that the text of a public key, in any form, is one that answers can be verified with.
///
/// # Errors
/// [`SettingsError`] of `platform_public_key_file`: what was found instead.
pub fn check_public_key(key: &str) -> Result<(), SettingsError> {
    Verifier::new("platform_public_key_file", key).map(drop)
}

/// An app's private key.
pub(crate) struct Signer {
    pair: RsaKeyPair,
    /// Its public half, as SubjectPublicKeyInfo DER.
    public: Vec<u8>,
}

impl Signer {
    /// Reads the key that `setting` names.
    pub(crate) fn new(setting: &'static str, key: &Secret) -> Result<Self, SettingsError> {
        let PrivateKey { pkcs8, public } = keys::private_key(setting, key)?;
        match RsaKeyPair::from_pkcs8(&pkcs8) {
            Ok(pair) => Ok(Self { pair, public }),
            Err(error) => Err(SettingsError::new(setting, format!("holds a key that cannot sign: {error}"))),
        }
    }

    /// The signature of `content`, as it goes on the wire. `None` if the system has no randomness left to blind with.
    pub(crate) fn sign(&self, content: &str) -> Option<String> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content.as_bytes(), &mut signature).ok()?;
        Some(STANDARD.encode(signature))
    }

    /// True if this public key is its own: it verifies what the app signs, and nothing that the platform does.
    pub(crate) fn is_of(&self, verifier: &Verifier) -> bool {
        self.public == verifier.spki
    }
}

/// The platform's public key.
pub(crate) struct Verifier {
    key: ParsedPublicKey,
    /// The same as SubjectPublicKeyInfo DER.
    spki: Vec<u8>,
}

impl Verifier {
    /// Reads the key that `setting` names.
    pub(crate) fn new(setting: &'static str, key: &str) -> Result<Self, SettingsError> {
        let spki = keys::public_spki(setting, key)?;
        match ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &spki) {
            Ok(key) => Ok(Self { key, spki }),
            Err(error) => Err(SettingsError::new(setting, format!("holds a key that cannot verify: {error}"))),
        }
    }

    /// True if `signature`, as received, is the platform's signature of `content`.
    pub(crate) fn verifies(&self, content: &str, signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| self.key.verify_sig(content.as_bytes(), &signature).is_ok())
    }
}
