//! `GET /problems`: the types of problems with their meanings. Each problem has a link to its own.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use crate::http::problem::Kind;

pub(super) async fn show() -> Html<String> {
    Html(page().into_string())
}

fn page() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Problems · Bursar" }
                style { "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}:root{color-scheme:light dark}:target{outline:2px solid;outline-offset:.5rem}" }
            }
            body {
                h1 { "Problems" }
                p { "Each refusal is a problem document of RFC 9457. Branch on " code { "type" } ", and show " code { "detail" } "." }
                @for (kind, meaning) in Kind::meanings() {
                    section id=(kind.name()) {
                        h2 { (kind.title()) " · " (kind.status().as_u16()) }
                        p { code { (json!(kind).as_str().unwrap_or_default()) } }
                        p { (meaning) }
                    }
                }
            }
        }
    }
}
