//! The last check before a send: the stored content is the accepted one, and within the account's cap.

use sha2::{Digest, Sha256};

use crate::{ContentSummary, Policy};

/// The rule by which a stored content must not be sent. A person must look at the job; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The content is not the one that was accepted: it was changed in Redis.
    Changed,
    /// The amount is above `max_amount`: the cap was lowered, or it never went through validation.
    AboveCap,
}

impl Unsendable {
    /// Every rule.
    pub const ALL: [Self; 2] = [Self::Changed, Self::AboveCap];

    /// The word for it in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Changed => "content_changed",
            Self::AboveCap => "above_max_amount",
        }
    }
}

/// Checks that a stored content may be sent: it has the hash that its acceptance left, and its amount is within the cap.
///
/// # Errors
/// [`Unsendable`]: the send must not be made.
pub fn check_content(
    content: &str,
    subject: ContentSummary,
    accepted: &[u8],
    policy: &Policy,
) -> Result<(), Unsendable> {
    if Sha256::digest(content.as_bytes()).as_slice() != accepted {
        return Err(Unsendable::Changed);
    }
    match (subject.amount, policy.max_amount) {
        (Some(amount), Some(cap)) if amount > cap => Err(Unsendable::AboveCap),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fen, Kind};

    #[test]
    fn only_the_accepted_content_within_the_cap_is_sent() {
        let of = |amount: i64| {
            [(Kind::Transfer, "total_amount"), (Kind::BillUpload, "order_amount"), (Kind::Split, "total_amount")]
                .map(|(kind, field)| (kind, format!(r#"{{"platform_no":"k","{field}":{amount}}}"#)))
        };
        let capped = Policy { max_amount: Fen::new(100), ..Policy::default() };
        for ((kind, low), (_, high)) in of(100).into_iter().zip(of(101)) {
            let hash = |content: &str| Sha256::digest(content.as_bytes()).to_vec();
            for (content, accepted, policy, expected) in [
                (&low, hash(&low), &capped, Ok(())),
                (&high, hash(&high), &capped, Err(Unsendable::AboveCap)),
                (&high, hash(&high), &Policy::default(), Ok(())),
                (&high, hash(&low), &Policy::default(), Err(Unsendable::Changed)),
                (&high, hash(&low), &capped, Err(Unsendable::Changed)),
                (&low, hash(&low)[..16].to_vec(), &capped, Err(Unsendable::Changed)),
                (&low, Vec::new(), &capped, Err(Unsendable::Changed)),
            ] {
                assert_eq!(
                    check_content(content, ContentSummary::of(kind, content), &accepted, policy),
                    expected,
                    "{kind} {content}"
                );
            }
        }
    }
}
