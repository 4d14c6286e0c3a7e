//! A part of the interface: its routes, with their page of the OpenAPI description.

use axum::Router;
use axum::routing::MethodRouter;

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
