//! Whatever BeingFi answers: no send is `NotFound`, every answer is legal, nothing is believed under another secret, and a
//! verified answer is a last word only in the states that the page names.
//!
//! The first byte chooses between a whole body (as received) and the fields of a division, which are then signed here.

use std::sync::{Arc, LazyLock};

use bursar_domain::{Call, JobProgress, Kind, Millis, Names, Outcome, ParsedResponse, Policy, Received, State, after};
use bursar_gateways::{
    Beingfi, BeingfiSettings, Bound, ContentType, GatewayRequest, Receiver, RefusalTexts, Secret, Transport,
};
use md5::{Digest, Md5};
use serde_json::json;

const SECRET: &str = "TESTKEY-9f1c0000-not-real";
const ACCOUNT: &str = "guo.jing@taohua.example";
const STRANGERS_SECRET: &str = "TESTKEY-of-somebody-else";
const CONTENT: &str = r#"{"payOrderId":"P202108271011463510002","useSysAutoDivisionReceivers":0,"receivers":"[{\"receiverId\":\"800029\",\"divisionProfit\":\"0.0001\"}]"}"#;

struct Accounts {
    right: Beingfi,
    stranger: Beingfi,
    orders: [GatewayRequest; 2],
    receiver: Receiver,
}

static ACCOUNTS: LazyLock<Accounts> = LazyLock::new(|| {
    let account = |secret: &str| {
        let settings = BeingfiSettings {
            transport: Transport::new("http://127.0.0.1:9", ContentType::Form),
            mch_no: "M1623997351".into(),
            app_id: "60cc3ba74ee0e6685f57eb1e".into(),
            secret: Secret::new(secret.into()),
            channel: None,
            split_query_path: Some("/api/division/query".into()),
            texts: RefusalTexts::default(),
        };
        Beingfi::new(settings).expect("an account")
    };
    let order = |sent_before| GatewayRequest {
        kind: Kind::Split,
        key: "S1".into(),
        content: Arc::from(CONTENT),
        trade_nos: Vec::new(),
        sent_before,
        send_by: None,
    };
    Accounts {
        right: account(SECRET),
        stranger: account(STRANGERS_SECRET),
        orders: [order(false), order(true)],
        receiver: receiver(),
    }
});

fn receiver() -> Receiver {
    let fields = json!({"ifCode": "alipay", "receiverGroupId": 1, "accType": 0, "accNo": ACCOUNT, "accName": "郭靖", "relationType": "USER",
        "divisionProfit": "0.3"});
    let serde_json::Value::Object(fields) = fields else { unreachable!("it is written as an object") };
    Receiver::read(fields).expect("a receiver")
}

pub(crate) fn check(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let accounts = &*ACCOUNTS;
    let order = &accounts.orders[usize::from(choice & 1)];
    let body = if choice & 2 == 0 { rest.to_owned() } else { signed_division(rest) };

    let parsed = accounts.right.understand(Call::Send, order, &body);
    check_reading(&parsed, SECRET);
    if choice & 2 != 0 {
        check_division(&parsed, rest);
    }
    let stranger = accounts.stranger.understand(Call::Send, order, &body);
    check_reading(&stranger, STRANGERS_SECRET);
    // A code other than 0 is never signed by anybody, so refusals stay; what code 0 says does not.
    assert!(
        stranger.outcome == parsed.outcome || stranger.outcome == Outcome::NoResponse,
        "{stranger:?} against {parsed:?}"
    );
    assert!(stranger.outcome.final_state().is_none(), "believed under another secret: {stranger:?}");

    let queried = accounts.right.understand(Call::Query, order, &body);
    assert_bounds(&queried, SECRET);
    assert!(!matches!(queried.outcome, Outcome::Rejected | Outcome::NotReady), "a query is answered {queried:?}");
    let stranger = accounts.stranger.understand(Call::Query, order, &body);
    assert!(stranger.outcome.final_state().is_none(), "believed under another secret: {stranger:?}");

    for (account, secret) in [(&accounts.right, SECRET), (&accounts.stranger, STRANGERS_SECRET)] {
        match account.understand_bind(&accounts.receiver, &body) {
            Bound::Done { receiver_id, parsed } => {
                assert_eq!(secret, SECRET, "bound under another secret");
                assert!(body.contains("receiverId") || body.contains('\\'), "{receiver_id} out of nowhere");
                assert_hides_whose(&parsed, secret);
            }
            Bound::Rejected(parsed) | Bound::Unknown(parsed) => assert_hides_whose(&parsed, secret),
        }
    }
}

