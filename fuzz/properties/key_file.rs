//! Any bytes as a key file: they are a key, or one of few sentences says what they are instead. None quotes them.
//!
//! The first byte chooses text as it is or DER to be written as base64 under one of the labels that keys come with.

use bursar_gateways::{Secret, SettingsError, check_private_key, check_public_key};

/// Every sentence without its numbers. A new one is to be put here once it is certain that it quotes no key.
const SENTENCES: [&str; 20] = [
    "is empty",
    "holds neither PEM nor base64",
    "holds PEM whose first line is broken",
    "holds PEM without its END line",
    "holds more than one PEM block",
    "holds an encrypted key: store it decrypted, readable by Bursar alone",
    "holds a PEM block OPENSSH PRIVATE KEY",
    "holds a PEM block EC PRIVATE KEY",
    "holds a PEM block DSA PRIVATE KEY",
    "holds a key of 1024 bits; RSA2 needs at least 2048",
    "holds a key of 9000 bits; at most 4096 are supported",
    "holds a private key",
    "holds a public key",
    "holds an encrypted key",
    "holds a certificate",
    "holds a damaged RSA private key: its numbers do not belong together",
    "holds a private key that is not RSA",
    "holds something that is no RSA key, or a damaged one",
    "holds a key that cannot sign: ",
    "holds a key that cannot verify: ",
];

/// What may follow a sentence.
const HINTS: [&str; 3] = [
    "; the app's RSA private key is needed",
    "; the platform's RSA public key is needed",
    "; the platform's RSA public key is needed: take it out with openssl x509 -in FILE -noout -pubkey",
];

const LABELS: [&str; 6] = ["", "PRIVATE KEY", "RSA PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"];

pub(crate) fn check(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let text = match usize::from(*choice) % (LABELS.len() + 1) {
        0 => match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        },
        label => written(LABELS[label - 1], rest),
    };
    let private = check_private_key(&Secret::new(text.clone()));
    let public = check_public_key(&text);
    assert!(private.is_err() || public.is_err(), "both a private and a public key");
    check_error(private.as_ref().err(), "private_key_file");
    check_error(public.as_ref().err(), "platform_public_key_file");
    let padded = format!("\u{feff} {}\r\n", text.trim_start_matches('\u{feff}').trim());
    assert_eq!(check_private_key(&Secret::new(padded)).is_ok(), private.is_ok(), "an editor's marks change nothing");
}

fn check_error(error: Option<&SettingsError>, setting: &str) {
    let Some(error) = error else { return };
    assert_eq!(error.setting, setting);
    let without_numbers = |text: &str| text.replace(|character: char| character.is_ascii_digit(), "");
    let words = without_numbers(&error.problem);
    let hints = HINTS.map(without_numbers);
    let rest = SENTENCES.iter().find_map(|sentence| match words.strip_prefix(&without_numbers(sentence))? {
        "" => Some(""),
        rest if hints.iter().any(|hint| hint == rest) => Some(""),
        // aws-lc-rs names what it refuses by one of its identifiers.
        rest if sentence.ends_with(": ") && rest.len() < 40 => Some(""),
        _ => None,
    });
    assert!(rest.is_some(), "a sentence that is not in the list: {}", error.problem);
}

fn written(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut base64 = String::new();
    for chunk in der.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            base64.push(char::from(ALPHABET[bits >> (18 - 6 * place) & 63]));
        }
    }
    if label.is_empty() { base64 } else { format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n") }
}
