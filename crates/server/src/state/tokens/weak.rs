//! Hashes of tokens that can be guessed. A hash does not show how long its token is, but a short or a common one is found by trying.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};

/// The first words that a guesser tries.
const WORDS: [&str; 92] = [
    "",
    "0",
    "1",
    "a",
    "abc",
    "abcd",
    "abcdef",
    "access",
    "account",
    "admin",
    "administrator",
    "alpha",
    "api",
    "apikey",
    "audit",
    "auth",
    "backup",
    "bearer",
    "beta",
    "bursar",
    "changeit",
    "changeme",
    "charlie",
    "client",
    "cfo",
    "daemon",
    "dashboard",
    "default",
    "demo",
    "dev",
    "develop",
    "developer",
    "dragon",
    "example",
    "finance",
    "football",
    "foo",
    "foobar",
    "guest",
    "hello",
    "hunter",
    "iloveyou",
    "internal",
    "job",
    "key",
    "letmein",
    "li",
    "local",
    "localhost",
    "login",
    "main",
    "manager",
    "master",
    "monkey",
    "money",
    "mysecret",
    "none",
    "null",
    "operator",
    "ops",
    "pass",
    "passw0rd",
    "password",
    "pay",
    "payment",
    "payments",
    "placeholder",
    "prod",
    "producer",
    "production",
    "public",
    "qwerty",
    "qwertyuiop",
    "reader",
    "redis",
    "root",
    "secret",
    "server",
    "service",
    "shop",
    "staging",
    "super",
    "superuser",
    "sysadmin",
    "system",
    "test",
    "tester",
    "token",
    "trustno1",
    "user",
    "welcome",
    "worker",
];

/// Texts that people put behind a word, or in front of it.
const ENDS: [&str; 24] = [
    "",
    "!",
    "1",
    "01",
    "11",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "12345678",
    "123456789",
    "1234567890",
    "!@#",
    "@123",
    "_token",
    "-token",
    "token",
    "2023",
    "2024",
    "2025",
    "2026",
    "2027",
    "2028",
];

/// The longest text of letters and digits of which every one is tried.
const MAX_CHARS: u32 = 3;

/// The longest number of which every one is tried, with leading zeros.
const MAX_DIGITS: usize = 5;

/// The letters of short texts.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A token's SHA-256.
pub(super) type Hash = [u8; 32];

/// The hashes among these that are of a guessable text: a common word with a usual ending, one of `names` with such an ending, a short text,
/// or a short number. It hashes about a quarter of a million texts.
pub(super) fn guessable(hashes: &HashSet<Hash>, names: &[&str]) -> HashSet<Hash> {
    let mut found = HashSet::new();
    let mut consider = |text: &[u8]| {
        let hash: Option<Hash> = digest(&SHA256, text).as_ref().try_into().ok();
        found.extend(hash.filter(|hash| hashes.contains(hash)));
    };
    for word in WORDS.iter().chain(names) {
        for word in [(*word).to_owned(), word.to_uppercase(), capitalised(word)] {
            for end in ENDS {
                for text in [
                    format!("{word}{end}"),
                    format!("{end}{word}"),
                    format!("{word}{end}\n"),
                    format!("bursar_{word}{end}"),
                ] {
                    consider(text.as_bytes());
                }
            }
        }
    }
    for length in 1..=MAX_CHARS {
        for mut number in 0..LETTERS.len().pow(length) {
            let mut text = Vec::new();
            for _ in 0..length {
                text.push(LETTERS[number % LETTERS.len()]);
                number /= LETTERS.len();
            }
            consider(&text);
        }
    }
    for digits in 1..=MAX_DIGITS {
        for number in 0..10_usize.pow(u32::try_from(digits).unwrap_or(1)) {
            consider(format!("{number:0digits$}").as_bytes());
        }
    }
    found
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> Hash {
        digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap()
    }

    #[test]
    fn guessable_texts_are_found_and_random_ones_are_not() {
        let weak = [
            "",
            "a",
            "zz9",
            "007",
            "00000",
            "12345",
            "admin",
            "Admin",
            "ADMIN",
            "admin\n",
            "admin123",
            "password",
            "Password!",
            "changeme",
            "token-token",
            "operator_token",
            "shop-one2026",
            "bursar_secret",
            "123456",
            "qwerty",
        ];
        let strong = ["bursar_8Zl4yqQ1m0Yk2gkJtqYf9v0uJm1XHn6o7b3c5d7e9f0", "correct horse battery staple", "Zz9x"];
        let hashes: HashSet<Hash> = weak.iter().chain(&strong).map(|text| hash(text)).collect();
        let found = guessable(&hashes, &["shop-one"]);
        for text in weak {
            assert!(found.contains(&hash(text)), "{text:?}");
        }
        for text in strong {
            assert!(!found.contains(&hash(text)), "{text:?}");
        }
    }
}
