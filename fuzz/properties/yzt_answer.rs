//! Whatever YZT answers: no call is answered with what only the other call can be, every answer is legal in the state
//! machine, nothing is believed without the platform's signature, and a last word says what it must say to be one: under the
//! node of the method that was called, and of this job if it claims to name it.
//!
//! The first byte chooses call and kind, the rest is the answer's body.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use bursar_domain::{
    Call, JobProgress, Kind, Millis, Names, Outcome, ParsedResponse, Policy, Received, State, Suspicion, after,
};
use bursar_gateways::{
    ContentType, GatewayRequest, QueryKey, ResponseSign, Secret, SplitMethods, SubCodes, Transport, UnsignedErrors,
    UploadMethod, Yzt, YztSettings,
};
use serde_json::Value;
use serde_json::value::RawValue;

const VECTORS: &str = include_str!("../../tests/vectors/vectors.json");
const TOKEN: &str = "01c9a4191bfd4609d26";
const KEY: &str = "1001XP2025010110000001";
const TRANSFER: &str = r#"{"node_id":"00061967","platform_no":"1001XP2025010110000001","total_amount":10,"payer_store_no":"amy99a","payer_type":"1","payee_store_no":"amy99b","payee_type":"2","arrive_time":"T0"}"#;
const BILL: &str = r#"{"trade_type":"1","node_id":"100001","order_amount":199,"order_id":"100010001","order_time":"20240301131800","store_id":"20008221"}"#;
const SPLIT: &str = r#"{"platform_no":"1001XP2025010110000001","anything":"else"}"#;

/// The same account three times: with the platform's key, with one that signs nothing here, and without any.
struct Accounts {
    signed: Yzt,
    stranger: Yzt,
    waived: Yzt,
    orders: [GatewayRequest; 3],
}

static ACCOUNTS: LazyLock<Accounts> = LazyLock::new(|| {
    let vectors: Value = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    let key = |name: &str| vectors["keys"][name].as_str().expect("a key of the vectors").to_owned();
    let account = |private_key: &str, response_sign| {
        let settings = YztSettings {
            transport: Transport::new("http://127.0.0.1:9", ContentType::Form),
            app_id: "202404221232028501746384896".into(),
            app_auth_token: Some(Secret::new(TOKEN.into())),
            private_key: Secret::new(key(private_key)),
            response_sign,
            unsigned_errors: UnsignedErrors::default(),
            query_key: QueryKey::Both,
            upload_method: UploadMethod::FundsBillUpload,
            split: Some(SplitMethods {
                apply: "bkfunds.split.apply".into(),
                query: Some("bkfunds.split.query".into()),
            }),
            sub_codes: SubCodes {
                refused: vec!["isv.final".into()],
                duplicate: vec!["isv.duplicate".into()],
                not_executed: vec!["isv.later".into()],
                unseen: vec!["isv.unseen".into()],
            },
        };
        Yzt::new(settings).expect("an account on the vectors' keys")
    };
    let order = |kind, content| GatewayRequest {
        kind,
        key: KEY.into(),
        content: Arc::from(content),
        trade_nos: vec!["2025062413293980461".into()],
        sent_before: true,
        send_by: None,
    };
    Accounts {
        signed: account("app_private_pkcs8", ResponseSign::Required(key("platform_public_spki"))),
        stranger: account("platform_private_pkcs8", ResponseSign::Required(key("app_public_spki"))),
        waived: account("app_private_pkcs8", ResponseSign::Waived),
        orders: [order(Kind::Transfer, TRANSFER), order(Kind::BillUpload, BILL), order(Kind::Split, SPLIT)],
    }
});

pub(crate) fn check(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let Ok(body) = std::str::from_utf8(body) else { return };
    let accounts = &*ACCOUNTS;
    let call = if choice & 1 == 0 { Call::Send } else { Call::Query };
    let order = &accounts.orders[usize::from(choice >> 1) % accounts.orders.len()];

    let waived = accounts.waived.understand(call, order, body);
    let signed = accounts.signed.understand(call, order, body);
    let stranger = accounts.stranger.understand(call, order, body);
    for parsed in [&waived, &signed, &stranger] {
        check_reading(parsed, call, body);
    }
    assert_eq!(waived, accounts.waived.understand(call, order, body), "the same answer is read the same way");
    assert_eq!(stranger.outcome, Outcome::NoResponse, "believed without a signature: {stranger:?}");
    assert_eq!(stranger.received, Received::Nothing, "relied on without a signature: {stranger:?}");
    assert!(signed.outcome == waived.outcome || signed.outcome == Outcome::NoResponse, "{signed:?} against {waived:?}");
    for parsed in [&waived, &signed, &stranger] {
        assert!(parsed.received == Received::Response || parsed.outcome == Outcome::NoResponse, "{parsed:?}");
        assert!(parsed.suspicion == Suspicion::Nothing || parsed.outcome == Outcome::NoResponse, "{parsed:?}");
    }
    assert_eq!(waived.suspicion, Suspicion::Nothing, "what is believed needs no suspicion: {waived:?}");
    if waived.outcome.final_state().is_some() {
        assert!(says_the_last_word(&waived, call, order, body), "{call:?} {:?}: {waived:?}", order.kind);
    }
}

