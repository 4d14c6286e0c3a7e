//! Amounts, in yuan to the last fen; never a float.

use bursar_domain::{ContentSummary, Fen, yuan_of_field};
use bursar_store::JobRecord;
use maud::{Markup, html};
use serde_json::Value;

use crate::dashboard::i18n::Words;

/// A job's amount by its content; `None` where the content has none, or has expired.
pub(in crate::dashboard) fn amount(job: &JobRecord) -> Option<Fen> {
    ContentSummary::of(job.queue.kind, job.content.as_deref()?).amount
}

/// The amount in a notification's content.
pub(in crate::dashboard) fn amount_of_content(content: &Value) -> Option<String> {
    content.get("trans_amount").and_then(Fen::read).map(Fen::yuan)
}

/// A content's fields by their names, amounts in fen with the same in yuan. `changed` marks a field.
pub(in crate::dashboard) fn fields(
    words: &Words,
    fields: &[(String, String)],
    changed: impl Fn(&str) -> bool,
) -> Markup {
    html! {
        dl.facts.content {
            @for (path, text) in fields {
                div {
                    dt { code { (path) } @if changed(path) { " " span.flag { (words.changed_field) } } }
                    dd { @match yuan_of_field(path, text) {
                        Some(yuan) => { (yuan) " " span.soft { (text) } }
                        None => { (text) }
                    } }
                }
            }
        }
    }
}
