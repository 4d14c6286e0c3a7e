//! The schema of a job as it is submitted: one for each `kind`.

use std::borrow::Cow;

use bursar_domain::{Kind, NewJob};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// [`NewJob`], with the fields of its kind in `body`.
pub(super) struct NewJobOfAKind;

impl JsonSchema for NewJobOfAKind {
    fn schema_name() -> Cow<'static, str> {
        "NewJob".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let general = NewJob::json_schema(generator).to_value();
        let place = generator.settings().definitions_path.trim_matches(['#', '/']).to_owned();
        let (mut variants, mut mapping) = (Vec::new(), Map::new());
        for kind in Kind::ALL {
            let name = name_of(kind);
            let reference = format!("#/{place}/{name}");
            let body = format!("{name}Body");
            let mut schema = of_kind(&general, kind);
            schema["properties"]["body"] = json!({"$ref": format!("#/{place}/{body}")});
            generator.definitions_mut().insert(body, kind.body_schema());
            generator.definitions_mut().insert(name, schema);
            variants.push(json!({"$ref": reference}));
            mapping.insert(kind.as_str().to_owned(), reference.into());
        }
        json_schema!({
            "description": "A new job. Its `kind` says which fields its `body` has.",
            "oneOf": variants,
            "discriminator": {"propertyName": "kind", "mapping": mapping},
        })
    }
}

/// The schema of all jobs, narrowed to those of one kind, whose body is described apart.
fn of_kind(general: &Value, kind: Kind) -> Value {
    let mut schema = general.clone();
    schema["description"] = format!("A new job of the kind {kind}.").into();
    schema["properties"]["kind"] = json!({"type": "string", "const": kind.as_str()});
    schema
}

/// `bill_upload` is `BillUploadJob`.
fn name_of(kind: Kind) -> String {
    let capitalised = |word: &str| word[..1].to_uppercase() + &word[1..];
    kind.as_str().split('_').map(capitalised).chain(["Job".to_owned()]).collect()
}
