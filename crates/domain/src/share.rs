//! A share of an order: an exact decimal above 0 and at most 1, in millionths. There is no floating-point arithmetic in it.

use serde_json::Value;

/// The whole in millionths: the gateway's column is DECIMAL(20,6).
pub(crate) const WHOLE: u64 = 1_000_000;

/// A share in millionths: `0.3`, `"0.3"` or `1`. `None` when it is zero, over 1, or finer than the gateway's column.
pub(crate) fn millionths(share: &Value) -> Option<u64> {
    let text = match share {
        Value::String(text) => text.clone(),
        // Rust prints a float in plain notation with the fewest digits that read back the same.
        Value::Number(number) => match number.as_u64() {
            Some(whole) => whole.to_string(),
            None => number.as_f64()?.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 1 || decimals.len() > 6 {
        return None;
    }
    let share = whole.parse::<u64>().ok()? * WHOLE + format!("{decimals:0<6}").parse::<u64>().ok()?;
    (1..=WHOLE).contains(&share).then_some(share)
}

/// The shortest plain notation: `0.1`, never `0.10` (the server signs numbers in canonical form).
pub(crate) fn decimal(share: u64) -> String {
    let text = format!("{}.{:06}", share / WHOLE, share % WHOLE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_are_exact_decimals_above_0_and_at_most_1() {
        for (share, written) in [
            (json!(0.1), "0.1"),
            (json!("0.10"), "0.1"),
            (json!(1), "1"),
            (json!("1.0"), "1"),
            (json!("0.0001"), "0.0001"),
            (json!(0.000_001), "0.000001"),
        ] {
            assert_eq!(millionths(&share).map(decimal).as_deref(), Some(written), "{share}");
        }
        for wrong in [
            json!(0),
            json!("0.0"),
            json!(1.1),
            json!("1.000001"),
            json!("-0.1"),
            json!("1e-3"),
            json!("0.0000001"),
            json!(""),
            json!("."),
            json!(null),
            json!("0,1"),
        ] {
            assert_eq!(millionths(&wrong), None, "{wrong}");
        }
    }
}
