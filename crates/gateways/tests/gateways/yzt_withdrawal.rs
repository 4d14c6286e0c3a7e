//! Withdrawals: an amount in yuan, no key, and therefore nothing that would have one sent again.

use crate::support::accounts::{self, again, withdrawal};
use crate::support::{Server, sign};
use bursar_domain::{Call, Outcome, ParsedResponse, Received};
use bursar_gateways::{Gateway, ResponseSign, SubCodes, UnsignedErrors, Yzt, YztSettings};

const NODE: &str = "bkfunds_withdraw_apply_response";

async fn sent(body: impl Into<String>, settings: YztSettings) -> ParsedResponse {
    let server = Server::answering(body).await;
    let settings = YztSettings { transport: accounts::transport(&server.url()), ..settings };
    Yzt::new(settings).unwrap().send(&withdrawal()).await
}

#[tokio::test]
async fn trap_12_a_withdrawal_alone_leaves_in_yuan() {
    let server = Server::answering(sign::yzt(NODE, &sign::taken("{}"))).await;
    let gateway = accounts::yzt(&server.url());
    gateway.send(&withdrawal()).await;
    let params = server.received()[0].params();
    assert!(sign::app_signed(&params));
    assert_eq!(params["method"], "bkfunds.withdraw.apply");
    assert_eq!(params["biz_content"], accounts::WITHDRAWAL.replace(":110,", ":1.1,"));
    assert!(!params["biz_content"].contains(accounts::KEY) && !params["biz_content"].contains("platform_no"));
    let signed = gateway.signing_content(&withdrawal(), "2026-01-02 15:04:05").unwrap();
    assert!(signed.contains(r#""total_amount":1.1,"#), "{signed}");
}

#[tokio::test]
async fn a_yes_is_no_last_word_and_its_number_is_kept() {
    for (data, number, status) in [
        (r#"{"trade_no":"2025","status":"1"}"#, Some("2025"), Some("1")),
        (r#"{"trade_no":"2025","status":"0"}"#, Some("2025"), Some("0")),
        ("{}", None, None),
        (r#""""#, None, None),
    ] {
        let parsed = sent(sign::yzt(NODE, &sign::taken(data)), accounts::yzt_settings("http://x")).await;
        assert_eq!((parsed.outcome, parsed.received), (Outcome::Accepted, Received::Response), "{data}");
        assert_eq!((parsed.trade_no.as_deref(), parsed.status.as_deref()), (number, status), "{data}");
    }
    let gateway = accounts::yzt("http://nowhere.invalid");
    assert!(!gateway.can_query(&again(withdrawal())));
}

/// Each of these would have a transfer sent again, or taken for accepted.
#[tokio::test]
async fn nothing_unproven_has_it_sent_again() {
    let believing = || YztSettings {
        unsigned_errors: UnsignedErrors::Believe,
        sub_codes: SubCodes { duplicate: vec!["isv.duplicate".into()], ..SubCodes::default() },
        ..accounts::yzt_settings("http://x")
    };
    let busy = r#"{"code":"20000","msg":"?","sub_code":"isv.service-busy"}"#;
    let unsigned = format!(r#"{{"{NODE}":{busy}}}"#);
    let transfers = unsigned.replace(NODE, "bkfunds_balance_pay_apply_response");
    let transfer = Yzt::new(believing()).unwrap().understand(Call::Send, &accounts::transfer(), &transfers);
    assert_eq!(
        transfer.outcome,
        Outcome::NotExecuted,
        "an account that believes unsigned errors does so for transfers"
    );
    assert_eq!(sent(unsigned, believing()).await.outcome, Outcome::NoResponse);
    assert_eq!(sent(sign::yzt(NODE, busy), believing()).await.outcome, Outcome::NotExecuted, "signed it is certain");
    let duplicate = sign::yzt(NODE, r#"{"code":"40004","msg":"?","sub_code":"isv.duplicate"}"#);
    assert_eq!(sent(duplicate, believing()).await.outcome, Outcome::NoResponse, "a duplicate of what?");
    let waived = YztSettings { response_sign: ResponseSign::Waived, ..accounts::yzt_settings("http://x") };
    assert_eq!(sent("<html>", waived).await.outcome, Outcome::NoResponse);
}
