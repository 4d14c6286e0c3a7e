//! The table of all keys. A section is declared once, by [`section!`]: its struct, its reader, the output of `config show` and its
//! documentation follow from the declaration.

use toml::{Table, Value as Toml};

use super::section::Section;

/// One key as documents show it.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The lines of its description.
    pub(super) doc: &'static [&'static str],
    /// The rule, to be read after "must be".
    pub(super) rule: String,
    pub(super) setting: Setting,
}

/// The value of a key that is left out.
pub(super) enum Setting {
    /// This default.
    Default(Toml),
    /// None. Documents show this example.
    Optional(Toml),
    /// The key must not be left out. Documents show this example.
    Required(Toml),
}

/// A section that was declared by [`section!`].
pub(super) trait Keys: Sized {
    /// The lines of the section's description.
    const ABOUT: &'static [&'static str];
    /// The keys' names in the order of their declaration.
    const NAMES: &'static [&'static str];

    /// Reads every key. Faults are noted in `section`; a placeholder takes the place of a required value that is missing or wrong.
    fn read(section: &mut Section<'_>) -> Self;

    /// Adds every key that has a value.
    fn show(&self, shown: &mut Table);

    /// The rows for documents.
    fn rows() -> Vec<Row>;
}

/// Declares a section. The comment of a key is its documentation. After the rule follows the setting: `default(VALUE)`,
/// `optional(EXAMPLE)` for a key of type `Option<…>`, `required(EXAMPLE)`, or `entries(())` for a table whose entries have the rule.
/// `in_folder(FILE)` is a default in the folder of the configuration file.
/// `needed(EXAMPLE)` is optional to the reader and required in documents: another key can make it superfluous.
///
/// A comment that begins with a heading (`# Retries`) opens a new group of keys.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub(crate) struct $Section:ident {
            $(
                $(#[doc = $doc:literal])*
                $name:ident: $type:ty = $rule:expr, $setting:ident($value:expr);
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $Section {
            $($(#[doc = $doc])* pub(crate) $name: $type,)*
        }

        impl super::table::Keys for $Section {
            const ABOUT: &'static [&'static str] = &[$($about),*];
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn read(section: &mut super::section::Section<'_>) -> Self {
                Self { $($name: super::table::read!($setting, section, stringify!($name), $rule, $value),)* }
            }

            fn show(&self, shown: &mut toml::Table) {
                $(
                    let value = super::table::show!($setting, $rule, &self.$name);
                    shown.extend(value.map(|value| (stringify!($name).to_owned(), value)));
                )*
            }

            fn rows() -> Vec<super::table::Row> {
                vec![$({
                    let rule = $rule;
                    let setting = super::table::setting!($setting, rule, $value);
                    super::table::Row { name: stringify!($name), doc: &[$($doc),*], rule: super::table::words!($setting, rule), setting }
                },)*]
            }
        }
    };
}

macro_rules! read {
    (default, $section:expr, $name:expr, $rule:expr, $value:expr) => {
        $section.read($name, || $rule).unwrap_or_else(|| $value)
    };
    (in_folder, $section:expr, $name:expr, $rule:expr, $value:expr) => {
        $section.read($name, || $rule).unwrap_or_else(|| $section.folder().join($value))
    };
    (entries, $section:expr, $name:expr, $rule:expr, $example:expr) => {
        $section.read_entries($name, || $rule).unwrap_or_default()
    };
    (required, $section:expr, $name:expr, $rule:expr, $example:expr) => {
        $section.require($name, || $rule)
    };
    ($optional:ident, $section:expr, $name:expr, $rule:expr, $example:expr) => {
        $section.read($name, || $rule)
    };
}

macro_rules! show {
    (entries, $rule:expr, $value:expr) => {
        Some(toml::Value::Table($value.iter().map(|(name, value)| (name.clone(), $rule.show(value))).collect()))
    };
    (optional, $rule:expr, $value:expr) => {
        $value.as_ref().map(|value| $rule.show(value))
    };
    (needed, $rule:expr, $value:expr) => {
        $value.as_ref().map(|value| $rule.show(value))
    };
    ($given:ident, $rule:expr, $value:expr) => {
        Some($rule.show($value))
    };
}

macro_rules! setting {
    (default, $rule:expr, $value:expr) => {
        super::table::Setting::Default($rule.show(&$value))
    };
    (in_folder, $rule:expr, $value:expr) => {
        super::table::Setting::Default($value.into())
    };
    (entries, $rule:expr, $example:expr) => {
        super::table::Setting::Default(toml::Table::new().into())
    };
    (optional, $rule:expr, $example:expr) => {
        super::table::Setting::Optional(toml::Value::from($example))
    };
    ($required:ident, $rule:expr, $example:expr) => {
        super::table::Setting::Required(toml::Value::from($example))
    };
}

macro_rules! words {
    (entries, $rule:expr) => {
        format!("a table, each value {}", $rule.words)
    };
    ($setting:ident, $rule:expr) => {
        $rule.words.into()
    };
}

pub(super) use {read, section, setting, show, words};
