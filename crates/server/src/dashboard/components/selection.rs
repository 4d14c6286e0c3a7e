//! Choosing many jobs: a box at each, and the bar with the actions. The boxes belong to the bar's form wherever they are on the page.

use bursar_domain::{Key, Operation, Queue, State};
use maud::{Markup, html};

use super::action_form::form_token;
use crate::dashboard::signed_in::SignedIn;

/// The form that all boxes belong to.
const FORM: &str = "many";

/// The address of the preview.
pub(in crate::dashboard) const PREVIEW: &str = "/actions/preview";

/// Every action on many jobs. One final state represents every `resolve`.
pub(in crate::dashboard) const OPERATIONS: [Operation; 4] =
    [Operation::Query, Operation::Send, Operation::Resolve(State::Succeeded), Operation::Cancel];

/// The box of one job.
pub(in crate::dashboard) fn tick(signed_in: &SignedIn, queue: &Queue, key: &Key) -> Markup {
    html! {
        input.tick type="checkbox" name="job" value={ (queue) " " (key) } form=(FORM) aria-label=(signed_in.words().actions.select_job);
    }
}

/// The bar with the actions on the chosen jobs; `offers_review` to choose every job that needs review.
pub(in crate::dashboard) fn bar(signed_in: &SignedIn, operations: &[Operation], offers_review: bool) -> Markup {
    let words = &signed_in.words().actions;
    html! {
        form.many #(FORM) method="post" action=(PREVIEW) {
            (form_token(signed_in))
            label.all hidden { input type="checkbox" data-all="job"; " " (words.select_all) }
            span.soft data-selected=(words.selected) {}
            label { (words.action) " " select name="act" {
                @for operation in operations { option value=(operation.as_str()) { (signed_in.words().operation(*operation)) } }
            } }
            button type="submit" name="of" value="selected" { (words.preview_selected) }
            @if offers_review { button type="submit" name="of" value="review" { (words.preview_review) } }
        }
    }
}
