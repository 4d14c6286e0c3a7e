//! YZT's own rules for asking: what is asked by, and what the answer is understood to mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::accounts::{KEY, TRADE_NO, numbered, transfer, yzt_settings};
use crate::support::{Act, Server, accounts, sign};
use bursar_domain::{Fen, Kind, Outcome, ParsedResponse};
use bursar_gateways::{
    BoxFuture, Gateway, QueryKey, Rate, RatePermit, StatusQuery, SubCodes, Transport, Yzt, YztSettings,
};

async fn parsed_reply(body: impl Into<String>) -> ParsedResponse {
    let server = Server::answering(body).await;
    accounts::yzt(&server.url()).status(&numbered(&[TRADE_NO])).await
}

/// A query's data about the example transfer.
fn with_status(status: &str) -> String {
    format!(r#"{{"status":"{status}","total_amount":"10","platform_no":"{KEY}","trade_no":"{TRADE_NO}"}}"#)
}

#[tokio::test]
async fn a_query_that_matches_key_and_amount_decides() {
    for (status, outcome) in [
        ("1", Outcome::Succeeded),
        ("0", Outcome::Failed),
        ("2", Outcome::Refunded),
        ("9", Outcome::Accepted),
        ("n", Outcome::Accepted),
        ("?", Outcome::Accepted),
    ] {
        let parsed = parsed_reply(sign::queried(&with_status(status))).await;
        assert_eq!((parsed.outcome, parsed.status.as_deref()), (outcome, Some(status)), "{parsed:?}");
        assert_eq!((parsed.trade_no.as_deref(), parsed.amount), (Some(TRADE_NO), Fen::new(10)));
    }
}

#[tokio::test]
async fn a_query_that_names_another_key_or_amount_is_a_contradiction() {
    let right = with_status("1");
    for wrong in [
        right.replace(KEY, "1001XP2025010110000002"),
        right.replace(r#""10""#, r#""11""#),
        right.replace(r#""10""#, "11"),
        right.replace(r#""10""#, r#""0.10""#),
        right.replace(r#""10""#, "10.0"),
        right.replace(r#""10""#, "-10"),
    ] {
        let parsed = parsed_reply(sign::queried(&wrong)).await;
        assert_eq!(parsed.outcome, Outcome::Mismatch, "{wrong}: {parsed:?}");
        assert_eq!((parsed.trade_no, parsed.status), (None, None), "another job's words do not go on record");
    }
}

/// A refund is recorded under the payment's own key: a status of 1 says that the money came back.
#[tokio::test]
async fn a_refunds_record_says_nothing_of_the_payment() {
    let with = |status: &str, trade_type: &str| {
        with_status(status).replacen('{', &format!(r#"{{"trade_type":"{trade_type}","#), 1)
    };
    for status in ["0", "1", "9", "n"] {
        for refund in ["r", "R"] {
            let parsed = parsed_reply(sign::queried(&with(status, refund))).await;
            assert_eq!((parsed.outcome, parsed.status, parsed.trade_no), (Outcome::NoResponse, None, None), "{status}");
            assert!(parsed.message.unwrap().contains("refund"));
        }
        let payment = parsed_reply(sign::queried(&with(status, "p"))).await;
        assert_eq!(payment.outcome, parsed_reply(sign::queried(&with_status(status))).await.outcome, "{status}");
    }
    assert_eq!(
        parsed_reply(sign::queried(&with("2", "r"))).await.outcome,
        Outcome::Refunded,
        "one word under either type"
    );
    let unreadable = with_status("1").replacen('{', r#"{"trade_type":["p"],"#, 1);
    assert_eq!(parsed_reply(sign::queried(&unreadable)).await.outcome, Outcome::NoResponse);
}

/// An answer that cannot be tied to the job teaches nothing: it is asked again, and in the end a person looks.
#[tokio::test]
async fn a_query_that_leaves_key_or_amount_out_is_not_believed() {
    let right = with_status("1");
    let keyless = right.replace(&format!(r#","platform_no":"{KEY}""#), "");
    let priceless = right.replace(r#","total_amount":"10""#, "");
    for (data, outcome) in [
        (keyless.clone(), Outcome::NoResponse),
        (keyless.replace(r#""1""#, r#""9""#), Outcome::NoResponse),
        (priceless.clone(), Outcome::NoResponse),
        (priceless.replace(r#""status":"1""#, r#""status":"0""#), Outcome::NoResponse),
        (priceless.replace(r#""status":"1""#, r#""status":"9""#), Outcome::Accepted),
        ("\"\"".into(), Outcome::NoResponse),
        ("{}".into(), Outcome::NoResponse),
    ] {
        let parsed = parsed_reply(sign::queried(&data)).await;
        assert_eq!(parsed.outcome, outcome, "{data}: {parsed:?}");
        assert_eq!(
            parsed.message.is_some(),
            outcome == Outcome::NoResponse,
            "{data}: what is not believed is explained"
        );
    }
}

#[tokio::test]
async fn a_refused_question_says_nothing_about_the_job() {
    for (code, sub_code, outcome) in [
        ("40004", "isv.name-error", Outcome::NoResponse),
        ("40002", "isv.invalid-parameter", Outcome::NoResponse),
        ("40002", "isv.invalid-signature", Outcome::Misconfigured),
        ("20000", "isv.service-busy", Outcome::NotExecuted),
        ("20000", "isp.unknown-error", Outcome::NoResponse),
        ("88888", "x", Outcome::NoResponse),
    ] {
        assert_eq!(parsed_reply(sign::refused(code, sub_code)).await.outcome, outcome, "{code}/{sub_code}");
    }
}

/// A server that knows trades by number: `answers` per `trade_no`, "isv.trade-not-exist" for the rest.
async fn knowing(answers: &'static [(&'static str, &'static str)]) -> (Server, Yzt) {
    let server = Server::start(move |_, request| {
        let query: serde_json::Value = serde_json::from_str(&request.params()["biz_content"]).unwrap();
        match answers.iter().find(|(number, _)| query["trade_no"] == *number) {
            Some((_, "hang up")) => Act::Close,
            Some((_, status)) => Act::Outcome(sign::queried(&with_status(status))),
            None => Act::Outcome(sign::refused("40004", "isv.trade-not-exist")),
        }
    })
    .await;
    let sub_codes = SubCodes { unseen: vec!["isv.trade-not-exist".into()], ..SubCodes::default() };
    let gateway = Yzt::new(YztSettings { sub_codes, ..yzt_settings(&server.url()) }).unwrap();
    (server, gateway)
}

#[tokio::test]
async fn the_newest_number_is_queried_before_older_ones() {
    let (server, gateway) = knowing(&[("old", "1"), ("dead", "hang up")]).await;
    for (numbers, outcome, requests) in [
        (&["old"][..], Outcome::Succeeded, 1),
        (&["older", "old"], Outcome::Succeeded, 1),
        (&["old", "new"], Outcome::Succeeded, 2),
        (&["a", "b"], Outcome::NotFound, 2),
        (&["a", "b", "c", "d", "e"], Outcome::NotFound, 3), // bounded
        (&["old", "dead"], Outcome::NoResponse, 1),         // no word at all: not the moment to ask on
        (&["dead", "new"], Outcome::NoResponse, 2), // one that says "unknown" proves nothing while another hangs up
        (&[], Outcome::NoResponse, 0),
    ] {
        let before = server.count();
        let parsed = gateway.status(&numbered(numbers)).await;
        assert_eq!((parsed.outcome, server.count() - before), (outcome, requests), "{numbers:?}: {parsed:?}");
    }
}

/// A rate with so many places left.
struct Places(AtomicUsize);

impl Rate for Places {
    fn acquire(&self, kind: Kind, by: Instant) -> BoxFuture<'_, RatePermit> {
        assert!(kind == Kind::Transfer && by > Instant::now() + Duration::from_secs(5), "it may wait for a whole call");
        let taken = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Box::pin(async move { if taken.is_ok() { RatePermit::Taken } else { RatePermit::NotInTime } })
    }
}

#[tokio::test]
async fn every_question_but_the_first_takes_a_place_in_the_rate() {
    // "Never seen" is no word that a part of the questions has.
    for (places, requests, outcome) in
        [(0, 1, Outcome::NoResponse), (1, 2, Outcome::NoResponse), (2, 3, Outcome::NotFound), (9, 3, Outcome::NotFound)]
    {
        let (server, gateway) = knowing(&[]).await;
        let rate = Arc::new(Places(AtomicUsize::new(places)));
        let parsed = gateway.within(rate.clone()).status(&numbered(&["a", "b", "c", "d"])).await;
        assert_eq!((parsed.outcome, server.count()), (outcome, requests), "{places} places");
        assert_eq!(rate.0.load(Ordering::SeqCst), places - (requests - 1), "{places} places");
    }
}

#[tokio::test]
async fn all_questions_of_one_query_take_no_longer_than_one_call() {
    let server = Server::start(|number, _| match number {
        0 => Act::Outcome(sign::refused("40004", "isv.else")),
        _ => Act::Hang,
    })
    .await;
    let call_timeout = std::time::Duration::from_millis(1200);
    let connect_timeout = std::time::Duration::from_millis(1000);
    let transport = Transport { connect_timeout, call_timeout, ..accounts::transport(&server.url()) };
    let gateway = Yzt::new(YztSettings { transport, ..yzt_settings("http://x") }).unwrap();
    let started = tokio::time::Instant::now();
    let parsed = gateway.status(&numbered(&["a", "b", "c"])).await;
    assert_eq!(parsed.outcome, Outcome::NoResponse);
    assert!(started.elapsed() < call_timeout * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_query_is_keyed_as_configured() {
    let number = numbered(&[TRADE_NO]);
    for (query_key, order, content, can_query) in [
        (QueryKey::TradeNo, &number, Some(r#"{"node_id":"00061967","trade_no":"2025062413293980461"}"#), true),
        (QueryKey::TradeNo, &transfer(), None, false),
        (
            QueryKey::PlatformNo,
            &transfer(),
            Some(r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001"}"#),
            true,
        ),
        (QueryKey::PlatformNo, &number, Some(r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001"}"#), true),
        (QueryKey::Both, &transfer(), Some(r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001"}"#), true),
        (
            QueryKey::Both,
            &number,
            Some(r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001","trade_no":"2025062413293980461"}"#),
            true,
        ),
    ] {
        let server = Server::answering(sign::queried(&with_status("9"))).await;
        let gateway = Yzt::new(YztSettings { query_key, ..yzt_settings(&server.url()) }).unwrap();
        assert_eq!(gateway.can_query(order), can_query, "{query_key:?}");
        gateway.status(order).await;
        let sent = server.received().first().map(|request| request.params());
        assert_eq!(sent.as_ref().map(|params| params["biz_content"].as_str()), content, "{query_key:?}");
        if let Some(params) = sent {
            assert_eq!(params["method"], "bkfunds.balance.pay.query");
            assert!(sign::app_signed(&params));
        }
    }
}