fn check_reading(parsed: &ParsedResponse, secret: &str) {
    assert_ne!(parsed.outcome, Outcome::NotFound);
    for state in [State::Queued, State::InDoubt, State::Pending] {
        let progress = JobProgress {
            state,
            sends: 1,
            resends: 0,
            queries: 0,
            losses: 0,
            first_sent: Some(Millis(0)),
            last_sent: Some(Millis(0)),
            sent_before: None,
            ordered: None,
            late_response: None,
            can_query: false,
            names: Names::Job,
            received: Received::Nothing,
            not_ready: false,
            repeat_is_answered: false,
            next_day: false,
            seed: 1,
        };
        let next = after(&progress, Call::Send, parsed.outcome, &Policy::default(), Millis(1000));
        assert!(next.is_ok(), "{state}: {parsed:?}");
    }
    assert_bounds(parsed, secret);
}

fn assert_hides_whose(parsed: &ParsedResponse, secret: &str) {
    assert_bounds(parsed, secret);
    for text in [&parsed.message, &parsed.code, &parsed.status, &parsed.trade_no].into_iter().flatten() {
        assert!(!text.contains(ACCOUNT) && !text.contains("郭靖"), "whose account it is is shown: {text}");
    }
}

fn assert_bounds(parsed: &ParsedResponse, secret: &str) {
    for (text, max) in [(&parsed.message, 200), (&parsed.code, 66), (&parsed.status, 64), (&parsed.trade_no, 64)] {
        let text = text.as_deref().unwrap_or_default();
        assert!(text.chars().count() <= max, "longer than {max}: {text}");
        assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
        assert!(!text.contains(secret), "the secret is shown: {text}");
    }
}

/// Lines of `text` as `state`, `errCode`, `errMsg` and `channelBatchOrderId`, signed by the letter of the page's rule.
fn signed_division(text: &str) -> String {
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (state, code, said, batch) = (next(), next(), next(), next());
    let pairs = [("channelBatchOrderId", batch), ("errCode", code), ("errMsg", said), ("state", state)];
    let filled = pairs.iter().filter(|(_, value)| !value.is_empty());
    let text: String = filled.map(|(name, value)| format!("{name}={value}&")).collect();
    let sign = hex::encode_upper(Md5::digest(format!("{text}key={SECRET}")));
    let data = json!({"state": state, "errCode": code, "errMsg": said, "channelBatchOrderId": batch});
    json!({"code": 0, "msg": "SUCCESS", "data": data, "sign": sign}).to_string()
}

/// State 1 is done if the channel's batch is named; 2 is failed, but for what the way to the channel may have done; everything else is on its way.
fn check_division(parsed: &ParsedResponse, text: &str) {
    let mut lines = text.splitn(4, '\n');
    let (state, batch) = (lines.next().unwrap_or_default(), lines.nth(2).unwrap_or_default());
    let allowed: &[Outcome] = match state {
        "1" if batch.is_empty() => &[Outcome::Mismatch],
        "1" => &[Outcome::Succeeded],
        "2" => &[Outcome::Failed, Outcome::NoResponse],
        _ => &[Outcome::Accepted],
    };
    assert!(allowed.contains(&parsed.outcome), "state {state:?}: {parsed:?}");
}
