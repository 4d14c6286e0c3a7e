//! The signing secrets: Standard Webhooks' `whsec_…` secrets and its signature `v1`.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, read 2026-11-25.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The prefix of a secret.
const PREFIX: &str = "whsec_";

/// The lengths that the specification allows, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Secrets at a time: one, and while it changes two; a message carries a signature by each.
const MAX_SECRETS: usize = 8;

/// A secrets file that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A line that is no secret. It is not shown.
    #[error("line {0} must be whsec_ and 24 to 64 bytes in base64")]
    Line(usize),
    /// Nothing to sign with.
    #[error("it holds no secret")]
    None,
    /// Every message would carry all of them.
    #[error("it holds more than {MAX_SECRETS} secrets")]
    TooMany,
}

/// The keys; none when messages are not signed.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Vec<hmac::Key>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Reads a secrets file's text: one secret a line, empty lines and those that begin with `#` left out.
    ///
    /// # Errors
    /// [`SecretsError`], without the secret.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = line.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
            let Some(bytes) = bytes.filter(|bytes| LENGTHS.contains(&bytes.len())) else {
                return Err(SecretsError::Line(number + 1));
            };
            keys.push(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        match keys.len() {
            0 => Err(SecretsError::None),
            1..=MAX_SECRETS => Ok(Self(Arc::new(keys))),
            _ => Err(SecretsError::TooMany),
        }
    }

    /// True if there is no secret to sign with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `webhook-signature` of a message: one `v1` by each secret.
    pub(crate) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures: Vec<String> =
            self.0.iter().map(|key| format!("v1,{}", STANDARD.encode(hmac::sign(key, signed.as_bytes())))).collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The example of the specification's reference libraries.
    const EXAMPLE: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// The messages that the clients in five languages verify.
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../clients/webhook-vectors.json")).unwrap()
    }

    /// The texts of a list.
    fn texts(list: &Value) -> Vec<&str> {
        list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
    }

    #[test]
    fn messages_are_signed_as_the_clients_verify_them() {
        let vectors = vectors();
        let signed =
            vectors["vectors"].as_array().unwrap().iter().filter(|vector| vector["signed_by"] != Value::Array(vec![]));
        let mut count = 0;
        for vector in signed {
            let [id, timestamp, body, signature] =
                ["id", "timestamp", "body", "signature"].map(|name| vector[name].as_str().unwrap());
            let secrets = Secrets::parse(&texts(&vector["signed_by"]).join("\n")).unwrap();
            assert_eq!(secrets.sign(id, timestamp.parse().unwrap(), body), signature, "{}", vector["name"]);
            count += 1;
        }
        assert!(count >= 9, "{count}");
    }

    #[test]
    fn a_secret_that_the_clients_refuse_is_refused() {
        for secret in texts(&vectors()["invalid_secrets"]) {
            assert!(Secrets::parse(secret).is_err(), "{secret}");
        }
    }

    #[test]
    fn during_rotation_each_message_carries_every_signature() {
        let both = Secrets::parse(&format!("# old\n{EXAMPLE}\n\n{PREFIX}{}\n", STANDARD.encode([7; 32]))).unwrap();
        let signatures = both.sign("id", 1, "{}");
        let alone = Secrets::parse(EXAMPLE).unwrap().sign("id", 1, "{}");
        assert_eq!(signatures.split(' ').count(), 2);
        assert!(signatures.starts_with(&alone));
    }

    #[test]
    fn what_is_no_secret_is_named_by_its_line_and_not_shown() {
        for wrong in ["secret", "whsec_!!!!", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert_eq!(Secrets::parse(&format!("#\n{wrong}")).unwrap_err(), SecretsError::Line(2), "{wrong}");
        }
        assert_eq!(Secrets::parse("\n# nothing\n").unwrap_err(), SecretsError::None);
        let many = [EXAMPLE; MAX_SECRETS + 1].join("\n");
        assert_eq!(Secrets::parse(&many).unwrap_err(), SecretsError::TooMany);
        assert_eq!(format!("{:?}", Secrets::parse(EXAMPLE).unwrap()), "Secrets(1)");
    }
}
