//! A claim while it stands: what the lane's `held` says of one job, beside a record that is left as it was before.

use bursar_domain::{Call, Millis};

/// One claim as `claims.lua` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// For a send, this claim is its intent.
    pub(crate) call: Call,
    pub(crate) fence: u64,
    pub(crate) sends: u32,
    pub(crate) resends: u32,
    /// The last intent to send, this one included.
    pub(crate) sent: Option<Millis>,
    pub(crate) worker: String,
}

impl Held {
    /// `None` for what is no claim.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.splitn(11, ' ').collect();
        let &[call, _was, fence, sends, resends, _asks, _first, sent, _created, _has, token] = words.as_slice() else {
            return None;
        };
        Some(Self {
            call: call_of(call)?,
            fence: fence.parse().ok()?,
            sends: sends.parse().ok()?,
            resends: resends.parse().ok()?,
            sent: Some(sent.parse().ok()?).filter(|sent| *sent > 0).map(Millis),
            worker: token.rsplit_once('/')?.0.to_owned(),
        })
    }

    /// The claim that stands beside a record of this fence. A record of the same fence tells how it ended.
    pub(crate) fn standing(text: Option<&[u8]>, fence: u64) -> Option<Self> {
        let held = Self::read(std::str::from_utf8(text?).ok()?)?;
        (held.fence > fence).then_some(held)
    }
}

/// What is due, by the word that the scripts have for it.
pub(crate) fn call_of(word: &str) -> Option<Call> {
    match word {
        "send" => Some(Call::Send),
        "ask" => Some(Call::Ask),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_stands_beside_a_record_of_a_lower_fence_only() {
        let text = "send queued 2 1 0 0 7 7 5 000 a worker/17";
        let held =
            Held { call: Call::Send, fence: 2, sends: 1, resends: 0, sent: Some(Millis(7)), worker: "a worker".into() };
        assert_eq!(Held::read(text), Some(held.clone()));
        assert_eq!(Held::standing(Some(text.as_bytes()), 1), Some(held));
        assert_eq!(Held::standing(Some(text.as_bytes()), 2), None, "the record tells its end");
        assert_eq!(Held::standing(None, 0), None);
        for wrong in [
            "",
            "send queued 2 1 0 0 7 7 5 000",
            "call queued 2 1 0 0 7 7 5 000 w/1",
            "send queued x 1 0 0 7 7 5 000 w/1",
        ] {
            assert_eq!(Held::read(wrong), None, "{wrong}");
        }
    }
}
