//! Amounts, in yuan to the last fen; never a float.

use bursar_domain::{Fen, Subject, yuan_of_field};
use bursar_store::{Record, StoreError};
use maud::{Markup, html};
use serde_json::Value;

use super::words::Words;
use crate::app::App;

/// What each of these jobs moves, as its content says; `None` where it says nothing, or has expired.
pub(super) async fn amounts(app: &App, jobs: &[Record]) -> Result<Vec<Option<Fen>>, StoreError> {
    let mut amounts = Vec::with_capacity(jobs.len());
    for of_a_lane in jobs.chunk_by(|one, next| one.lane == next.lane) {
        let Some(first) = of_a_lane.first() else { continue };
        let keys: Vec<_> = of_a_lane.iter().map(|job| job.key.clone()).collect();
        let contents = app.store.contents(&first.lane, &keys).await?;
        amounts.extend(contents.iter().map(|content| Subject::of(first.lane.kind, content.as_deref()?).amount));
    }
    Ok(amounts)
}

/// What a notification says that came in.
pub(super) fn amount_of_content(content: &Value) -> Option<String> {
    content.get("trans_amount").and_then(Fen::read).map(Fen::yuan)
}

/// A content's fields by their names; what is in fen is told in yuan beside it. `changed` marks a field.
pub(super) fn fields(words: &Words, fields: &[(String, String)], changed: impl Fn(&str) -> bool) -> Markup {
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
