//! Accounts that have parts in common: the settings of one account, and the answers to it, reach no other.

use std::time::Duration;

use crate::support::{Act, Server, accounts, sign};
use bursar_domain::Outcome;
use bursar_gateways::{
    Beingfi, BeingfiSettings, ContentType, Gateway, SharedParts, TooManyRequests, Transport, Yzt, YztSettings,
};

fn yzt(transport: Transport, parts: &SharedParts) -> Yzt {
    Yzt::sharing(YztSettings { transport, ..accounts::yzt_settings("http://x") }, parts).unwrap()
}

fn beingfi(transport: Transport, parts: &SharedParts) -> Beingfi {
    Beingfi::sharing(BeingfiSettings { transport, ..accounts::beingfi_settings("http://x") }, parts).unwrap()
}

fn healthy() -> String {
    sign::applied(r#"{"status":"1"}"#)
}

#[tokio::test]
async fn each_request_has_its_own_connection_and_account() {
    let server = Server::answering(healthy()).await;
    let parts = SharedParts::default();
    let at = |content_type| Transport { content_type, ..accounts::transport(&server.url()) };
    let (form, json) = (yzt(at(ContentType::Form), &parts), yzt(at(ContentType::Json), &parts));
    let other = beingfi(at(ContentType::Json), &parts);
    let is_form = |of: &str| of.starts_with("application/x-www-form-urlencoded");
    for round in 1..=3 {
        form.send(&accounts::transfer()).await;
        json.send(&accounts::transfer()).await;
        other.send(&accounts::split()).await;
        assert_eq!((server.count(), server.connections()), (round * 3, round * 3));
    }
    for (number, request) in server.received().iter().enumerate() {
        let content_type = request.header("content-type").unwrap();
        assert_eq!(is_form(&content_type), number % 3 == 0, "request {number}: {content_type}");
        assert_eq!(request.body.starts_with('{'), number % 3 != 0, "request {number}: {}", request.body);
        assert_eq!(request.header("connection").as_deref(), Some("close"), "request {number}");
        assert_eq!(request.header("accept").as_deref(), Some("application/json"), "request {number}");
    }
}

/// Two accounts on one client, and every setting that is said of a request and not of a connection.
#[tokio::test]
async fn each_account_decides_on_its_own_outcomes_and_silences() {
    let parts = SharedParts::default();
    let busy = Server::start(|_, _| Act::AnswerWith(429, Vec::new(), b"slow down".to_vec())).await;
    for (http_429, expected) in
        [(TooManyRequests::NotExecuted, Outcome::NotExecuted), (TooManyRequests::InDoubt, Outcome::NoResponse)]
    {
        let account = yzt(Transport { http_429, ..accounts::transport(&busy.url()) }, &parts);
        assert_eq!(account.send(&accounts::transfer()).await.outcome, expected, "{http_429:?}");
    }
    // Both have the same time to connect, and one has less time for a call.
    let slow = Server::start(|number, _| if number == 0 { Act::Hang } else { Act::Outcome(healthy()) }).await;
    let within = |call_timeout| Transport {
        call_timeout,
        connect_timeout: Duration::from_millis(200),
        ..accounts::transport(&slow.url())
    };
    let (quick_to_time_out, slow_to_time_out) =
        (yzt(within(Duration::from_millis(400)), &parts), yzt(within(Duration::from_secs(10)), &parts));
    assert_eq!(quick_to_time_out.send(&accounts::transfer()).await.outcome, Outcome::NoResponse);
    assert_eq!(slow_to_time_out.send(&accounts::transfer()).await.outcome, Outcome::Succeeded);
}

#[tokio::test]
async fn a_connection_that_is_kept_is_kept_for_its_account_alone() {
    let server = Server::start(|number, _| match number {
        0 => Act::AnswerTwice(healthy(), "another account's".into()),
        _ => Act::Outcome(healthy()),
    })
    .await;
    let parts = SharedParts::default();
    let keeping = || Transport { keep_alive: Duration::from_secs(4), ..accounts::transport(&server.url()) };
    let (first, second) = (yzt(keeping(), &parts), yzt(keeping(), &parts));
    let plain = yzt(accounts::transport(&server.url()), &parts);
    // An answer that comes too late over the first account's connection is read by none of the others.
    assert_eq!(first.send(&accounts::transfer()).await.outcome, Outcome::Succeeded);
    for account in [&second, &plain] {
        assert_eq!(account.send(&accounts::transfer()).await.outcome, Outcome::Succeeded);
    }
    assert_eq!(server.connections(), 3);
    second.send(&accounts::transfer()).await;
    assert_eq!(server.connections(), 3, "the second account's own was kept");
    assert_eq!(
        first.send(&accounts::transfer()).await.outcome,
        Outcome::NoResponse,
        "the late answer was the first one's"
    );
}

#[tokio::test]
async fn each_account_signs_with_its_key_and_trusts_its_platform() {
    let server = Server::answering(healthy()).await;
    let parts = SharedParts::default();
    let ours = accounts::yzt_settings(&server.url());
    // The platform's key pair in the app's place and the other way round: nothing that the server signs is this account's.
    let theirs = YztSettings {
        private_key: bursar_gateways::Secret::new(sign::key("platform_private_pkcs8")),
        response_sign: bursar_gateways::ResponseSign::Required(sign::key("app_public_spki")),
        ..accounts::yzt_settings(&server.url())
    };
    for _ in 0..2 {
        let ours = Yzt::sharing(ours.clone(), &parts).unwrap();
        let theirs = Yzt::sharing(theirs.clone(), &parts).unwrap();
        assert_eq!(ours.send(&accounts::transfer()).await.outcome, Outcome::Succeeded);
        assert_eq!(theirs.send(&accounts::transfer()).await.outcome, Outcome::NoResponse);
    }
    for (number, request) in server.received().iter().enumerate() {
        let (signer, other) = match number % 2 {
            0 => ("app_public_spki", "platform_public_spki"),
            _ => ("platform_public_spki", "app_public_spki"),
        };
        assert!(sign::is_signed_by(signer, &request.params()), "request {number} is by {signer}");
        assert!(!sign::is_signed_by(other, &request.params()), "request {number}");
    }
}

#[test]
fn an_apps_own_public_key_is_no_platforms() {
    let settings = YztSettings {
        response_sign: bursar_gateways::ResponseSign::Required(sign::key("app_public_spki")),
        ..accounts::yzt_settings("http://x")
    };
    let parts = SharedParts::default();
    for _ in 0..2 {
        let error = Yzt::sharing(settings.clone(), &parts).err().unwrap();
        assert_eq!(error.setting, "platform_public_key_file");
        assert!(error.problem.starts_with("holds the app's own public key"), "{error}");
    }
}
