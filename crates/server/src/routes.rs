//! Every route, and the listener that has it. A part of the interface is in the list of [`parts`].

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{
    actions, audit, events, health, jobs, metrics, notify, openapi, proposals, quarantine, queues, report, webhooks,
};
use crate::dashboard;
use crate::http::client;
use crate::http::part::Part;
use crate::http::problem::{Kind, Problem};
use crate::http::request;
use crate::state::{Settings, Shared};

/// All of the interface.
fn parts() -> Vec<Part> {
    let work = [jobs::part(), actions::part(), queues::part(), proposals::part(), quarantine::part(), events::part()];
    let work = work.into_iter().chain([audit::part(), report::part(), webhooks::part()]);
    let work = work.chain([notify::stored_part(), notify::received_part()]);
    let mut parts: Vec<Part> = work.chain([health::part(), metrics::part()]).collect();
    parts.push(openapi::part(&parts));
    parts.push(dashboard::pages::part());
    parts
}

/// The path of every route, for tests that have a row for each.
#[must_use]
pub fn paths() -> Vec<&'static str> {
    parts().iter().flat_map(Part::paths).collect()
}

/// The routes of `server.listen`: all but those that only another listener has. Health is here as well, for load balancers.
pub(crate) fn main(app: &Shared) -> Router {
    let Settings { public_listen, .. } = &app.settings;
    let is_here = |part: &Part| match part.tag.map(|tag| tag.name) {
        Some(notify::RECEIVED) => public_listen.is_none(),
        Some(metrics::TAG) => app.settings.has_metrics_at_listen(),
        Some(_) | None => true,
    };
    layered(parts().into_iter().filter(is_here), app, no_page)
}

/// The routes of `server.public_listen`, which strangers reach.
pub(crate) fn public(app: &Shared) -> Router {
    layered([notify::received_part()], app, no_route)
}

/// The routes of `server.admin_listen`, which monitoring reaches.
pub(crate) fn admin(app: &Shared) -> Router {
    layered([health::part(), metrics::part()], app, no_route)
}

fn layered<H: Handler<T, Shared>, T: 'static>(
    parts: impl IntoIterator<Item = Part>,
    app: &Shared,
    missing: H,
) -> Router {
    let routes = parts.into_iter().fold(Router::new(), |router, part| router.merge(part.into_router()));
    routes
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(app), client::known))
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(middleware::from_fn(request::surround))
        .with_state(Arc::clone(app))
}

async fn no_route() -> Problem {
    Problem::new(Kind::NotFound, "there is no such route; /openapi.json describes all routes")
}

/// The same where browsers come: they get a page.
async fn no_page(State(app): State<Shared>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    match dashboard::pages::missing(&mut parts, &app).await {
        Some(page) => page,
        None => no_route().await.into_response(),
    }
}

async fn wrong_method(request: Request) -> Problem {
    Problem::new(Kind::WrongMethod, format!("this route has no {}", request.method()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// A page is for people. What another client calls is described.
    #[test]
    fn every_route_but_the_pages_is_described() {
        let parts = parts();
        let pages = parts.iter().filter(|part| part.tag.is_none()).count();
        assert_eq!(pages, 1, "only the dashboard has no tag");
        let mounted: BTreeSet<(String, String)> = parts
            .iter()
            .flat_map(Part::operations)
            .map(|(path, operation)| (path.to_owned(), operation.method.to_owned()))
            .collect();
        let document: Value = openapi::document(parts.iter());
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())))
            .collect();
        assert_eq!(mounted, described);
        assert!(mounted.len() >= 18, "{mounted:?}");
    }
}
