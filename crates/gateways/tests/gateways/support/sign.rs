//! The gateways' side of signatures, by other code than the crate's: the `rsa` crate, and MD5 by the letter of the rule.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::signature::{SignatureEncoding, Signer, Verifier};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::Value;
use sha2::Sha256;

pub(crate) const SECRET: &str = "TESTKEY-9f1c0000-not-real";

/// A key of the vectors' file.
pub(crate) fn key(name: &str) -> String {
    vectors()["keys"][name].as_str().unwrap().to_owned()
}

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../../tests/vectors/vectors.json")).unwrap()
}

/// The platform's signature.
pub(crate) fn platform_sign(text: &str) -> String {
    let der = STANDARD.decode(key("platform_private_pkcs8")).unwrap();
    let signing = SigningKey::<Sha256>::new(RsaPrivateKey::from_pkcs8_der(&der).unwrap());
    STANDARD.encode(signing.sign(text.as_bytes()).to_bytes())
}

/// True if a request's signature is the app's, by the server's own rule.
pub(crate) fn app_signed(params: &std::collections::BTreeMap<String, String>) -> bool {
    is_signed_by("app_public_spki", params)
}

/// The same for any key of the vectors' file.
pub(crate) fn is_signed_by(name: &str, params: &std::collections::BTreeMap<String, String>) -> bool {
    let content: Vec<String> =
        params.iter().filter(|(name, _)| *name != "sign").map(|(name, value)| format!("{name}={value}")).collect();
    let key = RsaPublicKey::from_public_key_der(&STANDARD.decode(key(name)).unwrap()).unwrap();
    let sign = Signature::try_from(STANDARD.decode(&params["sign"]).unwrap().as_slice()).unwrap();
    VerifyingKey::<Sha256>::new(key).verify(content.join("&").as_bytes(), &sign).is_ok()
}

/// A signed answer of YZT's.
pub(crate) fn yzt(node: &str, text: &str) -> String {
    format!(r#"{{"{node}":{text},"sign":"{}"}}"#, platform_sign(text))
}

/// A signed business success of an apply.
pub(crate) fn applied(data: &str) -> String {
    yzt("bkfunds_balance_pay_apply_response", &taken(data))
}

/// A signed business success of a query.
pub(crate) fn queried(data: &str) -> String {
    yzt("bkfunds_balance_pay_query_response", &taken(data))
}

pub(crate) fn taken(data: &str) -> String {
    format!(r#"{{"request_id":"openapi_1","code":10000,"success":true,"data":{data}}}"#)
}

/// A signed refusal.
pub(crate) fn refused(code: &str, sub_code: &str) -> String {
    yzt("error_response", &refusal(code, sub_code))
}

pub(crate) fn refusal(code: &str, sub_code: &str) -> String {
    format!(r#"{{"request_id":"openapi_1","code":"{code}","msg":"no","sub_code":"{sub_code}","sub_msg":"because"}}"#)
}

/// MD5 over pairs that the caller has put in order.
pub(crate) fn md5(sorted: &str) -> String {
    let joint = if sorted.is_empty() { "" } else { "&" };
    hex::encode_upper(Md5::digest(format!("{sorted}{joint}key={SECRET}").as_bytes()))
}

/// A signed answer of BeingFi's; `sorted` is its data as pairs in order.
pub(crate) fn beingfi(data: &str, sorted: &str) -> String {
    format!(r#"{{"code":0,"msg":"SUCCESS","data":{data},"sign":"{}"}}"#, md5(sorted))
}
