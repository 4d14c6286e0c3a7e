//! Every route, each with its page of the OpenAPI description. A part of the interface adds itself to [`parts`].

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{events, health, jobs, metrics, notify, openapi, queues};
use crate::dashboard;
use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::http::request;
use crate::state::Shared;

/// All of the interface.
fn parts() -> Vec<Part> {
    let work = [jobs::part(), queues::part(), events::part(), notify::part()];
    let mut parts: Vec<Part> = work.into_iter().chain([health::part(), metrics::part()]).collect();
    parts.push(openapi::part(&parts));
    parts.push(dashboard::pages::part());
    parts
}

/// The routes with what surrounds them.
pub(crate) fn router(app: Shared) -> Router {
    let routes = parts().into_iter().fold(Router::new(), |router, part| router.merge(part.router));
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(middleware::from_fn(request::surround))
        .with_state(app)
}

async fn no_route() -> Problem {
    Problem::new(Kind::NotFound, "there is no such route; /openapi.json describes those that are there")
}

async fn wrong_method(request: Request) -> Problem {
    Problem::new(Kind::WrongMethod, format!("this route has no {}", request.method()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        for part in parts().iter().filter(|part| !part.description.is_empty()) {
            let page: Value = serde_json::from_str(part.description).unwrap();
            let mut described: Vec<&str> = page["paths"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut routed = part.paths.clone();
            described.sort_unstable();
            routed.sort_unstable();
            assert_eq!(described, routed);
        }
    }
}
