//! Every route, each with its page of the OpenAPI description. A part of the interface adds itself to [`parts`].

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::routing::MethodRouter;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::{events, health, jobs, lanes, metrics, notify, openapi};
use crate::dashboard;
use crate::http::problem::{Kind, Problem};
use crate::http::request;
use crate::state::Shared;

/// One part of the interface.
pub(crate) struct Part {
    pub(crate) router: Router<Shared>,
    /// The paths, as the router has them.
    pub(crate) paths: Vec<&'static str>,
    /// The part's page: an OpenAPI object with `paths` and `components` of its own. Empty for pages that are for people.
    pub(crate) description: &'static str,
}

impl Part {
    /// A part that `description` (the text of a JSON file beside it) describes; "" for pages.
    pub(crate) fn new(description: &'static str) -> Self {
        Self { router: Router::new(), paths: Vec::new(), description }
    }

    /// Adds a route. Its path must stand in the description, if there is one.
    pub(crate) fn route(mut self, path: &'static str, methods: MethodRouter<Shared>) -> Self {
        self.router = self.router.route(path, methods);
        self.paths.push(path);
        self
    }
}

/// All of the interface.
pub(crate) fn parts() -> Vec<Part> {
    let work = [jobs::part(), lanes::part(), events::part(), notify::part()];
    work.into_iter().chain([health::part(), metrics::part(), openapi::part(), dashboard::pages::part()]).collect()
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
