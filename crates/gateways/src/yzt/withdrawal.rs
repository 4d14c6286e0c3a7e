//! `bkfunds.withdraw.apply`: amounts are in yuan, in this method alone. Its page has them as a decimal number and gives 1.1 as its
//! example; contents have fen, as everywhere in Bursar. A mistake between the two in this direction pays a hundredth, and never a
//! hundredfold.

use bursar_domain::Fen;

use crate::json::RawObject;

/// The method.
pub(super) const METHOD: &str = "bkfunds.withdraw.apply";

const AMOUNT: &str = "total_amount";

/// The stored content with its amount in yuan, the same text for each send of it; `None` where it has no amount.
pub(super) fn in_yuan(content: &str) -> Option<String> {
    let object = RawObject::parse(content)?;
    let amount = Fen::read(&object.value(AMOUNT).ok()??)?;
    let fields = object.fields().map(|(name, value)| {
        let name = serde_json::Value::from(name);
        if name == AMOUNT { format!("{name}:{}", yuan(amount)) } else { format!("{name}:{value}") }
    });
    Some(format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
}

/// A decimal with the fewest digits: `1`, `1.1`, `1.01`.
fn yuan(amount: Fen) -> String {
    let fen = amount.get();
    let (whole, rest) = (fen / 100, fen % 100);
    match (rest, rest % 10) {
        (0, _) => whole.to_string(),
        (_, 0) => format!("{whole}.{}", rest / 10),
        (_, _) => format!("{whole}.{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fen_are_written_as_yuan_to_the_last_fen() {
        for (fen, written) in [
            (1, "0.01"),
            (10, "0.1"),
            (11, "0.11"),
            (100, "1"),
            (101, "1.01"),
            (110, "1.1"),
            (123_456, "1234.56"),
            (i64::MAX, "92233720368547758.07"),
        ] {
            assert_eq!(yuan(Fen::new(fen).unwrap()), written);
        }
    }

    #[test]
    fn nothing_but_the_amount_is_changed() {
        let content = r#"{"sso_node_id":"1","merchant_id":1000000001116,"total_amount":110,"remark":"引\"号","extra":{"total_amount":5}}"#;
        let expected = content.replacen(":110,", ":1.1,", 1);
        assert_eq!(in_yuan(content), Some(expected));
        for unfit in ["", "[]", "{}", r#"{"total_amount":0}"#, r#"{"total_amount":1,"total_amount":2}"#] {
            assert_eq!(in_yuan(unfit), None, "{unfit}");
        }
    }
}
