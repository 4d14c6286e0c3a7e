//! Who looks at a page.

use super::i18n::Words;
use crate::http::auth::{Operate, Right};
use crate::state::sessions::Session;
use crate::state::tokens::Bearer;

/// Anybody, signed in or not.
pub(super) struct Guest {
    pub(super) words: &'static Words,
    /// The address, for coming back.
    pub(super) here: String,
}

/// Somebody who is signed in.
pub(super) struct SignedIn {
    pub(super) session: Session,
    pub(super) form_token: String,
    pub(super) guest: Guest,
}

impl SignedIn {
    pub(super) fn words(&self) -> &'static Words {
        self.guest.words
    }

    /// Whose token it is: `who` of every act.
    pub(super) fn name(&self) -> &str {
        &self.session.bearer.name
    }

    /// Whose token it is, with what it is for.
    pub(super) fn bearer(&self) -> &Bearer {
        &self.session.bearer
    }

    /// Whether acts are offered; whether they are allowed is asked again when one is done.
    pub(super) fn may_operate(&self) -> bool {
        Operate::ROLES.contains(&self.session.bearer.role)
    }
}
