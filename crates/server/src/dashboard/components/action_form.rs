//! The form of every action: a reason, the name that is recorded with it, and the way back.

use bursar_domain::MAX_REASON_CHARS;
use maud::{Markup, html};

use crate::dashboard::i18n::filled;
use crate::dashboard::signed_in::SignedIn;

/// The form of one action.
pub(in crate::dashboard) struct ActionForm<'a> {
    /// The action's name, on the button.
    pub(in crate::dashboard) name: &'a str,
    /// Fields before the reason.
    pub(in crate::dashboard) fields: Markup,
    /// The address to return to.
    pub(in crate::dashboard) back: &'a str,
    /// True if the button warns.
    pub(in crate::dashboard) is_dangerous: bool,
}

impl<'a> ActionForm<'a> {
    /// An action that needs a reason alone.
    pub(in crate::dashboard) fn new(name: &'a str, back: &'a str) -> Self {
        Self { name, fields: Markup::default(), back, is_dangerous: false }
    }

    pub(in crate::dashboard) fn shown(&self, signed_in: &SignedIn) -> Markup {
        self.shown_at(signed_in, None)
    }

    /// The same, for another address than the page's.
    pub(in crate::dashboard) fn shown_at(&self, signed_in: &SignedIn, address: Option<&str>) -> Markup {
        let words = signed_in.words();
        html! {
            form.order method="post" action=[address] {
                (form_token(signed_in))
                (self.fields)
                label for="reason" { (words.reason) }
                textarea #reason name="reason" rows="3" maxlength=(MAX_REASON_CHARS) required autofocus {}
                p.soft { (filled(words.on_record, &[signed_in.name()])) }
                div.buttons {
                    button.main.danger[self.is_dangerous] type="submit" { (self.name) }
                    a href=(self.back) { (words.never_mind) }
                }
            }
        }
    }
}

/// The field that every form of an action has: it proves that the form is the session's own.
pub(in crate::dashboard) fn form_token(signed_in: &SignedIn) -> Markup {
    html! { input type="hidden" name="form_token" value=(signed_in.form_token); }
}
