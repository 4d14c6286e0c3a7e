//! Judges views by the schemas that their types derive.

use jsonschema::{Validator, draft202012};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema of the JSON of `T`, which refers to itself where a value may be in another one.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.subschema_for::<T>().to_value();
    schema["$defs"] = generator.take_definitions(true).into();
    schema
}

/// A judge of this schema, which judges formats as well.
pub(crate) fn validator(schema: &Value) -> Validator {
    draft202012::options().should_validate_formats(true).build(schema).unwrap()
}

/// Checks a value by the schema of an enum, and by the variant alone that has this word in `tag`: the last variant takes words of newer
/// builds, and would take everything.
pub(crate) fn fits_its_variant(schema: &Value, tag: &str, value: &Value) {
    let whole = validator(schema);
    assert!(
        whole.is_valid(value),
        "{value}: {:?}",
        whole.iter_errors(value).map(|error| error.to_string()).collect::<Vec<_>>()
    );
    let named = schema["$ref"].as_str().and_then(|reference| schema.pointer(reference.strip_prefix('#')?));
    let variants = named.unwrap()["anyOf"].as_array().unwrap();
    let mut named = variants.iter().filter(|variant| variant["properties"][tag]["const"] == value[tag]);
    let variant = named.next().unwrap_or_else(|| variants.last().unwrap());
    assert!(named.next().is_none(), "two variants of {}", value[tag]);
    let mut alone = variant.clone();
    alone["$defs"] = schema["$defs"].clone();
    let alone = validator(&alone);
    let errors: Vec<String> = alone.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{value}: {errors:?}");
    let mut untagged = value.clone();
    untagged[tag] = json!(7);
    assert!(!alone.is_valid(&untagged), "{untagged}");
}
