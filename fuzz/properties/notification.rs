//! Whatever is posted as a notification: nothing passes that the platform has not signed.
//!
//! The first byte chooses the pinned rule, the rest is the body.

use std::sync::LazyLock;

use bursar_gateways::{
    ContentType, NotificationError, NotificationReader, QueryKey, ResponseSign, Secret, SignRule, SubCodes, Transport,
    UnsignedErrors, UploadMethod, Yzt, YztSettings, masked,
};
use serde_json::Value;

const VECTORS: &str = include_str!("../../tests/vectors/vectors.json");

const APP_ID: &str = "20210911888888888888888888";

struct Accounts {
    right: Yzt,
    reader: NotificationReader,
    stranger: Yzt,
    waived: Yzt,
    /// Every content that the platform's key has ever signed as a notification.
    signed: Vec<(String, String)>,
}

static ACCOUNTS: LazyLock<Accounts> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    let key = |name: &str| vectors["keys"][name].as_str().expect("a key of the vectors").to_owned();
    let account = |private_key: &str, response_sign| {
        let settings = YztSettings {
            transport: Transport::new("http://127.0.0.1:9", ContentType::Form),
            app_id: APP_ID.into(),
            app_auth_token: None,
            private_key: Secret::new(key(private_key)),
            response_sign,
            unsigned_errors: UnsignedErrors::default(),
            query_key: QueryKey::TradeNo,
            upload_method: UploadMethod::FundsBillUpload,
            split: None,
            sub_codes: SubCodes::default(),
        };
        Yzt::new(settings).expect("an account on the vectors' keys")
    };
    let notifications = vectors["yzt_notifications"].as_object().expect("the vectors hold notifications").values();
    let signed = notifications.map(|vector| {
        let body: Value = serde_json::from_str(vector["body"].as_str().expect("a body")).expect("a body is JSON");
        let text = |name: &str| body[name].as_str().expect("a text").to_owned();
        (text("sign"), text("biz_content"))
    });
    Accounts {
        right: account("app_private_pkcs8", ResponseSign::Required(key("platform_public_spki"))),
        reader: NotificationReader::new(APP_ID, &key("platform_public_spki")).expect("the vectors' key"),
        stranger: account("platform_private_pkcs8", ResponseSign::Required(key("app_public_spki"))),
        waived: account("app_private_pkcs8", ResponseSign::Waived),
        signed: signed.collect(),
    }
});

pub(crate) fn check(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let Ok(body) = std::str::from_utf8(body) else { return };
    let accounts = &*ACCOUNTS;
    let rule = [None, Some(SignRule::A), Some(SignRule::B)][usize::from(choice % 3)];

    assert!(accounts.stranger.notification(body, rule).is_err(), "signed with no key of the account");
    assert!(accounts.waived.notification(body, rule).is_err(), "nothing to verify it with");
    let read = accounts.right.notification(body, rule);
    assert_eq!(accounts.reader.read(body, rule), read, "without the account's own secrets it reads as with them");
    match read {
        Ok(notification) => {
            let sent: Value = serde_json::from_str(body).expect("what was verified is JSON");
            let sign = sent["sign"].as_str().expect("a verified notification has its signature");
            let known =
                accounts.signed.iter().any(|(known, content)| known == sign && *content == notification.biz_content);
            assert!(known, "a content that the platform never signed: {}", notification.biz_content);
            assert!(rule.is_none_or(|rule| rule == notification.rule), "by another rule than the pinned one");
            assert!(!format!("{notification:?}").contains(&notification.biz_content), "people's names are printed");
            assert!(notification.text("record_id").is_none_or(|id| id.len() <= 64), "an id without a bound");
            let shown = notification.content().map(|content| masked(&content).to_string()).unwrap_or_default();
            assert!(!shown.contains("624615616476846548"), "an account number is shown");
        }
        Err(error) => assert!(error.to_string().len() < 200 && error != NotificationError::NoKey, "{error}"),
    }
}
