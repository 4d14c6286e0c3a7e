//! Takes a YZT answer out of its envelope: `{"<node>": {…}, "sign": "…"}`, the signature being over the node's text
//! exactly as received.

use std::borrow::Cow;

use crate::json::{RawObject, Unclear};
use crate::rsa2::Verifier;

/// The proof that an answer is the platform's.
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
    /// True if it is the node of errors, which names no method.
    pub is_error: bool,
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
    let (name, text) = match find_node(&outer, method).map_err(unclear)? {
        Node::Own(name, text) => (name, text),
        Node::Foreign(name) => return Err(format!("answered as {name}, which is no response to {method}").into()),
        Node::None => return Err("the answer has no node".into()),
    };
    let trust = match (verifier, outer.word("sign").map_err(unclear)?) {
        (None, _) => Trust::Waived,
        (Some(_), None) => Trust::Unsigned,
        (Some(verifier), Some(sign)) if verifier.verifies(text, &sign) => Trust::Verified,
        (Some(_), Some(_)) => Trust::BadlySigned,
    };
    let node = RawObject::parse(text).ok_or("the answer's node is not an object")?;
    let odd_node = (name != node_name(method)).then(|| name.to_owned());
    Ok(Envelope { node, trust, odd_node, is_error: name == ERROR_NODE })
}

/// The two names that bill uploads go by, and so do their nodes (trap 2).
const UPLOADS: [&str; 2] = ["funds_bill_upload_response", "bkfunds_order_upload_response"];

/// The node of an error that names no method. The framework writes it where it does not know the method, the page of bill uploads for a
/// refusal of the service.
const ERROR_NODE: &str = "error_response";

/// The node of an answer.
enum Node<'o, 'a> {
    /// The method that was called, or the error node: its name and its text.
    Own(&'o str, &'a str),
    /// Another method only: whatever it says, it is no response to this call.
    Foreign(&'o str),
    /// No node.
    None,
}

/// The method's own node, else `error_response`. A signature covers the node's text and not its name, so
/// responses may be exchanged by fault or on purpose: one method's response must not be taken for another's.
fn find_node<'a, 'o>(outer: &'o RawObject<'a>, method: &str) -> Result<Node<'o, 'a>, Unclear> {
    let own = node_name(method);
    let names: &[&str] = if UPLOADS.contains(&own.as_str()) { &UPLOADS } else { &[own.as_str()] };
    for name in names.iter().chain([&ERROR_NODE]) {
        if let Some(text) = outer.raw(name)? {
            let named = outer.fields().find(|(field, _)| field == name);
            return Ok(named.map_or(Node::None, |(name, _)| Node::Own(name, text)));
        }
    }
    let mut nodes = outer.fields().filter(|(name, _)| name.ends_with("_response"));
    Ok(nodes.next().map_or(Node::None, |(name, _)| Node::Foreign(name)))
}

/// `merchant.balanceQuery` → `merchant_balanceQuery_response`: case is kept.
fn node_name(method: &str) -> String {
    format!("{}_response", method.replace('.', "_"))
}
