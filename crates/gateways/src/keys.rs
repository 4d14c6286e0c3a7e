//! Reads RSA keys in every form that merchants are given: PKCS#8, PKCS#1 and SPKI, as PEM or as bare base64, with or
//! without line breaks. Java programs hand out bare PKCS#8, the vendor's Python SDK wraps whatever it gets in
//! `RSA PRIVATE KEY`, so a PEM label says less than the bytes. The `rsa` crate reads and checks; it signs nothing here.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, PrivateKeyInfo};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use zeroize::Zeroizing;

use crate::{Secret, SettingsError};

/// RSA2 is RSA with 2048 bits and more; every signature on the pages is one (domain knowledge §1.1).
const MIN_BITS: usize = 2048;

/// The longest modulus that the second implementation reads; nobody hands out longer ones.
const MAX_BITS: usize = RsaPublicKey::MAX_SIZE;

/// The private key that `setting` holds, as PKCS#8 DER.
pub(crate) fn private_pkcs8(setting: &'static str, key: &Secret) -> Result<Zeroizing<Vec<u8>>, SettingsError> {
    let wrong = |problem: String| SettingsError::new(setting, problem);
    let der = decode(key.expose()).map_err(|found| wrong(format!("{found}; the app's RSA private key is needed")))?;
    // Reading a key checks that its primes, modulus and exponents belong together.
    let key = RsaPrivateKey::from_pkcs8_der(&der).ok().or_else(|| RsaPrivateKey::from_pkcs1_der(&der).ok());
    let Some(key) = key else {
        return Err(wrong(format!("holds {}; the app's RSA private key is needed", nature(&der))));
    };
    check_size(key.n().bits()).map_err(wrong)?;
    let pkcs8 = key.to_pkcs8_der().map_err(|error| wrong(format!("holds a key that cannot be converted: {error}")))?;
    Ok(pkcs8.to_bytes())
}

/// The public key that `setting` holds, as SubjectPublicKeyInfo DER.
pub(crate) fn public_spki(setting: &'static str, key: &str) -> Result<Vec<u8>, SettingsError> {
    let wrong = |problem: String| SettingsError::new(setting, problem);
    let needed = "the platform's RSA public key is needed";
    let der = decode(key).map_err(|found| wrong(format!("{found}; {needed}")))?;
    let key = RsaPublicKey::from_public_key_der(&der).ok().or_else(|| RsaPublicKey::from_pkcs1_der(&der).ok());
    let Some(key) = key else {
        let hint = match nature(&der) {
            CERTIFICATE => ": take it out with openssl x509 -in FILE -noout -pubkey",
            _ => "",
        };
        return Err(wrong(format!("holds {}; {needed}{hint}", nature(&der))));
    };
    check_size(key.n().bits()).map_err(wrong)?;
    let spki =
        key.to_public_key_der().map_err(|error| wrong(format!("holds a key that cannot be converted: {error}")))?;
    Ok(spki.into_vec())
}

fn check_size(bits: usize) -> Result<(), String> {
    if bits < MIN_BITS {
        return Err(format!("holds a key of {bits} bits; RSA2 needs at least {MIN_BITS}"));
    }
    if bits > MAX_BITS {
        return Err(format!("holds a key of {bits} bits; at most {MAX_BITS} are supported"));
    }
    Ok(())
}

/// Takes PEM armour or bare base64 off. The error says what was found instead, never any of it.
fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Err("is empty".into());
    }
    let body = match text.split_once("-----BEGIN ") {
        Some((_, block)) => pem_body(block)?,
        None => text,
    };
    let bare: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    // Keys that went through forms and spreadsheets lose their padding.
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    match GeneralPurpose::new(&STANDARD, lenient).decode(bare.as_bytes()) {
        Ok(der) => Ok(Zeroizing::new(der)),
        Err(_) => Err("holds neither PEM nor base64".into()),
    }
}

/// What stands between the armour lines of the only PEM block. `block` starts behind `-----BEGIN `.
fn pem_body(block: &str) -> Result<&str, String> {
    let (label, rest) = block.split_once("-----").ok_or("holds PEM whose first line is broken")?;
    let (body, after) = rest.split_once("-----END ").ok_or("holds PEM without its END line")?;
    if after.contains("-----BEGIN ") {
        return Err("holds more than one PEM block".into());
    }
    if label.contains("ENCRYPTED") || body.contains("Proc-Type:") {
        return Err("holds an encrypted key: store it decrypted, readable by Bursar alone".into());
    }
    match label {
        "OPENSSH PRIVATE KEY" | "EC PRIVATE KEY" | "DSA PRIVATE KEY" => Err(format!("holds a PEM block {label}")),
        _ => Ok(body),
    }
}

const CERTIFICATE: &str = "a certificate";

/// What DER that is not the key in question looks like, for the person who mixed two files up.
fn nature(der: &[u8]) -> &'static str {
    /// The object identifiers of password-based encryption begin so (RFC 8018: 1.2.840.113549.1.5).
    const PBES: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
    /// A certificate's body begins with its explicitly tagged version (RFC 5280 §4.1).
    const VERSION: &[u8] = &[0xa0, 0x03, 0x02, 0x01];
    let begins_with = |pattern: &[u8]| der.windows(pattern.len()).take(16).any(|window| window == pattern);
    if RsaPrivateKey::from_pkcs8_der(der).is_ok() || RsaPrivateKey::from_pkcs1_der(der).is_ok() {
        "a private key"
    } else if RsaPublicKey::from_public_key_der(der).is_ok() || RsaPublicKey::from_pkcs1_der(der).is_ok() {
        "a public key"
    } else if begins_with(PBES) {
        "an encrypted key"
    } else if begins_with(VERSION) {
        CERTIFICATE
    } else if is_private_in_form(der) {
        "a damaged RSA private key: its numbers do not belong together"
    } else if PrivateKeyInfo::try_from(der).is_ok() {
        "a private key that is not RSA"
    } else {
        "something that is no RSA key, or a damaged one"
    }
}

fn is_private_in_form(der: &[u8]) -> bool {
    let inner = PrivateKeyInfo::try_from(der).map_or(der, |info| info.private_key);
    rsa::pkcs1::RsaPrivateKey::try_from(inner).is_ok()
}
