//! Texts that name something: keys, orders, stores, accounts. Two that look the same must be the same, for people compare them by
//! eye, and web pages, spreadsheets and fixed columns put invisible characters into them.
//!
//! Invisible characters are looked up in Unicode's tables (`icu_properties`): a table of our own would be as old as the day it was written.
//! Refused is what cannot be seen, what changes the direction of what is shown, white space, and what is not in composed form
//! (NFC: `é` as one character and as two look the same). Not refused is what looks different, however slightly: full-width forms
//! are another width, and letters of other scripts cannot be distinguished from a typist's intent.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, WhiteSpace};

/// A pattern without a dot, which no property names and readers take for a space.
const BRAILLE_BLANK: char = '\u{2800}';

/// The first character of `text` that is invisible or changes how the rest is shown.
#[must_use]
pub fn invisible_character(text: &str) -> Option<char> {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let bidi = CodePointSetData::new::<BidiControl>();
    let hidden =
        |character: &char| ignorable.contains(*character) || bidi.contains(*character) || *character == BRAILLE_BLANK;
    text.chars().find(hidden)
}

/// The rule that `text` breaks as the name of something, in words that name the character; `None` for a fit one. Length is
/// judged elsewhere.
#[must_use]
pub fn identifier_fault(text: &str) -> Option<String> {
    if is_plain(text) {
        return None;
    }
    if text.chars().any(char::is_control) {
        return Some("must hold no control characters".into());
    }
    if let Some(rule) = padding_fault(text) {
        return Some(rule);
    }
    if let Some(character) = invisible_character(text) {
        return Some(format!(
            "must hold no invisible or direction-changing characters, and holds {}",
            named(character)
        ));
    }
    // One word for spaces inside: the common one is seen, its relatives are taken for it.
    if let Some(space) = text.chars().find(|character| is_white_space(*character) && *character != ' ') {
        return Some(format!("must hold no other white space than U+0020, and holds {}", named(space)));
    }
    if !ComposingNormalizerBorrowed::new_nfc().is_normalized(text) {
        return Some("must be in Unicode's composed form (NFC): written otherwise it looks like another one".into());
    }
    None
}

/// Tells if the text is visible ASCII alone, as nearly every name is: Unicode's tables have nothing to say about it.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The same for any text that is kept: white space at its ends is some program's padding.
pub(crate) fn padding_fault(text: &str) -> Option<String> {
    let ends = [text.chars().next(), text.chars().next_back()];
    let padding = ends.into_iter().flatten().find(|character| is_white_space(*character))?;
    Some(format!("must hold no white space at its ends, and holds {}", named(padding)))
}

pub(crate) fn white_space(text: &str) -> Option<char> {
    if is_plain(text) {
        return None;
    }
    text.chars().find(|character| is_white_space(*character))
}

fn is_white_space(character: char) -> bool {
    CodePointSetData::new::<WhiteSpace>().contains(character)
}

/// `U+200B`: the one way to write a character that cannot be seen.
pub(crate) fn named(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters that web pages, spreadsheets, calculators and fixed columns leave in a number, and one of each kind besides.
    const HIDDEN: [char; 22] = [
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{17b4}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{202a}',
        '\u{202c}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{e0020}',
        '\u{e0100}',
    ];

    #[test]
    fn an_invisible_character_is_refused_by_its_number() {
        for hidden in HIDDEN {
            for text in [format!("{hidden}PAY1"), format!("PAY{hidden}1"), format!("PAY1{hidden}"), hidden.to_string()]
            {
                assert_eq!(invisible_character(&text), Some(hidden), "{text:?}");
                let rule = identifier_fault(&text).unwrap();
                assert!(rule.ends_with(&format!("and holds U+{:04X}", u32::from(hidden))), "{text:?}: {rule}");
            }
        }
    }

    #[test]
    fn padding_and_the_common_space_s_relatives_are_refused() {
        for space in [' ', '\u{a0}', '\u{1680}', '\u{2002}', '\u{202f}', '\u{205f}', '\u{3000}', '\u{2028}'] {
            for text in [format!("{space}PAY1"), format!("PAY1{space}"), space.to_string()] {
                let rule = format!("must hold no white space at its ends, and holds U+{:04X}", u32::from(space));
                assert_eq!(identifier_fault(&text), Some(rule), "{text:?}");
            }
            assert_eq!(identifier_fault(&format!("PAY{space}1")).is_some(), space != ' ', "{space:?}");
        }
        for control in ["\n", "a\tb", "a\u{85}", "\u{0}"] {
            assert_eq!(identifier_fault(control).as_deref(), Some("must hold no control characters"), "{control:?}");
        }
    }

    #[test]
    fn two_ways_of_writing_one_character_are_not_two_names() {
        assert_eq!(identifier_fault("caf\u{e9}"), None);
        for decomposed in ["cafe\u{301}", "\u{1112}\u{1161}\u{11ab}", "\u{212b}", "\u{f900}"] {
            assert!(identifier_fault(decomposed).is_some_and(|rule| rule.contains("NFC")), "{decomposed:?}");
        }
    }

    #[test]
    fn what_can_be_seen_is_taken() {
        for fit in
            ["1001XP2025010110000001", "门店-001", "ＰＡＹ１", "a/b?c#d&e=f", "O’Neil", "店 1", "𠮷野家", "ß", "😀"]
        {
            assert_eq!(identifier_fault(fit), None, "{fit}");
        }
    }
}
