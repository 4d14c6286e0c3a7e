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

/// RSA2 is RSA with 2048 bits and more; every signature on the pages is one.
const MIN_BITS: usize = 2048;

/// The longest modulus that the second implementation reads; no platform hands out longer ones.
const MAX_BITS: usize = RsaPublicKey::MAX_SIZE;

/// A private key that was read and checked.
pub(crate) struct PrivateKey {
    /// As PKCS#8 DER.
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
    /// Its public half, as SubjectPublicKeyInfo DER.
    pub(crate) public: Vec<u8>,
}

/// The private key that `setting` holds.
pub(crate) fn private_key(setting: &'static str, key: &Secret) -> Result<PrivateKey, SettingsError> {
    let wrong = |problem: String| SettingsError::new(setting, problem);
    let der = decode(key.expose()).map_err(|found| wrong(format!("{found}; the app's RSA private key is needed")))?;
    // Reading a key checks that its primes, modulus and exponents belong together.
    let key = RsaPrivateKey::from_pkcs8_der(&der).ok().or_else(|| RsaPrivateKey::from_pkcs1_der(&der).ok());
    let Some(key) = key else {
        return Err(wrong(format!("holds {}; the app's RSA private key is needed", nature(&der))));
    };
    check_size(key.n().bits()).map_err(wrong)?;
    let unconverted = |error: String| wrong(format!("holds a key that cannot be converted: {error}"));
    let pkcs8 = key.to_pkcs8_der().map_err(|error| unconverted(error.to_string()))?;
    let public = key.to_public_key().to_public_key_der().map_err(|error| unconverted(error.to_string()))?;
    Ok(PrivateKey { pkcs8: pkcs8.to_bytes(), public: public.into_vec() })
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

/// The text between the armour lines of the only PEM block. `block` starts behind `-----BEGIN `.
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

/// The kind of DER that was found in place of the key, for the person who mixed two files up.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::key;

    /// Throw-away keys, made for these tests, that must be refused.
    const TOO_SHORT_PRIVATE: &str = "MIICXQIBAAKBgQC9G7+IvOKqveOFsQbgr5hXrT50NQFJKw0UB9NVu+xhirUmfGH41tAs0bFbASyUsPqqQK0YRD3FM8ZfDFfyWlspKBhizOVaxfK7DAvqzgtBxA6jtzeijFscUUN4UwkmZGKSMcHD4CVcLUNAnc/PECWT2Ge8WBE7zV/sZ+pynraIDQIDAQABAoGAWEeV2D1lCxPuHMERVt5iHbvwRctguElyp4EntQQvSzG3cynpioKtV97kDnmz2A3uVoAuzf89XsvWtRRMEgUAPJ7arKvIzuwJDoatU4aGjWTQdehK37JVrfaSC3y04QFVj8mHRuZ5H7AjF8QWpxNFlFB/wlPmP5TW5PnvLIOu5fkCQQDe81nGR2cWlE1F0EqtVmaj7XFRkwNPgsC3E89/lvADCAOgYgUGrKJs1aLRnNAF6yDanzuO65MMoTVSdVcZhW23AkEA2SQisaf8twzwnPtLFIXDc0nkHqU1NZqeaFTlIjufz5noSyCEE8KtdRiVyc10EhJa13VwVnjSP1OtfNA+hfu4WwJBANIwpuCSDJRy+G7rMpw8qsO9ZWo8qZBaewme+a8WQ+z3r0OTZZ2nP/JPbxMjPdN2myDBokrZuWbczQKSca0z5/0CQQDXbneRZQZgolDynort8IxqjIvsL6Kr7RxujJPMs/UpJhyGtNr1M/eeLmcmEVWwPE+uZlCvKi4GMEH2jDEMAyLzAkBTLZRJLLJd+RlCfy2ntGHxegD7Ol6BqMyjSV5de9soPOzyp3eqWgcAkX5IbTVkrk+Sckc0Ec8usqttZIefV3i/";
    const TOO_SHORT_PUBLIC: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC9G7+IvOKqveOFsQbgr5hXrT50NQFJKw0UB9NVu+xhirUmfGH41tAs0bFbASyUsPqqQK0YRD3FM8ZfDFfyWlspKBhizOVaxfK7DAvqzgtBxA6jtzeijFscUUN4UwkmZGKSMcHD4CVcLUNAnc/PECWT2Ge8WBE7zV/sZ+pynraIDQIDAQAB";
    const EC_PRIVATE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvzOey5s4hMJwx1SAc6sBLNKAvUtJS3JAyt/60/W+AaShRANCAASwVkDarnh7Sag9/p9IyEf6TwBnIRffX23sHFWMLa6oGFlhPQepNAkRO+VG3Nsflybv7k5KALgfeJ1tUJ8qHLtK";
    const A_CERTIFICATE: &str = "MIIC/zCCAeegAwIBAgIUMgxWtb+tBlCqw2DKFvHk9V0WM0kwDQYJKoZIhvcNAQELBQAwDzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjIxMzM4NDNaFw0yNjExMjMxMzM4NDNaMA8xDTALBgNVBAMMBHRlc3QwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCgbaAFJABV03mKVyJvW3uILja1y0Othc6sHljwFrdU0De1uSawTcFPTuTu2iUHsUwN6apvPOr9reFJmRDN8iQMSqaRIdE5K/DrfpEA6ERxt5CGQcGAyOMZzC1wvtd9ojiZIUEeVn4JAHs3OH7D3ufyZsPtgTp9GUakXqQiQIRk4FQhj8jwI76O3RUBVaNRZOQIqWoynXL80lIuqurgd2Y64iraRZ5Vuljk/vvhiBJFbRV6ik1ndF5KnjyiImLU0iBRy24TB4DabLKLlvoXRMGz2pwmrTaXpoRFTZ6yXmfLhaoWDbU3OJMuvvh3t3yrlBSj/q9+OC7AM4gOKnxXXk5hAgMBAAGjUzBRMB0GA1UdDgQWBBSJZRd6LLjBqax5mi1dPKhMq4mIuTAfBgNVHSMEGDAWgBSJZRd6LLjBqax5mi1dPKhMq4mIuTAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQASsb9V36cxmA3uJAEFjXYNQMy4MniolfG4y1pgHbiw0bbkmsUaT6mbHHDLDQcOsYIIUSjdzViDNaW1Sy2Z9TKpv2i271zacKUMufBh2vyqaoHupbN+k2mhTSHmafpwYtSvj2nKYZqxu8kkqJY8TUkLt4Ms5SSVGVRqKdeN8NMJQ9+PJbsEVYPSpU/5LoizdzKKwBsVLmLEk6LeA415zU76bBE60R3R5qZvzQfXgU03yCzTyeoyXXcgf2GHP/FfNf4c8HnHGhUTu0mPgShYC3qcwaRpn8KdXWDDLaGLPh5deEhirynz/Ep/3qy1+9+RIRnQAgvwpa84D87b24sKassG";
    const ENCRYPTED: &str =
        "MIIFLTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQITE7CEC8ZguwCAggAMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEq";

    fn pem(label: &str, base64: &str) -> String {
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    }

    fn private(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let key = private_key("private_key_file", &Secret::new(text.to_owned())).map_err(|error| error.to_string())?;
        Ok(key.pkcs8)
    }

    fn public(text: &str) -> Result<Vec<u8>, String> {
        public_spki("platform_public_key_file", text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_private_key_is_read_in_every_form_it_is_handed_out_in() {
        let (pkcs8, pkcs1) = (key("app_private_pkcs8"), key("app_private_pkcs1"));
        let expected = private(&pkcs8).unwrap();
        let forms = [
            pkcs1.clone(),
            pem("PRIVATE KEY", &pkcs8),
            pem("RSA PRIVATE KEY", &pkcs1),
            pem("RSA PRIVATE KEY", &pkcs8), // what the vendor's Python SDK makes of a Java key
            pem("PRIVATE KEY", &pkcs1),
            format!("\u{feff}{}", pem("PRIVATE KEY", &pkcs8).replace('\n', "\r\n")),
            format!("  {}\n{}\r\n\n", &pkcs8[..100], &pkcs8[100..]),
            format!("-----BEGIN PRIVATE KEY-----{pkcs8}-----END PRIVATE KEY-----"),
            format!("# exported yesterday\n{}", pem("PRIVATE KEY", &pkcs8)),
            pkcs8.trim_end_matches('=').to_owned(),
        ];
        for (index, form) in forms.iter().enumerate() {
            assert_eq!(private(form).as_ref(), Ok(&expected), "form {index}");
        }
    }

    #[test]
    fn a_public_key_is_read_in_every_form_it_is_handed_out_in() {
        let spki = key("platform_public_spki");
        let expected = public(&spki).unwrap();
        let pkcs1 = {
            use rsa::pkcs1::EncodeRsaPublicKey;
            let key = RsaPublicKey::from_public_key_der(&expected).unwrap();
            base64::engine::general_purpose::STANDARD.encode(key.to_pkcs1_der().unwrap().as_bytes())
        };
        for form in [
            pem("PUBLIC KEY", &spki),
            pkcs1.clone(),
            pem("RSA PUBLIC KEY", &pkcs1),
            pem("PUBLIC KEY", &spki).replace('\n', "\r\n"),
            format!("\u{feff}{spki}\n"),
        ] {
            assert_eq!(public(&form).as_ref(), Ok(&expected), "{form}");
        }
    }

    #[test]
    fn a_mistaken_file_is_named_for_what_it_is() {
        let spki = key("platform_public_spki");
        let damaged = {
            let mut der = decode(&key("app_private_pkcs1")).unwrap().to_vec();
            der[400] ^= 1;
            base64::engine::general_purpose::STANDARD.encode(der)
        };
        for (text, found) in [
            ("", "is empty"),
            (" \r\n", "is empty"),
            ("not a key!", "neither PEM nor base64"),
            ("aGVsbG8=", "no RSA key"),
            (&spki, "a public key; the app's RSA private key is needed"),
            (&pem("PRIVATE KEY", &spki), "a public key"),
            (TOO_SHORT_PRIVATE, "1024 bits; RSA2 needs at least 2048"),
            (EC_PRIVATE, "a private key that is not RSA"),
            (ENCRYPTED, "an encrypted key"),
            (&pem("ENCRYPTED PRIVATE KEY", ENCRYPTED), "an encrypted key"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAA==\n-----END RSA PRIVATE KEY-----",
                "an encrypted key",
            ),
            (&pem("OPENSSH PRIVATE KEY", "AAAA"), "OPENSSH PRIVATE KEY"),
            (&pem("CERTIFICATE", A_CERTIFICATE), "a certificate"),
            (&damaged, "its numbers do not belong together"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", "without its END line"),
            (&format!("{}{}", pem("PRIVATE KEY", "AAAA"), pem("PRIVATE KEY", "AAAA")), "more than one PEM block"),
        ] {
            let error = private(text).unwrap_err();
            assert!(error.starts_with("private_key_file ") && error.contains(found), "{found}: {error}");
        }
    }

    #[test]
    fn a_mistaken_platform_key_is_named_for_what_it_is() {
        for (text, found) in [
            (key("app_private_pkcs8").as_str(), "holds a private key; the platform's RSA public key is needed"),
            (&key("app_private_pkcs1"), "holds a private key"),
            (A_CERTIFICATE, "holds a certificate; the platform's RSA public key is needed: take it out with openssl"),
            (TOO_SHORT_PUBLIC, "1024 bits"),
            ("", "is empty"),
        ] {
            let error = public(text).unwrap_err();
            assert!(error.starts_with("platform_public_key_file ") && error.contains(found), "{found}: {error}");
        }
    }

    #[test]
    fn no_error_quotes_a_key() {
        let pkcs8 = key("app_private_pkcs8");
        for text in [pkcs8.clone(), pem("PRIVATE KEY", &pkcs8), format!("{pkcs8}!"), pem("CERTIFICATE", &pkcs8)] {
            for error in [private(&text).err(), public(&text).err()].into_iter().flatten() {
                assert!(!error.contains(&pkcs8[..12]) && !error.contains(&pkcs8[600..612]), "{error}");
            }
        }
    }
}
