//! A part of the interface: its routes. Those of the API are operations, which describe themselves; pages are for people.

use axum::Router;
use axum::routing::MethodRouter;

use crate::http::operation::Operation;
use crate::state::Shared;

/// One part of the interface.
#[derive(Default)]
pub(crate) struct Part {
    routes: Vec<(&'static str, Vec<Operation>)>,
    pages: Router<Shared>,
    pages_at: Vec<&'static str>,
    /// The tag of its operations.
    pub(crate) tag: Option<Tag>,
}

/// A group of operations in the description.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

impl Part {
    /// A part of the API.
    pub(crate) fn described(name: &'static str, description: &'static str) -> Self {
        Self { tag: Some(Tag { name, description }), ..Self::default() }
    }

    /// Adds the operations of one path.
    pub(crate) fn route<const N: usize>(mut self, path: &'static str, operations: [Operation; N]) -> Self {
        self.routes.push((path, operations.into()));
        self
    }

    /// Adds a page for people, which the description does not have.
    pub(crate) fn page(mut self, path: &'static str, methods: MethodRouter<Shared>) -> Self {
        self.pages = self.pages.route(path, methods);
        self.pages_at.push(path);
        self
    }

    /// Every operation with its path.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&'static str, &Operation)> {
        self.routes.iter().flat_map(|(path, operations)| operations.iter().map(|operation| (*path, operation)))
    }

    /// The path of every route.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.routes.iter().map(|(path, _)| *path).chain(self.pages_at.iter().copied())
    }

    pub(crate) fn into_router(self) -> Router<Shared> {
        self.routes.into_iter().fold(self.pages, |router, (path, operations)| {
            let methods = operations.into_iter().map(Operation::into_router);
            router.route(path, methods.fold(MethodRouter::new(), MethodRouter::merge))
        })
    }
}
