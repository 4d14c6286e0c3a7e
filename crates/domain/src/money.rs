//! Money: whole fen, always positive. There is no floating-point amount anywhere in Bursar.

use serde_json::Value;

use crate::Kind;

/// An amount in fen (1/100 yuan), at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Fen(#[schemars(range(min = 1))] i64);

impl<'de> serde::Deserialize<'de> for Fen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("an amount is positive"))
    }
}

/// The largest amount that one job moves where its account says nothing of it: ten million yuan, above which a digit too many
/// is likelier than a payment.
pub const DEFAULT_MAX_AMOUNT: Fen = Fen(1_000_000_000);

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

    /// In yuan, as people write it, to the last fen: `¥1,234.56`.
    #[must_use]
    pub fn yuan(self) -> String {
        yuan(u128::from(self.0.unsigned_abs()))
    }

    /// Reads an amount as any of the pages writes it: a JSON integer or a string of digits.
    /// The pages disagree among themselves (domain trap 11), so what is received may be either.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        whole_number(value).and_then(Self::new)
    }
}

/// Any number of fen in yuan, sums and nothing at all among them.
#[must_use]
pub fn yuan(fen: u128) -> String {
    let whole = (fen / 100).to_string();
    let mut grouped = String::with_capacity(whole.len() * 4 / 3 + 4);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("¥{grouped}.{:02}", fen % 100)
}

/// Fields of notifications that hold fen.
const IN_NOTIFICATIONS: [&str; 3] = ["trans_amount", "fee", "post_fee"];

/// The amount in a content's field in yuan, where the pages have it in fen; the field by its path, `goods_detail[0].price`.
#[must_use]
pub fn yuan_of_field(path: &str, text: &str) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or_default();
    let fen = whole_number(&Value::from(text)).and_then(|fen| u128::try_from(fen).ok())?;
    let is_fen = IN_NOTIFICATIONS.contains(&name) || Kind::ALL.iter().any(|kind| kind.facts().is_fen(name));
    is_fen.then(|| yuan(fen))
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
    fn amounts_are_shown_in_yuan_to_the_last_fen() {
        for (fen, shown) in [
            (1, "¥0.01"),
            (10, "¥0.10"),
            (100, "¥1.00"),
            (99_999, "¥999.99"),
            (100_000, "¥1,000.00"),
            (123_456, "¥1,234.56"),
            (100_000_000_001, "¥1,000,000,000.01"),
            (i64::MAX, "¥92,233,720,368,547,758.07"), // a double would say ….08
        ] {
            assert_eq!(Fen::new(fen).unwrap().yuan(), shown);
        }
        assert_eq!(yuan(0), "¥0.00");
    }

    #[test]
    fn only_documented_amounts_in_fen_are_shown_in_yuan() {
        assert_eq!(yuan_of_field("total_amount", "123456").as_deref(), Some("¥1,234.56"));
        assert_eq!(yuan_of_field("goods_detail[0].price", "5").as_deref(), Some("¥0.05"));
        for (path, text) in [("quantity", "5"), ("price.of", "5"), ("total_amount", "1.5"), ("total_amount", "")] {
            assert_eq!(yuan_of_field(path, text), None, "{path}");
        }
    }

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
