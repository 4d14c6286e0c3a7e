//! An operation of the API: a handler together with its description, so that neither is without the other.

use std::collections::BTreeMap;

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use crate::http::auth::Right;
use crate::http::problem::Kind;
use crate::state::Shared;
use crate::state::tokens::Role;

/// Adds a type's schema to a generator, and refers to it.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a problem's members, where it has some.
pub(crate) type Members = Option<SchemaOf>;

/// One operation.
pub(crate) struct Operation {
    /// The method, in lower case.
    pub(crate) method: &'static str,
    /// The operation's name, unique in the API.
    pub(crate) id: &'static str,
    pub(crate) summary: String,
    pub(crate) description: Option<String>,
    pub(crate) access: Access,
    /// The schema of an object whose properties are the parameters of the query.
    pub(crate) query: Option<SchemaOf>,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Option<Body>,
    /// The answers by their status, refusals by a problem apart.
    pub(crate) answers: BTreeMap<u16, Outcome>,
    pub(crate) refusals: BTreeMap<Kind, Members>,
    router: MethodRouter<Shared>,
}

/// The access to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    ByToken,
}

/// A header of a request.
pub(crate) struct Header {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: SchemaOf,
}

/// The body of a request.
pub(crate) struct Body {
    pub(crate) schema: SchemaOf,
    pub(crate) description: Option<String>,
}

/// An answer that is no problem.
pub(crate) struct Outcome {
    pub(crate) description: &'static str,
    pub(crate) content: Content,
    /// Names and descriptions.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

/// The body of an answer.
pub(crate) enum Content {
    /// A JSON value of this schema.
    Json(SchemaOf),
    /// A text of this media type and schema.
    Text(&'static str, Value),
    /// Server-sent events, the data of each of this schema.
    Events(SchemaOf),
}

/// A `GET` by this handler.
pub(crate) fn get<H: Handler<T, Shared>, T: 'static>(id: &'static str, handler: H) -> Operation {
    Operation::new("get", id, routing::get(handler))
}

/// A `POST` by this handler.
pub(crate) fn post<H: Handler<T, Shared>, T: 'static>(id: &'static str, handler: H) -> Operation {
    Operation::new("post", id, routing::post(handler))
}

impl Operation {
    fn new(method: &'static str, id: &'static str, router: MethodRouter<Shared>) -> Self {
        Self {
            method,
            id,
            summary: String::new(),
            description: None,
            access: Access::Open,
            query: None,
            headers: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            router,
        }
    }

    pub(crate) fn summary(self, summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..self }
    }

    pub(crate) fn description(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// It needs a token with the right `R`: its handler's first argument is `Allowed<R>`.
    pub(crate) fn allowed<R: Right>(self) -> Self {
        let by_token = Self { access: Access::ByToken, ..self }.refuses(&[Kind::NoToken, Kind::TooMany]);
        // Every operation behind a token refuses parameters that it does not have.
        let by_token = by_token.refuses(&[Kind::Invalid]);
        if Role::ALL.iter().all(|role| R::ROLES.contains(role)) {
            by_token
        } else {
            by_token.refuses(&[Kind::WrongRole])
        }
    }

    /// Its query has the properties of `T` as parameters.
    pub(crate) fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(T::json_schema), ..self }
    }

    pub(crate) fn header<T: JsonSchema>(mut self, name: &'static str, description: &'static str) -> Self {
        self.headers.push(Header { name, description, schema: SchemaGenerator::subschema_for::<T> });
        self
    }

    /// Its handler takes a `JsonBody`, and reads a `T` of it.
    pub(crate) fn json<T: JsonSchema>(self) -> Self {
        let body = Body { schema: SchemaGenerator::subschema_for::<T>, description: None };
        Self { body: Some(body), ..self }.refuses(&[
            Kind::Malformed,
            Kind::TooSlow,
            Kind::TooLarge,
            Kind::WrongContentType,
            Kind::Invalid,
        ])
    }

    /// It takes a JSON value, and refuses what it cannot take in its own way.
    pub(crate) fn body<T: JsonSchema>(self, description: String) -> Self {
        let body = Body { schema: SchemaGenerator::subschema_for::<T>, description: Some(description) };
        Self { body: Some(body), ..self }
    }

    pub(crate) fn answers<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        self.answer(status, description, Content::Json(SchemaGenerator::subschema_for::<T>))
    }

    pub(crate) fn answer(mut self, status: u16, description: &'static str, content: Content) -> Self {
        self.answers.insert(status, Outcome { description, content, headers: Vec::new() });
        self
    }

    /// The answer of that status has a header as well.
    pub(crate) fn answer_header(mut self, status: u16, name: &'static str, description: &'static str) -> Self {
        if let Some(answer) = self.answers.get_mut(&status) {
            answer.headers.push((name, description));
        }
        self
    }

    pub(crate) fn refuses(mut self, kinds: &[Kind]) -> Self {
        for kind in kinds {
            self.refusals.entry(*kind).or_insert(None);
        }
        self
    }

    /// It refuses by a problem with the members of `T`.
    pub(crate) fn refuses_with<T: JsonSchema>(mut self, kind: Kind) -> Self {
        self.refusals.insert(kind, Some(SchemaGenerator::subschema_for::<T>));
        self
    }

    /// It reads or writes in Redis.
    pub(crate) fn stored(self) -> Self {
        self.refuses(&[Kind::Internal, Kind::Unavailable])
    }

    /// The handler behind its method.
    pub(crate) fn into_router(self) -> MethodRouter<Shared> {
        self.router
    }
}
