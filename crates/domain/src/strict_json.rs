//! JSON in which no object names a field twice: of two amounts, neither may win in silence (trap 19).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::fields::shown;

/// A field that an object names twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// It is an error.
    Refused,
    /// It is an error unless both values are the same, as in the example of the gateway's page (`goods_id`).
    RefusedIfDifferent,
}

/// Reads one JSON value.
pub(crate) fn read(text: &str, repeated: Repeated) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = repeated.deserialize(&mut deserializer)?;
    deserializer.end().map(|()| value)
}

impl<'de> DeserializeSeed<'de> for Repeated {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Repeated {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self)?;
            let is_known = match (object.get(&name), self) {
                (None, _) => false,
                (Some(first), Self::RefusedIfDifferent) => *first != value,
                (Some(_), Self::Refused) => true,
            };
            if is_known {
                return Err(A::Error::custom(format_args!("the field {} occurs twice", shown(&name))));
            }
            object.insert(name, value);
        }
        Ok(object.into())
    }
}
