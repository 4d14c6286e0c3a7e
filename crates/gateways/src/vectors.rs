//! Every vector of `tests/vectors/vectors.json`, positive and negative, proves signing and verification. What AWS-LC
//! signs is verified by the `rsa` crate and the other way round: two implementations that share no code.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::signature::{SignatureEncoding, Signer as _, Verifier as _};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::rsa2::{Signer, Verifier};
use crate::{
    ContentType, QueryKey, ResponseSign, Secret, SubCodes, Transport, UnsignedErrors, UploadMethod, Yzt, YztSettings,
};

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/vectors.json")).unwrap()
}

pub(crate) fn key(name: &str) -> String {
    text(&vectors()["keys"][name])
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn signer() -> Signer {
    Signer::new("private_key_file", &Secret::new(key("app_private_pkcs8"))).unwrap()
}

/// The second implementation's view of a signature.
fn rsa_verifies(spki: &str, content: &str, sign: &str) -> bool {
    let key = RsaPublicKey::from_public_key_der(&STANDARD.decode(spki).unwrap()).unwrap();
    let signature = Signature::try_from(STANDARD.decode(sign).unwrap().as_slice()).unwrap();
    VerifyingKey::<Sha256>::new(key).verify(content.as_bytes(), &signature).is_ok()
}

fn rsa_signs(pkcs8: &str, content: &str) -> String {
    let key = RsaPrivateKey::from_pkcs8_der(&STANDARD.decode(pkcs8).unwrap()).unwrap();
    STANDARD.encode(SigningKey::<Sha256>::new(key).sign(content.as_bytes()).to_bytes())
}

pub(crate) fn yzt(app_id: &str, token: Option<String>) -> Yzt {
    Yzt::new(YztSettings {
        transport: Transport::new("http://127.0.0.1:9", ContentType::Form),
        app_id: app_id.to_owned(),
        app_auth_token: token.map(Secret::new),
        private_key: Secret::new(key("app_private_pkcs8")),
        response_sign: ResponseSign::Required(key("platform_public_spki")),
        unsigned_errors: UnsignedErrors::default(),
        query_key: QueryKey::TradeNo,
        upload_method: UploadMethod::FundsBillUpload,
        split: None,
        sub_codes: SubCodes::default(),
    })
    .unwrap()
}

#[test]
fn the_frameworks_vector_is_verified_by_both_implementations() {
    let vector = &vectors()["external_sop"];
    let (content, sign, key) = (text(&vector["content"]), text(&vector["sign"]), text(&vector["public_key_spki"]));
    assert_eq!(hex::encode(Sha256::digest(&content)), text(&vector["sha256_hex"]));
    let verifier = Verifier::new("platform_public_key_file", &key).unwrap();
    assert!(verifier.verifies(&content, &sign));
    assert!(rsa_verifies(&key, &content, &sign));
    assert!(!verifier.verifies(&format!("{content} "), &sign), "another content must fail");
    assert!(!verifier.verifies(&content.replace("&sign_type=RSA2", ""), &sign), "sign_type is part of the content");
}

#[test]
fn every_request_vector_is_signed_and_written_byte_for_byte() {
    let all = vectors();
    for (name, vector) in all["yzt_requests"].as_object().unwrap() {
        let params = &vector["params"];
        let token = params.get("app_auth_token").map(text);
        let gateway = yzt(&text(&params["app_id"]), token);
        let (method, biz, stamp) = (text(&params["method"]), text(&params["biz_content"]), text(&params["timestamp"]));

        let content = gateway.caller.signing_content(&method, &biz, &stamp);
        assert_eq!(content, text(&vector["content"]), "{name}");
        assert_eq!(hex::encode(Sha256::digest(&content)), text(&vector["sha256_hex"]), "{name}");
        assert_eq!(signer().sign(&content).unwrap(), text(&params["sign"]), "{name}");
        assert_eq!(
            rsa_signs(&key("app_private_pkcs8"), &content),
            text(&params["sign"]),
            "{name}: second implementation"
        );

        let form = gateway.caller.write(&method, &biz, &stamp, ContentType::Form).unwrap();
        assert_eq!(form, text(&vector["form_body"]), "{name}");
        let json = gateway.caller.write(&method, &biz, &stamp, ContentType::Json).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), *params, "{name}: every parameter is a text");
    }
}

