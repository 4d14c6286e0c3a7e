//! The schemas of the types that the API reads and writes, by their names.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::http::operation::SchemaOf;

/// Where the description has its schemas.
const PLACE: &str = "/components/schemas";

/// The schemas so far. A type that is read and one that is written differ in what may be left out, so each way has a generator.
pub(super) struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into());
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// A reference to the schema of a type that requests have.
    pub(super) fn read(&mut self, of: SchemaOf) -> Value {
        tidied(of(&mut self.read).to_value())
    }

    /// A reference to the schema of a type that answers have.
    pub(super) fn written(&mut self, of: SchemaOf) -> Value {
        tidied(of(&mut self.written).to_value())
    }

    /// All named schemas.
    pub(super) fn into_definitions(mut self) -> Map<String, Value> {
        let read = self.read.take_definitions(true);
        let written = self.written.take_definitions(true);
        read.into_iter().chain(written).map(|(name, schema)| (name, tidied(schema))).collect()
    }
}

/// The same schema with every choice among words as an `enum`, which more generators of clients know than a choice among constants. The
/// meaning of each word goes into the description.
fn tidied(schema: Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields: Map<String, Value> =
                fields.into_iter().map(|(name, value)| (name, tidied(value))).collect();
            if let Some(words) = fields.get("oneOf").and_then(words) {
                fields.remove("oneOf");
                let lines = words.iter().filter(|(_, meaning)| !meaning.is_empty());
                let lines = lines.map(|(word, meaning)| format!("- `{word}`: {}", meaning.replace('\n', " ")));
                let own = fields.get("description").and_then(Value::as_str).map(|own| format!("{own}\n"));
                let description: Vec<String> = own.into_iter().chain(lines).collect();
                fields.insert("description".to_owned(), description.join("\n").into());
                fields.insert("type".to_owned(), "string".into());
                fields.insert("enum".to_owned(), words.iter().map(|(word, _)| Value::from(word.as_str())).collect());
            }
            Value::Object(fields)
        }
        Value::Array(items) => items.into_iter().map(tidied).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => schema,
    }
}

/// The words of a choice with their meanings; `None` for any other choice.
fn words(choice: &Value) -> Option<Vec<(String, String)>> {
    let word = |variant: &Value| {
        let word = variant.get("const")?.as_str()?.to_owned();
        let meaning = variant.get("description").and_then(Value::as_str).unwrap_or_default();
        Some((word, meaning.to_owned()))
    };
    choice.as_array()?.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, Schema};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_among_words_is_an_enum() {
        let choice = json!({"description": "A way.", "oneOf": [
            {"type": "string", "const": "left", "description": "To the\nleft."},
            {"type": "string", "const": "right"},
        ]});
        let expected =
            json!({"description": "A way.\n\n- `left`: To the left.", "type": "string", "enum": ["left", "right"]});
        assert_eq!(tidied(choice), expected);
        let other = json!({"oneOf": [{"const": "left"}, {"type": "null"}]});
        assert_eq!(tidied(other.clone()), other);
    }

    #[test]
    fn a_type_that_is_read_and_written_has_one_schema() {
        fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
            generator.subschema_for::<T>()
        }
        let mut schemas = Schemas::new();
        for of in [
            of::<bursar_domain::AccountName>,
            of::<bursar_domain::Key>,
            of::<bursar_domain::Kind>,
            of::<bursar_domain::State>,
        ] {
            assert_eq!(schemas.read(of), schemas.written(of));
        }
        assert_eq!(schemas.read.take_definitions(true), schemas.written.take_definitions(true));
    }
}
