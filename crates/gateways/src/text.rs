//! Bounds and cleans what gateways write before it goes on record, into logs and onto screens.

use bursar_domain::without_accounts;

use crate::Secret;
use crate::params::encode;

/// The longest message on record, in characters.
pub(crate) const MAX_MESSAGE_CHARS: usize = 200;

/// The longest number of a trade or request that is believed, in characters: the pages' `string(64)`.
const MAX_NUMBER_CHARS: usize = 64;

/// The longest code, status or other short word on record, in characters.
const MAX_WORD_CHARS: usize = 64;

/// A message for the record: on one line, bounded, and without any of `secrets` or anybody's account number, should a
/// gateway quote one.
pub(crate) fn message(text: &str, secrets: &[&Secret]) -> String {
    cut(&without_accounts(&without(text, secrets)), MAX_MESSAGE_CHARS)
}

/// A short word for the record, a code or a status, in the same way.
pub(crate) fn word(text: &str, secrets: &[&Secret]) -> String {
    cut(&without(text, secrets), MAX_WORD_CHARS)
}

/// A gateway's number for something: letters, digits and the usual joints. `None` for anything else, a secret among
/// it: it would be sent back in queries and searched for by people.
pub(crate) fn number(text: &str, secrets: &[&Secret]) -> Option<String> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let sane = !text.is_empty() && text.len() <= MAX_NUMBER_CHARS && text.bytes().all(sane);
    (sane && without(text, secrets) == text).then(|| text.to_owned())
}

/// Secrets are taken out before anything is cut: half of one is too much. A request that is quoted whole has them as
/// they stand in a form.
fn without(text: &str, secrets: &[&Secret]) -> String {
    let text = clean(text);
    let secrets = secrets.iter().map(|secret| secret.expose()).filter(|secret| !secret.is_empty());
    secrets.fold(text, |text, secret| text.replace(secret, "(secret)").replace(&encode(secret), "(secret)"))
}

/// Control characters become spaces; so do those that turn a line's direction, which can make a screen lie.
fn clean(text: &str) -> String {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    // Cleaning costs at most what is kept, however long the text; far more than is kept, as a secret may straddle the cut.
    let bound = MAX_MESSAGE_CHARS * 16;
    text.chars().take(bound).map(|character| if hidden(character) { ' ' } else { character }).collect()
}

fn cut(text: &str, max: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_short_clean_and_keep_secrets() {
        let secret = Secret::new("01c9a4191bfd".into());
        assert_eq!(message("bad\r\ntoken 01c9a4191bfd\u{202e}", &[&secret]), "bad  token (secret)");
        assert_eq!(message(&"错".repeat(500), &[]).chars().count(), MAX_MESSAGE_CHARS);
        let straddling = format!("{}01c9a4191bfd", "x".repeat(195));
        assert!(!message(&straddling, &[&secret]).contains("01c9"), "a cut must not leave half a secret");
    }

    #[test]
    fn a_secret_is_found_in_its_form_encoding() {
        let secret = Secret::new("a+b/c=d".into());
        assert_eq!(message("token=a%2Bb%2Fc%3Dd&x", &[&secret]), "token=(secret)&x");
    }

    #[test]
    fn an_account_s_number_is_shown_by_its_end() {
        for (text, shown) in [
            ("收款账户6222021234567890123不存在", "收款账户****0123不存在"),
            ("12345678901 of 123456789012", "12345678901 of ****9012"),
            ("no number", "no number"),
        ] {
            assert_eq!(message(text, &[]), shown);
        }
    }

    #[test]
    fn a_number_is_sane_or_ignored() {
        assert_eq!(number("0111325062010252135287", &[]).as_deref(), Some("0111325062010252135287"));
        for wrong in ["", "a b", "1\"2", "号", &"1".repeat(65)] {
            assert_eq!(number(wrong, &[]), None, "{wrong}");
        }
        assert_eq!(number("no-01c9", &[&Secret::new("01c9".into())]), None);
    }
}