#[test]
fn a_signature_without_sign_type_in_its_content_is_not_ours() {
    let verifier = Verifier::new("platform_public_key_file", &key("app_public_spki")).unwrap();
    for (name, vector) in vectors()["yzt_requests"].as_object().unwrap() {
        let (content, wrong) = (text(&vector["content"]), text(&vector["wrong_sign_if_sign_type_excluded"]));
        assert!(!verifier.verifies(&content, &wrong), "{name}");
        assert_ne!(signer().sign(&content).unwrap(), wrong, "{name}");
        let without = content.replace("&sign_type=RSA2", "");
        assert!(verifier.verifies(&without, &wrong), "{name}: the vector is what it says");
    }
}

#[test]
fn every_answer_vector_is_verified_over_its_received_text() {
    let all = vectors();
    let verifier = Verifier::new("platform_public_key_file", &key("platform_public_spki")).unwrap();
    for (name, vector) in all["yzt_responses"].as_object().unwrap() {
        let body = text(&vector["body"]);
        let node = text(&vector["node"]);
        let method = match name.as_str() {
            "upload_code_string" => "funds.bill.upload", // answered under the other name of the method
            "error_40004" => "bkfunds.balance.pay.apply",
            _ => &node.trim_end_matches("_response").replace('_', "."),
        };
        let opened = crate::yzt::envelope::open(&body, method, Some(&verifier)).unwrap();
        let tampered = vector["expect"] == "signature failure";
        let expected =
            if tampered { crate::yzt::envelope::Trust::BadlySigned } else { crate::yzt::envelope::Trust::Verified };
        assert_eq!(opened.trust, expected, "{name}");
        let (signed, sign) = (text(&vector["signed_text"]), text(&vector["sign"]));
        assert!(verifier.verifies(&signed, &sign), "{name}");
        assert!(rsa_verifies(&key("platform_public_spki"), &signed, &sign), "{name}: second implementation");
        assert_eq!(body.contains(&signed), !tampered, "{name}: only the tampered one differs from what was signed");
    }
}

#[test]
fn every_notification_vector_is_verified_by_its_rule() {
    use crate::SignRule::{A, B};
    let all = vectors();
    for (name, vector) in all["yzt_notifications"].as_object().unwrap() {
        let gateway = yzt("20210911888888888888888888", None);
        let body = text(&vector["body"]);
        let (rule, other) = if name == "sign_type_excluded" { (B, A) } else { (A, B) };
        let found = gateway.notification(&body, None).unwrap();
        assert_eq!(found.rule, rule, "{name}");
        assert!(gateway.notification(&body, Some(rule)).is_ok(), "{name}");
        assert!(gateway.notification(&body, Some(other)).is_err(), "{name}: pinned to the other rule");
        let verifier = Verifier::new("platform_public_key_file", &key("platform_public_spki")).unwrap();
        assert!(verifier.verifies(&text(&vector["content"]), &text(&vector["sign"])), "{name}");
        let forged = body.replace("100000", "900000");
        assert_eq!(gateway.notification(&forged, None).unwrap_err(), crate::NotificationError::BadSign, "{name}");
    }
}

#[test]
fn every_md5_vector_is_signed_and_verified() {
    use crate::beingfi::sign::{sign, verifies};
    for (name, vector) in vectors()["jeepay"].as_object().unwrap() {
        let secret = Secret::new(text(&vector["key"]));
        let given = vector["params"].as_object().unwrap();
        let params: Vec<(&str, &str)> =
            given.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect();
        let md5 = text(&vector["md5"]);
        assert_eq!(sign(&params, &secret), md5, "{name}");
        let received = vector["params"].to_string();
        assert!(verifies(&received, &md5, &secret), "{name}");
        assert!(verifies(&received, &md5.to_lowercase(), &secret), "{name}: case does not matter");
        assert!(!verifies(&received, &md5.replace(&md5[..1], "0"), &secret) || md5.starts_with('0'), "{name}");
        assert!(!verifies(&received, &md5, &Secret::new("another".into())), "{name}");
        assert!(!verifies(&received, "", &secret) && !verifies("[]", &md5, &secret), "{name}");
    }
}

#[test]
fn numbers_are_verified_with_the_digits_they_came_with() {
    use crate::beingfi::sign::{sign, verifies};
    let secret = Secret::new("TESTKEY-9f1c0000-not-real".into());
    let signed = sign(&[("divisionProfit", "0.30"), ("receiverId", "12345678901234567890"), ("state", "1")], &secret);
    let data = r#"{"state":1, "divisionProfit":0.30, "receiverId":12345678901234567890, "errMsg":null, "errCode":""}"#;
    assert!(verifies(data, &signed, &secret));
    assert!(!verifies(&data.replace("0.30", "0.3"), &signed, &secret));
    assert!(!verifies(r#"{"state":1,"state":1}"#, &sign(&[("state", "1")], &secret), &secret), "a field twice");
}
