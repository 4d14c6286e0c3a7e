//! Money: whole fen, always positive. There is no floating-point amount anywhere in Bursar.

use serde_json::Value;

/// An amount in fen (1/100 yuan), at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Fen(i64);

impl Fen {
    /// `None` unless `fen` is positive.
    #[must_use]
    pub const fn new(fen: i64) -> Option<Self> {
        if fen > 0 { Some(Self(fen)) } else { None }
    }

    /// The number of fen.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Reads an amount as any of the pages writes it: a JSON integer or a string of digits.
    /// The pages disagree among themselves (domain trap 11), so what is received may be either.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        whole_number(value).and_then(Self::new)
    }
}

/// A whole number written as a JSON integer or as a string of at most 19 ASCII digits; nothing else.
pub(crate) fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) if (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().ok()
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn trap_11_an_amount_is_an_integer_or_digits_and_never_a_float() {
        assert_eq!(Fen::read(&json!(10)), Fen::new(10));
        assert_eq!(Fen::read(&json!("10")), Fen::new(10));
        for wrong in [
            json!(1.0),
            json!(1.5),
            json!("1.5"),
            json!(0),
            json!(-1),
            json!("-1"),
            json!("+1"),
            json!(""),
            json!(null),
            json!(" 1"),
            json!("00000000000000000001"),
        ] {
            assert_eq!(Fen::read(&wrong), None, "{wrong}");
        }
        assert_eq!(Fen::read(&json!(u64::MAX)), None);
        assert_eq!(Fen::read(&json!("99999999999999999999")), None);
    }
}
