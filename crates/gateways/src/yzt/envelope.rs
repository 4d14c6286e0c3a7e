//! Takes a YZT answer out of its envelope: `{"<node>": {…}, "sign": "…"}`, the signature being over the node's text
//! exactly as received.

use std::borrow::Cow;

use crate::json::{RawObject, Unclear};
use crate::rsa2::Verifier;

/// What vouches for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The platform's signature.
    Verified,
    /// TLS alone: the operator has declared that the platform signs nothing for this tenant.
    Waived,
    /// Nothing.
    Unsigned,
    /// A signature that is not the platform's, or of another text.
    BadlySigned,
}

/// An opened answer.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub node: RawObject<'a>,
    pub trust: Trust,
    /// The node's name where it is not the expected one, as received.
    pub odd_node: Option<String>,
}

/// Opens the answer to `method`. `verifier` is `None` only where signatures are waived. The error
/// says what is wrong, in the gateway's words perhaps: bound it.
pub(crate) fn open<'a>(
    body: &'a str,
    method: &str,
    verifier: Option<&Verifier>,
) -> Result<Envelope<'a>, Cow<'static, str>> {
    let Some(outer) = RawObject::parse(body) else {
        return Err(format!("the answer is not a JSON object: {body}").into());
    };
    let unclear = |Unclear| "the answer has two nodes or signatures, or one that cannot be read".to_owned();
    let (name, text) = find_node(&outer, method).map_err(unclear)?.ok_or("the answer has no node")?;
    let trust = match (verifier, outer.word("sign").map_err(unclear)?) {
        (None, _) => Trust::Waived,
        (Some(_), None) => Trust::Unsigned,
        (Some(verifier), Some(sign)) if verifier.verifies(text, &sign) => Trust::Verified,
        (Some(_), Some(_)) => Trust::BadlySigned,
    };
    let node = RawObject::parse(text).ok_or("the answer's node is not an object")?;
    let odd_node = (name != node_name(method)).then(|| name.to_owned());
    Ok(Envelope { node, trust, odd_node })
}

/// The expected node, else `error_response`, else the only one there is: bill uploads are answered under another
/// method's name, and errors under either (trap 2, seed 002).
fn find_node<'a, 'o>(outer: &'o RawObject<'a>, method: &str) -> Result<Option<(&'o str, &'a str)>, Unclear> {
    let expected = node_name(method);
    for name in [expected.as_str(), "error_response"] {
        if outer.raw(name)?.is_some() {
            return Ok(outer.fields().find(|(field, _)| *field == name));
        }
    }
    let mut nodes = outer.fields().filter(|(name, _)| name.ends_with("_response"));
    match (nodes.next(), nodes.next()) {
        (Some(_), Some(_)) => Err(Unclear),
        (node, _) => Ok(node),
    }
}

/// `merchant.balanceQuery` → `merchant_balanceQuery_response`: case is kept.
fn node_name(method: &str) -> String {
    format!("{}_response", method.replace('.', "_"))
}
