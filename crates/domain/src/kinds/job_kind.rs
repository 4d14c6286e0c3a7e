//! The facts about one kind of job, which everything else reads: each kind's file has one [`JobKind`].

use crate::fields::{Field, Reader, Rule, Written};
use crate::{AccountRules, Millis};

/// One kind of job.
pub(crate) struct JobKind {
    /// The word for it in job JSON, queues, commands and metrics.
    pub name: &'static str,
    /// The accounts that take jobs of this kind.
    pub is_taken_by: fn(&AccountRules) -> bool,
    /// The effect of a second execution.
    pub repetition: Repetition,
    /// The field with the amount in fen.
    pub amount: &'static str,
    /// The field, and its value, by which the money arrives on the next working day only.
    pub next_day: Option<(&'static str, &'static str)>,
    /// The fields that name who pays, in the order in which they are looked for: by them a queue is shared fairly.
    pub payer: &'static [&'static str],
    /// The name of the job at the gateway.
    pub business_key: BusinessKey,
    /// The bodies that jobs of this kind may have: the gateway page's, and one for each gateway that has another.
    pub bodies: &'static [Body],
    /// Reads a body; `None` where an error was pushed that leaves nothing to write.
    pub read: fn(&mut Reader<'_>, &Submitted<'_>) -> Option<Draft>,
}

/// The effect of executing a job of this kind a second time, which decides about a send whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// It pays nothing: the same bytes are sent again, whatever the account says of its payments.
    Harmless,
    /// It may pay again: the account's `on_ambiguous` decides, for its gateway may recognise the job's key.
    ByAccount,
    /// It pays again: nothing in the request tells a second send from a second payment. After a send whose outcome is unknown nothing
    /// is sent any more, by no account's policy and on no operator's order.
    PaysAgain,
}

/// The texts of a content by their fields' names.
pub(crate) type Texts<'f, 'a> = &'f dyn Fn(&str) -> Option<&'a str>;

/// The name of a job at its gateway: a second job with the same one is refused, whatever its key.
pub(crate) enum BusinessKey {
    /// The job's own key.
    JobKey,
    /// A text made of the content's fields.
    Content {
        /// Makes it of the content's texts; `None` where the content has none, and the job's key takes its place.
        read: for<'a> fn(Texts<'_, 'a>) -> Option<String>,
        /// The business keys that a job called by this name may have, besides the name itself.
        candidates: fn(&str) -> Vec<String>,
    },
}

/// The fields that a body may have.
pub(crate) struct Body {
    /// The fields by themselves.
    pub fields: &'static [Field],
    /// Pairs of fields of which exactly one is given.
    pub one_of: &'static [[&'static str; 2]],
    /// Lists of objects, which the wire has as JSON in a text.
    pub lists: &'static [List],
    /// Fields beyond these.
    pub further: Further,
    /// Fields of the page's example that its table lacks: they are taken among the others as well as in `extra`.
    pub undocumented: &'static [&'static str],
}

/// A list of objects in a body.
pub(crate) struct List {
    /// The field.
    pub name: &'static str,
    /// The fields of each object.
    pub items: &'static [Field],
}

/// Fields that no table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Further {
    /// None.
    Refused,
    /// Those in the object `extra`.
    InExtra,
    /// Any: no page describes the method.
    Any,
}

/// The job that a body is read for.
pub(crate) struct Submitted<'a> {
    /// Its key; empty where it has none that can be read.
    pub key: &'a str,
    /// Its account's rules.
    pub rules: &'a AccountRules,
}

/// A body as it was read: fields in writing order, the job's business key, and the earliest moment to send it.
pub(crate) struct Draft {
    pub fields: Written,
    pub business_key: String,
    pub not_before: Option<Millis>,
}

impl JobKind {
    /// The business key of the job with these texts in its content.
    pub(crate) fn business_key(&self, key: &str, text_of: Texts<'_, '_>) -> String {
        match self.business_key {
            BusinessKey::JobKey => key.to_owned(),
            BusinessKey::Content { read, .. } => read(text_of).unwrap_or_else(|| key.to_owned()),
        }
    }

    /// Every table of every body, those of lists among them.
    fn tables(&self) -> impl Iterator<Item = &'static [Field]> {
        self.bodies.iter().flat_map(|body| std::iter::once(body.fields).chain(body.lists.iter().map(|list| list.items)))
    }

    fn rows(&self, name: &str) -> impl Iterator<Item = &'static Field> {
        self.tables().flatten().filter(move |field| field.name == name)
    }

    /// True if a screen may show what a field of this name holds.
    pub(crate) fn shows(&self, name: &str) -> bool {
        let is_list = self.bodies.iter().flat_map(|body| body.lists).any(|list| list.name == name);
        is_list || self.rows(name).any(|field| field.shown)
    }

    /// True if a field of this name must not be shown whole.
    pub(crate) fn hides(&self, name: &str) -> bool {
        self.rows(name).any(|field| !field.shown)
    }

    /// True if a field of this name holds an amount in fen.
    pub(crate) fn is_fen(&self, name: &str) -> bool {
        self.rows(name).any(|field| matches!(field.rule, Rule::Amount | Rule::Price))
    }

    /// True if a body has a field of this name.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        let is_one = |body: &Body| {
            body.fields.iter().any(|field| field.name == name) || body.lists.iter().any(|list| list.name == name)
        };
        self.bodies.iter().any(is_one)
    }

    /// The names of all fields; those of a list's objects as `receivers[].receiverId`.
    pub(crate) fn field_names(&self) -> Vec<String> {
        let of_body = |body: &Body| {
            let extra = (body.further == Further::InExtra).then(|| "extra".to_owned());
            let fields = body.fields.iter().map(|field| field.name.to_owned());
            let items = body.lists.iter().flat_map(|list| {
                let items = list.items.iter().map(|field| format!("{}[].{}", list.name, field.name));
                std::iter::once(list.name.to_owned()).chain(items)
            });
            fields.chain(items).chain(extra).collect::<Vec<_>>()
        };
        self.bodies.iter().flat_map(of_body).collect()
    }
}
