//! BeingFi's signature: MD5 over the sorted pairs and the merchant's secret, in upper case.

use md5::{Digest as _, Md5};
use serde_json::Value;
use subtle::ConstantTimeEq as _;

/// The signature over `pairs`; those without a value do not count. The pairs are sorted as whole texts `k=v&`, blind
/// to case, as the SDK's Java does it.
pub(crate) fn sign(pairs: &[(String, String)], secret: &str) -> String {
    let mut texts: Vec<String> =
        pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}&")).collect();
    texts.sort_by_cached_key(|text| text.to_lowercase());
    let mut digest = Md5::new();
    for text in &texts {
        digest.update(text);
    }
    digest.update("key=");
    digest.update(secret);
    hex::encode_upper(digest.finalize())
}

/// True if `given` is the signature over `pairs`, in either case.
pub(crate) fn verifies(pairs: &[(String, String)], secret: &str, given: &str) -> bool {
    let expected = sign(pairs, secret);
    expected.as_bytes().ct_eq(given.to_ascii_uppercase().as_bytes()).into()
}

/// The pairs of a JSON object as Java shows its values; null does not count.
pub(crate) fn pairs_of(object: &Value) -> Vec<(String, String)> {
    let Value::Object(fields) = object else {
        return Vec::new();
    };
    fields
        .iter()
        .filter_map(|(name, value)| match value {
            Value::Null => None,
            Value::String(text) => Some((name.clone(), text.clone())),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Some((name.clone(), value.to_string()))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_this_signature_is_met() {
        let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/vectors.json")).unwrap();
        let vectors = vectors["jeepay"].as_object().unwrap();
        for (name, vector) in vectors {
            let pairs = pairs_of(&vector["params"]);
            let secret = vector["key"].as_str().unwrap();
            let expected = vector["md5"].as_str().unwrap();
            assert_eq!(sign(&pairs, secret), expected, "{name}");
            assert!(verifies(&pairs, secret, &expected.to_lowercase()), "{name}");
            assert!(!verifies(&pairs, "another secret", expected), "{name}");
        }
        assert!(vectors.len() > 5);
    }
}