fn check_reading(parsed: &ParsedResponse, call: Call, body: &str) {
    let forbidden = match call {
        Call::Send => Outcome::NotFound,
        Call::Query => Outcome::Rejected,
    };
    assert_ne!(parsed.outcome, forbidden, "to {call:?}");
    let states: &[State] = match call {
        Call::Send => &[State::Queued, State::InDoubt, State::Pending],
        Call::Query => &[State::InDoubt, State::Pending, State::Succeeded],
    };
    for state in states {
        assert!(after(&progress(*state), call, parsed.outcome, &Policy::default(), Millis(1000)).is_ok(), "{parsed:?}");
    }
    for (text, max) in [
        (&parsed.message, 200),
        (&parsed.code, 129),
        (&parsed.status, 64),
        (&parsed.trade_no, 64),
        (&parsed.request_id, 64),
    ] {
        let text = text.as_deref().unwrap_or_default();
        assert!(text.chars().count() <= max, "longer than {max}: {text}");
        assert!(!text.chars().any(char::is_control), "control characters: {text:?}");
        assert!(!text.contains(TOKEN), "the token is shown: {text}");
    }
    if let Some(number) = &parsed.trade_no {
        assert!(number.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{number}");
        assert!(body.contains('"'), "a number out of nowhere");
        assert_ne!(parsed.outcome, Outcome::Mismatch, "another job's number is kept");
    }
}

fn progress(state: State) -> JobProgress {
    JobProgress {
        state,
        sends: 1,
        resends: 0,
        queries: 1,
        losses: 0,
        first_sent: Some(Millis(0)),
        last_sent: Some(Millis(0)),
        sent_before: None,
        ordered: None,
        late_response: None,
        can_query: true,
        names: Names::Job,
        received: Received::Nothing,
        not_ready: false,
        repeat_is_answered: true,
        next_day: false,
        seed: 1,
    }
}

type Object = HashMap<String, Box<RawValue>>;

/// The page's rule for a last word, written a second time and without regard to how the reader does it.
fn says_the_last_word(parsed: &ParsedResponse, call: Call, order: &GatewayRequest, body: &str) -> bool {
    let outer: Object = serde_json::from_str(body).expect("an object");
    let own: &[&str] = match (call, order.kind) {
        (Call::Send, Kind::Transfer) => &["bkfunds_balance_pay_apply_response"],
        (Call::Query, Kind::Transfer) => &["bkfunds_balance_pay_query_response"],
        (Call::Send, Kind::Split) => &["bkfunds_split_apply_response"],
        (Call::Query, Kind::Split) => &["bkfunds_split_query_response"],
        (Call::Send, Kind::BillUpload) => &["funds_bill_upload_response", "bkfunds_order_upload_response"],
        (Call::Send, Kind::Withdrawal) => &["bkfunds_withdraw_apply_response"],
        (Call::Query, Kind::BillUpload | Kind::Withdrawal) => &["_response"], // there is no method to name
    };
    let is_duplicate = |node: &str| {
        let node: Option<Object> = serde_json::from_str(node).ok();
        node.is_some_and(|node| word(&node, "sub_code").as_deref() == Some("isv.duplicate"))
    };
    // The error node tells of errors alone; that the gateway has a bill already is one.
    let fits = |name: &str, node: &str| own.contains(&name) || (name == "error_response" && is_duplicate(node));
    let nodes = outer.iter().filter(|(name, node)| fits(name, node.get()));
    nodes.map(|(_, node)| node.get()).any(|node| node_says(parsed, call, order, node))
}

fn node_says(parsed: &ParsedResponse, call: Call, order: &GatewayRequest, node: &str) -> bool {
    let outcome = parsed.outcome;
    let Ok(node) = serde_json::from_str::<Object>(node) else { return false };
    let sub_code = value(&node, "sub_code");
    if order.kind == Kind::BillUpload && sub_code.as_ref().is_some_and(|code| code == "isv.duplicate") {
        return outcome == Outcome::Succeeded;
    }
    let done = word(&node, "code").as_deref() == Some("10000")
        && sub_code.is_none_or(|code| code == "")
        && value(&node, "success").is_none_or(|success| success == true || success == "true");
    if order.kind == Kind::BillUpload {
        return done && outcome == Outcome::Succeeded && call == Call::Send;
    }
    let Some(Ok(data)) = node.get("data").map(|data| serde_json::from_str::<Object>(data.get())) else { return false };
    let words = [(Outcome::Succeeded, "1"), (Outcome::Failed, "0"), (Outcome::Refunded, "2")];
    let status = words.iter().find(|(word, _)| *word == outcome).map(|(_, status)| *status);
    let key = value(&data, "platform_no").filter(|key| *key != "");
    let amount = value(&data, "total_amount").filter(|amount| *amount != "");
    let named = call == Call::Query || parsed.names == Names::Job;
    if matches!(word(&data, "trade_type").as_deref(), Some("r" | "R")) && outcome != Outcome::Refunded {
        return false;
    }
    let key_fits = key.map_or(!named, |key| key == KEY);
    let amount_fits = match order.kind {
        Kind::Transfer => {
            amount.map_or(!named, |amount| amount == 10 || text_of(&amount).trim_start_matches('0') == "10")
        }
        Kind::BillUpload | Kind::Split => true,
        Kind::Withdrawal => false, // no response to it is a last word
    };
    done && status.is_some() && word(&data, "status").as_deref() == status && key_fits && amount_fits
}

/// A field's value. What cannot be read is `false`, which is no field's right value.
fn value(object: &Object, name: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(object.get(name)?.get()).unwrap_or(Value::Bool(false));
    (!value.is_null()).then_some(value)
}

fn word(object: &Object, name: &str) -> Option<String> {
    value(object, name).map(|value| text_of(&value))
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
