//! The reader of a page.

use bursar_domain::Actor;

use super::i18n::Words;
use crate::http::auth::{Operate, Right};
use crate::ops::audit::Acting;
use crate::state::sessions::Session;
use crate::state::tokens::Bearer;

/// A reader, signed in or not.
pub(super) struct Guest {
    pub(super) words: &'static Words,
    /// The time zone that was chosen; `None` for the browser's own.
    pub(super) zone: Option<&'static str>,
    /// The address of the page, to return to.
    pub(super) here: String,
}

/// A reader who is signed in.
pub(super) struct SignedIn {
    pub(super) session: Session,
    pub(super) form_token: String,
    /// The reader as the audit trail names it.
    pub(super) actor: Actor,
    pub(super) guest: Guest,
}

impl SignedIn {
    pub(super) fn words(&self) -> &'static Words {
        self.guest.words
    }

    /// The reader who acts for this reason.
    pub(super) fn acting<'a>(&'a self, reason: &'a str) -> Acting<'a> {
        Acting { actor: &self.actor, identity: &self.session.bearer.identity, reason }
    }

    /// The token's name, recorded with each action.
    pub(super) fn name(&self) -> &str {
        &self.session.bearer.name
    }

    /// The digest of the token or the person, by which two operators are distinguished.
    pub(super) fn identity(&self) -> Option<&str> {
        Some(&self.session.bearer.identity)
    }

    /// The token's bearer.
    pub(super) fn bearer(&self) -> &Bearer {
        &self.session.bearer
    }

    /// True if actions are offered. They are authorised again when one is done.
    pub(super) fn may_operate(&self) -> bool {
        Operate::ROLES.contains(&self.session.bearer.role)
    }
}
