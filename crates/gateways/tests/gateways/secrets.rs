//! Nothing secret is ever shown: not by a setting's `Debug`, not by an error, not in a reading, even when the gateway
//! itself quotes it.

use crate::support::{Act, Server, accounts, sign};
use bursar_gateways::{Beingfi, BeingfiSettings, Gateway, ResponseSign, Secret, Yzt, YztSettings};

/// No part of a secret of 12 characters or more occurs in `text`.
fn assert_hides(text: &str, secret: &str) {
    let characters: Vec<char> = secret.chars().collect();
    for part in characters.chunks(12).filter(|part| part.len() == 12) {
        let part: String = part.iter().collect();
        assert!(!text.contains(&part), "{text} shows a secret");
    }
}

fn yzt_settings(url: &str) -> YztSettings {
    YztSettings { app_auth_token: Some(Secret::new(accounts::TOKEN.into())), ..accounts::yzt_settings(url) }
}

#[test]
fn settings_print_without_their_secrets() {
    let shown = format!("{:?} {:?}", yzt_settings("http://x"), accounts::beingfi_settings("http://x"));
    for secret in [sign::key("app_private_pkcs8"), accounts::TOKEN.to_owned(), sign::SECRET.to_owned()] {
        assert_hides(&shown, &secret);
    }
    assert!(shown.contains("(secret)"));
}

#[test]
fn errors_of_settings_name_the_setting_and_hide_its_content() {
    let key = sign::key("app_private_pkcs8");
    let settings = |key: String| YztSettings { private_key: Secret::new(key), ..yzt_settings("http://x") };
    let public = YztSettings { response_sign: ResponseSign::Required(key.clone()), ..yzt_settings("http://x") };
    for settings in [settings(key[..800].to_owned()), settings(format!("{key}?")), public] {
        let error = Yzt::new(settings).err().unwrap();
        assert!(error.setting.ends_with("key_file"), "{error}");
        assert_hides(&format!("{error} {error:?}"), &key);
    }
    let blank = BeingfiSettings { secret: Secret::new(" \n".into()), ..accounts::beingfi_settings("http://x") };
    assert_eq!(Beingfi::new(blank).err().unwrap().to_string(), "secret_file is empty");
}

#[test]
fn a_setting_that_cannot_work_is_named() {
    let transport = |change: fn(&mut bursar_gateways::Transport)| {
        let mut settings = accounts::yzt_settings("http://x");
        change(&mut settings.transport);
        Yzt::new(settings).err().map(|error| error.setting)
    };
    for url in ["", "gateway.example", "ftp://x", "https://u:p@x", "https://x/?a=b", "https://x/#a", "https://"] {
        assert_eq!(Yzt::new(accounts::yzt_settings(url)).err().unwrap().setting, "base_url", "{url}");
    }
    assert_eq!(transport(|transport| transport.connect_timeout = std::time::Duration::ZERO), Some("connect_timeout"));
    assert_eq!(transport(|transport| transport.call_timeout = std::time::Duration::ZERO), Some("call_timeout"));
    assert_eq!(transport(|_| ()), None);
    let nameless = YztSettings { app_id: String::new(), ..accounts::yzt_settings("http://x") };
    assert_eq!(Yzt::new(nameless).err().unwrap().setting, "app_id");
    let without_token =
        YztSettings { app_auth_token: Some(Secret::new(String::new())), ..accounts::yzt_settings("http://x") };
    assert_eq!(Yzt::new(without_token).err().unwrap().setting, "app_auth_token_file");
    let without_merchant = BeingfiSettings { mch_no: String::new(), ..accounts::beingfi_settings("http://x") };
    assert_eq!(Beingfi::new(without_merchant).err().unwrap().setting, "mch_no");
}

/// A gateway that misbehaves may quote a request's token and its body, in every field that we record.
#[tokio::test]
async fn readings_hide_what_a_gateway_quotes() {
    let token = accounts::TOKEN;
    let node = format!(
        r#"{{"request_id":"{token}","code":"40002","msg":"m","sub_code":"isv.{token}","sub_msg":"bad token {token}!"}}"#
    );
    let bodies = [
        sign::yzt("error_response", &node),
        format!(r#"{{"error_response":{node}}}"#),
        format!("<html>app_auth_token={token}&app_id=2</html>"),
        sign::yzt(&format!("x{token}_response"), &node),
        sign::applied(&format!(r#"{{"status":"{}{token}","trade_no":"{token}"}}"#, "x".repeat(50))),
        format!(r#"{{"bkfunds_balance_pay_apply_response":{}}}"#, sign::taken(&format!(r#"{{"trade_no":"{token}"}}"#))),
    ];
    for body in bodies {
        let server = Server::answering(body.clone()).await;
        let parsed = Yzt::new(yzt_settings(&server.url())).unwrap().send(&accounts::transfer()).await;
        assert_hides(&format!("{parsed:?}"), token);
    }
    let secret = sign::SECRET;
    let bodies = [format!(r#"{{"code":9999,"msg":"signed with key={secret}"}}"#), format!("a=b&key={secret}<br>")];
    for body in bodies {
        let server = Server::answering(body).await;
        let parsed = accounts::beingfi(&server.url()).send(&accounts::split()).await;
        assert_hides(&format!("{parsed:?}"), secret);
    }
}

#[tokio::test]
async fn failures_of_the_network_show_no_request() {
    for act in [Act::Close, Act::Reset, Act::AnswerWith(503, Vec::new(), b"x".to_vec())] {
        let server = Server::start(move |_, _| act.clone()).await;
        let parsed = Yzt::new(yzt_settings(&server.url())).unwrap().send(&accounts::transfer()).await;
        let shown = format!("{parsed:?}");
        assert_hides(&shown, accounts::TOKEN);
        assert!(!shown.contains("sign=") && !shown.contains("biz_content"), "{shown}");
    }
}
