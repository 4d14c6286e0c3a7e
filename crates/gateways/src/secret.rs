//! Text that must never be shown: keys, tokens, shared secrets.

use std::fmt;

use zeroize::Zeroizing;

/// Secret text. It cannot be printed, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret that a file holds: without the line break and the mark that editors add.
    pub(crate) fn of_file(&self) -> Self {
        Self::new(self.expose().trim_start_matches('\u{feff}').trim().to_owned())
    }

    /// The text, for signing and for the wire. Not public: what leaves this crate is a signature.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::new("secret-text".into())), "(secret)");
    }
}
