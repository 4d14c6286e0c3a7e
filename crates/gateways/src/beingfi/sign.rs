//! BeingFi's signature: MD5 over sorted pairs with the secret at the end. Weak, and prescribed; TLS carries the weight.
//! The rule is that of Jeepay, which BeingFi derives from (`JeepayKit.getSign`, read 2026-11-22).

use md5::{Digest, Md5};
use serde_json::Value;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Secret;
use crate::json::RawObject;

/// Signs what is neither empty nor named `sign`.
pub(crate) fn sign<N: AsRef<str>, V: AsRef<str>>(params: &[(N, V)], secret: &Secret) -> String {
    let mut pairs: Vec<String> = params
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_ref()))
        .filter(|(name, value)| *name != "sign" && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}&"))
        .collect();
    // The whole pairs are sorted, not the names: `a1=` comes before `a=`.
    pairs.sort_by_cached_key(|pair| without_case(pair));
    let text = Zeroizing::new(format!("{}key={}", pairs.concat(), secret.expose()));
    hex::encode_upper(Md5::digest(text.as_bytes()))
}

/// Java's `CASE_INSENSITIVE_ORDER`: UTF-16 units, each turned to upper and then to lower case by itself.
fn without_case(text: &str) -> Vec<u16> {
    let alone = |mut cased: Box<dyn Iterator<Item = char>>, character: char| match (cased.next(), cased.next()) {
        (Some(other), None) => other,
        _ => character,
    };
    let fold = |character: char| {
        let upper = alone(Box::new(character.to_uppercase()), character);
        alone(Box::new(upper.to_lowercase()), upper)
    };
    text.chars().map(fold).collect::<String>().encode_utf16().collect()
}

/// True if `signature`, as received, was made over `data`, as received: numbers keep the digits they came with.
pub(crate) fn verifies(data: &str, signature: &str, secret: &Secret) -> bool {
    let Some(params) = pairs(data) else { return false };
    let ours = sign(&params, secret);
    ours.as_bytes().ct_eq(signature.to_ascii_uppercase().as_bytes()).into()
}

/// The fields of `data` as the server's Java wrote them into its own text: `null` is dropped, texts lose their quotes.
/// `None` when it is no object, or names a field twice: the signed text is then unknown.
fn pairs(data: &str) -> Option<Vec<(String, String)>> {
    let object = RawObject::parse(data)?;
    let mut params = Vec::new();
    for (name, _) in object.fields() {
        let Some(raw) = object.raw(name).ok()? else { continue };
        let value = match serde_json::from_str(raw).ok()? {
            Value::String(text) => text,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => raw.to_owned(),
        };
        params.push((name.to_owned(), value));
    }
    Some(params)
}
